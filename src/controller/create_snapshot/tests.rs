//! One snapshot a name, whatever is lost.

use std::time::Duration;

use ec2::Action;
use tonic::Code;

use super::super::testing::{FakeEc2, Fault, create, create_request, service, take};
use super::*;

async fn volume(service: &ControllerService, name: &str) -> String {
    create(service, create_request(name))
        .await
        .unwrap()
        .volume_id
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_pending_then_ready_and_the_same_under_its_name() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, "pvc").await;
    let first = take(&service, "snap", &volume).await.unwrap();
    assert!(!first.ready_to_use && first.creation_time.is_some());
    assert_eq!(
        (first.size_bytes, &first.source_volume_id),
        (100 << 30, &volume)
    );
    fake.state()
        .snapshots
        .values_mut()
        .for_each(|s| s.state = SnapshotState::Completed);
    let again = take(&service, "snap", &volume).await.unwrap();
    assert!(again.ready_to_use && again.snapshot_id == first.snapshot_id);
    assert_eq!(fake.calls(Action::CreateSnapshot), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_makes_no_double_even_when_ec2_shows_it_late() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, "pvc").await;
    tokio::time::advance(Duration::from_secs(60)).await;
    fake.state().lag = Duration::from_secs(6);
    fake.fault(Action::CreateSnapshot, Fault::LoseReply);
    assert_eq!(
        take(&service, "snap", &volume).await.unwrap_err().code(),
        Code::Unavailable
    );
    take(&service, "snap", &volume).await.unwrap();
    assert_eq!(fake.calls(Action::CreateSnapshot), 1);
}

#[tokio::test(start_paused = true)]
async fn a_restart_right_after_the_create_makes_no_double() {
    let fake = FakeEc2::new();
    let before = service(&fake);
    let volume = volume(&before, "pvc").await;
    fake.state().lag = Duration::from_secs(6);
    fake.fault(Action::CreateSnapshot, Fault::Hang);
    let cut = tokio::time::timeout(Duration::from_secs(12), take(&before, "snap", &volume));
    assert!(cut.await.is_err());
    take(&service(&fake), "snap", &volume).await.unwrap();
    assert_eq!(fake.calls(Action::CreateSnapshot), 1);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_right_after_success_makes_no_double() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, "pvc").await;
    take(&service, "first", &volume).await.unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    fake.state().lag = Duration::from_secs(6);
    let one = take(&service, "snap", &volume).await.unwrap();
    let other = take(&service, "snap", &volume).await.unwrap();
    assert_eq!(one.snapshot_id, other.snapshot_id);
}

#[tokio::test(start_paused = true)]
async fn once_at_work_a_new_name_takes_one_look() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, "pvc").await;
    take(&service, "first", &volume).await.unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    let before = fake.calls(Action::DescribeSnapshots);
    take(&service, "second", &volume).await.unwrap();
    assert_eq!(fake.calls(Action::DescribeSnapshots), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_of_another_volumes_snapshot_already_exists() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let (one, other) = (volume(&service, "a").await, volume(&service, "b").await);
    take(&service, "snap", &one).await.unwrap();
    let status = take(&service, "snap", &other).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
    assert!(status.message().contains(&one), "{}", status.message());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_not_there_is_not_found() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    for id in ["vol-00000099", "testId"] {
        assert_eq!(
            take(&service, "snap", id).await.unwrap_err().code(),
            Code::NotFound
        );
    }
    assert_eq!(
        take(&service, "", "testId").await.unwrap_err().code(),
        Code::InvalidArgument
    );
    assert_eq!(
        take(&service, "snap", "").await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_snapshot_says_so() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, "pvc").await;
    take(&service, "snap", &volume).await.unwrap();
    fake.state()
        .snapshots
        .values_mut()
        .for_each(|s| s.state = SnapshotState::Error);
    assert_eq!(
        take(&service, "snap", &volume).await.unwrap_err().code(),
        Code::Internal
    );
}
