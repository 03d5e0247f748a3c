//! Filters, and pages of a list that changes meanwhile.

use std::collections::BTreeSet;

use csi::v1::controller_server::Controller;
use csi::v1::{DeleteSnapshotRequest, GetSnapshotRequest};
use ebs_types::{SnapshotState, keys};
use rstest::rstest;
use tonic::{Code, Request, Status};

use super::super::testing::{FakeEc2, create, create_request, service, take};
use super::*;

async fn list(
    service: &ControllerService,
    max_entries: i32,
    token: &str,
) -> Result<(Vec<String>, String), Status> {
    let message = ListSnapshotsRequest {
        max_entries,
        starting_token: token.to_owned(),
        ..ListSnapshotsRequest::default()
    };
    let answer = service
        .list_snapshots(Request::new(message))
        .await?
        .into_inner();
    let ids = answer
        .entries
        .into_iter()
        .map(|entry| entry.snapshot.unwrap().snapshot_id);
    Ok((ids.collect(), answer.next_token))
}

async fn with_snapshots(service: &ControllerService, count: usize) -> String {
    let volume = create(service, create_request("pvc"))
        .await
        .unwrap()
        .volume_id;
    for n in 0..count {
        take(service, &format!("snap-{n}"), &volume).await.unwrap();
    }
    volume
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn every_page_size_lists_each_snapshot_once(
    #[values(1, 2, 4, 5, 6, 11, 12, 2_000)] max: i32,
) {
    let fake = FakeEc2::new();
    let service = service(&fake);
    with_snapshots(&service, 12).await;
    let (mut seen, mut token) = (BTreeSet::new(), String::new());
    loop {
        let (ids, next) = list(&service, max, &token).await.unwrap();
        assert!(!ids.is_empty() && ids.len() <= usize::try_from(max).unwrap());
        for id in ids {
            assert!(seen.insert(id), "listed twice");
        }
        token = next;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 12);
}

#[tokio::test(start_paused = true)]
async fn what_was_listed_can_be_deleted_before_the_next_page() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    with_snapshots(&service, 9).await;
    let all = list(&service, 0, "").await.unwrap().0;
    let (mut seen, mut token) = list(&service, 2, "").await.unwrap();
    while !token.is_empty() {
        let snapshot_id = seen.last().unwrap().clone();
        let message = DeleteSnapshotRequest {
            snapshot_id,
            ..DeleteSnapshotRequest::default()
        };
        service
            .delete_snapshot(Request::new(message))
            .await
            .unwrap();
        // The token is as good at another replica.
        let (more, next) = list(&super::super::testing::service(&fake), 2, &token)
            .await
            .unwrap();
        seen.extend(more);
        token = next;
    }
    assert_eq!(seen, all);
}

#[tokio::test(start_paused = true)]
async fn filters_find_what_is_there_and_nothing_else() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = with_snapshots(&service, 2).await;
    let count = async |snapshot_id: &str, source_volume_id: &str| {
        let message = ListSnapshotsRequest {
            snapshot_id: snapshot_id.to_owned(),
            source_volume_id: source_volume_id.to_owned(),
            ..ListSnapshotsRequest::default()
        };
        let answer = service.list_snapshots(Request::new(message)).await.unwrap();
        answer.into_inner().entries.len()
    };
    let known = list(&service, 0, "").await.unwrap().0.remove(0);
    assert_eq!(count(&known, "").await, 1);
    assert_eq!(count(&known, &volume).await, 1);
    assert_eq!(count(&known, &format!("aws://z-a/{volume}")).await, 1);
    assert_eq!(count(&known, "vol-0000dead").await, 0);
    assert_eq!(count(&known, "fake-vol-id").await, 0);
    assert_eq!(count("snap-0000dead", "").await, 0);
    assert_eq!(count("none-exist-id", "").await, 0);
    assert_eq!(count("", &volume).await, 2);
    assert_eq!(count("", "vol-0000dead").await, 0);
    assert_eq!(count("", "fake-vol-id").await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_marked_is_found_by_its_id_alone() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = with_snapshots(&service, 1).await;
    let id = list(&service, 0, "").await.unwrap().0.remove(0);
    for snapshot in fake.state().snapshots.values_mut() {
        snapshot.tags.remove(keys::CLUSTER_MARK);
    }
    assert_eq!(list(&service, 0, "").await.unwrap().0.len(), 0);
    let message = |snapshot_id: &str| ListSnapshotsRequest {
        snapshot_id: snapshot_id.to_owned(),
        source_volume_id: volume.clone(),
        ..ListSnapshotsRequest::default()
    };
    for (snapshot_id, found) in [("", 0), (&id, 1)] {
        let request = Request::new(message(snapshot_id));
        let answer = service.list_snapshots(request).await.unwrap();
        assert_eq!(answer.into_inner().entries.len(), found);
    }
}

async fn get(service: &ControllerService, id: &str) -> Result<csi::v1::Snapshot, Status> {
    let message = GetSnapshotRequest {
        snapshot_id: id.to_owned(),
        ..GetSnapshotRequest::default()
    };
    let answer = service.get_snapshot(Request::new(message)).await?;
    Ok(answer.into_inner().snapshot.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_got_by_its_id() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = with_snapshots(&service, 1).await;
    let id = list(&service, 0, "").await.unwrap().0.remove(0);
    let snapshot = get(&service, &id).await.unwrap();
    assert_eq!(snapshot.source_volume_id, volume);
    assert!(!snapshot.ready_to_use && snapshot.size_bytes > 0);
    let code = async |id: &str| get(&service, id).await.unwrap_err().code();
    assert_eq!(code("").await, Code::InvalidArgument);
    assert_eq!(code("snap-0000dead").await, Code::NotFound);
    assert_eq!(code("fake-id").await, Code::NotFound);
    for snapshot in fake.state().snapshots.values_mut() {
        snapshot.state = SnapshotState::Error;
    }
    assert_eq!(code(&id).await, Code::Internal);
}
