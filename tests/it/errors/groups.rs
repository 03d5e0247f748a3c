//! Situations of the calls about groups of volumes.

use csi::v1::{
    CreateVolumeGroupSnapshotRequest, DeleteVolumeGroupSnapshotRequest,
    GetVolumeGroupSnapshotRequest,
};
use futures::FutureExt as _;
use serde_json::json;

use super::requests::*;
use super::situations::{Named, situations};
use crate::world::World;

/// CreateVolumeGroupSnapshot of the name `group`.
pub(crate) async fn group(
    world: &World,
    volumes: &[&str],
    change: impl FnOnce(&mut CreateVolumeGroupSnapshotRequest),
) -> Answer {
    let mut request = CreateVolumeGroupSnapshotRequest {
        name: "group".to_owned(),
        source_volume_ids: volumes.iter().map(|id| (*id).to_owned()).collect(),
        ..CreateVolumeGroupSnapshotRequest::default()
    };
    change(&mut request);
    let mut groups = world.controller.groups();
    groups.create_volume_group_snapshot(request).await.map(drop)
}

pub(crate) async fn delete_group(world: &World, id: &str, snapshots: &[&str]) -> Answer {
    let request = DeleteVolumeGroupSnapshotRequest {
        group_snapshot_id: id.to_owned(),
        snapshot_ids: snapshots.iter().map(|id| (*id).to_owned()).collect(),
        ..DeleteVolumeGroupSnapshotRequest::default()
    };
    let mut groups = world.controller.groups();
    groups.delete_volume_group_snapshot(request).await.map(drop)
}

pub(crate) async fn get_group(world: &World, id: &str, snapshots: &[&str]) -> Answer {
    let request = GetVolumeGroupSnapshotRequest {
        group_snapshot_id: id.to_owned(),
        snapshot_ids: snapshots.iter().map(|id| (*id).to_owned()).collect(),
        ..GetVolumeGroupSnapshotRequest::default()
    };
    let mut groups = world.controller.groups();
    groups.get_volume_group_snapshot(request).await.map(drop)
}

/// The volume `there`, attached to the first node.
pub(crate) async fn in_use(world: &World) -> String {
    let volume = ready(world).await.id;
    publish(world, &volume, &node(world, 0), |_| {})
        .await
        .unwrap();
    volume
}

/// Another volume, attached to this node.
async fn other(world: &World, number: usize) -> String {
    let order = world.order("other");
    let volume = world.controller.create(&order).await.unwrap().id;
    publish(world, &volume, &node(world, number), |_| {})
        .await
        .unwrap();
    volume
}

/// The group `group` of the volume `there`.
async fn grouped(world: &World) -> String {
    let volume = in_use(world).await;
    group(world, &[&volume], |_| {}).await.unwrap();
    volume
}

/// A snapshot of no group.
async fn single(world: &World, volume: &str) -> String {
    snapshot(world, volume, "single").await.unwrap();
    let mut all = world.cloud.snapshots().await.unwrap();
    all.retain(|taken| taken.tags.contains_key("CSIVolumeSnapshotName"));
    all.remove(0).id
}

situations! { GROUPS:
    "CreateVolumeGroupSnapshot", "the name or the volumes are missing" => |world| group(world, &[], |_| {}).await;
    "CreateVolumeGroupSnapshot", "a parameter is not known" => |world| {
        group(world, &[NO_VOLUME], |r| drop(r.parameters.insert("lockMode".to_owned(), String::new()))).await
    };
    "CreateVolumeGroupSnapshot", "there is no such volume" => |world| group(world, &[NO_VOLUME], |_| {}).await;
    "CreateVolumeGroupSnapshot", "a volume is not attached" => |world| {
        let (volume, detached) = (other(world, 0).await, ready(world).await.id);
        group(world, &[&volume, &detached], |_| {}).await
    };
    "CreateVolumeGroupSnapshot", "the volumes are attached to different nodes" => |world| {
        let (one, two) = (in_use(world).await, other(world, 2).await);
        group(world, &[&one, &two], |_| {}).await
    };
    "CreateVolumeGroupSnapshot", "the name is that of a group of other volumes" => |world| {
        let volume = grouped(world).await;
        group(world, &[&volume, &other(world, 0).await], |_| {}).await
    };
    "CreateVolumeGroupSnapshot", "the name is that of such a group" => |world| {
        group(world, &[&grouped(world).await], |_| {}).await
    };
    "CreateVolumeGroupSnapshot", "the name is that of such a group, of which EC2 has given a member up" => |world| {
        let rule = json!({"action": "CreateSnapshots", "kind": "create-failure"});
        world.cloud.fault(&rule).await.unwrap();
        let volume = grouped(world).await;
        loop {
            match group(world, &[&volume], |_| {}).await {
                Ok(()) => tokio::time::sleep(crate::world::WINDOW / 20).await,
                failed => break failed,
            }
        }
    };
    "DeleteVolumeGroupSnapshot", "there is no such group" => |world| delete_group(world, "group", &[NO_SNAPSHOT]).await;
    "DeleteVolumeGroupSnapshot", "a snapshot that is listed is no member" => |world| {
        let single = single(world, &grouped(world).await).await;
        delete_group(world, "group", &[&single]).await
    };
    "GetVolumeGroupSnapshot", "there is no such group" => |world| get_group(world, "group", &[NO_SNAPSHOT]).await;
    "GetVolumeGroupSnapshot", "the snapshots that are listed are not the members" => |world| {
        grouped(world).await;
        get_group(world, "group", &[NO_SNAPSHOT]).await
    };
}
