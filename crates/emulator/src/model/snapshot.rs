//! Snapshots.

use ebs_types::{Gibibytes, SnapshotId, SnapshotState, Tags, VolumeId};
use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) id: SnapshotId,
    pub(crate) volume: VolumeId,
    pub(crate) size: Gibibytes,
    pub(crate) state: SnapshotState,
    pub(crate) description: String,
    pub(crate) encrypted: bool,
    pub(crate) kms_key: Option<String>,
    pub(crate) tags: Tags,
    /// The point in time it holds.
    pub(crate) started: Timestamp,
    pub(crate) completed: Option<Timestamp>,
}
