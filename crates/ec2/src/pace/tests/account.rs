//! EC2 as far as throttling goes: one bucket, and calls that take a time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use tokio::time::{Instant, sleep};

use crate::Action;
use crate::pace::tokens::Tokens;
use crate::pace::{Caller, NoTurn, Pacer};

/// The bucket of one action, and what came of its calls.
#[derive(Debug)]
pub(super) struct Account {
    tokens: Option<Mutex<Tokens>>,
    /// How long calls are on their way to EC2, one after the other, over and over; as long again back.
    ways: Mutex<VecDeque<Duration>>,
    served: AtomicUsize,
    throttled: AtomicUsize,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl Account {
    /// A full bucket of this size.
    pub(super) fn of(most: f64, per_second: f64, way: Duration) -> Arc<Self> {
        let tokens = Tokens::full(most, per_second, Instant::now());
        Arc::new(Self::new(Some(Mutex::new(tokens)), vec![way]))
    }

    /// No limit.
    pub(super) fn unlimited(way: Duration) -> Arc<Self> {
        Arc::new(Self::new(None, vec![way]))
    }

    /// Calls take different times.
    pub(super) fn with_ways(most: f64, per_second: f64, ways: &[u64]) -> Arc<Self> {
        let tokens = Tokens::full(most, per_second, Instant::now());
        let ways = ways.iter().map(|ms| Duration::from_millis(*ms)).collect();
        Arc::new(Self::new(Some(Mutex::new(tokens)), ways))
    }

    fn new(tokens: Option<Mutex<Tokens>>, ways: Vec<Duration>) -> Self {
        Self {
            tokens,
            ways: Mutex::new(ways.into()),
            served: AtomicUsize::new(0),
            throttled: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
        }
    }

    /// Somebody else takes all that is there.
    pub(super) fn drain(&self) {
        let mut tokens = self.tokens.as_ref().unwrap().lock().unwrap();
        tokens.settle(Instant::now());
        tokens.set_level(0.0);
    }

    /// Takes a token, if there is one.
    pub(super) fn admits_now(&self) -> bool {
        let Some(tokens) = &self.tokens else {
            return true;
        };
        let mut tokens = tokens.lock().unwrap();
        tokens.settle(Instant::now());
        let admits = tokens.any();
        if admits {
            tokens.take();
        }
        admits
    }

    /// Whether EC2 let a call through.
    async fn answer(&self) -> bool {
        let under_way = self.under_way.fetch_add(1, Relaxed) + 1;
        self.most_under_way.fetch_max(under_way, Relaxed);
        let way = {
            let mut ways = self.ways.lock().unwrap();
            ways.rotate_left(1);
            *ways.front().unwrap()
        };
        sleep(way).await;
        let admitted = self.admits_now();
        sleep(way).await;
        self.under_way.fetch_sub(1, Relaxed);
        let counted = if admitted {
            &self.served
        } else {
            &self.throttled
        };
        counted.fetch_add(1, Relaxed);
        admitted
    }

    /// Makes a call as `sdk::retry` does.
    pub(super) async fn call(&self, pacer: &Arc<Pacer>, action: Action) -> Result<(), NoTurn> {
        let mut turn = pacer.turn(action);
        loop {
            let permit = turn.come().await?;
            if self.answer().await {
                permit.passed();
                return Ok(());
            }
            turn.throttled(permit);
        }
    }

    /// Makes so many calls, each within a minute, so many at a time; gives how long all took and how many failed.
    pub(super) async fn burst(
        &self,
        pacer: &Arc<Pacer>,
        action: Action,
        calls: usize,
        at_once: usize,
    ) -> (Duration, usize) {
        let began = Instant::now();
        let call = |_| within(Duration::from_mins(1), self.call(pacer, action));
        let results = stream::iter(0..calls).map(call).buffer_unordered(at_once);
        let failed = results
            .filter(|result| std::future::ready(result.is_err()))
            .count()
            .await;
        (began.elapsed(), failed)
    }

    pub(super) fn throttled(&self) -> usize {
        self.throttled.load(Relaxed)
    }

    pub(super) fn most_under_way(&self) -> usize {
        self.most_under_way.load(Relaxed)
    }

    pub(super) fn served(&self) -> usize {
        self.served.load(Relaxed)
    }
}

/// Work on behalf of an RPC that ends so soon.
pub(super) async fn within<F: Future>(time: Duration, work: F) -> F::Output {
    let caller = Caller {
        method: "CreateVolume",
        deadline: Some(Instant::now() + time),
    };
    caller.scope(work).await
}
