//! Volumes, their attachments and their modifications.

use ebs_types::{
    AttachmentState, DeviceName, Gibibytes, InstanceId, ModificationState, Outpost, SnapshotId,
    Tags, VolumeId, VolumeState, VolumeType, Zone,
};
use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// How far a volume itself is; whether it is in use follows from its attachments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Lifecycle {
    Creating,
    Ready,
    Failed,
    Deleting,
}

/// What EBS's own checks find, in the words of DescribeVolumeStatus (EBS user guide, "Volume status checks").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Health {
    #[default]
    Ok,
    /// The checks are not done, or say nothing.
    InsufficientData,
    /// Slower than what was provisioned.
    Degraded,
    /// Much slower.
    SeverelyDegraded,
    /// Hardly any I/O gets through.
    Stalled,
    /// Data may be inconsistent, so that I/O is off until somebody turns it on.
    IoDisabled,
}

impl Health {
    /// The word that sets it at the control endpoint.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::InsufficientData => "insufficient-data",
            Self::Degraded => "degraded",
            Self::SeverelyDegraded => "severely-degraded",
            Self::Stalled => "stalled",
            Self::IoDisabled => "io-disabled",
        }
    }
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) id: VolumeId,
    pub(crate) zone: Zone,
    pub(crate) size: Gibibytes,
    pub(crate) volume_type: VolumeType,
    /// Provisioned, or following from the size; `None` where EC2 states none.
    pub(crate) iops: Option<u32>,
    /// In MiB/s; `None` where EC2 states none.
    pub(crate) throughput: Option<u32>,
    pub(crate) encrypted: bool,
    pub(crate) kms_key: Option<String>,
    pub(crate) snapshot: Option<SnapshotId>,
    pub(crate) multi_attach: bool,
    pub(crate) tags: Tags,
    pub(crate) created: Timestamp,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) attachments: Vec<Attachment>,
    /// The latest one.
    pub(crate) modification: Option<Modification>,
    /// When modifications of the last 24 hours began.
    pub(crate) modified: Vec<Timestamp>,
    /// What the checks find; states saved before this was kept don't say.
    #[serde(default)]
    pub(crate) health: Health,
    /// The volume it is a copy of; states saved before this was kept have none.
    #[serde(default)]
    pub(crate) copy_of: Option<VolumeId>,
    /// In MiB/s, where one is paid for; states saved before this was kept have none.
    #[serde(default)]
    pub(crate) initialization_rate: Option<u32>,
    /// Whether blocks of a copy's source are still being brought over. That is told and counted; the bytes are there at once.
    #[serde(default)]
    pub(crate) initializing: bool,
    /// The Outpost that it is on; states saved before this was kept have none.
    #[serde(default)]
    pub(crate) outpost: Option<Outpost>,
    /// Where all further snapshots of a volume on an Outpost are kept: where its latest one is, or the one that it was made from
    /// (EBS user guide, "Local snapshots on Outposts", rules for storing snapshots).
    #[serde(default)]
    pub(crate) lineage: Option<Store>,
}

/// Where a snapshot is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Store {
    Region,
    /// On the Outpost that the volume is on.
    Outpost,
}

impl Volume {
    /// The state that EC2 reports.
    pub(crate) fn state(&self) -> VolumeState {
        match self.lifecycle {
            Lifecycle::Creating => VolumeState::Creating,
            Lifecycle::Failed => VolumeState::Error,
            Lifecycle::Deleting => VolumeState::Deleting,
            Lifecycle::Ready if self.attachments.is_empty() => VolumeState::Available,
            Lifecycle::Ready => VolumeState::InUse,
        }
    }

    /// Its attachment to this instance.
    pub(crate) fn attachment_to(&self, instance: &InstanceId) -> Option<&Attachment> {
        self.attachments.iter().find(|a| &a.instance == instance)
    }

    /// The same, to change it.
    pub(crate) fn attachment_to_mut(&mut self, instance: &InstanceId) -> Option<&mut Attachment> {
        self.attachments
            .iter_mut()
            .find(|a| &a.instance == instance)
    }
}

/// A volume, as its status is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VolumeStatus(pub(crate) Volume, pub(crate) Initialization);

/// Whether all blocks of a volume's snapshot are there (EBS user guide, "Monitor volume initialization").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Initialization {
    /// 0 to 100.
    pub(crate) percent: u8,
}

impl Initialization {
    /// The word for it.
    fn state(self) -> &'static str {
        if self.percent < 100 {
            "initializing"
        } else {
            "completed"
        }
    }
}

