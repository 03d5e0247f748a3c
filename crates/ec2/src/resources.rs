//! What EC2 says there is.

use std::collections::BTreeMap;
use std::time::SystemTime;

use ebs_types::{
    AttachmentState, DeviceName, FastRestoreState, Gibibytes, InstanceId, InstanceState,
    InstanceType, LockState, ModificationState, Outpost, SnapshotId, SnapshotState, VolumeId,
    VolumeState, VolumeType, Zone, keys,
};

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its id.
    pub id: VolumeId,
    /// Its state.
    pub state: VolumeState,
    /// Its zone.
    pub zone: Zone,
    /// The Outpost of that zone that it is on; most are in the region.
    pub outpost: Option<Outpost>,
    /// Its size. After a modification the new size, from `optimizing` on.
    pub size: Gibibytes,
    /// Its type.
    pub volume_type: VolumeType,
    /// Its IOPS, provisioned or following from the size.
    pub iops: Option<u32>,
    /// Its throughput in MiB/s, where EC2 states one.
    pub throughput: Option<u32>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The ARN of its KMS key.
    pub kms_key: Option<String>,
    /// The snapshot it was made from.
    pub snapshot: Option<SnapshotId>,
    /// The volume it is a copy of.
    pub copy_of: Option<VolumeId>,
    /// Whether it can be attached to several instances.
    pub multi_attach: bool,
    /// Where it is attached.
    pub attachments: Vec<Attachment>,
    /// All of its tags, AWS's own ones included.
    pub tags: BTreeMap<String, String>,
    /// When EC2 accepted its creation.
    pub created: SystemTime,
}

impl Volume {
    /// The CSI name it was made under.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.tags.get(keys::VOLUME_NAME).map(String::as_str)
    }

    /// Whether a driver of EBS made it, or somebody gave it to one.
    #[must_use]
    pub fn is_marked(&self) -> bool {
        self.tags.get(keys::CLUSTER_MARK).map(String::as_str) == Some("true")
    }

    /// Its attachment to this instance.
    #[must_use]
    pub fn attachment_to(&self, instance: &InstanceId) -> Option<&Attachment> {
        self.attachments
            .iter()
            .find(|attachment| &attachment.instance == instance)
    }
}

/// What EBS's own checks say of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeStatus {
    /// The volume.
    pub volume: VolumeId,
    /// What is wrong.
    pub trouble: Option<VolumeTrouble>,
    /// EC2's words on it, one for each event; may be none.
    pub events: Vec<String>,
    /// How far its blocks are fetched from its snapshot; `None` while EC2 doesn't say.
    pub initialization: Option<Initialization>,
}

/// How far the blocks of a volume's snapshot are fetched (EBS user guide, "Monitor volume initialization").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initialization {
    /// Some are still to come.
    UnderWay {
        /// How many are there, 0 to 100, where EC2 says.
        percent: Option<u8>,
    },
    /// All are there, or there were none.
    Completed,
}

/// What EBS's checks can find (EBS user guide, "Volume status checks").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeTrouble {
    /// Data may be inconsistent, and I/O is off until somebody turns it on.
    IoDisabled,
    /// Hardly any I/O gets through.
    IoStalled,
    /// I/O is slower than what was provisioned.
    IoDegraded,
    /// `impaired`, and nothing says why.
    Impaired,
    /// `warning`, and nothing says why.
    Warned,
}

/// A volume's attachment to one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The volume.
    pub volume: VolumeId,
    /// The instance.
    pub instance: InstanceId,
    /// The name given at attach.
    pub device: String,
    /// How far it is.
    pub state: AttachmentState,
    /// When EC2 accepted it, where it says so.
    pub since: Option<SystemTime>,
}

/// The latest modification of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modification {
    /// The volume.
    pub volume: VolumeId,
    /// How far it is.
    pub state: ModificationState,
    /// Why it failed, in EC2's words.
    pub status: Option<String>,
    /// The size it leads to.
    pub target_size: Gibibytes,
    /// The type it leads to.
    pub target_type: Option<VolumeType>,
    /// The IOPS it leads to.
    pub target_iops: Option<u32>,
    /// The throughput it leads to, in MiB/s.
    pub target_throughput: Option<u32>,
    /// When EC2 accepted it.
    pub started: Option<SystemTime>,
    /// How much of it is done, in percent.
    pub progress: Option<u8>,
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// Its source; EC2 gives a placeholder for copies, which reads as `None`.
    pub volume: Option<VolumeId>,
    /// Its state.
    pub state: SnapshotState,
    /// The size of the volume it was taken of.
    pub size: Gibibytes,
    /// The Outpost that keeps it, where alone it can be restored; the region keeps most.
    pub outpost: Option<Outpost>,
    /// The point in time it holds.
    pub started: SystemTime,
    /// All of its tags, AWS's own ones included.
    pub tags: BTreeMap<String, String>,
}

impl Snapshot {
    /// The CSI name it was made under.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.tags.get(keys::SNAPSHOT_NAME).map(String::as_str)
    }

    /// The CSI name of the group snapshot that it is a member of.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.tags.get(keys::GROUP_SNAPSHOT_NAME).map(String::as_str)
    }
}

/// Fast restores of a snapshot in one zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FastRestore {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Where volumes made from it begin with all their blocks.
    pub zone: Zone,
    /// How far it is.
    pub state: FastRestoreState,
}

/// A snapshot's lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedSnapshot {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// How it is locked now.
    pub state: LockState,
    /// When it can be deleted again; `None` while that is not fixed, since the snapshot is not completed.
    pub expires: Option<SystemTime>,
    /// Until when a lock in compliance mode can still be undone.
    pub cools_off: Option<SystemTime>,
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Its state.
    pub state: InstanceState,
    /// Its type.
    pub instance_type: InstanceType,
    /// Its zone.
    pub zone: Zone,
    /// The name that its root volume has in the mapping; instances that start from an instance store have none there.
    pub root_device: Option<String>,
    /// The Outpost of that zone that it is on; most are in the region.
    pub outpost: Option<Outpost>,
    /// Its block device mapping: EBS volumes, the root included.
    pub block_devices: Vec<BlockDevice>,
}

/// One entry of an instance's block device mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDevice {
    /// The name, as EC2 writes it; the root's may be one that [`DeviceName`] does not take.
    pub name: String,
    /// The volume behind it.
    pub volume: VolumeId,
    /// How far it is.
    pub state: AttachmentState,
    /// The EBS card that it is on, counted from 0.
    pub card: u32,
}

impl Instance {
    /// Its root volume, where that is an EBS volume.
    #[must_use]
    pub fn root_volume(&self) -> Option<&VolumeId> {
        let name = self.root_device.as_deref()?;
        let mut devices = self.block_devices.iter();
        devices.find(|d| d.name == name).map(|d| &d.volume)
    }

    /// The first of the driver's device names that is not in use on this instance and not in `also_taken`.
    #[must_use]
    pub fn free_device_name(&self, also_taken: impl Fn(&DeviceName) -> bool) -> Option<DeviceName> {
        DeviceName::candidates().find(|candidate| {
            !also_taken(candidate)
                && self
                    .block_devices
                    .iter()
                    .all(|device| device.name != candidate.as_str())
        })
    }
}

/// A zone of the region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvailabilityZone {
    /// Its name, e.g. `eu-central-1a`.
    pub name: Zone,
    /// Its id, the same zone in every account, e.g. `euc1-az2`.
    pub id: String,
    /// Whether it takes requests now.
    pub available: bool,
    /// Whether it is an ordinary zone: not a local zone, not a wavelength zone.
    pub ordinary: bool,
}
