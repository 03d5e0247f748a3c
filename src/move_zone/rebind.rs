//! The claim gets the new volume, in the cluster.
//!
//! Answers for: an order of changes that can be cut anywhere. First the new PersistentVolume is there, free for this claim alone, and
//! holds the claim's own text; then the old one is kept whatever becomes of its claim; only then does the claim go, and is made
//! anew. So from any point on the command, repeated, finds what it needs; and whoever else makes the claim anew meanwhile (a
//! StatefulSet does) gets the new volume, too.
//! Doesn't answer for: what the objects say (`manifests`).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::error::Error;
use super::manifests::{CLAIM, FROM, POLICY, TO_PV, annotation, text};
use super::storage::{InCluster, Storage, shown};
use crate::kubernetes::{Claim, Connection, KubernetesError};

/// Between two looks at what Kubernetes does within a moment.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// The largest text of a claim that fits beside other annotations (Kubernetes takes 256 KiB of them all together).
const LARGEST_CLAIM: usize = 128 * 1024;

/// Rebinding one claim.
pub(super) struct Rebinding<'a> {
    connection: &'a Connection,
    storage: &'a Storage,
    cluster: &'a InCluster,
    claim: Claim,
    patience: Duration,
}

impl<'a> Rebinding<'a> {
    /// # Errors
    /// [`Error::NothingToRebind`] where there is no claim, or one that nobody may make anew.
    pub(super) fn new(
        connection: Option<&'a Connection>,
        storage: &'a Storage,
        patience: Duration,
    ) -> Result<Self, Error> {
        let nothing = |reason: &str| Error::NothingToRebind {
            reason: reason.to_owned(),
        };
        let (Some(connection), Some(cluster)) = (connection, &storage.cluster) else {
            return Err(nothing(
                "it needs the cluster; leave --manifests and --no-kubernetes out",
            ));
        };
        let (Some(claim), Some(object)) = (storage.claim_name(), &storage.claim) else {
            return Err(nothing(
                "no claim is bound to the PersistentVolume; apply the manifests by hand",
            ));
        };
        let owners = object
            .pointer("/metadata/ownerReferences")
            .and_then(Value::as_array);
        let owned = owners
            .into_iter()
            .flatten()
            .any(|owner| owner["kind"] == "Pod" && owner["controller"] == true);
        if owned {
            return Err(nothing(
                "the claim is a pod's own (a generic ephemeral volume), and goes with it; apply the manifests under another name",
            ));
        }
        if object.to_string().len() > LARGEST_CLAIM {
            return Err(nothing(
                "the claim's text is longer than 128 KiB and cannot be kept while it is made anew; apply the manifests by hand",
            ));
        }
        Ok(Self {
            connection,
            storage,
            cluster,
            claim,
            patience,
        })
    }

    /// That no pod holds the claim that is to go. Pods that wait for a node do not.
    ///
    /// # Errors
    /// [`Error::InUse`], which names them.
    pub(super) async fn check_unused(&self) -> Result<(), Error> {
        let mut holders = Vec::new();
        let mut more = String::new();
        loop {
            let (pods, next) = self.connection.pods(&self.claim.namespace, &more).await?;
            holders.extend(pods.iter().filter_map(|pod| self.holder(pod)));
            if next.is_empty() {
                break;
            }
            more = next;
        }
        if holders.is_empty() {
            return Ok(());
        }
        Err(Error::InUse {
            claim: shown(&self.claim),
            pods: holders.join(", "),
        })
    }

    /// The pod, if it is on a node and uses the claim. Kubernetes lets a claim go beside pods without a node alone.
    fn holder(&self, pod: &Value) -> Option<String> {
        let node = text(pod, "/spec/nodeName")?;
        let volumes = pod.pointer("/spec/volumes")?.as_array()?;
        let uses = volumes.iter().any(|volume| {
            text(volume, "/persistentVolumeClaim/claimName") == Some(&self.claim.name)
        });
        let name = text(pod, "/metadata/name").unwrap_or_default();
        let phase = text(pod, "/status/phase").unwrap_or("in no phase");
        uses.then(|| format!("pod {name} on node {node} ({phase})"))
    }

