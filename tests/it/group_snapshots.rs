//! VolumeGroupSnapshots: several volumes of one node at one moment, by EC2's CreateSnapshots.

use csi::v1::{
    CreateVolumeGroupSnapshotRequest, DeleteVolumeGroupSnapshotRequest, GetSnapshotRequest,
    GetVolumeGroupSnapshotRequest, VolumeGroupSnapshot,
};
use futures::future::join_all;
use lab::orchestrator::Claim;
use lab::socket::Patience;
use rstest::rstest;
use serde_json::json;
use tonic::{Code, Status};

use crate::world::{WINDOW, World, calls, leaves_open, snapshots, world, world_with};

/// Volumes of these names, attached to the first node.
async fn attached(world: &World, names: &[&str]) -> Vec<Claim> {
    let node = world.node(0).unwrap();
    let claims = names.iter().map(async |name| {
        let claim = world.controller.create(&world.order(name)).await.unwrap();
        world.controller.attach(&claim, &node).await.unwrap();
        claim
    });
    join_all(claims).await
}

async fn take(world: &World, name: &str, of: &[Claim]) -> Result<VolumeGroupSnapshot, Status> {
    let request = CreateVolumeGroupSnapshotRequest {
        name: name.to_owned(),
        source_volume_ids: of.iter().map(|claim| claim.id.clone()).collect(),
        ..CreateVolumeGroupSnapshotRequest::default()
    };
    let mut groups = world.controller.groups();
    let answer = groups.create_volume_group_snapshot(request).await?;
    Ok(answer.into_inner().group_snapshot.unwrap())
}

/// Takes it as external-snapshotter does: under the same name until it is ready.
async fn taken(world: &World, name: &str, of: &[Claim]) -> VolumeGroupSnapshot {
    loop {
        match take(world, name, of).await {
            Ok(group) if group.ready_to_use => return group,
            Err(status) if !leaves_open(status.code()) => panic!("{status:?}"),
            _ => tokio::time::sleep(WINDOW / 20).await,
        }
    }
}

async fn get(world: &World, group: &VolumeGroupSnapshot) -> Result<VolumeGroupSnapshot, Status> {
    let request = GetVolumeGroupSnapshotRequest {
        group_snapshot_id: group.group_snapshot_id.clone(),
        snapshot_ids: ids(group),
        ..GetVolumeGroupSnapshotRequest::default()
    };
    let mut groups = world.controller.groups();
    let answer = groups.get_volume_group_snapshot(request).await?;
    Ok(answer.into_inner().group_snapshot.unwrap())
}

async fn delete(world: &World, group: &VolumeGroupSnapshot) -> Result<(), Status> {
    let request = DeleteVolumeGroupSnapshotRequest {
        group_snapshot_id: group.group_snapshot_id.clone(),
        snapshot_ids: ids(group),
        ..DeleteVolumeGroupSnapshotRequest::default()
    };
    let mut groups = world.controller.groups();
    groups.delete_volume_group_snapshot(request).await.map(drop)
}

fn ids(group: &VolumeGroupSnapshot) -> Vec<String> {
    let members = group.snapshots.iter();
    members.map(|member| member.snapshot_id.clone()).collect()
}

#[tokio::test]
async fn a_group_lives_and_its_members_are_restored() {
    let world = world().await;
    let claims = attached(&world, &["data", "log", "other"]).await;
    let group = taken(&world, "nightly", &claims[..2]).await;
    let of: Vec<_> = group
        .snapshots
        .iter()
        .map(|s| &s.source_volume_id)
        .collect();
    assert!(of.contains(&&claims[0].id) && of.contains(&&claims[1].id));
    assert_eq!((snapshots(&world).await, of.len()), (2, 2));
    assert_eq!(calls(&world, "CreateSnapshots").await, 1);
    assert_eq!(get(&world, &group).await.unwrap(), group);
    let member = GetSnapshotRequest {
        snapshot_id: ids(&group).remove(0),
        ..GetSnapshotRequest::default()
    };
    let member = world
        .controller
        .client()
        .get_snapshot(member)
        .await
        .unwrap();
    let member = member.into_inner().snapshot.unwrap();
    assert_eq!(member.group_snapshot_id, group.group_snapshot_id);

    for (number, id) in ids(&group).iter().enumerate() {
        let order = world.order(&format!("restored-{number}")).from_snapshot(id);
        world.controller.create(&order).await.unwrap();
    }
    for _ in 0..2 {
        delete(&world, &group).await.unwrap();
    }
    assert_eq!(snapshots(&world).await, 0);
    assert_eq!(
        get(&world, &group).await.unwrap_err().code(),
        Code::NotFound
    );
}

