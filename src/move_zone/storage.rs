//! What Kubernetes, a file or flags say of the volume to move.
//!
//! Answers for: finding the volume's PersistentVolume and claim, also in the middle of a move that was cut off.
//! Doesn't answer for: changing any of them (`rebind`).

use std::path::Path;

use ebs_types::{VolumeHandle, VolumeId};
use serde_json::Value;

use super::error::Error;
use super::manifests::{self, CLAIM, FROM, FROM_PV, TO_ZONE, annotation, claim_at, text};
use super::order::{Objects, Order, Subject};
use crate::kubernetes::{Claim, Connection};

/// A volume to move, and its objects.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    /// Whose data are moved.
    pub(super) volume: VolumeId,
    /// Its PersistentVolume as it was before the move; `None` where only flags describe it.
    pub(super) pv: Option<Value>,
    /// Its claim as it is to be made anew; `None` where it has none.
    pub(super) claim: Option<Value>,
    /// How far the cluster is with the move; `None` where there is none to ask.
    pub(super) cluster: Option<InCluster>,
}

/// How far the cluster is.
#[derive(Clone, Debug)]
pub(super) struct InCluster {
    /// The old PersistentVolume, if it is there.
    pub(super) old: Option<Value>,
    /// The new one, if it is there.
    pub(super) new: Option<Value>,
    /// The claim, as it is now.
    pub(super) claim: Option<Value>,
}

impl Storage {
    /// The claim's name.
    pub(super) fn claim_name(&self) -> Option<Claim> {
        claim_at(self.claim.as_ref()?, "/metadata")
    }

    /// The old PersistentVolume's name.
    pub(super) fn pv_name(&self) -> Option<&str> {
        text(self.pv.as_ref()?, "/metadata/name")
    }

    /// Whether the cluster has something of the move already.
    pub(super) fn is_rebinding(&self) -> bool {
        self.cluster.as_ref().is_some_and(|seen| seen.new.is_some())
    }
}

/// Reads what the order names.
pub(super) async fn read(order: &Order, connection: Option<&Connection>) -> Result<Storage, Error> {
    match &order.objects {
        Objects::Cluster => {
            let connection = connection.ok_or(Error::NoCluster)?;
            Reading { order, connection }.read().await
        }
        Objects::File(file) => in_file(order, file),
        Objects::Flags(_) => match &order.subject {
            Subject::Id(volume) => Ok(Storage {
                volume: volume.clone(),
                pv: None,
                claim: None,
                cluster: None,
            }),
            Subject::Claim(_) | Subject::Volume(_) => Err(Error::NoCluster),
        },
    }
}

/// One look at a cluster.
struct Reading<'a> {
    order: &'a Order,
    connection: &'a Connection,
}

