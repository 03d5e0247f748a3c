//! The calls that change something. They are what the journal holds, so their serialised form is a file format.

use ebs_types::{
    DeviceName, Gibibytes, InstanceId, InstanceType, Outpost, SnapshotId, Tags, VolumeId,
    VolumeType, Zone,
};
use serde::{Deserialize, Serialize};

use super::{LockMode, LockTerm};

/// A call that changes something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Command {
    CreateVolume(CreateVolume),
    CopyVolumes(CopyVolumes),
    DeleteVolume(VolumeId),
    AttachVolume(AttachVolume),
    DetachVolume(DetachVolume),
    ModifyVolume(ModifyVolume),
    CreateSnapshot(CreateSnapshot),
    CreateSnapshots(CreateSnapshots),
    DeleteSnapshot(SnapshotId),
    EnableFastRestores(EnableFastRestores),
    LockSnapshot(LockSnapshot),
    UnlockSnapshot(SnapshotId),
    CreateTags(CreateTags),
    DeleteTags(DeleteTags),
    RunInstances(RunInstances),
    StartInstances(Vec<InstanceId>),
    StopInstances(Vec<InstanceId>),
    TerminateInstances(Vec<InstanceId>),
}

/// CreateVolume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CreateVolume {
    pub(crate) token: Option<String>,
    pub(crate) zone: Zone,
    /// The Outpost it is to be on; calls recorded before this was read don't say.
    #[serde(default)]
    pub(crate) outpost: Option<Outpost>,
    pub(crate) size: Option<Gibibytes>,
    pub(crate) volume_type: VolumeType,
    pub(crate) iops: Option<u32>,
    pub(crate) throughput: Option<u32>,
    pub(crate) snapshot: Option<SnapshotId>,
    pub(crate) encrypted: Option<bool>,
    pub(crate) kms_key: Option<String>,
    pub(crate) multi_attach: bool,
    /// How fast the snapshot's blocks are fetched, in MiB/s; calls recorded before this was read don't say.
    #[serde(default)]
    pub(crate) initialization_rate: Option<u32>,
    pub(crate) tags: Tags,
}

impl CreateVolume {
    /// An empty volume of gp3 with that type's defaults, and nothing else asked for.
    pub(crate) fn gp3(zone: Zone, size: Gibibytes) -> Self {
        Self {
            token: None,
            zone,
            outpost: None,
            size: Some(size),
            volume_type: VolumeType::Gp3,
            iops: None,
            throughput: None,
            snapshot: None,
            encrypted: None,
            kms_key: None,
            multi_attach: false,
            initialization_rate: None,
            tags: Tags::new(),
        }
    }
}

/// CopyVolumes: one copy, in its source's zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CopyVolumes {
    pub(crate) token: Option<String>,
    pub(crate) source: VolumeId,
    /// The source's if left out.
    pub(crate) size: Option<Gibibytes>,
    pub(crate) volume_type: VolumeType,
    pub(crate) iops: Option<u32>,
    pub(crate) throughput: Option<u32>,
    pub(crate) encrypted: Option<bool>,
    pub(crate) kms_key: Option<String>,
    pub(crate) multi_attach: bool,
    pub(crate) tags: Tags,
}

/// AttachVolume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AttachVolume {
    pub(crate) volume: VolumeId,
    pub(crate) instance: InstanceId,
    pub(crate) device: DeviceName,
    /// The EBS card; calls recorded before there was a choice don't say.
    #[serde(default)]
    pub(crate) card: u32,
}

/// DetachVolume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DetachVolume {
    pub(crate) volume: VolumeId,
    /// May be left out where the volume is attached once.
    pub(crate) instance: Option<InstanceId>,
    pub(crate) device: Option<String>,
    pub(crate) force: bool,
}

/// ModifyVolume: what is `None` stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ModifyVolume {
    pub(crate) volume: VolumeId,
    pub(crate) size: Option<Gibibytes>,
    pub(crate) volume_type: Option<VolumeType>,
    pub(crate) iops: Option<u32>,
    pub(crate) throughput: Option<u32>,
    pub(crate) multi_attach: Option<bool>,
}

/// CreateSnapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CreateSnapshot {
    pub(crate) volume: VolumeId,
    pub(crate) description: String,
    /// The Outpost that is to keep it; calls recorded before this was read don't say.
    #[serde(default)]
    pub(crate) outpost: Option<Outpost>,
    pub(crate) tags: Tags,
}

