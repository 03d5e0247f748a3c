//! Each call once, by its bare request: what a sidecar would repeat is answered once here.

use std::collections::HashMap;

use csi::v1::volume_capability::AccessMode;
use csi::v1::{
    CapacityRange, ControllerExpandVolumeRequest, ControllerGetVolumeHealthRequest,
    ControllerGetVolumeRequest, ControllerPublishVolumeRequest, ControllerUnpublishVolumeRequest,
    CreateVolumeRequest, DeleteSnapshotRequest, DeleteVolumeRequest, GetSnapshotRequest,
    ListSnapshotsRequest, ListVolumesRequest, ValidateVolumeCapabilitiesRequest, VolumeCapability,
};
use lab::orchestrator::{Claim, Use};
use tonic::Status;

use crate::world::{self, World, parameters};

pub(crate) type Answer = Result<(), Status>;

/// An id that EC2 has never given.
pub(crate) const NO_VOLUME: &str = "vol-0000000000000dead";
pub(crate) const NO_SNAPSHOT: &str = "snap-0000000000000dead";
pub(crate) const NO_NODE: &str = "i-0000000000000dead";

/// How a volume is used, by the number of CSI's access mode.
pub(crate) fn used(usage: Use, mode: i32) -> VolumeCapability {
    VolumeCapability {
        access_mode: Some(AccessMode { mode }),
        ..usage.capability()
    }
}

pub(crate) async fn create(world: &World, change: impl FnOnce(&mut CreateVolumeRequest)) -> Answer {
    let mut request = world.order("pvc-1").request();
    change(&mut request);
    world
        .controller
        .client()
        .create_volume(request)
        .await
        .map(drop)
}

/// A volume of 1 GiB, of the name `there`.
pub(crate) async fn ready(world: &World) -> Claim {
    world
        .controller
        .create(&world.order("there"))
        .await
        .unwrap()
}

pub(crate) async fn delete(world: &World, volume: &str) -> Answer {
    let request = DeleteVolumeRequest {
        volume_id: volume.to_owned(),
        ..DeleteVolumeRequest::default()
    };
    world
        .controller
        .client()
        .delete_volume(request)
        .await
        .map(drop)
}

/// The id of the instance of this number.
pub(crate) fn node(world: &World, number: usize) -> String {
    world.node(number).unwrap().instance
}

pub(crate) async fn publish(
    world: &World,
    volume: &str,
    node: &str,
    change: impl FnOnce(&mut ControllerPublishVolumeRequest),
) -> Answer {
    let mut request = ControllerPublishVolumeRequest {
        volume_id: volume.to_owned(),
        node_id: node.to_owned(),
        volume_capability: Some(Use::Ext4.capability()),
        ..ControllerPublishVolumeRequest::default()
    };
    change(&mut request);
    world
        .controller
        .client()
        .controller_publish_volume(request)
        .await
        .map(drop)
}

pub(crate) async fn unpublish(world: &World, volume: &str, node: &str) -> Answer {
    let request = ControllerUnpublishVolumeRequest {
        volume_id: volume.to_owned(),
        node_id: node.to_owned(),
        ..ControllerUnpublishVolumeRequest::default()
    };
    world
        .controller
        .client()
        .controller_unpublish_volume(request)
        .await
        .map(drop)
}

pub(crate) async fn validate(
    world: &World,
    volume: &str,
    change: impl FnOnce(&mut ValidateVolumeCapabilitiesRequest),
) -> Answer {
    let mut request = ValidateVolumeCapabilitiesRequest {
        volume_id: volume.to_owned(),
        volume_capabilities: vec![Use::Ext4.capability()],
        ..ValidateVolumeCapabilitiesRequest::default()
    };
    change(&mut request);
    world
        .controller
        .client()
        .validate_volume_capabilities(request)
        .await
        .map(drop)
}

pub(crate) async fn expand(world: &World, volume: &str, required: i64, limit: i64) -> Answer {
    let request = ControllerExpandVolumeRequest {
        volume_id: volume.to_owned(),
        capacity_range: Some(CapacityRange {
            required_bytes: required << 30,
            limit_bytes: limit << 30,
        }),
        ..ControllerExpandVolumeRequest::default()
    };
    world
        .controller
        .client()
        .controller_expand_volume(request)
        .await
        .map(drop)
}

pub(crate) async fn modify(world: &World, volume: &str, key: &str, value: &str) -> Answer {
    world::modify(world, volume, parameters(&[(key, value)])).await
}

pub(crate) async fn snapshot(world: &World, volume: &str, name: &str) -> Answer {
    let taken = world::snapshot(world, volume, name, HashMap::new()).await;
    taken.map(drop)
}

pub(crate) async fn delete_snapshot(world: &World, id: &str) -> Answer {
    let request = DeleteSnapshotRequest {
        snapshot_id: id.to_owned(),
        ..DeleteSnapshotRequest::default()
    };
    world
        .controller
        .client()
        .delete_snapshot(request)
        .await
        .map(drop)
}

pub(crate) async fn list_snapshots(
    world: &World,
    change: impl FnOnce(&mut ListSnapshotsRequest),
) -> Answer {
    let mut request = ListSnapshotsRequest::default();
    change(&mut request);
    world
        .controller
        .client()
        .list_snapshots(request)
        .await
        .map(drop)
}

pub(crate) async fn get_snapshot(world: &World, id: &str) -> Answer {
    let request = GetSnapshotRequest {
        snapshot_id: id.to_owned(),
        ..GetSnapshotRequest::default()
    };
    world
        .controller
        .client()
        .get_snapshot(request)
        .await
        .map(drop)
}

pub(crate) async fn list_volumes(world: &World, token: &str) -> Answer {
    let request = ListVolumesRequest {
        starting_token: token.to_owned(),
        ..ListVolumesRequest::default()
    };
    world
        .controller
        .client()
        .list_volumes(request)
        .await
        .map(drop)
}

pub(crate) async fn get_volume(world: &World, volume: &str) -> Answer {
    let request = ControllerGetVolumeRequest {
        volume_id: volume.to_owned(),
    };
    world
        .controller
        .client()
        .controller_get_volume(request)
        .await
        .map(drop)
}

pub(crate) async fn health(world: &World, volume: &str) -> Answer {
    let request = ControllerGetVolumeHealthRequest {
        volume_id: volume.to_owned(),
        ..Default::default()
    };
    world
        .controller
        .client()
        .controller_get_volume_health(request)
        .await
        .map(drop)
}
