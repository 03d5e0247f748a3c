//! Nothing that a class asks for is lost, whatever is; and no snapshot is left that nobody knows.

use std::sync::Arc;
use std::time::Duration;

use csi::v1::controller_server::Controller as _;
use csi::v1::{CreateSnapshotRequest, DeleteSnapshotRequest, Snapshot};
use ebs_types::SnapshotState;
use ec2::{Action, ErrorKind};
use rstest::rstest;
use tonic::{Code, Request, Status};

use super::super::testing::{FakeEc2, Fault, create, create_request, service};
use super::*;

/// Asks for a snapshot with fast restores in z-a and z-b and a lock for a week.
async fn take(service: &ControllerService, volume: &str) -> Result<Snapshot, Status> {
    let class = [
        ("fastSnapshotRestoreAvailabilityZones", "z-a,z-b"),
        ("lockMode", "compliance"),
        ("lockDuration", "7"),
    ];
    let message = CreateSnapshotRequest {
        source_volume_id: volume.to_owned(),
        name: "snap".to_owned(),
        parameters: class
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..CreateSnapshotRequest::default()
    };
    let answer = service.create_snapshot(Request::new(message)).await?;
    Ok(answer.into_inner().snapshot.unwrap())
}

async fn volume(fake: &Arc<FakeEc2>) -> String {
    let request = create_request("pvc");
    create(&service(fake), request).await.unwrap().volume_id
}

/// Snapshots, zones with fast restores, and locks.
fn there(fake: &FakeEc2) -> (usize, usize, usize) {
    let state = fake.state();
    (
        state.snapshots.len(),
        state.fast_restores.len(),
        state.locks.len(),
    )
}

#[tokio::test(start_paused = true)]
async fn all_of_it_is_asked_for_once() {
    let fake = FakeEc2::new();
    let (volume, service) = (volume(&fake).await, service(&fake));
    let first = take(&service, &volume).await.unwrap();
    assert_eq!(there(&fake), (1, 2, 1));
    fake.state()
        .snapshots
        .values_mut()
        .for_each(|s| s.state = SnapshotState::Completed);
    let again = take(&service, &volume).await.unwrap();
    assert!(again.ready_to_use && again.snapshot_id == first.snapshot_id);
    assert_eq!(fake.calls(Action::EnableFastSnapshotRestores), 1);
    assert_eq!(fake.calls(Action::LockSnapshot), 1);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_cut_or_a_lost_reply_loses_nothing(
    #[values(
        Action::CreateSnapshot,
        Action::EnableFastSnapshotRestores,
        Action::LockSnapshot
    )]
    at: Action,
    #[values(Fault::LoseReply, Fault::Hang, Fault::Refuse(ErrorKind::Throttled))] fault: Fault,
    #[values(false, true)] restarted: bool,
) {
    let fake = FakeEc2::new();
    let (volume, before) = (volume(&fake).await, service(&fake));
    fake.fault(at, fault);
    let cut = tokio::time::timeout(Duration::from_secs(60), take(&before, &volume)).await;
    if let Ok(answer) = cut {
        assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
    }
    let after = match restarted {
        true => service(&fake),
        false => before,
    };
    take(&after, &volume).await.unwrap();
    assert_eq!(there(&fake), (1, 2, 1), "{at} {fault:?}");
    assert_eq!(fake.calls(Action::DeleteSnapshot), 0);
}

#[rstest]
#[case(
    Action::EnableFastSnapshotRestores,
    ErrorKind::QuotaExceeded,
    Code::ResourceExhausted
)]
#[case(Action::LockSnapshot, ErrorKind::Unauthorized, Code::PermissionDenied)]
#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_leaves_no_snapshot(
    #[case] at: Action,
    #[case] why: ErrorKind,
    #[case] code: Code,
) {
    let fake = FakeEc2::new();
    let (volume, service) = (volume(&fake).await, service(&fake));
    fake.fault(at, Fault::Refuse(why));
    let refused = take(&service, &volume).await.unwrap_err();
    assert_eq!(refused.code(), code);
    let words = refused.message();
    assert!(
        words.contains("Code") && words.contains("deleted again"),
        "{words}"
    );
    assert_eq!(there(&fake).0, 0);
    take(&service, &volume).await.unwrap();
    assert_eq!(there(&fake).0, 1);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_may_be_known_is_kept_whatever_it_lacks() {
    let fake = FakeEc2::new();
    let (volume, service) = (volume(&fake).await, service(&fake));
    fake.fault(Action::LockSnapshot, Fault::Refuse(ErrorKind::Throttled));
    take(&service, &volume).await.unwrap_err();
    fake.fault(Action::LockSnapshot, Fault::Refuse(ErrorKind::Unauthorized));
    let refused = take(&service, &volume).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("kept"), "{}", refused.message());
    assert_eq!(there(&fake), (1, 2, 0));
    take(&service, &volume).await.unwrap();
    assert_eq!(there(&fake), (1, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_cannot_be_taken_back_is_told_to_be_there() {
    let fake = FakeEc2::new();
    let (volume, service) = (volume(&fake).await, service(&fake));
    let quota = Fault::Refuse(ErrorKind::QuotaExceeded);
    fake.fault(Action::EnableFastSnapshotRestores, quota);
    fake.fault(Action::DeleteSnapshot, Fault::Refuse(ErrorKind::Throttled));
    let refused = take(&service, &volume).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    take(&service, &volume).await.unwrap();
    assert_eq!(there(&fake), (1, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_locked_snapshot_is_not_deleted_and_says_why() {
    let fake = FakeEc2::new();
    let (volume, service) = (volume(&fake).await, service(&fake));
    let id = take(&service, &volume).await.unwrap().snapshot_id;
    let message = DeleteSnapshotRequest {
        snapshot_id: id,
        ..DeleteSnapshotRequest::default()
    };
    let refused = service.delete_snapshot(Request::new(message)).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let words = refused.message();
    assert!(
        words.contains("compliance mode, which nobody can undo"),
        "{words}"
    );
}
