//! What is learnt of the account's buckets.

use std::sync::Arc;
use std::time::Duration;

use rstest::rstest;
use tokio::time::{Instant, sleep, timeout};

use super::account::Account;
use crate::Action;
use crate::pace::Pacer;

const MS: Duration = Duration::from_millis(1);

/// What the pacer takes the refill of an action's bucket for.
fn rate(pacer: &Pacer, action: Action) -> f64 {
    let mut state = pacer.lock();
    state.queue.settle(Instant::now());
    state.queue.lanes[&action].bucket.per_second()
}

/// A thousand calls of an account with the published bucket, a hundred at a time: at its rate, and hardly one refused.
#[rstest]
#[case::attach(Action::AttachVolume, 50.0)]
#[case::create(Action::CreateVolume, 100.0)]
#[tokio::test(start_paused = true)]
async fn the_published_bucket_is_used_to_the_last_token(
    #[case] action: Action,
    #[case] size: f64,
    #[values(&[1], &[50], &[20, 400, 5, 130], &[500])] ways: &[u64],
) {
    let pacer = Pacer::new(None);
    let account = Account::with_ways(size, 5.0, ways);
    let (took, failed) = account.burst(&pacer, action, 1_000, 100).await;
    assert_eq!(failed, 0);
    let floor = (1_000.0 - size) / 5.0;
    let own = Duration::from_millis(2 * ways[0]);
    let wall = (took - own).as_secs_f64();
    println!(
        "{ways:?} {wall} of {floor}, {} throttled",
        account.throttled()
    );
    assert!(wall <= floor * 1.02, "{wall} s of {floor} s");
    assert!(account.throttled() <= 5, "{}", account.throttled());
}

#[tokio::test(start_paused = true)]
async fn an_account_without_limits_is_not_held_up() {
    let pacer = Pacer::new(None);
    let account = Account::unlimited(MS);
    let (took, failed) = account
        .burst(&pacer, Action::CreateVolume, 10_000, 1_000)
        .await;
    assert_eq!(failed, 0);
    println!("{took:?}");
    assert!(took < Duration::from_secs(4), "{took:?}");
}

/// Another process has emptied the bucket, or this one has just started: some few calls find that out.
#[tokio::test(start_paused = true)]
async fn an_empty_bucket_that_is_thought_to_be_full_costs_some_few_calls() {
    let pacer = Pacer::new(None);
    let account = Account::of(100.0, 5.0, 20 * MS);
    account.drain();
    let (took, failed) = account.burst(&pacer, Action::CreateVolume, 500, 100).await;
    println!("{took:?} {}", account.throttled());
    assert_eq!(failed, 0);
    assert!(account.throttled() <= 6, "{}", account.throttled());
    assert!(took < Duration::from_secs(103), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_smaller_bucket_is_found_out() {
    let pacer = Pacer::new(None);
    let account = Account::of(10.0, 1.0, 10 * MS);
    let (took, failed) = account.burst(&pacer, Action::AttachVolume, 300, 40).await;
    println!("{took:?} {}", account.throttled());
    assert_eq!(failed, 0);
    let refused = account.throttled();
    assert!(refused < 60, "{refused}");
    assert!(took < Duration::from_secs(350), "{took:?}");
}

/// Two controllers, or a controller and another tool that behaves: they share the account.
#[tokio::test(start_paused = true)]
async fn two_of_one_account_share_it_without_storms() {
    let account = Account::of(50.0, 5.0, 40 * MS);
    let work = async |pacer: Arc<Pacer>| {
        let mut done = 0_usize;
        let all = async {
            loop {
                let (_, failed) = account.burst(&pacer, Action::AttachVolume, 30, 30).await;
                done += 30 - failed;
            }
        };
        let minutes = timeout(Duration::from_mins(30), all).await;
        assert!(minutes.is_err());
        done
    };
    let (one, other) = tokio::join!(work(Pacer::new(None)), work(Pacer::new(None)));
    let refused = account.throttled();
    println!(
        "{one} {other} {} served, {refused} throttled",
        account.served()
    );
    assert!(account.served() > 7_200, "{} of 9050", account.served());
    assert!(refused < account.served() / 10, "{refused}");
    assert!(one > other / 3 && other > one / 3, "{one} {other}");
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_fell_rises_again_after_quiet_time() {
    let pacer = Pacer::new(None);
    let account = Account::of(50.0, 1.0, 10 * MS);
    account.burst(&pacer, Action::AttachVolume, 150, 30).await;
    let low = rate(&pacer, Action::AttachVolume);
    assert!(low < 2.5, "{low}");
    sleep(Duration::from_mins(3)).await;
    let high = rate(&pacer, Action::AttachVolume);
    assert!((high - 5.0).abs() < 0.01, "{high}");
}

/// A large account: what is published was let through for minutes, so more is asked for.
#[tokio::test(start_paused = true)]
async fn an_account_with_more_is_given_more_work() {
    let pacer = Pacer::new(None);
    let account = Account::of(200.0, 20.0, 50 * MS);
    let (took, failed) = account
        .burst(&pacer, Action::CreateVolume, 20_000, 100)
        .await;
    println!(
        "{took:?} {} {}",
        account.throttled(),
        rate(&pacer, Action::CreateVolume)
    );
    assert_eq!(failed, 0);
    // At the published rate it would be 66 minutes; 17 at the account's own.
    assert!(took < Duration::from_mins(30), "{took:?}");
    assert!(account.throttled() < 100, "{}", account.throttled());
}
