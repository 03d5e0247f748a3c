//! Pages of every size, filters, and tokens that are none.

use std::collections::BTreeSet;

use csi::v1::controller_server::Controller;
use proptest::prelude::*;
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
async fn a_small_first_page_can_be_followed_by_all_the_rest() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    with_snapshots(&service, 5).await;
    let (first, token) = list(&service, 2, "").await.unwrap();
    let (rest, end) = list(&service, 0, &token).await.unwrap();
    assert_eq!((first.len(), rest.len(), end.as_str()), (2, 3, ""));
}

#[rstest]
#[case("nonsense")]
#[case("p1:5:0")]
#[case("p1:4:0:")]
#[case("p1:5:x:")]
#[case("p1:5:0:not EC2's")]
#[tokio::test(start_paused = true)]
async fn a_token_that_is_none_is_aborted(#[case] token: &str) {
    let fake = FakeEc2::new();
    let status = list(&service(&fake), 0, token).await.unwrap_err();
    assert_eq!(status.code(), Code::Aborted);
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
    assert_eq!(count(&known, "vol-0000dead").await, 0);
    assert_eq!(count(&known, "fake-vol-id").await, 0);
    assert_eq!(count("snap-0000dead", "").await, 0);
    assert_eq!(count("none-exist-id", "").await, 0);
    assert_eq!(count("", &volume).await, 2);
    assert_eq!(count("", "vol-0000dead").await, 0);
    assert_eq!(count("", "fake-vol-id").await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_negative_limit_is_refused() {
    let fake = FakeEc2::new();
    let status = list(&service(&fake), -1, "").await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

proptest! {
    #[test]
    fn tokens_are_read_back(page in 5_u16..=1_000, seen in 0..10_000_usize, token in proptest::option::of("[^\0]{1,20}")) {
        let place = Place { page, seen, token };
        prop_assert_eq!(place.to_token().parse::<Place>().ok(), Some(place));
    }

    #[test]
    fn no_token_panics(text in ".*") {
        let _ = text.parse::<Place>();
    }
}
