//! Lists over an EBS in memory that gives pages of any length and fails as scripted, in paused time.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;

use async_trait::async_trait;
use ec2::Action;
use futures::{FutureExt as _, StreamExt as _};
use proptest::prelude::*;

use super::*;

const GIB: u64 = 1 << 30;
/// Of a volume of 1 GiB.
const BLOCKS: u32 = 2_048;

/// What it lists, and what happens to its next calls.
struct Ebs {
    blocks: Vec<u32>,
    /// The blocks of each page, over and over: 0 makes an empty one.
    pages: Vec<usize>,
    /// The codes of refusals; `None` lets a call through.
    script: Mutex<VecDeque<Option<&'static str>>>,
    calls: Mutex<Vec<BlockPlace>>,
}

impl Ebs {
    fn new(blocks: impl IntoIterator<Item = u32>, pages: &[usize]) -> Self {
        Self {
            blocks: blocks.into_iter().collect(),
            pages: pages.to_vec(),
            script: Mutex::default(),
            calls: Mutex::default(),
        }
    }

    fn failing(self, script: impl IntoIterator<Item = Option<&'static str>>) -> Arc<Self> {
        self.script.lock().unwrap().extend(script);
        Arc::new(self)
    }

    fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

fn refusal(code: &str) -> Ec2Error {
    Ec2Error::from_answer(Action::ListSnapshotBlocks, 400, Some(code), "no", None)
}

#[async_trait]
impl Blocks for Ebs {
    async fn list_blocks(&self, query: &BlockQuery) -> Result<Page<u32>, Ec2Error> {
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(query.place.clone());
            calls.len()
        };
        let refused = self.script.lock().unwrap().pop_front().flatten();
        // Where there is no token none has expired.
        let no_token = matches!(query.place, BlockPlace::Index(_));
        if let Some(code) = refused.filter(|code| !(no_token && *code == EXPIRED)) {
            return Err(refusal(code));
        }
        let from: u32 = match &query.place {
            BlockPlace::Index(index) => *index,
            BlockPlace::Token(token) => token.parse().unwrap(),
        };
        let count = self.pages[number % self.pages.len()];
        let left: Vec<u32> = self.blocks.iter().copied().filter(|b| *b >= from).collect();
        let items: Vec<u32> = left.iter().copied().take(count).collect();
        let next = left.get(items.len()).map(u32::to_string);
        Ok(Page { items, next })
    }
}

fn ask(from: u64, most: usize) -> Ask {
    Ask {
        snapshot: "snap-0123456789abcdef0".parse().unwrap(),
        base: None,
        from,
        most: most.try_into().ok(),
    }
}

/// Snapshots that are there, or not, in an EC2 whose changes are seen after 10 s.
fn there(found: bool) -> There {
    let answer = move || match found {
        true => Ok(()),
        false => Err(refusal("InvalidSnapshot.NotFound")),
    };
    There {
        ask: Box::new(move || async move { answer() }.boxed()),
        window: Duration::from_secs(10),
    }
}

fn listing(ebs: &Arc<Ebs>, ask: Ask) -> Listing {
    let blocks: Arc<dyn Blocks> = Arc::<Ebs>::clone(ebs);
    Listing::new(blocks, there(true), ask, Bytes(GIB)).unwrap()
}

/// The messages, and how the list ends.
async fn all(mut listing: Listing) -> (Vec<Part>, Result<(), Error>) {
    let mut parts = Vec::new();
    if let Err(error) = listing.first().await {
        return (parts, Err(error));
    }
    let mut stream = std::pin::pin!(listing.stream());
    while let Some(part) = stream.next().await {
        match part {
            Ok(part) => parts.push(part),
            Err(error) => return (parts, Err(error)),
        }
    }
    (parts, Ok(()))
}

fn indices(parts: &[Part]) -> Vec<u32> {
    let blocks = parts.iter().flat_map(|part| &part.blocks);
    blocks
        .map(|block| {
            assert_eq!(block.size_bytes, i64::from(BLOCK_BYTES));
            u32::try_from(block.byte_offset / block.size_bytes).unwrap()
        })
        .collect()
}

const EXPIRED: &str = "ValidationException.INVALID_PAGE_TOKEN";

/// What a list gets over: throttling, failures inside, an expired token, a snapshot that EBS does not know yet.
const PASSING: [&str; 4] = [
    "RequestThrottledException.ACCOUNT_THROTTLED",
    "InternalServerException",
    EXPIRED,
    "ResourceNotFoundException.SNAPSHOT_NOT_FOUND",
];

/// After so many failures the pauses add up to 6.2 s: with one more of them a snapshot that EBS does not know would be gone ([`there`]).
const IN_A_ROW: usize = 5;

