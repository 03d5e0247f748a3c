//! What holds whatever comes when.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use proptest::prelude::*;
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep, timeout};

use super::account::{Account, within};
use crate::Action;
use crate::pace::Pacer;
use crate::pace::bucket::{Bucket, Fare, UnderWay};
use crate::pace::class::{MOST_UNDER_WAY, Size};

const ACTIONS: [Action; 5] = [
    Action::CreateVolume,
    Action::AttachVolume,
    Action::DeleteVolume,
    Action::DescribeVolumes,
    Action::ListSnapshotBlocks,
];

/// A call of some RPC.
#[derive(Clone, Debug)]
struct Call {
    action: Action,
    /// When it comes.
    at: Duration,
    /// How long its caller waits, if that is said.
    deadline: Option<Duration>,
    /// When its caller gives it up without a word.
    leaves: Option<Duration>,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let time = |most: u64| (0..most).prop_map(Duration::from_millis);
    let call = (
        proptest::sample::select(&ACTIONS[..]),
        time(20_000),
        proptest::option::of(time(60_000)),
        proptest::option::weighted(0.3, time(5_000)),
    );
    let call = call.prop_map(|(action, at, deadline, leaves)| Call {
        action,
        at,
        deadline,
        leaves,
    });
    proptest::collection::vec(call, 1..150)
}

/// Whether each of the calls has ended in time, well or not.
async fn play(pacer: &Arc<Pacer>, account: &Account, calls: Vec<Call>) -> Result<(), String> {
    let one = async |call: Call| {
        sleep(call.at).await;
        let began = Instant::now();
        let made = account.call(pacer, call.action);
        let patience = call.deadline.unwrap_or(Duration::from_mins(1));
        let work = async {
            match call.deadline {
                Some(deadline) => within(deadline, made).await,
                None => made.await,
            }
        };
        let result = timeout(call.leaves.unwrap_or(Duration::MAX), work).await;
        // The call itself takes 100 ms beyond its turn.
        let late = began.elapsed().saturating_sub(Duration::from_millis(105));
        match result {
            Ok(_) if late > patience => Err(format!("{call:?} ended after {:?}", began.elapsed())),
            _ => Ok(()),
        }
    };
    join_all(calls.into_iter().map(one))
        .await
        .into_iter()
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every call ends by its caller's deadline, too many are never under way, and in the end nothing is left of any of them.
    #[test]
    fn every_call_ends_and_leaves_nothing_behind(
        calls in calls(),
        size in 1_u32..80,
        rate in 1_u32..20,
        budget in proptest::option::of(1_u32..20),
    ) {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let pacer = Pacer::new(budget.and_then(std::num::NonZeroU32::new));
            let account = Account::of(f64::from(size), f64::from(rate), Duration::from_millis(50));
            play(&pacer, &account, calls).await.map_err(TestCaseError::fail)?;
            let most = account.most_under_way();
            prop_assert!(most <= MOST_UNDER_WAY, "{}", most);
            let state = pacer.lock();
            prop_assert_eq!(state.queue.waiting(), 0);
            for (action, lane) in &state.queue.lanes {
                prop_assert_eq!((lane.waiting.len(), lane.under_way.all), (0, 0), "{}", action);
            }
            Ok(())
        })?;
    }

    /// However calls come and whatever EC2 says: with tokens there leave no more than the bucket holds and gets.
    #[test]
    fn no_token_is_used_twice(steps in proptest::collection::vec((0_u64..2_000, 0_u8..4), 1..400)) {
        let size = Size { tokens: 20.0, per_second: 5.0 };
        let began = Instant::now();
        let mut now = began;
        let mut bucket = Bucket::new(size, now);
        let mut with_tokens = 0.0;
        for (passed, what) in steps {
            now += Duration::from_millis(passed);
            bucket.settle(now, what == 0);
            let Some(fare) = bucket.fare(&UnderWay::default()) else { continue };
            bucket.pay(fare);
            match what {
                0 => { bucket.refused(fare, now, now); }
                1 => { bucket.refund(fare); }
                _ => bucket.passed(fare),
            }
            if what != 1 && fare != Fare::Credit {
                with_tokens += 1.0;
            }
            // It takes minutes of full use for the rate to rise, which these steps do not have.
            let most = 20.0 + 5.0 * (now - began).as_secs_f64();
            prop_assert!(with_tokens <= most + 0.001, "{} of {}", with_tokens, most);
        }
    }
}
