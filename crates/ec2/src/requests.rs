//! What the driver asks of EC2.

use ebs_types::{
    ClientToken, DeviceName, Gibibytes, InstanceId, Outpost, Performance, SnapshotId, Source, Tags,
    VolumeId, VolumeKind, VolumeState, VolumeType, Zone,
};

/// Encryption of a new volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// As the account's default and the snapshot say.
    #[default]
    AccountDefault,
    /// Asked not to encrypt; the account's default may still enforce it.
    Off,
    /// Encrypted with the account's default EBS key.
    DefaultKey,
    /// Encrypted with this KMS key: id, alias or ARN.
    Key(String),
}

/// A request for CreateVolume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateVolume {
    /// Makes repeating harmless for about half a day.
    pub token: ClientToken,
    /// Where the volume will live.
    pub zone: Zone,
    /// The Outpost of that zone that it will be on; the region otherwise.
    pub outpost: Option<Outpost>,
    /// Its size.
    pub size: Gibibytes,
    /// Its type and speed.
    pub kind: VolumeKind,
    /// What it starts out with.
    pub source: Source,
    /// How fast a snapshot's blocks are fetched, in MiB/s (100 to 300); not for an empty volume.
    pub initialization_rate: Option<u32>,
    /// Whether and how it is encrypted.
    pub encryption: Encryption,
    /// Whether several instances may have it at once; of io1 and io2 alone.
    pub multi_attach: bool,
    /// Its tags, set in the same call.
    pub tags: Tags,
}

/// A request for AttachVolume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachVolume {
    /// Which volume.
    pub volume: VolumeId,
    /// To which instance.
    pub instance: InstanceId,
    /// Under which name.
    pub device: DeviceName,
    /// On which of its EBS cards; the first one if left out, as it must be where the type has one only.
    pub card: Option<u32>,
}

/// A request for CopyVolumes: one copy, in the zone of its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyVolume {
    /// Makes repeating harmless for about half a day.
    pub token: ClientToken,
    /// The volume whose bytes of this moment it gets.
    pub source: VolumeId,
    /// Its size, not below the source's.
    pub size: Gibibytes,
    /// Its type and speed, whatever the source's are.
    pub kind: VolumeKind,
    /// How it is encrypted. A copy of an encrypted volume always is; [`Encryption::AccountDefault`] leaves it with the source's key.
    pub encryption: Encryption,
    /// As in [`CreateVolume`], whatever the source is.
    pub multi_attach: bool,
    /// Its tags, set in the same call; it has none of the source's.
    pub tags: Tags,
}

/// A request for ModifyVolume: what is `None` stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModifyVolume {
    /// Which volume.
    pub volume: VolumeId,
    /// Its new size; EBS never shrinks.
    pub size: Option<Gibibytes>,
    /// Its new type. What is not asked of its speed is then EC2's default for that type, and stays with the type otherwise.
    pub volume_type: Option<VolumeType>,
    /// Its new speed.
    pub performance: Performance,
}

/// A request for CreateSnapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSnapshot {
    /// Of which volume.
    pub volume: VolumeId,
    /// What the console shows, at most 255 characters.
    pub description: String,
    /// The Outpost that keeps it, for a volume that is there; the region keeps it where `None`.
    pub outpost: Option<Outpost>,
    /// Its tags, set in the same call.
    pub tags: Tags,
}

/// A request for CreateSnapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSnapshots {
    /// Of whose volumes.
    pub instance: InstanceId,
    /// Whether its root volume is left out.
    pub exclude_root: bool,
    /// Others of its volumes that are left out, at most [`CreateSnapshots::MOST_EXCLUDED`].
    pub excluded: Vec<VolumeId>,
    /// What the console shows, at most 255 characters.
    pub description: String,
    /// The tags of each, set in the same call.
    pub tags: Tags,
}

impl CreateSnapshots {
    /// How many volumes EC2 leaves out besides the root (EC2 API reference, "InstanceSpecification").
    pub const MOST_EXCLUDED: usize = 40;
}

/// Which volumes to describe. Only [`VolumeQuery::Listed`] is answered in pages; the others as one, however many they match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeQuery {
    /// These ids, at most 500; one unknown id fails the query and is named in the error.
    Ids(Vec<VolumeId>),
    /// Volumes whose tag `CSIVolumeName` is one of these, at most 200.
    Names(Vec<String>),
    /// Volumes attached to this instance.
    AttachedTo(InstanceId),
    /// All volumes of one sort: a page of at most `max` (5 to 500).
    Listed {
        /// Which sort.
        sort: VolumeSort,
        /// Page size.
        max: u16,
        /// Where the last page ended.
        token: Option<String>,
    },
}

/// A sort of volumes that can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeSort {
    /// Those that carry the driver's cluster mark.
    Marked,
    /// Those in this state, whoever made them.
    InState(VolumeState),
}

/// Of which volumes to describe the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeStatusQuery {
    /// These ids, at most 500; one unknown id fails the query and is named in the error.
    Ids(Vec<VolumeId>),
    /// All of whose status is `warning` or `impaired`: a page of at most `max` (5 to 1,000).
    Unwell {
        /// Page size.
        max: u16,
        /// Where the last page ended.
        token: Option<String>,
    },
}

/// Which snapshots to describe. Only [`SnapshotQuery::Marked`] is answered in pages; the others as one, however many they match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotQuery {
    /// These ids, at most 1,000; one unknown id fails the query and is named in the error.
    Ids(Vec<SnapshotId>),
    /// The account's own snapshots whose tag `CSIVolumeSnapshotName` is one of these, at most 200.
    Names(Vec<String>),
    /// The account's own snapshots whose tag `CSIVolumeGroupSnapshotName` is one of these, at most 200.
    Groups(Vec<String>),
    /// The account's own snapshots of this volume, whoever made them.
    OfVolume(VolumeId),
    /// The account's own snapshots that carry the driver's cluster mark: a page of at most `max` (5 to 1,000).
    Marked {
        /// Only those of this volume.
        volume: Option<VolumeId>,
        /// Page size.
        max: u16,
        /// Where the last page ended.
        token: Option<String>,
    },
}

/// One page of a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Asks for the next one; `None` on the last.
    pub next: Option<String>,
}