impl Reading<'_> {
    async fn read(&self) -> Result<Storage, Error> {
        let (found, claim) = match &self.order.subject {
            Subject::Claim(claim) => self.by_claim(claim).await?,
            Subject::Volume(name) => {
                let volume = self.volume(name).await?;
                let volume = volume.ok_or_else(|| no(format!("PersistentVolume {name}")))?;
                self.with_claim(volume).await?
            }
            Subject::Id(id) => {
                let named = self
                    .search(|pv| volume_of(pv).is_ok_and(|of| of == *id))
                    .await?;
                let volume = named.ok_or_else(|| no(format!("PersistentVolume of {id}")))?;
                self.with_claim(volume).await?
            }
        };
        match self.is_result(&found) {
            true => self.of_result(found, claim).await,
            false => self.of_source(found, claim).await,
        }
    }

    /// By a claim that may have gone, or may not be bound yet, since a move was cut off.
    async fn by_claim(&self, name: &Claim) -> Result<(Value, Option<Value>), Error> {
        let claim = self.connection.whole_claim(name).await?;
        let bound = claim
            .as_ref()
            .and_then(|claim| text(claim, "/spec/volumeName"));
        if let Some(bound) = bound {
            let volume = self.volume(bound).await?;
            let volume = volume.ok_or_else(|| no(format!("PersistentVolume {bound}")))?;
            return Ok((volume, claim));
        }
        let moved = |pv: &Value| {
            text(pv, &annotation(CLAIM)).is_some()
                && claim_at(pv, "/spec/claimRef").as_ref() == Some(name)
        };
        match (self.search(moved).await?, claim) {
            (Some(volume), claim) if self.is_result(&volume) => Ok((volume, claim)),
            (Some(volume), _) => Err(Error::UnderWay {
                claim: shown(name),
                zone: text(&volume, &annotation(TO_ZONE))
                    .unwrap_or_default()
                    .to_owned(),
                pv: text(&volume, "/metadata/name")
                    .unwrap_or_default()
                    .to_owned(),
            }),
            (None, Some(_)) => Err(Error::Unbound { claim: shown(name) }),
            (None, None) => Err(no(format!("claim {}", shown(name)))),
        }
    }

    async fn with_claim(&self, volume: Value) -> Result<(Value, Option<Value>), Error> {
        let claim = match claim_at(&volume, "/spec/claimRef") {
            Some(name) => self.connection.whole_claim(&name).await?,
            None => None,
        };
        Ok((volume, claim))
    }

    /// Whether it is what this move leads to, and not what it begins with.
    fn is_result(&self, pv: &Value) -> bool {
        text(pv, &annotation(TO_ZONE)) == Some(self.order.to.as_str())
            && text(pv, &annotation(FROM)).is_some()
    }

    /// A move that has made its PersistentVolume.
    async fn of_result(&self, new: Value, live: Option<Value>) -> Result<Storage, Error> {
        let from = text(&new, &annotation(FROM)).unwrap_or_default();
        let volume = from.parse().map_err(|error| Error::Object {
            what: format!("annotation {FROM} of PersistentVolume {}", name_of(&new)),
            reason: format!("{error}"),
        })?;
        let old = match text(&new, &annotation(FROM_PV)) {
            Some(name) => self.volume(name).await?,
            None => None,
        };
        let claim = recorded(&new)?.or_else(|| live.clone());
        Ok(Storage {
            volume,
            pv: Some(old.clone().unwrap_or_else(|| new.clone())),
            claim,
            cluster: Some(InCluster {
                old,
                new: Some(new),
                claim: live,
            }),
        })
    }

    /// A move that has changed nothing in the cluster, or has only made its PersistentVolume.
    async fn of_source(&self, old: Value, live: Option<Value>) -> Result<Storage, Error> {
        let volume = volume_of(&old)?;
        let new = self.volume(&self.order.name_for(&volume)).await?;
        if let Some(new) = &new
            && text(new, &annotation(FROM)) != Some(volume.as_str())
        {
            return Err(Error::NameTaken {
                name: name_of(new).to_owned(),
                difference: format!("it has no annotation {FROM}: {volume}"),
            });
        }
        let its_own = |claim: &Value| text(claim, "/spec/volumeName") == Some(name_of(&old));
        let recorded = new.as_ref().map(recorded).transpose()?.flatten();
        let claim = recorded.or_else(|| live.clone().filter(its_own));
        Ok(Storage {
            volume,
            pv: Some(old.clone()),
            claim,
            cluster: Some(InCluster {
                old: Some(old),
                new,
                claim: live,
            }),
        })
    }

    async fn volume(&self, name: &str) -> Result<Option<Value>, Error> {
        Ok(self.connection.whole_volume(name).await?)
    }

    /// The first PersistentVolume that fits, page by page.
    async fn search(&self, fits: impl Fn(&Value) -> bool) -> Result<Option<Value>, Error> {
        let mut more = String::new();
        loop {
            let (page, next) = self.connection.whole_volumes(&more).await?;
            if let Some(found) = page.into_iter().find(&fits) {
                return Ok(Some(found));
            }
            if next.is_empty() {
                return Ok(None);
            }
            more = next;
        }
    }
}

/// The claim that was kept before it went.
fn recorded(new: &Value) -> Result<Option<Value>, Error> {
    let Some(record) = text(new, &annotation(CLAIM)) else {
        return Ok(None);
    };
    let claim = serde_json::from_str(record).map_err(|error| Error::Object {
        what: format!("annotation {CLAIM} of PersistentVolume {}", name_of(new)),
        reason: error.to_string(),
    })?;
    Ok(Some(claim))
}

/// The volume of EC2 that a PersistentVolume names.
fn volume_of(pv: &Value) -> Result<VolumeId, Error> {
    let name = || name_of(pv).to_owned();
    let handle = manifests::handle(pv).ok_or_else(|| Error::NotOurs { pv: name() })?;
    match handle.parse() {
        Ok(VolumeHandle::Ebs(id)) => Ok(id),
        Ok(VolumeHandle::Local(_)) => Err(Error::NodeLocal {
            pv: name(),
            handle: handle.to_owned(),
        }),
        Err(error) => Err(Error::Handle { pv: name(), error }),
    }
}

fn name_of(object: &Value) -> &str {
    text(object, "/metadata/name").unwrap_or_default()
}

/// A claim as users write it.
pub(super) fn shown(claim: &Claim) -> String {
    format!("{}/{}", claim.namespace, claim.name)
}

