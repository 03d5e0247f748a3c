//! The pace of calls to EC2: each takes a token of its action's bucket and a place among those under way, or waits for its turn.
//!
//! Answers for: that no call leaves without its turn, the order of turns, what is learnt from EC2's refusals, and that a call whose turn
//! would come after its caller's deadline is told so at once.
//! Doesn't answer for: which calls are made, and what is repeated after other errors than throttling (`sdk::retry`).

mod bucket;
mod caller;
mod class;
mod metrics;
mod queue;
mod tokens;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use self::bucket::Fare;
pub use self::caller::Caller;
use self::metrics::PaceMetrics;
use self::queue::{Queue, Verdict, Waiter};
use crate::{Action, Ec2Error, ErrorKind, Outcome};

/// How long a call waits whose caller named no deadline.
const PATIENCE: Duration = Duration::from_mins(1);

/// For how long such a call is made again while EC2 refuses it.
const PATIENCE_REFUSED: Duration = Duration::from_secs(10);

/// Gives calls to EC2 their turns.
#[derive(Debug)]
pub(crate) struct Pacer {
    queue: Mutex<State>,
    /// Something has changed that the task that gives turns cannot know.
    moved: Notify,
    metrics: PaceMetrics,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    /// Whether a task is under way that gives turns as tokens come.
    ticking: bool,
}

impl Pacer {
    /// With EC2's published buckets, full. `mutations_per_second` is how many changes a second this process may ask for, of all actions
    /// together.
    pub(crate) fn new(mutations_per_second: Option<NonZeroU32>) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::new(State {
                queue: Queue::new(mutations_per_second, Instant::now()),
                ticking: false,
            }),
            moved: Notify::new(),
            metrics: PaceMetrics::default(),
        })
    }

    /// What is counted of it.
    pub(crate) fn metrics(&self) -> &PaceMetrics {
        &self.metrics
    }

    /// A call's place in the order of arrival, on behalf of the current caller.
    pub(crate) fn turn(self: &Arc<Self>, action: Action) -> Turn {
        let now = Instant::now();
        let caller = Caller::current();
        let deadline = caller.and_then(|caller| caller.deadline);
        let gives_up = match deadline {
            Some(deadline) => {
                let left = deadline.saturating_duration_since(now);
                now + left.saturating_sub(class::afterwards(action).min(left / 4))
            }
            None => now + PATIENCE,
        };
        Turn {
            pacer: Arc::clone(self),
            action,
            method: caller.map(|caller| caller.method),
            number: self.lock().queue.number(),
            came: now,
            gives_up,
            has_deadline: deadline.is_some(),
            refused: false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic leaves it half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the queue, and then gives all turns that have come.
    fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut Queue) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state.queue);
        if state.queue.waiting() == 0 {
            return result;
        }
        let granted = self.grant(&mut state.queue);
        // Without one the runtime is at its end, and all that wait with it.
        let runtime = Handle::try_current().ok();
        let begin = state.queue.waiting() > 0 && !state.ticking && runtime.is_some();
        state.ticking |= begin;
        drop(state);
        // Outside of the lock: a call that has left gives its permit back.
        for (sender, permit) in granted {
            let _ = sender.send(Ok(permit));
        }
        if let Some(runtime) = runtime.filter(|_| begin) {
            let ticker = Ticker {
                pacer: Arc::clone(self),
                stopped: false,
            };
            runtime.spawn(ticker.run());
        } else {
            self.moved.notify_one();
        }
        result
    }

    fn grant(self: &Arc<Self>, queue: &mut Queue) -> Vec<(oneshot::Sender<Verdict>, Permit)> {
        let now = Instant::now();
        queue.settle(now);
        let mut granted = Vec::new();
        while let Some((action, fare, waiter)) = queue.next() {
            granted.push((waiter.sender, self.permit(action, fare)));
        }
        granted
    }

    fn permit(self: &Arc<Self>, action: Action, fare: Fare) -> Permit {
        Permit {
            pacer: Arc::clone(self),
            action,
            fare,
            left: None,
        }
    }
}

/// A call that is to be made, and made again while EC2 throttles it: it keeps its place in the order of arrival.
#[derive(Debug)]
pub(crate) struct Turn {
    pacer: Arc<Pacer>,
    action: Action,
    method: Option<&'static str>,
    number: u64,
    came: Instant,
    gives_up: Instant,
    has_deadline: bool,
    refused: bool,
}

impl Turn {
    /// Waits for its turn. Whoever drops this leaves the queue, and nobody's token is lost.
    ///
    /// # Errors
    /// [`NoTurn`], as soon as it is known that it would come too late for the caller.
    pub(crate) async fn come(&mut self) -> Result<Permit, NoTurn> {
        let asked = Instant::now();
        let (action, number) = (self.action, self.number);
        let at_once = self.pacer.lock().queue.at_once(action, asked);
        let verdict = match at_once {
            Some(fare) => Ok(self.pacer.permit(action, fare)),
            None => self.wait().await,
        };
        let metrics = self.pacer.metrics();
        match verdict {
            Ok(mut permit) => {
                metrics.waited(action, asked.elapsed());
                metrics.leaves(action, self.method);
                permit.left = Some(Instant::now());
                Ok(permit)
            }
            Err(why) => {
                metrics.no_turn(action);
                tracing::debug!(action = %action, number, reason = %why, "a call to EC2 does not get its turn");
                Err(why)
            }
        }
    }

