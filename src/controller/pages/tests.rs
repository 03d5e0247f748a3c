//! Every size of page over lists that change between two calls, and tokens that are none.

use std::collections::BTreeSet;
use std::sync::Mutex;

use ec2::{Action, Outcome};
use proptest::prelude::*;
use rstest::rstest;
use tonic::Code;

use super::*;
use crate::status::{self, Rpc};

/// Two questions with their entries, and how many calls were made.
#[derive(Default)]
struct Numbers {
    answers: Mutex<[BTreeSet<u32>; 2]>,
    calls: Mutex<u32>,
}

#[async_trait::async_trait]
impl List for Numbers {
    type Item = u32;

    const MARK: char = 'n';
    const QUESTIONS: u8 = 2;
    const LARGEST_PAGE: u16 = 10;

    async fn page(&self, place: &Place) -> Result<Page<Entry<u32>>, Ec2Error> {
        assert!((SMALLEST_PAGE..=Self::LARGEST_PAGE).contains(&place.size));
        *self.calls.lock().unwrap() += 1;
        let after = match place.token.as_deref().map(str::parse::<u32>) {
            None => None,
            Some(Ok(number)) => Some(number),
            Some(Err(_)) => {
                return Err(Ec2Error {
                    action: Action::DescribeVolumes,
                    kind: ErrorKind::InvalidParameter,
                    outcome: Outcome::NotDone,
                    code: Some("InvalidNextToken".to_owned()),
                    message: String::new(),
                    request_id: None,
                });
            }
        };
        let answers = self.answers.lock().unwrap();
        let mut rest = answers[usize::from(place.question)]
            .iter()
            .filter(|number| after.is_none_or(|after| **number > after))
            .peekable();
        let page: Vec<u32> = rest.by_ref().take(place.size.into()).copied().collect();
        let next = rest.peek().and(page.last()).map(u32::to_string);
        // Every seventh is left out, as something is that is being deleted: pages may be short, and empty.
        let shown = page.into_iter().filter(|number| number % 7 != 0);
        Ok(Page {
            items: shown
                .map(|number| Entry {
                    id: format!("n-{number}"),
                    item: number,
                })
                .collect(),
            next,
        })
    }
}

fn numbers(first: impl IntoIterator<Item = u32>, second: impl IntoIterator<Item = u32>) -> Numbers {
    Numbers {
        answers: Mutex::new([first.into_iter().collect(), second.into_iter().collect()]),
        calls: Mutex::default(),
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    futures::executor::block_on(future)
}

proptest! {
    /// What is there all the time is listed exactly once, what comes or goes at most once.
    #[test]
    fn whatever_comes_and_goes_nothing_that_stays_is_lost_or_doubled(
        stay in proptest::collection::btree_set(0..60_u32, 0..30),
        go in proptest::collection::vec(0..60_u32, 0..20),
        come in proptest::collection::vec(0..60_u32, 0..20),
        sizes in proptest::collection::vec(0..13_i32, 1..6),
    ) {
        let go: Vec<u32> = go.into_iter().filter(|n| !stay.contains(n)).collect();
        // Even ones answer the first question, odd ones the second.
        let of = |parity: u32, all: &BTreeSet<u32>| all.iter().copied().filter(|n| n % 2 == parity).collect::<Vec<_>>();
        let all: BTreeSet<u32> = stay.iter().chain(&go).copied().collect();
        let list = numbers(of(0, &all), of(1, &all));
        let (mut seen, mut token) = (Vec::new(), String::new());
        let mut change = go.iter().map(|n| (false, *n)).zip(come.iter().map(|n| (true, *n))).flat_map(|(a, b)| [a, b]);
        for round in 0_usize.. {
            prop_assert!(round < 200, "it ends");
            let size = sizes[round % sizes.len()];
            let (items, next) = run(super::list(&list, size, &token)).unwrap();
            prop_assert!(size == 0 || items.len() <= usize::try_from(size).unwrap());
            prop_assert!(!items.is_empty() || next.is_empty());
            seen.extend(items);
            if next.is_empty() {
                break;
            }
            token = next;
            for (comes, number) in change.by_ref().take(3) {
                if stay.contains(&number) {
                    continue;
                }
                let set = &mut list.answers.lock().unwrap()[usize::try_from(number % 2).unwrap()];
                if comes { set.insert(number); } else { set.remove(&number); }
            }
        }
        let once: BTreeSet<u32> = seen.iter().copied().collect();
        prop_assert_eq!(once.len(), seen.len(), "listed twice: {:?}", seen);
        for number in stay.iter().filter(|n| **n % 7 != 0) {
            prop_assert!(once.contains(number), "{} is lost", number);
        }
    }

    #[test]
    fn tokens_are_read_back(
        question in 0..2_u8,
        size in 5..=10_u16,
        shown in proptest::collection::vec("[a-z0-9-]{1,9}", 0..4),
        token in proptest::option::of("[^\0]{1,20}"),
    ) {
        let place = Place { question, size, token, shown };
        prop_assert_eq!(Place::read::<Numbers>(&place.write::<Numbers>()), Some(place));
    }

    #[test]
    fn no_token_panics(text in "n?2?:?.*") {
        let _ = Place::read::<Numbers>(&text);
    }
}

#[rstest]
#[case("nonsense")]
#[case("n2:0:5:")]
#[case("n1:0:5::")]
#[case("s2:0:5::")]
#[case("n2:2:5::")]
#[case("n2:0:4::")]
#[case("n2:0:11::")]
#[case("n2:x:5::")]
#[case("n2:+1:5::")]
#[case("n2:0:5::not EC2's")]
fn a_token_that_is_none_is_aborted(#[case] token: &str) {
    let error = run(super::list(&numbers([], []), 0, token)).unwrap_err();
    let status = status::controller(Rpc::ListVolumes, &error);
    assert_eq!(status.code(), Code::Aborted);
    assert!(status.message().contains(token), "{status:?}");
}

#[test]
fn a_negative_limit_is_refused() {
    let error = run(super::list(&numbers([], []), -1, "")).unwrap_err();
    let status = status::controller(Rpc::ListVolumes, &error);
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[test]
fn a_page_takes_no_more_calls_than_it_has_questions() {
    let list = numbers(1..=5, 20..=24);
    let (items, token) = run(super::list(&list, 0, "")).unwrap();
    assert_eq!((items.len(), token.as_str()), (9, ""));
    assert_eq!(*list.calls.lock().unwrap(), 2);
}