fn no(what: String) -> Error {
    Error::NoObject { what }
}

/// The objects that `kubectl get -o json` has written.
fn in_file(order: &Order, file: &Path) -> Result<Storage, Error> {
    let wrong = |reason: String| Error::Manifests {
        file: file.to_owned(),
        reason,
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let read: Value = serde_json::from_str(&text)
        .map_err(|error| wrong(format!("it is not JSON ({error}): use -o json")))?;
    let objects = match read.get("items").and_then(Value::as_array) {
        Some(items) => items.clone(),
        None => vec![read],
    };
    let of_kind = |kind: &'static str| objects.iter().filter(move |object| object["kind"] == kind);
    let mut volumes: Vec<&Value> = of_kind("PersistentVolume").collect();
    let mut claims: Vec<&Value> = of_kind("PersistentVolumeClaim").collect();
    match &order.subject {
        Subject::Claim(claim) => {
            claims.retain(|object| claim_at(object, "/metadata").as_ref() == Some(claim));
            let bound = |pv: &&Value| claim_at(pv, "/spec/claimRef").as_ref() == Some(claim);
            volumes.retain(bound);
        }
        Subject::Volume(name) => volumes.retain(|pv| name_of(pv) == name),
        Subject::Id(id) => volumes.retain(|pv| volume_of(pv).is_ok_and(|of| of == *id)),
    }
    let [pv] = volumes.as_slice() else {
        let count = volumes.len();
        return Err(wrong(format!(
            "it has {count} PersistentVolumes that fit, not 1"
        )));
    };
    let named = claim_at(pv, "/spec/claimRef");
    claims.retain(|claim| named.is_some() && claim_at(claim, "/metadata") == named);
    Ok(Storage {
        volume: volume_of(pv)?,
        pv: Some((*pv).clone()),
        claim: claims.first().map(|claim| (*claim).clone()),
        cluster: None,
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use serde_json::json;

    use super::super::order::{Data, parse_claim};
    use super::*;

    fn order(subject: Subject, file: PathBuf) -> Order {
        Order {
            subject,
            to: "eu-central-1b".parse().unwrap(),
            data: Data::Latest,
            objects: Objects::File(file),
            name: None,
            act: false,
            rebind: false,
            while_attached: false,
            output: None,
            patience: Duration::from_secs(1),
        }
    }

    fn pv(name: &str, id: &str, claim: &str) -> Value {
        json!({
            "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {"claimRef": {"namespace": "shop", "name": claim}, "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": id}},
        })
    }

    #[test]
    fn the_objects_of_a_file_are_found_by_any_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("objects.json");
        let (one, two) = ("vol-0123456789abcdef0", "vol-0fedcba9876543210");
        let items = json!({"kind": "List", "items": [
            pv("a", one, "data-a"), pv("b", two, "data-b"),
            {"kind": "PersistentVolumeClaim", "metadata": {"namespace": "shop", "name": "data-b"}, "spec": {}},
        ]});
        std::fs::write(&file, items.to_string()).unwrap();
        for subject in [
            Subject::Claim(parse_claim("shop/data-b").unwrap()),
            Subject::Volume("b".to_owned()),
            Subject::Id(two.parse().unwrap()),
        ] {
            let read = in_file(&order(subject, file.clone()), &file).unwrap();
            assert_eq!((read.volume.as_str(), read.pv_name()), (two, Some("b")));
            assert_eq!(shown(&read.claim_name().unwrap()), "shop/data-b");
        }
        let read = in_file(&order(Subject::Volume("a".to_owned()), file.clone()), &file).unwrap();
        assert_eq!((read.volume.as_str(), read.claim), (one, None));
        let none = in_file(&order(Subject::Volume("c".to_owned()), file.clone()), &file);
        assert!(
            none.unwrap_err()
                .to_string()
                .contains("0 PersistentVolumes")
        );
        std::fs::write(&file, "kind: List").unwrap();
        let yaml = in_file(&order(Subject::Volume("a".to_owned()), file.clone()), &file);
        assert!(yaml.unwrap_err().to_string().contains("-o json"));
    }

    #[test]
    fn what_is_no_volume_of_ec2_is_told() {
        let words = |pv: &Value| volume_of(pv).unwrap_err().to_string();
        assert!(words(&pv("a", "local-ebs://dev/xvdbz", "c")).contains("node-local"));
        assert!(words(&pv("a", "vol", "c")).contains("names no volume of EC2"));
        let other = json!({"metadata": {"name": "a"}, "spec": {"nfs": {}}});
        assert!(words(&other).contains("not of this driver"));
    }
}
