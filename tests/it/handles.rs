//! Every way to write a volume's handle, in every RPC that takes one.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use csi::v1::*;
use lab::kubelet::Node;
use lab::orchestrator::{Claim, Use, gib_or_more};
use lab::program::Program;
use tonic::{Code, Status};

use crate::world::{World, volumes, world, world_started_with};

/// The handles of one volume.
fn handles(world: &World, id: &str) -> [String; 3] {
    let zone = world.zone();
    [
        id.to_owned(),
        format!("aws://{zone}/{id}"),
        format!("aws:///{id}"),
    ]
}

async fn made(world: &World, name: &str) -> String {
    let order = world.order(name);
    world.controller.create(&order).await.unwrap().id
}

fn publication(world: &World, volume_id: &str) -> ControllerPublishVolumeRequest {
    ControllerPublishVolumeRequest {
        volume_id: volume_id.to_owned(),
        node_id: world.node(0).unwrap().instance,
        volume_capability: Some(Use::Ext4.capability()),
        ..Default::default()
    }
}

fn unpublication(world: &World, volume_id: &str) -> ControllerUnpublishVolumeRequest {
    ControllerUnpublishVolumeRequest {
        volume_id: volume_id.to_owned(),
        node_id: world.node(0).unwrap().instance,
        ..Default::default()
    }
}

fn validation(volume_id: &str) -> ValidateVolumeCapabilitiesRequest {
    ValidateVolumeCapabilitiesRequest {
        volume_id: volume_id.to_owned(),
        volume_capabilities: vec![Use::Ext4.capability()],
        ..Default::default()
    }
}

fn expansion(volume_id: &str, gib: u64) -> ControllerExpandVolumeRequest {
    ControllerExpandVolumeRequest {
        volume_id: volume_id.to_owned(),
        capacity_range: Some(gib_or_more(gib)),
        ..Default::default()
    }
}

fn snapshot(volume_id: &str) -> CreateSnapshotRequest {
    CreateSnapshotRequest {
        source_volume_id: volume_id.to_owned(),
        name: "snapshot".to_owned(),
        ..Default::default()
    }
}

fn modification(volume_id: &str) -> ControllerModifyVolumeRequest {
    let tag = ("tagSpecification_1".to_owned(), "a=b".to_owned());
    ControllerModifyVolumeRequest {
        volume_id: volume_id.to_owned(),
        mutable_parameters: [tag].into(),
        ..Default::default()
    }
}

fn deletion(volume_id: &str) -> DeleteVolumeRequest {
    DeleteVolumeRequest {
        volume_id: volume_id.to_owned(),
        ..Default::default()
    }
}

/// The calls that work on a volume of EC2 alone, with the refusals of those that are refused.
async fn changing(world: &World, handle: &str) -> Vec<(&'static str, Result<(), Status>)> {
    let mut client = world.controller.client();
    vec![
        (
            "ControllerExpandVolume",
            client
                .controller_expand_volume(expansion(handle, 2))
                .await
                .map(drop),
        ),
        (
            "ControllerModifyVolume",
            client
                .controller_modify_volume(modification(handle))
                .await
                .map(drop),
        ),
        (
            "CreateSnapshot",
            client.create_snapshot(snapshot(handle)).await.map(drop),
        ),
        (
            "CreateVolume",
            client
                .create_volume(world.order("clone").clone_of(handle).request())
                .await
                .map(drop),
        ),
        (
            "DeleteVolume",
            client.delete_volume(deletion(handle)).await.map(drop),
        ),
    ]
}