impl VolumeStatus {
    /// What the checks find. There is nothing to check before the volume is made.
    pub(crate) fn health(&self) -> Health {
        match self.0.lifecycle {
            Lifecycle::Creating => Health::InsufficientData,
            _ => self.0.health,
        }
    }

    /// The sum of it.
    pub(crate) fn status(&self) -> &'static str {
        match self.health() {
            Health::Ok => "ok",
            Health::InsufficientData => "insufficient-data",
            Health::Degraded | Health::SeverelyDegraded => "warning",
            Health::Stalled | Health::IoDisabled => "impaired",
        }
    }

    /// Each check and its result.
    pub(crate) fn details(&self) -> [(&'static str, &'static str); 3] {
        let (enabled, performance) = match self.health() {
            Health::Ok => ("passed", "normal"),
            Health::InsufficientData => ("insufficient-data", "not-applicable"),
            Health::Degraded => ("passed", "degraded"),
            Health::SeverelyDegraded => ("passed", "severely-degraded"),
            Health::Stalled => ("passed", "stalled"),
            Health::IoDisabled => ("failed", "not-applicable"),
        };
        [
            ("io-enabled", enabled),
            ("io-performance", performance),
            ("initialization-state", self.1.state()),
        ]
    }

    /// The event that goes with it: its type and its words.
    pub(crate) fn event(&self) -> Option<(&'static str, &'static str)> {
        match self.health() {
            Health::Ok | Health::InsufficientData => None,
            Health::Degraded => Some(("io-performance:degraded", "I/O is slower than expected")),
            Health::SeverelyDegraded => Some((
                "io-performance:severely-degraded",
                "I/O is much slower than expected",
            )),
            Health::Stalled => Some(("io-performance:stalled", "I/O is stalled")),
            Health::IoDisabled => Some((
                "potential-data-inconsistency",
                "Data may be inconsistent, I/O is disabled",
            )),
        }
    }
}

/// How far an attachment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Waits for its time, for ever if scripted so.
    Attaching,
    /// The backing was told to show the device.
    Connecting,
    /// The instance has the device.
    Attached,
    /// Waits for its time, for ever if scripted so.
    Detaching,
    /// The backing was told to take the device away.
    Releasing,
    /// The backing said that the device is still used; it will be told again.
    Busy,
}

/// A volume's attachment to one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attachment {
    pub(crate) instance: InstanceId,
    pub(crate) device: DeviceName,
    pub(crate) since: Timestamp,
    pub(crate) phase: Phase,
    /// The EBS card of the instance; states saved before there was a choice don't say.
    #[serde(default)]
    pub(crate) card: u32,
    /// Tells this attachment from an earlier one of the same two, so that late events miss.
    pub(crate) serial: u64,
}

impl Attachment {
    /// The state that EC2 reports.
    pub(crate) fn state(&self) -> AttachmentState {
        match self.phase {
            Phase::Attaching | Phase::Connecting => AttachmentState::Attaching,
            Phase::Attached => AttachmentState::Attached,
            Phase::Detaching | Phase::Releasing => AttachmentState::Detaching,
            Phase::Busy => AttachmentState::Busy,
        }
    }

    /// Whether a detach was asked for.
    pub(crate) fn is_leaving(&self) -> bool {
        matches!(
            self.phase,
            Phase::Detaching | Phase::Releasing | Phase::Busy
        )
    }
}

/// What a modification changes, before or after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub(crate) size: Gibibytes,
    pub(crate) volume_type: VolumeType,
    pub(crate) iops: Option<u32>,
    pub(crate) throughput: Option<u32>,
    pub(crate) multi_attach: bool,
}

/// How far a modification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Progress {
    /// Waits for its time, for ever if scripted so.
    Modifying,
    /// The backing was told to grow.
    Growing,
    Optimizing,
    Completed,
    Failed,
}

/// A volume's latest modification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Modification {
    pub(crate) volume: VolumeId,
    pub(crate) progress: Progress,
    pub(crate) from: Shape,
    pub(crate) to: Shape,
    pub(crate) started: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    /// Why it failed.
    pub(crate) message: Option<String>,
}

impl Modification {
    /// The state that EC2 reports.
    pub(crate) fn state(&self) -> ModificationState {
        match self.progress {
            Progress::Modifying | Progress::Growing => ModificationState::Modifying,
            Progress::Optimizing => ModificationState::Optimizing,
            Progress::Completed => ModificationState::Completed,
            Progress::Failed => ModificationState::Failed,
        }
    }
}