/// CreateSnapshots: of the volumes that are attached to one instance, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CreateSnapshots {
    pub(crate) instance: InstanceId,
    pub(crate) exclude_boot: bool,
    /// Attached ones that are left out.
    pub(crate) excluded: Vec<VolumeId>,
    pub(crate) description: String,
    /// The Outpost that is to keep them.
    pub(crate) outpost: Option<Outpost>,
    /// Whether each snapshot gets its volume's tags too.
    pub(crate) copy_tags: bool,
    pub(crate) tags: Tags,
}

/// EnableFastSnapshotRestores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EnableFastRestores {
    pub(crate) snapshots: Vec<SnapshotId>,
    pub(crate) zones: Vec<Zone>,
}

/// LockSnapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LockSnapshot {
    pub(crate) snapshot: SnapshotId,
    pub(crate) mode: LockMode,
    pub(crate) term: LockTerm,
    /// In hours.
    pub(crate) cool_off: Option<u32>,
}

/// Something that carries tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Tagged {
    Volume(VolumeId),
    Snapshot(SnapshotId),
    Instance(InstanceId),
}

impl Tagged {
    /// Its id.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Volume(id) => id.as_str(),
            Self::Snapshot(id) => id.as_str(),
            Self::Instance(id) => id.as_str(),
        }
    }
}

/// CreateTags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CreateTags {
    pub(crate) resources: Vec<Tagged>,
    pub(crate) tags: Tags,
}

/// DeleteTags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeleteTags {
    pub(crate) resources: Vec<Tagged>,
    /// Keys, with the value that the tag must have to go, if any. None of these: all tags.
    pub(crate) tags: Vec<(String, Option<String>)>,
}

/// RunInstances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunInstances {
    pub(crate) token: Option<String>,
    pub(crate) count: u32,
    pub(crate) image: String,
    pub(crate) instance_type: InstanceType,
    /// The region's first zone if left out.
    pub(crate) zone: Option<Zone>,
    pub(crate) groups: Vec<String>,
    pub(crate) tags: Tags,
}

/// How a create ends badly after it was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CreateFailure {
    /// The volume or snapshot turns `error`.
    Error,
    /// It is gone, as after a KMS denial.
    Vanish,
}

/// What faults make of one call once it is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Script {
    /// What the call began never ends by itself.
    #[serde(default)]
    pub(crate) stuck: bool,
    /// What the call creates fails later.
    #[serde(default)]
    pub(crate) failure: Option<CreateFailure>,
}

impl Command {
    /// What a fault can be aimed at: ids, and for a new resource its token and the values of its tags.
    pub(crate) fn subjects(&self) -> Vec<&str> {
        match self {
            Self::CreateVolume(c) => {
                let given = [
                    c.token.as_deref(),
                    c.snapshot.as_ref().map(SnapshotId::as_str),
                ];
                let tags = c.tags.iter().map(|(_key, value)| value);
                given.into_iter().flatten().chain(tags).collect()
            }
            Self::CopyVolumes(c) => {
                let given = [c.token.as_deref(), Some(c.source.as_str())];
                let tags = c.tags.iter().map(|(_key, value)| value);
                given.into_iter().flatten().chain(tags).collect()
            }
            Self::DeleteVolume(id) => vec![id.as_str()],
            Self::AttachVolume(c) => vec![c.volume.as_str(), c.instance.as_str()],
            Self::DetachVolume(c) => {
                let instance = c.instance.as_ref().map(InstanceId::as_str);
                std::iter::once(c.volume.as_str()).chain(instance).collect()
            }
            Self::ModifyVolume(c) => vec![c.volume.as_str()],
            Self::CreateSnapshot(c) => {
                let tags = c.tags.iter().map(|(_key, value)| value);
                std::iter::once(c.volume.as_str()).chain(tags).collect()
            }
            Self::CreateSnapshots(c) => {
                let tags = c.tags.iter().map(|(_key, value)| value);
                std::iter::once(c.instance.as_str()).chain(tags).collect()
            }
            Self::DeleteSnapshot(id) | Self::UnlockSnapshot(id) => vec![id.as_str()],
            Self::EnableFastRestores(c) => c.snapshots.iter().map(SnapshotId::as_str).collect(),
            Self::LockSnapshot(c) => vec![c.snapshot.as_str()],
            Self::CreateTags(c) => c.resources.iter().map(Tagged::as_str).collect(),
            Self::DeleteTags(c) => c.resources.iter().map(Tagged::as_str).collect(),
            Self::RunInstances(c) => c.tags.iter().map(|(_key, value)| value).collect(),
            Self::StartInstances(ids)
            | Self::StopInstances(ids)
            | Self::TerminateInstances(ids) => ids.iter().map(InstanceId::as_str).collect(),
        }
    }
}
