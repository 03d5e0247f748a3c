//! For whom a volume or snapshot is made, as the sidecars say with `--extra-create-metadata` and `--extra-modify-metadata`.
//!
//! Answers for: the keys that they use, and the names that templates of tags have for them.
//! Doesn't answer for: templates (`template`), tags (`tags`, `class_tags`).

use ebs_types::{InvalidTag, Tags, keys};

use super::params::Parameters;
use super::template::Variables;

/// The claim that a volume is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ClaimNames {
    claim: Option<String>,
    namespace: Option<String>,
    volume: Option<String>,
}

impl ClaimNames {
    /// Takes what is there.
    pub(super) fn take(map: &mut Parameters) -> Self {
        Self {
            claim: map.take("csi.storage.k8s.io/pvc/name"),
            namespace: map.take("csi.storage.k8s.io/pvc/namespace"),
            volume: map.take("csi.storage.k8s.io/pv/name"),
        }
    }

    /// The names, for templates.
    pub(super) fn variables(&self) -> Variables {
        Variables::new([
            ("PVCName", self.claim.clone()),
            ("PVCNamespace", self.namespace.clone()),
            ("PVName", self.volume.clone()),
        ])
    }

    /// Puts what is there on the volume.
    pub(super) fn tag(self, tags: &mut Tags) -> Result<(), InvalidTag> {
        for (key, value) in [
            (keys::PVC_NAME, self.claim),
            (keys::PVC_NAMESPACE, self.namespace),
            (keys::PV_NAME, self.volume),
        ] {
            if let Some(value) = value {
                tags.set(key, value)?;
            }
        }
        Ok(())
    }
}

/// Takes the names of the VolumeSnapshot that a snapshot is for, for templates. Its content's name is in the driver's own tag, too.
pub(super) fn snapshot_names(map: &mut Parameters) -> Variables {
    Variables::new([
        (
            "VolumeSnapshotName",
            map.take("csi.storage.k8s.io/volumesnapshot/name"),
        ),
        (
            "VolumeSnapshotNamespace",
            map.take("csi.storage.k8s.io/volumesnapshot/namespace"),
        ),
        (
            "VolumeSnapshotContentName",
            map.take("csi.storage.k8s.io/volumesnapshotcontent/name"),
        ),
    ])
}

/// The same of a VolumeGroupSnapshot.
pub(super) fn group_snapshot_names(map: &mut Parameters) -> Variables {
    Variables::new([
        (
            "VolumeGroupSnapshotName",
            map.take("csi.storage.k8s.io/volumegroupsnapshot/name"),
        ),
        (
            "VolumeGroupSnapshotNamespace",
            map.take("csi.storage.k8s.io/volumegroupsnapshot/namespace"),
        ),
        (
            "VolumeGroupSnapshotContentName",
            map.take("csi.storage.k8s.io/volumegroupsnapshotcontent/name"),
        ),
    ])
}
