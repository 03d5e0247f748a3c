//! What is throttled, on the wire: it is made again as long as its caller waits, and then told in EC2's words.

use std::iter::{once, repeat_n};

use tokio::time::Instant;

use super::blocks::{query, refused};
use super::*;
use crate::{BlockPlace, Blocks, Caller};

fn throttled() -> Reply {
    refusal(503, "RequestLimitExceeded", "Slow down.")
}

/// The work of an RPC that ends so soon.
async fn within_a_second<F: Future>(work: F) -> F::Output {
    let caller = Caller {
        method: "CreateVolume",
        deadline: Some(Instant::now() + Duration::from_secs(1)),
    };
    caller.scope(work).await
}

#[tokio::test]
async fn it_is_made_again() {
    let server = Server::start([throttled(), throttled(), done("DeleteVolume", "")]).await;
    server.ec2.delete_volume(&volume_id()).await.unwrap();
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn when_the_callers_time_is_up_it_is_told() {
    let server = Server::start(repeat_n(throttled(), 1_000)).await;
    let query = VolumeQuery::Ids(vec![volume_id()]);
    let asked = server.ec2.describe_volumes(&query);
    let error = within_a_second(asked).await.unwrap_err();
    assert_eq!(
        (error.kind, error.outcome),
        (ErrorKind::Throttled, Outcome::NotDone)
    );
    assert!(error.to_string().contains("Slow down."), "{error}");
    // Each pause leaves EC2 some tokens.
    let asked = server.requests().len();
    assert!((1..20).contains(&asked), "{asked}");
}

#[tokio::test]
async fn it_does_not_hide_that_an_attempt_before_may_be_done() {
    let server = Server::start(once(Reply::Lost).chain(repeat_n(throttled(), 1_000))).await;
    let volume = volume_id();
    let asked = server.ec2.delete_volume(&volume);
    let error = within_a_second(asked).await.unwrap_err();
    assert_eq!(
        (error.kind, error.outcome),
        (ErrorKind::Throttled, Outcome::MayBeDone)
    );
}

#[tokio::test]
async fn the_ebs_direct_apis_throttle_with_a_reason() {
    let reason = ", \"Reason\": \"RESOURCE_LEVEL_THROTTLE\"";
    let throttled = refused(400, "RequestThrottledException", reason);
    let server = Server::start(repeat_n(throttled, 1_000)).await;
    let asked = query(None, BlockPlace::Index(0));
    let asked = server.ec2.list_blocks(&asked);
    let error = within_a_second(asked).await.unwrap_err();
    assert_eq!(
        (error.kind, error.outcome),
        (ErrorKind::Throttled, Outcome::NotDone)
    );
    let code = error.code.as_deref().unwrap();
    assert_eq!(code, "RequestThrottledException.RESOURCE_LEVEL_THROTTLE");
}