/// The calls that attach a volume and tell of it, until it is detached again.
async fn used(world: &World, handle: &str) {
    let mut client = world.controller.client();
    let validation = client.validate_volume_capabilities(validation(handle));
    let confirmed = validation.await.unwrap().into_inner().confirmed;
    assert!(confirmed.is_some(), "{handle}");
    let publication = client.controller_publish_volume(publication(world, handle));
    publication.await.unwrap();
    assert!(listed(world).await.contains(handle), "{handle}");
    let get = ControllerGetVolumeRequest {
        volume_id: handle.to_owned(),
    };
    let got = client
        .controller_get_volume(get)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(got.volume.unwrap().volume_id, handle);
    assert_eq!(got.status.unwrap().published_node_ids.len(), 1);
    let get = ControllerGetVolumeHealthRequest {
        volume_id: handle.to_owned(),
        ..Default::default()
    };
    let health = client.controller_get_volume_health(get).await.unwrap();
    let health = health.into_inner().volume_health.unwrap();
    assert_eq!(health.volume_id, handle);
    let unpublication = client.controller_unpublish_volume(unpublication(world, handle));
    unpublication.await.unwrap();
}

/// One volume after the other, each under another handle from its first call to its last.
#[tokio::test]
async fn every_call_of_the_controller_takes_every_handle_of_a_volume() {
    let world = world().await;
    for number in 0..3 {
        let id = made(&world, &format!("pvc-{number}")).await;
        let handle = handles(&world, &id)[number].clone();
        used(&world, &handle).await;
        let seen = world.cloud.volume(&id).await.unwrap().unwrap();
        assert_eq!(seen.state, "available", "{handle}");

        for (call, answer) in changing(&world, &handle).await {
            answer.unwrap_or_else(|status| panic!("{call} of {handle}: {status:?}"));
        }
        let of_it = ListSnapshotsRequest {
            source_volume_id: handle.clone(),
            ..Default::default()
        };
        let page = world.controller.client().list_snapshots(of_it).await;
        let taken = page.unwrap().into_inner().entries.remove(0).snapshot;
        let controller = &world.controller;
        let taken = taken.unwrap().snapshot_id;
        controller.delete_snapshot(&taken).await.unwrap();
        let clone = Claim {
            id: made_clone(&world).await,
            bytes: 0,
            usage: Use::Ext4,
            context: HashMap::new(),
        };
        controller.delete(&clone).await.unwrap();
        assert_eq!(volumes(&world).await, 0, "{handle}");
    }
}

/// The one volume that is left.
async fn made_clone(world: &World) -> String {
    let left = world.cloud.volumes().await.unwrap();
    let [clone] = &left[..] else {
        panic!("{left:?}");
    };
    clone.id.clone()
}

async fn listed(world: &World) -> BTreeSet<String> {
    let mut client = world.controller.client();
    let page = client.list_volumes(ListVolumesRequest::default()).await;
    let entries = page.unwrap().into_inner().entries;
    let ids = entries.into_iter().filter_map(|entry| entry.volume);
    ids.map(|volume| volume.volume_id).collect()
}

/// EC2 has no part in these: what would change a volume is refused, the rest answers by itself.
#[tokio::test]
async fn a_node_local_handle_is_taken_where_it_means_something() {
    const LOCAL: &str = "local-ebs://dev/xvdbz";
    let world = world_started_with(&[("--enable-node-local-volumes", "")]).await;
    let mut client = world.controller.client();
    let publication = client.controller_publish_volume(publication(&world, LOCAL));
    let context = publication.await.unwrap().into_inner().publish_context;
    assert_eq!(context["devicePath"], "/dev/xvdbz");
    assert_eq!(listed(&world).await, [LOCAL.to_owned()].into());
    used(&world, LOCAL).await;
    assert_eq!(listed(&world).await, BTreeSet::new());

    for (call, answer) in changing(&world, LOCAL).await {
        let refused = answer.expect_err(call);
        assert_eq!(refused.code(), Code::InvalidArgument, "{call}: {refused:?}");
        assert!(
            refused.message().contains("node-local"),
            "{call}: {refused:?}"
        );
    }
    let calls = world.cloud.calls().await.unwrap();
    assert!(
        calls.keys().all(|action| action.starts_with("Describe")),
        "{calls:?}"
    );
}

async fn node(world: &mut World) -> Node {
    let hasty = |program: &mut Program| {
        program.option("--device-timeout", "100ms");
        program.arg("--enable-node-local-volumes");
    };
    world.start_node(0, hasty).await.unwrap()
}