    async fn wait(&self) -> Verdict {
        let (action, number, gives_up) = (self.action, self.number, self.gives_up);
        let (sender, receiver) = oneshot::channel();
        let waiter = Waiter {
            number,
            came: self.came,
            gives_up,
            sender,
        };
        let now = Instant::now();
        self.pacer.change(|queue| queue.join(action, waiter, now))?;
        let mut place = Place {
            pacer: &self.pacer,
            action,
            number,
            verdict: receiver,
        };
        match timeout_at(gives_up, &mut place.verdict).await {
            Ok(Ok(verdict)) => verdict,
            // Its time is up, or the task that gives turns has ended with its runtime.
            Ok(Err(_)) | Err(_) => {
                let mut state = self.pacer.lock();
                state.queue.settle(Instant::now());
                let before = state.queue.before(action, number);
                let wait = state.queue.wait(action, before).unwrap_or_default();
                Err(state.queue.no_turn(action, before, wait))
            }
        }
    }

    /// EC2 has throttled the call that left with this permit, which therefore changed nothing.
    pub(crate) fn throttled(&mut self, permit: Permit) {
        let now = Instant::now();
        if !self.has_deadline && !self.refused {
            self.gives_up = self.gives_up.min(now + PATIENCE_REFUSED);
        }
        self.refused = true;
        permit.throttled(now);
    }
}

/// A place in the queue; dropping it gives it up.
#[derive(Debug)]
struct Place<'a> {
    pacer: &'a Arc<Pacer>,
    action: Action,
    number: u64,
    verdict: oneshot::Receiver<Verdict>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.pacer.lock();
        state.queue.depart(self.action, self.number);
        let last = state.queue.waiting() == 0;
        drop(state);
        if last {
            self.pacer.moved.notify_one();
        }
    }
}

/// Leave to make one call. Dropped before the call left, its token is there again; after that, the call counts as cut off.
#[derive(Debug)]
pub(crate) struct Permit {
    pacer: Arc<Pacer>,
    action: Action,
    fare: Fare,
    /// When the call left.
    left: Option<Instant>,
}

impl Permit {
    /// EC2 has let the call through, whatever it said then.
    pub(crate) fn passed(self) {
        let (action, fare) = (self.action, self.fare);
        let mut state = self.pacer.lock();
        if let Some(lane) = state.queue.lanes.get_mut(&action) {
            lane.bucket.passed(fare);
        }
    }

    fn throttled(self, now: Instant) {
        let (action, fare) = (self.action, self.fare);
        self.pacer.metrics().throttled(action);
        let left = self.left.unwrap_or(now);
        let late = {
            let mut state = self.pacer.lock();
            state.queue.settle(now);
            let lane = state.queue.lanes.get_mut(&action);
            let news = lane.is_some_and(|lane| lane.bucket.refused(fare, left, now));
            if news {
                state.queue.too_late(action, now)
            } else {
                Vec::new()
            }
        };
        for (waiter, why) in late {
            let _ = waiter.sender.send(Err(why));
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let (action, fare, left) = (self.action, self.fare, self.left.is_some());
        self.pacer.change(|queue| {
            queue.end(action, fare);
            if !left {
                queue.refund(action, fare);
            }
        });
    }
}

/// The task that gives turns as tokens come, until nobody waits.
struct Ticker {
    pacer: Arc<Pacer>,
    /// Whether it ended because nobody waited.
    stopped: bool,
}

impl Ticker {
    async fn run(mut self) {
        while let Some(at) = self.tick() {
            tokio::select! {
                () = sleep_until(at) => {}
                () = self.pacer.moved.notified() => {}
            }
        }
    }

    /// Gives the turns that have come. When to look again; `None`, and the end of this task, where nobody waits.
    fn tick(&mut self) -> Option<Instant> {
        /// Where only the end of a call gives anybody a turn, which tells of itself.
        const LONG: Duration = Duration::from_mins(1);
        let mut state = self.pacer.lock();
        let granted = self.pacer.grant(&mut state.queue);
        let now = Instant::now();
        let next =
            (state.queue.waiting() > 0).then(|| state.queue.look_again(now).unwrap_or(now + LONG));
        state.ticking = next.is_some();
        self.stopped = next.is_none();
        drop(state);
        for (sender, permit) in granted {
            let _ = sender.send(Ok(permit));
        }
        next
    }
}

impl Drop for Ticker {
    /// After the end of its runtime: the next one who waits begins another.
    fn drop(&mut self) {
        if !self.stopped {
            self.pacer.lock().ticking = false;
        }
    }
}

/// Why a call was not made: its turn would come after its caller has left.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "its turn would come too late for the caller: {before} other calls of {action} wait before it for the {}, so it would wait {:.1} s",
    self.limit(),
    .wait.as_secs_f64()
)]
pub(crate) struct NoTurn {
    action: Action,
    before: usize,
    wait: Duration,
    /// What EC2 is thought to let through of the action.
    per_second: f64,
    /// What the account has for all changes, where that was set.
    budget: Option<f64>,
}

impl NoTurn {
    fn limit(&self) -> String {
        let own = format!(
            "{:.1} a second that EC2 is thought to let through",
            self.per_second
        );
        match self.budget {
            Some(all) => format!("{own} ({all} of all changes, by --ec2-mutations-per-second)"),
            None => own,
        }
    }
}

impl From<NoTurn> for Ec2Error {
    fn from(why: NoTurn) -> Self {
        Self {
            action: why.action,
            kind: ErrorKind::NoTurn,
            outcome: Outcome::NotDone,
            code: None,
            message: why.to_string(),
            request_id: None,
        }
    }
}

#[cfg(test)]
mod tests;
