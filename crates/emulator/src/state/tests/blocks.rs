//! Lists of blocks: whose, and where pages begin.

use super::*;
use crate::model::{Block, BlockPlace, BlockQuery};

const HOUR: Duration = Duration::from_hours(1);

fn query(ids: &[&SnapshotId], place: BlockPlace) -> BlockQuery {
    let (snapshot, base) = ids.split_last().unwrap();
    BlockQuery {
        snapshot: (*snapshot).clone(),
        base: base.first().map(|base| (*base).clone()),
        place,
        max: 100,
    }
}

fn index(index: u32) -> BlockPlace {
    BlockPlace::Index(index)
}

fn range(lab: &Lab, query: &BlockQuery) -> Result<BlockRange, ApiError> {
    lab.world.block_range(&lab.region, query)
}

fn code(lab: &Lab, query: &BlockQuery) -> String {
    range(lab, query).unwrap_err().code
}

/// A page that was read, of which there is one block more.
fn page(lab: &Lab, query: &BlockQuery, first: u32) -> Blocks {
    let block = |index| Block {
        index,
        in_base: false,
        in_snapshot: true,
    };
    let read = (first..first + 101).map(block).collect();
    lab.world.block_page(&lab.region, query, read).unwrap()
}

#[test]
fn a_page_ends_with_a_token_for_the_block_that_follows() {
    let mut lab = Lab::new(Delays::none());
    let volume = lab.create(gp3(10));
    let (one, two) = (
        lab.snapshot(&volume).unwrap(),
        lab.snapshot(&volume).unwrap(),
    );
    lab.pass(HOUR);
    let asked = query(&[&one], index(5));
    let read = range(&lab, &asked).unwrap();
    assert_eq!((read.from, read.most), (5, 101));
    let first = page(&lab, &asked, 5);
    assert_eq!((first.blocks.len(), first.size), (100, Gibibytes(10)));
    let token = BlockPlace::Token(first.next.unwrap());
    assert_eq!(
        range(&lab, &query(&[&one], token.clone())).unwrap().from,
        105
    );

    // It is good for the same list, and for an hour.
    let invalid = "ValidationException.INVALID_PAGE_TOKEN";
    for ids in [&[&two][..], &[&one, &two], &[&two, &one]] {
        assert_eq!(code(&lab, &query(ids, token.clone())), invalid);
    }
    for odd in ["", "zz", "0000000500000000000000ffé"] {
        let odd = BlockPlace::Token(odd.to_owned());
        assert_eq!(code(&lab, &query(&[&one], odd)), invalid);
    }
    lab.pass(HOUR);
    assert_eq!(code(&lab, &query(&[&one], token)), invalid);
}

#[test]
fn only_blocks_of_completed_snapshots_are_listed() {
    let mut lab = Lab::new(Delays {
        snapshot: HOUR,
        ..Delays::none()
    });
    let volume = lab.create(gp3(10));
    lab.pass(HOUR);
    let id = lab.snapshot(&volume).unwrap();
    assert_eq!(
        code(&lab, &query(&[&id], index(0))),
        "ValidationException.INVALID_SNAPSHOT_ID"
    );
    lab.pass(HOUR);
    range(&lab, &query(&[&id], index(0))).unwrap();
    lab.call(Command::DeleteSnapshot(id.clone())).unwrap();
    let refused = range(&lab, &query(&[&id], index(0))).unwrap_err();
    assert_eq!(
        (refused.code.as_str(), refused.status),
        ("ResourceNotFoundException.SNAPSHOT_NOT_FOUND", 404)
    );
}

#[test]
fn snapshots_are_compared_along_one_line_of_volumes() {
    let mut lab = Lab::new(Delays::none());
    let volume = lab.create(gp3(10));
    let first = lab.snapshot(&volume).unwrap();
    let restored = lab.create(CreateVolume {
        snapshot: Some(first.clone()),
        ..gp3(10)
    });
    let other = lab.create(gp3(10));
    lab.pass(HOUR);
    let second = lab.snapshot(&restored).unwrap();
    let alien = lab.snapshot(&other).unwrap();
    lab.pass(HOUR);
    for ids in [[&first, &second], [&second, &first], [&first, &first]] {
        range(&lab, &query(&ids, index(0))).unwrap();
    }
    for ids in [[&first, &alien], [&alien, &second]] {
        assert_eq!(
            code(&lab, &query(&ids, index(0))),
            "ValidationException.UNRELATED_SNAPSHOTS"
        );
    }
}
