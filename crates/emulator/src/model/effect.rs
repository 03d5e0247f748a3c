//! What the state machine tells the backing to do, and what the backing reports back.

use ebs_types::{Gibibytes, InstanceId, SnapshotId, VolumeId};
use serde::{Deserialize, Serialize};

/// Work for the backing; done in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    CreateVolume {
        volume: VolumeId,
        size: Gibibytes,
        source: Option<SnapshotId>,
    },
    /// The point in time is that of the call: done before the reply.
    CopyVolume {
        volume: VolumeId,
        size: Gibibytes,
        of: VolumeId,
    },
    DeleteVolume {
        volume: VolumeId,
    },
    /// Answered by [`Report::Grown`].
    Grow {
        volume: VolumeId,
        size: Gibibytes,
    },
    /// The point in time is that of the call, the same for all: done before the reply.
    CreateSnapshots {
        of: Vec<(VolumeId, SnapshotId)>,
    },
    DeleteSnapshot {
        snapshot: SnapshotId,
    },
    /// Answered by [`Report::Attached`] or [`Report::NotShown`].
    Attach {
        volume: VolumeId,
        instance: InstanceId,
    },
    /// Answered by [`Report::Released`] or [`Report::Busy`].
    Detach {
        volume: VolumeId,
        instance: InstanceId,
        /// Take the device away although it is in use.
        force: bool,
    },
    AddInstance {
        instance: InstanceId,
        root: VolumeId,
    },
    RemoveInstance {
        instance: InstanceId,
    },
}

/// What the backing says of work it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Report {
    Attached {
        volume: VolumeId,
        instance: InstanceId,
    },
    /// The device could not be shown, for now.
    NotShown {
        volume: VolumeId,
        instance: InstanceId,
    },
    Released {
        volume: VolumeId,
        instance: InstanceId,
    },
    Busy {
        volume: VolumeId,
        instance: InstanceId,
    },
    Grown {
        volume: VolumeId,
    },
    /// The volume could not be made, or grown.
    VolumeFailed {
        volume: VolumeId,
        reason: String,
    },
    /// The snapshot could not be taken.
    SnapshotFailed {
        snapshot: SnapshotId,
    },
}