    /// Whether nothing is left to be done.
    pub(super) fn is_done(&self) -> bool {
        let bound = |claim: &Value| text(claim, "/spec/volumeName").map(str::to_owned);
        let name = |pv: &Value| text(pv, "/metadata/name").map(str::to_owned);
        let new = self.cluster.new.as_ref().and_then(name);
        new.is_some() && self.cluster.claim.as_ref().and_then(bound) == new
    }

    /// Does it, telling each step.
    pub(super) async fn run(
        &self,
        volume: &Value,
        claim: &Value,
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<(), Error> {
        let name = text(volume, "/metadata/name").unwrap_or_default();
        self.make_volume(volume, claim, name, tell).await?;
        self.keep_old(name, tell).await?;
        self.take_claim_away(name, tell).await?;
        self.make_claim(claim, name, tell).await?;
        self.bound(name, tell).await
    }

    /// The new PersistentVolume, with the text of the claim.
    async fn make_volume(
        &self,
        volume: &Value,
        claim: &Value,
        name: &str,
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<(), Error> {
        let mut volume = volume.clone();
        if let Some(annotations) = volume.pointer_mut("/metadata/annotations") {
            annotations[CLAIM] = json!(claim.to_string());
        }
        let there = match self.connection.make_volume(&volume).await {
            Ok(_) => {
                tell(&format!("PersistentVolume {name} is made"));
                return Ok(());
            }
            Err(KubernetesError::Conflict { .. }) => self.connection.whole_volume(name).await?,
            Err(error) => return Err(error.into()),
        };
        let Some(there) = there else {
            return Err(Error::NoObject {
                what: format!("PersistentVolume {name}, which was there a moment ago"),
            });
        };
        for pointer in ["/spec/csi/volumeHandle".to_owned(), annotation(FROM)] {
            let (found, wanted) = (text(&there, &pointer), text(&volume, &pointer));
            if found != wanted {
                return Err(Error::NameTaken {
                    name: name.to_owned(),
                    difference: format!(
                        "its {pointer} is {}, not {}",
                        found.unwrap_or("missing"),
                        wanted.unwrap_or_default()
                    ),
                });
            }
        }
        // One that was applied by hand does not keep the claim yet.
        if text(&there, &annotation(CLAIM)).is_none() {
            let keep = json!({"metadata": {"annotations": {CLAIM: claim.to_string()}}});
            self.connection.change_volume(name, &keep).await?;
        }
        tell(&format!("PersistentVolume {name} is there"));
        Ok(())
    }

    /// The old PersistentVolume stays whatever becomes of its claim, and so does its volume.
    async fn keep_old(&self, new: &str, tell: &(dyn Fn(&str) + Sync)) -> Result<(), Error> {
        let Some(old) = &self.cluster.old else {
            return Ok(());
        };
        let name = text(old, "/metadata/name").unwrap_or_default();
        let policy = text(old, "/spec/persistentVolumeReclaimPolicy").unwrap_or("Retain");
        let before = text(old, &annotation(POLICY)).unwrap_or(policy);
        let change = json!({
            "metadata": {"annotations": {TO_PV: new, POLICY: before}},
            "spec": {"persistentVolumeReclaimPolicy": "Retain"},
        });
        let kept = self.connection.change_volume(name, &change).await?;
        let policy = text(&kept, "/spec/persistentVolumeReclaimPolicy");
        if policy != Some("Retain") {
            return Err(Error::Object {
                what: format!("PersistentVolume {name}"),
                reason: format!(
                    "its reclaim policy is {policy:?} though it was set to Retain; nothing more is done"
                ),
            });
        }
        tell(&format!("PersistentVolume {name} is kept (Retain)"));
        Ok(())
    }

    /// The claim of the old PersistentVolume goes, if it is still there.
    async fn take_claim_away(&self, new: &str, tell: &(dyn Fn(&str) + Sync)) -> Result<(), Error> {
        let Some(there) = self.connection.whole_claim(&self.claim).await? else {
            return Ok(());
        };
        match text(&there, "/spec/volumeName") {
            // Somebody else has made it anew already.
            None => return Ok(()),
            Some(bound) if bound == new => return Ok(()),
            Some(bound) if Some(bound) == self.storage.pv_name() => {}
            Some(bound) => return Err(self.elsewhere(bound, new)),
        }
        self.check_unused().await?;
        let uid = text(&there, "/metadata/uid").unwrap_or_default().to_owned();
        self.connection.delete_claim(&self.claim, &uid).await?;
        let gone = async || {
            let claim = self.connection.whole_claim(&self.claim).await?;
            let same = claim.filter(|claim| text(claim, "/metadata/uid") == Some(&uid));
            Ok(match same {
                None => Ok(()),
                Some(claim) => Err(format!(
                    "it is kept by its finalizers {}",
                    claim
                        .pointer("/metadata/finalizers")
                        .unwrap_or(&Value::Null)
                )),
            })
        };
        let what = format!("claim {} did not go", shown(&self.claim));
        self.until(&what, gone).await?;
        tell(&format!(
            "claim {} is deleted, to be made anew",
            shown(&self.claim)
        ));
        Ok(())
    }

    /// The claim as it was, for the new PersistentVolume.
    async fn make_claim(
        &self,
        claim: &Value,
        name: &str,
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<(), Error> {
        match self.connection.make_claim(&self.claim, claim).await {
            Ok(_) => tell(&format!("claim {} is made anew", shown(&self.claim))),
            // By an earlier run, or by a StatefulSet: the PersistentVolume is kept for it.
            Err(KubernetesError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let there = self.connection.whole_claim(&self.claim).await?;
        match there
            .as_ref()
            .and_then(|claim| text(claim, "/spec/volumeName"))
        {
            Some(bound) if bound != name => Err(self.elsewhere(bound, name)),
            _ => Ok(()),
        }
    }

    /// Kubernetes has put the two together.
    async fn bound(&self, name: &str, tell: &(dyn Fn(&str) + Sync)) -> Result<(), Error> {
        let bound = async || {
            let claim = self.connection.whole_claim(&self.claim).await?;
            let claim = claim.unwrap_or_default();
            let (volume, phase) = (
                text(&claim, "/spec/volumeName"),
                text(&claim, "/status/phase"),
            );
            match volume {
                Some(other) if other != name => Err(self.elsewhere(other, name)),
                _ => Ok(match phase {
                    Some("Bound") => Ok(()),
                    _ => Err(format!("it is {}", phase.unwrap_or("not there"))),
                }),
            }
        };
        let what = format!("claim {} was not bound", shown(&self.claim));
        self.until(&what, bound).await?;
        tell(&format!(
            "claim {} is bound to PersistentVolume {name}",
            shown(&self.claim)
        ));
        Ok(())
    }

    /// Looks until it is so, or until the time is over.
    async fn until(
        &self,
        what: &str,
        mut look: impl AsyncFnMut() -> Result<Result<(), String>, Error>,
    ) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            match look().await? {
                Ok(()) => return Ok(()),
                Err(seen) if begun.elapsed() >= self.patience => {
                    return Err(Error::TooLong {
                        what: what.to_owned(),
                        seconds: self.patience.as_secs(),
                        seen,
                    });
                }
                Err(_) => sleep(BETWEEN_LOOKS).await,
            }
        }
    }

    fn elsewhere(&self, bound: &str, wanted: &str) -> Error {
        Error::BoundElsewhere {
            claim: shown(&self.claim),
            bound: bound.to_owned(),
            wanted: wanted.to_owned(),
        }
    }
}
