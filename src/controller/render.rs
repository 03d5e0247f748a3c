//! EC2's resources in CSI's messages, where several RPCs answer with them.

use ebs_types::{SnapshotState, VolumeId};
use ec2::Snapshot;

/// A snapshot. Its size is the least that a volume made from it can have.
pub(super) fn snapshot(snapshot: &Snapshot) -> csi::v1::Snapshot {
    csi::v1::Snapshot {
        size_bytes: snapshot.size.bytes().to_csi(),
        snapshot_id: snapshot.id.to_string(),
        source_volume_id: snapshot
            .volume
            .as_ref()
            .map(VolumeId::to_string)
            .unwrap_or_default(),
        creation_time: Some(snapshot.started.into()),
        ready_to_use: snapshot.state == SnapshotState::Completed,
        ..csi::v1::Snapshot::default()
    }
}
