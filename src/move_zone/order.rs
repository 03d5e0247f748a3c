//! What an administrator orders, as plain data.

use std::path::PathBuf;
use std::time::Duration;

use ebs_types::{FsType, SnapshotId, VolumeId, Zone};

use crate::kubernetes::{Claim, is_name};

/// One move of one volume's data.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Whose data.
    pub(crate) subject: Subject,
    /// Into which zone.
    pub(crate) to: Zone,
    /// As of when.
    pub(crate) data: Data,
    /// Where it is said what Kubernetes knows of the volume.
    pub(crate) objects: Objects,
    /// The name of the new PersistentVolume and of the move: the same one goes on with the same move.
    pub(crate) name: Option<String>,
    /// Whether anything is done, in place of telling what would be.
    pub(crate) act: bool,
    /// Whether the claim is given the new volume in the cluster.
    pub(crate) rebind: bool,
    /// Whether a snapshot is taken though an instance still has the volume.
    pub(crate) while_attached: bool,
    /// Where the manifests go; `None` for standard output.
    pub(crate) output: Option<PathBuf>,
    /// How long to wait for a snapshot, and for Kubernetes.
    pub(crate) patience: Duration,
}

/// What names the volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Its claim.
    Claim(Claim),
    /// Its PersistentVolume.
    Volume(String),
    /// EC2's id of it.
    Id(VolumeId),
}

/// As of when the data are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// Of now, by a new snapshot; of the newest one there is where EC2 says that the zone is out.
    Latest,
    /// Of now, whatever EC2 says of the zone.
    New,
    /// Of the newest snapshot there is.
    Newest,
    /// Of this snapshot.
    Of(SnapshotId),
}

/// Where it is said what Kubernetes knows of the volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Objects {
    /// In the cluster.
    Cluster,
    /// In a file, as `kubectl get pv,pvc -o json` writes it.
    File(PathBuf),
    /// In flags.
    Flags(Flags),
}

/// What manifests need and a volume's id does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flags {
    /// The claim that the new PersistentVolume is for.
    pub(crate) claim: Option<Claim>,
    /// Its StorageClass; empty for none.
    pub(crate) storage_class: String,
    /// The file system on it; `None` for a raw block volume.
    pub(crate) fs: Option<FsType>,
    /// `Retain` or `Delete`.
    pub(crate) reclaim_policy: String,
    /// `ReadWriteOnce`, …
    pub(crate) access_mode: String,
}

/// A text that names no claim.
#[derive(Debug, thiserror::Error)]
#[error(
    "{value:?} is not a claim: write NAMESPACE/NAME, as in default/data; each of lowercase letters, digits, '-' and '.'"
)]
pub(crate) struct InvalidClaim {
    value: String,
}

/// Reads `NAMESPACE/NAME`.
pub(crate) fn parse_claim(text: &str) -> Result<Claim, InvalidClaim> {
    let named = text
        .split_once('/')
        .filter(|(namespace, name)| is_name(namespace) && is_name(name));
    let (namespace, name) = named.ok_or_else(|| InvalidClaim {
        value: text.to_owned(),
    })?;
    Ok(Claim {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
    })
}

impl Order {
    /// The name of the new PersistentVolume, which its volume's tag `CSIVolumeName` has, too.
    pub(super) fn name_for(&self, volume: &VolumeId) -> String {
        match &self.name {
            Some(name) => name.clone(),
            None => format!("moved-{volume}-{}", self.to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_and_other_texts_refused() {
        let read = parse_claim("shop/data-0").unwrap();
        assert_eq!((&*read.namespace, &*read.name), ("shop", "data-0"));
        for bad in [
            "data",
            "shop/",
            "/data",
            "a/b/c",
            "shop/Data",
            "shop/../x",
            "a b/c",
        ] {
            let words = parse_claim(bad).unwrap_err().to_string();
            assert!(words.contains("NAMESPACE/NAME"), "{words}");
        }
    }
}
