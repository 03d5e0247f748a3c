//! Whose turn it is.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{join_all, pending};
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use super::account::{Account, within};
use crate::pace::class::MOST_UNDER_WAY;
use crate::pace::{Pacer, Permit};
use crate::{Action, Ec2Error, ErrorKind, Outcome};

const MINUTE: Duration = Duration::from_mins(1);

/// How many wait.
fn waiting(pacer: &Pacer) -> usize {
    pacer.lock().queue.waiting()
}

/// A pacer that has found out that an action has what is published and that its bucket is empty.
async fn exhausted(action: Action) -> (Arc<Pacer>, Arc<Account>) {
    let pacer = Pacer::new(None);
    let account = Account::of(1.0, 5.0, Duration::from_millis(1));
    account.drain();
    account.call(&pacer, action).await.unwrap();
    assert!(account.throttled() >= 1);
    (pacer, account)
}

#[tokio::test(start_paused = true)]
async fn where_nobody_waits_a_call_leaves_at_once_and_no_task_is_begun() {
    let pacer = Pacer::new(None);
    let tasks = Handle::current().metrics().num_alive_tasks();
    for _ in 0..20 {
        let permit = pacer.turn(Action::AttachVolume).come().await.unwrap();
        assert_eq!(Handle::current().metrics().num_alive_tasks(), tasks);
        permit.passed();
    }
    assert_eq!(Instant::now().elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn calls_of_one_action_leave_in_the_order_of_arrival_throttled_ones_too() {
    let pacer = Pacer::new(None);
    // It refuses some of them, since it has less than is thought.
    let account = Account::of(3.0, 2.0, Duration::from_millis(5));
    let left = Mutex::new(Vec::new());
    let call = async |number: usize| {
        let mut turn = pacer.turn(Action::CreateVolume);
        loop {
            let permit = turn.come().await.unwrap();
            if account.admits_now() {
                left.lock().unwrap().push(number);
                return permit.passed();
            }
            turn.throttled(permit);
        }
    };
    join_all((0..60).map(call)).await;
    assert_eq!(*left.lock().unwrap(), (0..60).collect::<Vec<_>>());
}

/// Attaching goes before creating, that before deleting, where they compete for the same.
#[tokio::test(start_paused = true)]
async fn classes_go_one_before_the_other_and_none_starves() {
    let pacer = Pacer::new("10".parse().ok());
    let account = Account::unlimited(Duration::from_millis(1));
    let times = Mutex::new(Vec::new());
    let began = Instant::now();
    let call = async |action: Action| {
        account.call(&pacer, action).await.unwrap();
        times.lock().unwrap().push((action, began.elapsed()));
    };
    let worst = |action: Action| {
        let times = times.lock().unwrap();
        let mine = times.iter().filter(|(other, _)| *other == action);
        mine.map(|(_, time)| *time).max().unwrap()
    };
    // Twice as much work for attaching as there is room, and one of each of the others in the middle of it.
    let attaching = async {
        let one = |number: u64| {
            let call = &call;
            async move {
                sleep(Duration::from_millis(number * 50)).await;
                call(Action::AttachVolume).await;
            }
        };
        join_all((0..700).map(one)).await;
    };
    let others = async {
        sleep(Duration::from_secs(10)).await;
        tokio::join!(call(Action::DeleteVolume), call(Action::CreateVolume));
    };
    tokio::join!(attaching, others);
    let (create, delete) = (worst(Action::CreateVolume), worst(Action::DeleteVolume));
    assert!(create < delete, "{create:?} {delete:?}");
    // What came within the first 15 and 25 s goes before, at ten a second: they stand back by 5 and by 15 s.
    let seconds = |from: u64, to: u64| Duration::from_secs(from)..Duration::from_secs(to);
    assert!(seconds(25, 33).contains(&create), "{create:?}");
    assert!(seconds(45, 53).contains(&delete), "{delete:?}");
}

#[tokio::test(start_paused = true)]
async fn what_would_come_too_late_is_told_at_once() {
    let (pacer, account) = exhausted(Action::AttachVolume).await;
    let waits = (0..100).map(|_| within(MINUTE, account.call(&pacer, Action::AttachVolume)));
    let all = join_all(waits);
    let late = async {
        yield_now().await;
        assert_eq!(waiting(&pacer), 100);
        let asked = Instant::now();
        // A hundred go before, at five a second.
        let call = account.call(&pacer, Action::AttachVolume);
        let why = within(Duration::from_secs(10), call).await.unwrap_err();
        assert_eq!(asked.elapsed(), Duration::ZERO);
        assert_eq!(waiting(&pacer), 100);
        let error = Ec2Error::from(why);
        assert_eq!(
            (error.kind, error.outcome),
            (ErrorKind::NoTurn, Outcome::NotDone)
        );
        let words = error.to_string();
        assert!(
            words.starts_with("EC2 AttachVolume was not called: "),
            "{words}"
        );
        assert!(
            words.contains("100 other calls") && words.contains(" 5.0 a second"),
            "{words}"
        );
    };
    let (results, ()) = tokio::join!(all, late);
    assert!(results.iter().all(Result::is_ok));
}

/// While it is not known that EC2 has no more, nobody is sent away; once it is, all are whose turn would come too late.
#[tokio::test(start_paused = true)]
async fn when_the_end_is_seen_those_are_told_who_would_wait_too_long() {
    let pacer = Pacer::new(None);
    let account = Account::of(50.0, 5.0, Duration::from_millis(20));
    let began = Instant::now();
    let call = async || {
        let call = account.call(&pacer, Action::AttachVolume);
        let result = within(Duration::from_secs(25), call).await;
        (result.is_ok(), began.elapsed())
    };
    let results = join_all((0..500).map(|_| call())).await;
    let served = results.iter().filter(|(served, _)| *served).count();
    // Fifty at once, and five a second for some twenty seconds: the last five are for what comes after the turn.
    assert!((140..=155).contains(&served), "{served}");
    let soon = |after: Duration| after < Duration::from_secs(2);
    let early = results
        .iter()
        .filter(|(served, after)| !served && soon(*after));
    // It cannot be known of the last few.
    let (early, sent_away) = (early.count(), 500 - served);
    assert!(early + 10 > sent_away, "{early} of {sent_away}");
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_the_queue_takes_no_token() {
    let (pacer, account) = exhausted(Action::AttachVolume).await;
    let before = account.served();
    let leaving = (0..50).map(|_| async {
        let call = account.call(&pacer, Action::AttachVolume);
        assert!(timeout(Duration::from_millis(50), call).await.is_err());
    });
    join_all(leaving).await;
    assert_eq!((waiting(&pacer), account.served()), (0, before));
    let began = Instant::now();
    account.call(&pacer, Action::AttachVolume).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1));
}

/// A turn that came in the moment in which its caller left is the next one's.
#[tokio::test(start_paused = true)]
async fn a_permit_that_is_not_used_gives_its_token_back() {
    let pacer = Pacer::new("1".parse().ok());
    let action = Action::AttachVolume;
    pacer.turn(action).come().await.unwrap().passed();
    let mut turn = pacer.turn(action);
    {
        let mut come = std::pin::pin!(turn.come());
        assert!(futures::poll!(come.as_mut()).is_pending());
        sleep(Duration::from_millis(1_100)).await;
        // Granted, and not taken.
        assert_eq!(waiting(&pacer), 0);
    }
    let began = Instant::now();
    pacer.turn(action).come().await.unwrap().passed();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn so_many_are_under_way_and_none_keeps_the_others_out() {
    let pacer = Pacer::new(None);
    let account = Account::unlimited(Duration::from_secs(1));
    let (_, failed) = account.burst(&pacer, Action::CreateTags, 300, 300).await;
    assert_eq!(failed, 0);
    let most = account.most_under_way();
    assert!((20..=40).contains(&most), "{most}");

    // Changes that EC2 never answers leave describes their room, and the other way round.
    let hung = Mutex::new(Vec::<Permit>::new());
    let hang = async |action: Action| {
        let permit = pacer.turn(action).come().await.unwrap();
        hung.lock().unwrap().push(permit);
        pending::<()>().await;
    };
    let hang_all = join_all((0..200).map(|_| hang(Action::CreateTags)));
    assert!(timeout(Duration::from_secs(1), hang_all).await.is_err());
    let changes = hung.lock().unwrap().len();
    assert!(changes <= 40, "{changes}");
    let look = account.call(&pacer, Action::DescribeVolumes);
    timeout(MINUTE, look).await.unwrap().unwrap();
    assert!(changes < MOST_UNDER_WAY);
}

/// Ten thousand calls that wait at once: each step costs the same however many they are.
#[tokio::test(start_paused = true)]
async fn ten_thousand_wait_in_order() {
    let pacer = Pacer::new(None);
    let account = Account::of(100.0, 5.0, Duration::from_millis(1));
    let patient = Duration::from_hours(2);
    let left = Mutex::new(Vec::new());
    let call = async |number: usize| {
        within(patient, account.call(&pacer, Action::CreateVolume))
            .await
            .unwrap();
        left.lock().unwrap().push(number);
    };
    join_all((0..10_000).map(call)).await;
    let left = left.into_inner().unwrap();
    let out_of_order = left.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!(out_of_order <= account.throttled(), "{out_of_order}");
}