proptest! {
    #[test]
    fn every_block_is_listed_once_and_in_order(
        blocks in proptest::collection::btree_set(0..BLOCKS, 0..60),
        mut pages in proptest::collection::vec(0_usize..20, 1..4),
        from in 0..=GIB,
        most in 0_usize..30,
        script in proptest::collection::vec(proptest::option::of(0..4_usize), 0..20),
        cut in 0_usize..20,
    ) {
        // Some page has something on it, or the list would never end.
        pages.push(7);
        let script: Vec<_> = script.into_iter().map(|which| which.map(|which| PASSING[which])).collect();
        let script = script.chunks(IN_A_ROW).flat_map(|run| run.iter().copied().chain([None]));
        let ebs = Ebs::new(blocks.iter().copied(), &pages).failing(script);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (parts, end) = runtime.block_on(all(listing(&ebs, ask(from, most))));
        prop_assert!(end.is_ok(), "{:?}", end);
        let wanted: Vec<u32> = blocks.iter().copied().filter(|b| start(b + 1) > from).collect();
        prop_assert_eq!(&indices(&parts), &wanted);
        prop_assert!(!parts.is_empty());
        for (number, part) in parts.iter().enumerate() {
            prop_assert_eq!(part.capacity, 1 << 30);
            prop_assert!(most == 0 || part.blocks.len() <= most);
            prop_assert!(number == 0 || !part.blocks.is_empty());
        }

        // Cut off after any message, it goes on behind the last block of that.
        let got = &parts[..cut.min(parts.len())];
        let behind = indices(got).last().map_or(from, |last| start(last + 1));
        let (rest, end) = runtime.block_on(all(listing(&ebs, ask(behind, most))));
        prop_assert!(end.is_ok());
        let both: BTreeSet<u32> = indices(got).into_iter().chain(indices(&rest)).collect();
        prop_assert_eq!(both, wanted.into_iter().collect());
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_replaced_by_the_block_that_follows() {
    let ebs = Ebs::new([3, 5, 900, 901], &[2]).failing([None, Some(EXPIRED)]);
    let (parts, end) = all(listing(&ebs, ask(0, 0))).await;
    end.unwrap();
    assert_eq!(indices(&parts), [3, 5, 900, 901]);
    let calls = ebs.calls.lock().unwrap();
    let token = BlockPlace::Token("900".to_owned());
    assert_eq!(*calls, [BlockPlace::Index(0), token, BlockPlace::Index(6)]);
}

#[tokio::test(start_paused = true)]
async fn a_page_is_asked_for_when_the_last_one_was_taken() {
    let ebs = Ebs::new(0..100, &[10]).failing([]);
    let mut list = listing(&ebs, ask(0, 4));
    list.first().await.unwrap();
    let mut stream = Box::pin(list.stream());
    for (message, calls) in [(4, 1), (4, 1), (2, 1), (4, 2)] {
        assert_eq!(stream.next().await.unwrap().unwrap().blocks.len(), message);
        assert_eq!(ebs.calls(), calls);
    }
    drop(stream);
    assert_eq!(ebs.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_is_told_with_where_the_list_stopped() {
    let throttled = std::iter::repeat_n(Some(PASSING[0]), 1000);
    let ebs = Ebs::new(0..100, &[10]).failing([None].into_iter().chain(throttled));
    let (parts, end) = all(listing(&ebs, ask(0, 0))).await;
    assert_eq!(indices(&parts).len(), 10);
    let Err(Error::Stalled { after, from, error }) = end else {
        panic!("{end:?}");
    };
    assert_eq!((from, error.kind), (start(10), ErrorKind::Throttled));
    assert!(after <= PATIENCE && after > PATIENCE / 2, "{after:?}");
    assert!(ebs.calls() < 30, "{}", ebs.calls());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_the_list_at_once() {
    for code in [
        "AccessDeniedException",
        "ValidationException.UNRELATED_SNAPSHOTS",
    ] {
        let ebs = Ebs::new(0..100, &[10]).failing([None, Some(code)]);
        let (parts, end) = all(listing(&ebs, ask(0, 0))).await;
        assert_eq!(indices(&parts).len(), 10);
        assert!(matches!(end, Err(Error::Ec2(error)) if error.code.as_deref() == Some(code)));
        assert_eq!(ebs.calls(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn gone_is_what_ec2_shows_no_more_or_ebs_not_in_time() {
    let missing = || std::iter::repeat_n(Some(PASSING[3]), 1000);
    let ebs = Ebs::new(0..100, &[10]).failing(missing());
    let began = Instant::now();
    let (_, end) = all(listing(&ebs, ask(0, 0))).await;
    assert!(matches!(end, Err(Error::Ec2(error)) if error.is_not_found()));
    assert!(began.elapsed() >= Duration::from_secs(10));

    let ebs = Ebs::new(0..100, &[10]).failing(missing());
    let blocks: Arc<dyn Blocks> = Arc::<Ebs>::clone(&ebs);
    let list = Listing::new(blocks, there(false), ask(0, 0), Bytes(GIB)).unwrap();
    let (_, end) = all(list).await;
    assert!(matches!(end, Err(Error::Ec2(error)) if error.is_not_found()));
    assert_eq!(ebs.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_list_against_its_order_is_not_taken_for_whole() {
    let ebs = Ebs::new([5, 4], &[10]).failing([]);
    let (_, end) = all(listing(&ebs, ask(0, 0))).await;
    let Err(Error::OutOfOrder { index, last, .. }) = end else {
        panic!("{end:?}");
    };
    assert_eq!((index, last), (4, 5));
}

#[tokio::test(start_paused = true)]
async fn what_lies_beyond_the_volume_is_left_out() {
    // A base may be of a volume that was larger.
    let ebs = Ebs::new([7, BLOCKS - 1, BLOCKS, BLOCKS + 9], &[3]).failing([]);
    let (parts, end) = all(listing(&ebs, ask(0, 0))).await;
    end.unwrap();
    assert_eq!(indices(&parts), [7, BLOCKS - 1]);
    assert_eq!(ebs.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_nothing_is_asked() {
    let ebs = Ebs::new(0..9, &[3]).failing([]);
    let mut same = ask(0, 0);
    same.base = Some(same.snapshot.clone());
    for ask in [same, ask(GIB, 0)] {
        let (parts, end) = all(listing(&ebs, ask)).await;
        end.unwrap();
        let nothing = Part {
            capacity: 1 << 30,
            blocks: Vec::new(),
        };
        assert_eq!((parts, ebs.calls()), (vec![nothing], 0));
    }
    let blocks: Arc<dyn Blocks> = ebs;
    let beyond = Listing::new(blocks, there(true), ask(GIB + 1, 0), Bytes(GIB));
    assert!(matches!(beyond, Err(Error::BeyondEnd { .. })));
}
