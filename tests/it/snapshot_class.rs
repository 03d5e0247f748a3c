//! VolumeSnapshotClasses: what external-snapshotter passes on, and what EC2 is asked for.

use csi::v1::{DeleteSnapshotRequest, Snapshot};
use lab::orchestrator::Claim;
use rstest::rstest;
use serde_json::json;
use tonic::{Code, Status};

use crate::world::{self, World, calls, parameters, snapshots, world};

pub(crate) type Class<'a> = &'a [(&'a str, &'a str)];

const ALL: Class<'_> = &[
    (
        "FastSnapshotRestoreAvailabilityZones",
        "eu-central-1a, eu-central-1b",
    ),
    ("lockMode", "governance"),
    ("lockDuration", "1"),
];

pub(crate) async fn take(
    world: &World,
    claim: &Claim,
    name: &str,
    class: Class<'_>,
) -> Result<Snapshot, Status> {
    world::snapshot(world, &claim.id, name, parameters(class)).await
}

async fn delete(world: &World, id: &str) -> Result<(), Status> {
    let request = DeleteSnapshotRequest {
        snapshot_id: id.to_owned(),
        ..DeleteSnapshotRequest::default()
    };
    let mut client = world.controller.client();
    client.delete_snapshot(request).await.map(drop)
}

async fn volume(world: &World) -> Claim {
    let order = world.order("pvc-1");
    world.controller.create(&order).await.unwrap()
}

#[tokio::test]
async fn a_class_is_had_in_full_and_a_lock_says_how_to_undo_it() {
    let world = world().await;
    let claim = volume(&world).await;
    let first = take(&world, &claim, "snap", ALL).await.unwrap();
    let again = take(&world, &claim, "snap", ALL).await.unwrap();
    assert_eq!(first.snapshot_id, again.snapshot_id);
    assert_eq!(calls(&world, "EnableFastSnapshotRestores").await, 1);
    assert_eq!(calls(&world, "LockSnapshot").await, 1);

    let refused = delete(&world, &first.snapshot_id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let hint = format!(
        "aws ec2 unlock-snapshot --snapshot-id {}",
        first.snapshot_id
    );
    assert!(refused.message().contains(&hint), "{refused:?}");
    world
        .cloud
        .unlock_snapshot(&first.snapshot_id)
        .await
        .unwrap();
    delete(&world, &first.snapshot_id).await.unwrap();
    assert_eq!(snapshots(&world).await, 0);
}

#[rstest]
#[tokio::test]
async fn a_lost_reply_or_a_crash_loses_neither(
    #[values("CreateSnapshot", "EnableFastSnapshotRestores", "LockSnapshot")] action: &str,
    #[values("lost-reply", "error")] kind: &str,
    #[values(false, true)] killed: bool,
) {
    let mut world = world().await;
    let claim = volume(&world).await;
    let mut rule = json!({"action": action, "kind": kind, "count": 1000});
    if kind == "error" {
        rule["code"] = json!("InternalError");
    } else {
        rule["count"] = json!(1);
    }
    world.cloud.fault(&rule).await.unwrap();
    if let Err(status) = take(&world, &claim, "snap", ALL).await {
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    }
    if killed {
        world.kill_controller().await.unwrap();
        world.start_controller().await.unwrap();
    }
    world.cloud.heal().await.unwrap();
    let snapshot = take(&world, &claim, "snap", ALL).await.unwrap();
    assert_eq!(snapshots(&world).await, 1);
    let zones = world
        .cloud
        .fast_restores(&snapshot.snapshot_id)
        .await
        .unwrap();
    assert_eq!(zones, ["eu-central-1a", "eu-central-1b"]);
    let refused = delete(&world, &snapshot.snapshot_id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_quota_is_told_with_ec2s_code_and_leaves_no_snapshot() {
    let world = world().await;
    let claim = volume(&world).await;
    let class: Class<'_> = &[("fastSnapshotRestoreAvailabilityZones", "eu-central-1a")];
    for number in 0..5 {
        let name = format!("snap-{number}");
        take(&world, &claim, &name, class).await.unwrap();
    }
    let refused = take(&world, &claim, "one-more", class).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let words = refused.message();
    assert!(
        words.contains("FastSnapshotRestoreLimitExceeded"),
        "{words}"
    );
    assert!(
        words.contains("eu-central-1a") && words.contains("request id"),
        "{words}"
    );
    assert_eq!(snapshots(&world).await, 5);
}

#[rstest]
#[case(&[("fastSnapshotRestoreAvailabilityZones", "eu-central-1z")], "eu-central-1a, eu-central-1b")]
#[case(&[("lockMode", "governance"), ("lockExpirationDate", "2020-01-01T00:00:00Z")], "past")]
#[case(&[("lockMode", "governance")], "needs an end")]
#[case(&[("outpostArn", "here")], "arn:PARTITION")]
#[case(&[("lokMode", "governance")], "did you mean \"lockMode\"")]
#[tokio::test]
async fn wrong_values_are_told_before_anything_is_made(
    #[case] class: Class<'_>,
    #[case] part: &str,
) {
    let world = world().await;
    let claim = volume(&world).await;
    let refused = take(&world, &claim, "snap", class).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains(part), "{refused:?}");
    assert_eq!(calls(&world, "CreateSnapshot").await, 0);
}