/// There is no device here: that it is the device which is missed, by the volume's own name, tells that the handle was understood.
#[tokio::test]
async fn every_call_of_a_node_takes_every_handle() {
    const ID: &str = "vol-0123456789abcdef0";
    let mut world = world().await;
    let node = node(&mut world).await;
    let known = handles(&world, ID).map(|handle| (handle, "0123456789abcdef0"));
    let local = ("local-ebs://dev/xvdbz".to_owned(), "xvdbz");
    for (handle, missed) in known.into_iter().chain([local]) {
        for partition in ["", "0", "3"] {
            let status = staged(&node, &handle, partition, world.dir()).await;
            assert_eq!(status.code(), Code::Unavailable, "{handle}: {status:?}");
            assert!(status.message().contains(missed), "{handle}: {status:?}");
        }
        let status = staged(&node, &handle, "first", world.dir()).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{handle}: {status:?}");
        assert!(status.message().contains("partition"), "{status:?}");
        elsewhere(&node, &handle, world.dir()).await;
    }
    let status = staged(&node, "aws://zone/disk", "", world.dir()).await;
    assert_eq!(status.code(), Code::NotFound, "{status:?}");
}

async fn staged(node: &Node, handle: &str, partition: &str, dir: &Path) -> Status {
    let request = NodeStageVolumeRequest {
        volume_id: handle.to_owned(),
        staging_target_path: dir.join("staging").display().to_string(),
        volume_capability: Some(Use::Ext4.capability()),
        volume_context: [("partition".to_owned(), partition.to_owned())].into(),
        ..Default::default()
    };
    let staged = node.client().node_stage_volume(request).await;
    staged.unwrap_err()
}

/// The other calls of a node: what undoes succeeds, what asks finds nothing.
async fn elsewhere(node: &Node, handle: &str, dir: &Path) {
    let mut client = node.client();
    let volume_id = handle.to_owned();
    let path = |name: &str| dir.join(name).display().to_string();
    let publish = NodePublishVolumeRequest {
        volume_id: volume_id.clone(),
        staging_target_path: path("staging"),
        target_path: path("target"),
        volume_capability: Some(Use::Ext4.capability()),
        ..Default::default()
    };
    let refused = client.node_publish_volume(publish).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{handle}: {refused:?}");
    let unpublish = NodeUnpublishVolumeRequest {
        volume_id: volume_id.clone(),
        target_path: path("target"),
    };
    client.node_unpublish_volume(unpublish).await.unwrap();
    let unstage = NodeUnstageVolumeRequest {
        volume_id,
        staging_target_path: path("staging"),
    };
    client.node_unstage_volume(unstage).await.unwrap();
    for (call, answer) in asked(node, handle, path("target")).await {
        let refused = answer.expect_err(call);
        assert_eq!(
            refused.code(),
            Code::NotFound,
            "{call} {handle}: {refused:?}"
        );
        assert!(
            refused.message().contains("not mounted"),
            "{call}: {refused:?}"
        );
    }
}

/// The calls of a node that are about a volume where it is.
async fn asked(node: &Node, handle: &str, path: String) -> [(&'static str, Result<(), Status>); 3] {
    let mut client = node.client();
    let volume_id = handle.to_owned();
    let expand = NodeExpandVolumeRequest {
        volume_id: volume_id.clone(),
        volume_path: path.clone(),
        ..Default::default()
    };
    let stats = NodeGetVolumeStatsRequest {
        volume_id: volume_id.clone(),
        volume_path: path.clone(),
        ..Default::default()
    };
    let health = NodeGetVolumeHealthRequest {
        volume_id,
        volume_publish_path: path,
        ..Default::default()
    };
    [
        (
            "NodeExpandVolume",
            client.node_expand_volume(expand).await.map(drop),
        ),
        (
            "NodeGetVolumeStats",
            client.node_get_volume_stats(stats).await.map(drop),
        ),
        (
            "NodeGetVolumeHealth",
            client.node_get_volume_health(health).await.map(drop),
        ),
    ]
}