#[rstest]
#[tokio::test]
async fn a_lost_reply_or_a_crash_leaves_one_group(
    #[values("lost-reply", "error")] kind: &str,
    #[values(false, true)] killed: bool,
) {
    let mut world = world_with(|config| config.consistency = WINDOW / 4).await;
    let claims = attached(&world, &["data", "log"]).await;
    let mut rule = json!({"action": "CreateSnapshots", "kind": kind, "count": 1});
    if kind == "error" {
        rule["code"] = json!("InternalError");
    }
    world.cloud.fault(&rule).await.unwrap();
    let status = take(&world, "nightly", &claims).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    if killed {
        world.kill_controller().await.unwrap();
        world.start_controller().await.unwrap();
    }
    if kind == "lost-reply" {
        // It was taken while they were attached.
        let node = world.node(0).unwrap();
        for claim in &claims {
            world.controller.detach(claim, &node).await.unwrap();
        }
    }
    let group = taken(&world, "nightly", &claims).await;
    assert_eq!((group.snapshots.len(), snapshots(&world).await), (2, 2));
    delete(&world, &group).await.unwrap();
    assert_eq!(snapshots(&world).await, 0);
}

#[tokio::test]
async fn a_group_is_deleted_before_ec2_shows_it() {
    let world = world_with(|config| config.consistency = WINDOW / 4).await;
    let claims = attached(&world, &["data", "log"]).await;
    let group = take(&world, "nightly", &claims).await.unwrap();
    delete(&world, &group).await.unwrap();
    tokio::time::sleep(WINDOW).await;
    assert_eq!(snapshots(&world).await, 0, "deleted, not merely not found");
}

#[tokio::test]
async fn the_same_group_ten_times_at_once_is_one_and_ten_others_are_ten() {
    let world = world().await;
    let claims = attached(&world, &["data", "log"]).await;
    let same = join_all((0..10).map(|_| take(&world, "nightly", &claims))).await;
    for answer in &same {
        let code = answer.as_ref().err().map(Status::code);
        assert!(matches!(code, None | Some(Code::Aborted)), "{answer:?}");
    }
    assert!(same.iter().any(Result::is_ok));
    assert_eq!(snapshots(&world).await, 2);
    let names: Vec<_> = (0..10).map(|n| format!("hourly-{n}")).collect();
    let others = join_all(names.iter().map(|name| take(&world, name, &claims))).await;
    for answer in others {
        answer.unwrap();
    }
    assert_eq!(snapshots(&world).await, 22);
}

#[tokio::test]
async fn a_member_that_fails_is_told_and_the_group_can_be_deleted() {
    let world = world().await;
    let claims = attached(&world, &["data", "log"]).await;
    let rule = json!({"action": "CreateSnapshots", "kind": "create-failure", "count": 1});
    world.cloud.fault(&rule).await.unwrap();
    let group = take(&world, "nightly", &claims).await.unwrap();
    let status = loop {
        match take(&world, "nightly", &claims).await {
            Err(status) => break status,
            Ok(group) => assert!(!group.ready_to_use),
        }
        tokio::time::sleep(WINDOW / 20).await;
    };
    assert_eq!(status.code(), Code::Internal);
    let named = ids(&group).iter().any(|id| status.message().contains(id));
    assert!(
        named && status.message().contains("take another"),
        "{status:?}"
    );
    delete(&world, &group).await.unwrap();
    assert_eq!(snapshots(&world).await, 0);
}

/// A backup program may keep the members and let the group go.
#[tokio::test]
async fn a_member_can_be_deleted_by_itself_and_the_group_says_what_it_lacks() {
    let world = world().await;
    let claims = attached(&world, &["data", "log"]).await;
    let group = taken(&world, "nightly", &claims).await;
    let once = world.controller.with(Patience::ONCE);
    once.delete_snapshot(&ids(&group)[0]).await.unwrap();
    let status = take(&world, "nightly", &claims).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains(&ids(&group)[1]), "{status:?}");
    assert_eq!(calls(&world, "CreateSnapshots").await, 1);
    delete(&world, &group).await.unwrap();
    assert_eq!(snapshots(&world).await, 0);
}
