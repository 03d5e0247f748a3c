//! Blocks of snapshots on the wire: what is asked, what is read, and errors with their reasons.

use ebs_types::SnapshotId;

use super::*;
use crate::{BlockPlace, BlockQuery, Blocks};

const SNAPSHOT: &str = "snap-0123456789abcdef0";
const BASE: &str = "snap-0123456789abcdef1";

pub(super) fn query(base: Option<&str>, place: BlockPlace) -> BlockQuery {
    let id = |id: &str| id.parse::<SnapshotId>().unwrap();
    BlockQuery {
        snapshot: id(SNAPSHOT),
        base: base.map(id),
        place,
        max: 5_000,
    }
}

fn answer(body: &str) -> Reply {
    Reply::Answer(200, body.to_owned())
}

pub(super) fn refused(status: u16, code: &str, reason: &str) -> Reply {
    let body = format!(r#"{{"__type": "{code}", "Message": "the words"{reason}}}"#);
    Reply::Answer(status, body)
}

#[tokio::test]
async fn written_blocks_are_asked_for_and_read() {
    let page = r#"{"BlockSize": 524288, "VolumeSize": 4, "ExpiryTime": 1.8E9, "NextToken": "more",
        "Blocks": [{"BlockIndex": 0, "BlockToken": "a"}, {"BlockIndex": 4099, "BlockToken": "b"}]}"#;
    let empty = r#"{"BlockSize": 524288, "VolumeSize": 4, "Blocks": []}"#;
    let server = Server::start([answer(page), answer(empty)]).await;
    let asked = query(None, BlockPlace::Index(7));
    let first = server.ec2.list_blocks(&asked).await.unwrap();
    assert_eq!(first.items, [0, 4099]);
    let token = BlockPlace::Token(first.next.unwrap());
    let last = server.ec2.list_blocks(&query(None, token)).await.unwrap();
    assert_eq!((last.items, last.next), (Vec::new(), None));
    let path = format!("/snapshots/{SNAPSHOT}/blocks");
    let first = format!("GET {path}?maxResults=5000&startingBlockIndex=7 HTTP/1.1");
    let second = format!("GET {path}?pageToken=more&maxResults=5000 HTTP/1.1");
    assert_eq!(server.requests(), [first, second]);
}

#[tokio::test]
async fn changed_blocks_are_asked_for_and_read() {
    let page = r#"{"BlockSize": 524288, "VolumeSize": 4, "ChangedBlocks": [{"BlockIndex": 3, "SecondBlockToken": "a"},
        {"BlockIndex": 9, "FirstBlockToken": "b"}]}"#;
    let server = Server::start([answer(page)]).await;
    let asked = query(Some(BASE), BlockPlace::Index(0));
    let page = server.ec2.list_blocks(&asked).await.unwrap();
    assert_eq!((page.items, page.next), (vec![3, 9], None));
    let asked = format!(
        "GET /snapshots/{SNAPSHOT}/changedblocks?firstSnapshotId={BASE}&maxResults=5000&startingBlockIndex=0 HTTP/1.1"
    );
    assert_eq!(server.requests(), [asked]);
}

#[rstest]
#[case(
    400,
    "ValidationException",
    ", \"Reason\": \"UNRELATED_SNAPSHOTS\"",
    ErrorKind::UnrelatedSnapshots
)]
#[case(
    400,
    "ValidationException",
    ", \"Reason\": \"INVALID_PAGE_TOKEN\"",
    ErrorKind::PageToken
)]
#[case(
    400,
    "ValidationException",
    ", \"Reason\": \"INVALID_TAG\"",
    ErrorKind::InvalidParameter
)]
#[case(
    404,
    "ResourceNotFoundException",
    ", \"Reason\": \"SNAPSHOT_NOT_FOUND\"",
    ErrorKind::SnapshotNotFound
)]
#[case(
    404,
    "ResourceNotFoundException",
    ", \"Reason\": \"DEPENDENCY_RESOURCE_NOT_FOUND\"",
    ErrorKind::Unauthorized
)]
#[case(
    403,
    "AccessDeniedException",
    ", \"Reason\": \"DEPENDENCY_ACCESS_DENIED\"",
    ErrorKind::Unauthorized
)]
#[case(402, "ServiceQuotaExceededException", "", ErrorKind::QuotaExceeded)]
#[tokio::test]
async fn a_refusal_has_its_reason(
    #[case] status: u16,
    #[case] code: &str,
    #[case] reason: &str,
    #[case] kind: ErrorKind,
) {
    let server = Server::start([refused(status, code, reason)]).await;
    let asked = query(None, BlockPlace::Index(0));
    let error = server.ec2.list_blocks(&asked).await.unwrap_err();
    assert_eq!(
        (error.kind, error.outcome),
        (kind, Outcome::NotDone),
        "{error}"
    );
    assert!(error.code.as_deref().unwrap().starts_with(code), "{error}");
    assert_eq!(error.request_id.as_deref(), Some("req-7"));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_error_says_whose_it_is_and_no_reason_that_was_not_given() {
    let server = Server::start([refused(403, "AccessDeniedException", "")]).await;
    let asked = query(Some(BASE), BlockPlace::Index(0));
    let error = server.ec2.list_blocks(&asked).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "EBS ListChangedBlocks failed: AccessDeniedException: the words (request id req-7)"
    );
}

#[tokio::test]
async fn failures_inside_and_lost_replies_are_repeated() {
    let empty = r#"{"BlockSize": 524288, "VolumeSize": 4}"#;
    let failed = refused(500, "InternalServerException", "");
    let server = Server::start([failed, Reply::Lost, answer(empty)]).await;
    let asked = query(None, BlockPlace::Index(0));
    server.ec2.list_blocks(&asked).await.unwrap();
    assert_eq!(server.requests().len(), 3);
}

#[rstest]
#[case(r#"{"BlockSize": 1048576, "Blocks": []}"#, "BlockSize: 1048576")]
#[case(r#"{"Blocks": []}"#, "BlockSize: missing")]
#[case(
    r#"{"BlockSize": 524288, "Blocks": [{"BlockIndex": -1}]}"#,
    "BlockIndex: -1"
)]
#[case(r#"{"BlockSize": 524288, "Blocks": [{}]}"#, "BlockIndex: missing")]
#[tokio::test]
async fn what_cannot_be_gone_on_with_is_an_error(#[case] body: &str, #[case] part: &str) {
    let server = Server::start([answer(body)]).await;
    let asked = query(None, BlockPlace::Index(0));
    let error = server.ec2.list_blocks(&asked).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreadable);
    assert!(error.message.contains(part), "{error}");
}
