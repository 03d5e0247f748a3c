use ebs_types::Gibibytes;
use proptest::prelude::*;

use super::*;
use crate::model::Timestamp;

const ID: &str = "snap-0123456789abcdef0";
const BASE: &str = "snap-0123456789abcdef1";

fn query(path: &str, query: &str) -> Result<(Action, BlockQuery), ApiError> {
    let (action, call) = read(path, query).unwrap();
    match call?.request {
        Request::Blocks(query) => Ok((action, query)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn paths_and_queries_are_read() {
    let blocks = format!("/snapshots/{ID}/blocks");
    let (action, asked) = query(&blocks, "maxResults=5&startingBlockIndex=9").unwrap();
    assert_eq!(action, Action::ListSnapshotBlocks);
    assert_eq!((asked.snapshot.as_str(), &asked.base), (ID, &None));
    assert_eq!((asked.max, asked.place), (100, BlockPlace::Index(9)));
    // With a token the index does not count.
    let changed = format!("/snapshots/{ID}/changedblocks");
    let text = format!("firstSnapshotId={BASE}&pageToken=ab&startingBlockIndex=9");
    let (action, asked) = query(&changed, &text).unwrap();
    assert_eq!(action, Action::ListChangedBlocks);
    assert_eq!(asked.base.unwrap().as_str(), BASE);
    assert_eq!(
        (asked.max, asked.place),
        (10_000, BlockPlace::Token("ab".to_owned()))
    );
    for other in [
        "/",
        "/snapshots",
        "/snapshots/completion/x",
        "/snapshots/a/blocks/1",
    ] {
        assert!(read(other, "").is_none(), "{other}");
    }
}

#[test]
fn wrong_parameters_are_refused_with_a_reason() {
    let blocks = format!("/snapshots/{ID}/blocks");
    let changed = format!("/snapshots/{ID}/changedblocks");
    for (path, text, reason) in [
        ("/snapshots/vol-1/blocks", "", "INVALID_SNAPSHOT_ID"),
        (&changed, "", "INVALID_PARAMETER_VALUE"),
        (&changed, "firstSnapshotId=x", "INVALID_SNAPSHOT_ID"),
        (&blocks, "maxResults=10001", "INVALID_PARAMETER_VALUE"),
        (&blocks, "maxResults=-1", "INVALID_PARAMETER_VALUE"),
        (&blocks, "startingBlockIndex=x", "INVALID_PARAMETER_VALUE"),
        (&blocks, "pageToken=%zz", "INVALID_PARAMETER_VALUE"),
    ] {
        let refused = query(path, text).unwrap_err();
        assert_eq!(
            refused.code,
            format!("ValidationException.{reason}"),
            "{path}?{text}"
        );
        assert_eq!(
            (error_type(&refused), refused.status),
            ("ValidationException", 400)
        );
        let written: Value = serde_json::from_str(&error(&refused)).unwrap();
        assert_eq!(written["Reason"], reason);
    }
}

#[test]
fn pages_are_written() {
    let block = |index, in_base, in_snapshot| Block {
        index,
        in_base,
        in_snapshot,
    };
    let page = Blocks {
        snapshot: ID.parse().unwrap(),
        base: Some(BASE.parse().unwrap()),
        blocks: vec![
            block(3, true, true),
            block(7, false, true),
            block(9, true, false),
        ],
        size: Gibibytes(4),
        expires: Timestamp(1_800_000_000_000),
        next: Some("more".to_owned()),
    };
    let written: Value = serde_json::from_str(&reply(&Reply::Blocks(page.clone()))).unwrap();
    assert_eq!(written["BlockSize"], 524_288);
    assert_eq!(written["VolumeSize"], 4);
    assert_eq!(written["ExpiryTime"], 1_800_000_000);
    assert_eq!(written["NextToken"], "more");
    let tokens = |n: usize| {
        let block = &written["ChangedBlocks"][n];
        (
            block["FirstBlockToken"].is_string(),
            block["SecondBlockToken"].is_string(),
        )
    };
    assert_eq!(
        [tokens(0), tokens(1), tokens(2)],
        [(true, true), (false, true), (true, false)]
    );
    let page = Blocks { base: None, ..page };
    let written: Value = serde_json::from_str(&reply(&Reply::Blocks(page))).unwrap();
    assert_eq!(written["Blocks"][2]["BlockIndex"], 9);
    assert!(written["Blocks"][2]["BlockToken"].is_string());
}

proptest! {
    #[test]
    fn no_request_panics(path in "/snapshots/[ -~]{0,30}/(blocks|changedblocks)", query in "[ -~é]{0,60}") {
        let _ = read(&path, &query);
    }
}
