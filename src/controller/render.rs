//! EC2's resources in CSI's messages, where several RPCs answer with them.

use ebs_types::{AttachmentState, SnapshotState, VolumeId};
use ec2::{Snapshot, Volume};

use super::content_source::Origin;
use super::topology;

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
        group_snapshot_id: snapshot.group().unwrap_or_default().to_owned(),
        accessible_topology: topology::restorable_in(snapshot),
    }
}

/// A volume as EC2 describes it, under the handle by which the caller knows it. Its attributes are not EC2's to know: its PV has them.
pub(super) fn volume(volume: &Volume, handle: String) -> csi::v1::Volume {
    csi::v1::Volume {
        capacity_bytes: volume.size.bytes().to_csi(),
        volume_id: handle,
        content_source: Origin::of(volume).content_source(),
        accessible_topology: topology::accessible_from(&volume.into()),
        ..csi::v1::Volume::default()
    }
}

/// A node-local volume: another one on each node, so that it has neither one size (0 is "unknown") nor one place.
pub(super) fn node_local(handle: &str) -> csi::v1::Volume {
    csi::v1::Volume {
        volume_id: handle.to_owned(),
        ..csi::v1::Volume::default()
    }
}

/// The nodes that have the volume. One on its way to a node is not there yet, one on its way back still is: the same as
/// ControllerPublishVolume and ControllerUnpublishVolume say by returning.
pub(super) fn nodes(volume: &Volume) -> Vec<String> {
    volume
        .attachments
        .iter()
        .filter(|attachment| match attachment.state {
            AttachmentState::Attached | AttachmentState::Detaching | AttachmentState::Busy => true,
            AttachmentState::Attaching | AttachmentState::Detached => false,
        })
        .map(|attachment| attachment.instance.to_string())
        .collect()
}
