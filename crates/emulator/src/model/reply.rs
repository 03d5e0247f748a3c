//! What calls answer.

use ebs_types::{AttachmentLimit, InstanceId, InstanceState, SnapshotId, VolumeId, Zone};

use crate::model::{
    ApiError, Attachment, AvailabilityZone, Blocks, FastRestore, Instance, LockedSnapshot,
    Modification, Page, Snapshot, Volume, VolumeStatus,
};

/// What a call answers when it is not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Accepted; nothing more to say.
    Done,
    Volume(Volume),
    /// What CopyVolumes made.
    Copied(Volume),
    Volumes(Page<Volume>),
    Statuses(Page<VolumeStatus>),
    Attachment {
        volume: VolumeId,
        attachment: Attachment,
    },
    Modification(Modification),
    Modifications(Page<Modification>),
    Snapshot(Snapshot),
    /// What CreateSnapshots made.
    SnapshotSet(Vec<Snapshot>),
    Snapshots(Page<Snapshot>),
    FastRestoresAsked(FastRestoresAsked),
    FastRestores(Page<FastRestore>),
    Locked(LockedSnapshot),
    LockedSnapshots(Page<LockedSnapshot>),
    Unlocked(SnapshotId),
    Tags(Page<TagDescription>),
    Started(Vec<InstanceDetails>),
    Instances(Page<InstanceDetails>),
    Changes(Vec<InstanceChange>),
    InstanceTypes(Page<InstanceTypeInfo>),
    Zones(Vec<AvailabilityZone>),
    Blocks(Blocks),
}

/// What became of EnableFastSnapshotRestores: it succeeds also where it is refused for some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FastRestoresAsked {
    pub(crate) successful: Vec<FastRestore>,
    pub(crate) unsuccessful: Vec<(SnapshotId, Zone, ApiError)>,
}

/// One tag of one resource, as DescribeTags lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TagDescription {
    pub(crate) resource: String,
    /// EC2's word for its kind, `volume` and the like.
    pub(crate) kind: &'static str,
    pub(crate) key: String,
    pub(crate) value: String,
}

/// An instance and what is attached to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InstanceDetails {
    pub(crate) instance: Instance,
    pub(crate) volumes: Vec<(VolumeId, Attachment)>,
}

/// What a start, stop or terminate did to one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InstanceChange {
    pub(crate) id: InstanceId,
    pub(crate) before: InstanceState,
    pub(crate) after: InstanceState,
}

/// What an instance type offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InstanceTypeInfo {
    pub(crate) name: String,
    pub(crate) limit: AttachmentLimit,
}

impl Reply {
    /// The ids that a call learns of by its reply: of what it made, and of both ends of an attachment.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::Volume(volume) | Self::Copied(volume) => vec![volume.id.as_str()],
            Self::Snapshot(snapshot) => vec![snapshot.id.as_str()],
            Self::SnapshotSet(made) => made.iter().map(|made| made.id.as_str()).collect(),
            Self::Started(made) => made.iter().map(|made| made.instance.id.as_str()).collect(),
            Self::Attachment { volume, attachment } => {
                vec![volume.as_str(), attachment.instance.as_str()]
            }
            _ => Vec::new(),
        }
    }
}
