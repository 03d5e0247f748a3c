//! Whose a volume is: its PersistentVolume, and the claim that this is bound to.
//!
//! The kubelet writes the name of the PersistentVolume beside each place where it has a volume mounted. The claim is known only to
//! the Kubernetes API: it is asked once for each volume, since a PersistentVolume is bound once in its life. What is not known
//! is empty.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ebs_types::VolumeHandle;
use host::VolumeInUse;
use serde::Deserialize;
use tokio::time::Instant;

use super::{ByVolume, lock};
use crate::kubernetes::{Claim, Kubernetes, KubernetesError};

/// How long a scrape waits for Kubernetes to name claims that are not known yet.
const LIMIT: Duration = Duration::from_secs(2);
/// So long after it did not, it is not asked about the same volume again.
const PAUSE: Duration = Duration::from_secs(300);
/// More than the kubelet ever writes there.
const LARGEST_FILE: u64 = 64 * 1024;

/// Who answers for claims.
#[async_trait]
pub(crate) trait ReadClaim: Send + Sync + 'static {
    /// The claim that a PersistentVolume is bound to, if it is.
    async fn claim(&self, persistent_volume: &str) -> Result<Option<Claim>, KubernetesError>;
}

/// Whose a volume is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Its PersistentVolume.
    pub(super) persistent_volume: String,
    /// The claim's name.
    pub(super) claim: String,
    /// The claim's namespace.
    pub(super) namespace: String,
}

/// What is known of claims.
pub(crate) struct Owners {
    driver: &'static str,
    claims: Arc<dyn ReadClaim>,
    /// By PersistentVolume.
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Clone)]
enum Known {
    Bound(Claim),
    /// It was asked at this time, without success.
    Not(Instant),
}

impl Owners {
    /// Of volumes of the driver of this name.
    pub(crate) fn new(driver: &'static str, claims: Arc<dyn ReadClaim>) -> Self {
        Self {
            driver,
            claims,
            known: Mutex::default(),
        }
    }

    /// Whose these are. Forgets all others.
    pub(super) async fn of(&self, in_use: &[VolumeInUse]) -> ByVolume<Owner> {
        let volumes = in_use.to_vec();
        let driver = self.driver;
        let names = tokio::task::spawn_blocking(move || names(&volumes, driver));
        let names = names.await.unwrap_or_default();
        let current = |name: &String| names.values().any(|other| other == name);
        lock(&self.known).retain(|name, _| current(name));
        // What is late stays unknown for as long as what is refused.
        let _ = tokio::time::timeout(LIMIT, self.ask(names.values())).await;
        let known = lock(&self.known);
        let owner = |name: String| match known.get(&name) {
            Some(Known::Bound(claim)) => Owner {
                persistent_volume: name,
                claim: claim.name.clone(),
                namespace: claim.namespace.clone(),
            },
            _ => Owner {
                persistent_volume: name,
                ..Owner::default()
            },
        };
        let owned = names.into_iter();
        owned.map(|(volume, name)| (volume, owner(name))).collect()
    }

    /// Asks about those of which nothing is known.
    async fn ask(&self, names: impl Iterator<Item = &String>) {
        let unknown: Vec<&String> = {
            let known = lock(&self.known);
            let is_known = |name: &&String| match known.get(*name) {
                Some(Known::Bound(_)) => true,
                Some(Known::Not(asked)) => asked.elapsed() < PAUSE,
                None => false,
            };
            names.filter(|name| !is_known(name)).collect()
        };
        let now = Instant::now();
        let not = unknown
            .iter()
            .map(|name| ((*name).clone(), Known::Not(now)));
        lock(&self.known).extend(not);
        // One after the other: there are many only after a start, and a connection costs more memory than time.
        for name in unknown {
            match self.claims.claim(name).await {
                Ok(Some(claim)) => {
                    lock(&self.known).insert(name.clone(), Known::Bound(claim));
                }
                Ok(None) | Err(KubernetesError::NotFound { .. }) => {}
                Err(error) => {
                    tracing::debug!(%error, "the claims of this node's volumes are not known");
                    return;
                }
            }
        }
    }
}

#[async_trait]
impl ReadClaim for Kubernetes {
    async fn claim(&self, persistent_volume: &str) -> Result<Option<Claim>, KubernetesError> {
        self.claim_of(persistent_volume).await
    }
}

/// What the kubelet writes about a volume (pkg/volume/csi in Kubernetes' source, `vol_data.json`).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VolumeData {
    driver_name: String,
    volume_handle: String,
    #[serde(rename = "specVolID")]
    persistent_volume: String,
}

/// The PersistentVolumes that are named beside the volumes' mounts. Blocks.
fn names(in_use: &[VolumeInUse], driver: &str) -> ByVolume<String> {
    let name = |volume: &VolumeInUse| {
        let mut named = volume.targets.iter().filter_map(|target| {
            let data = read(&data_file(target)?)?;
            let handle: VolumeHandle = data.volume_handle.parse().ok()?;
            // A node-local volume's handle is the same on every node and names no volume.
            let same = handle.id().is_none_or(|id| *id == volume.volume);
            let ours = data.driver_name == driver && same;
            ours.then_some(data.persistent_volume)
        });
        Some((volume.volume.clone(), named.next()?))
    };
    in_use.iter().filter_map(name).collect()
}

fn read(file: &Path) -> Option<VolumeData> {
    let small = std::fs::metadata(file).ok()?.len() <= LARGEST_FILE;
    let text = small.then(|| std::fs::read(file).ok()).flatten()?;
    serde_json::from_slice(&text).ok()
}

/// Beside a directory that is mounted; a raw device's is in a directory apart.
fn data_file(target: &Path) -> Option<PathBuf> {
    const FILE: &str = "vol_data.json";
    let parent = target.parent()?;
    let publish = parent.parent()?;
    let devices = publish.parent()?;
    if publish.ends_with("publish") && devices.ends_with("volumeDevices") {
        let name = parent.file_name()?;
        return Some(devices.join(name).join("data").join(FILE));
    }
    Some(parent.join(FILE))
}

#[cfg(test)]
mod tests;
