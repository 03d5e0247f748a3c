//! The machine room: joins state, journal, faults, the clock and the backing.
//!
//! Answers for: the order of things. An input is written down, then it takes effect, then the backing does its work, then the
//! caller is answered. The backing works one piece after the other, in the order of the inputs: on a thread of its own, or, where
//! nothing stands behind the volumes, at once.
//! Doesn't answer for: protocol and sockets (`server`, `control`).

mod blocks;
mod calls;
mod clock;
mod facts;
mod fleet;
mod hands;
mod log;
mod worker;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ebs_types::Region;
use tokio::sync::{Notify, oneshot};

pub(crate) use self::calls::{Calls, Verdict};
use self::clock::Clock;
pub(crate) use self::fleet::Fleet;
pub(crate) use self::hands::Hands;
pub(crate) use self::log::{Ending, Heard, Log, Record};
pub(crate) use self::worker::Worker;
use crate::config::Settings;
use crate::faults::{Buckets, Fault, Faults};
use crate::journal::Journal;
use crate::model::{ApiError, Effect, Reply, Report, Script, Timestamp};
use crate::state::{Input, World};
use crate::wire::{Action, Call, Request};

/// What runs the emulator; shared by its servers, its clock and its backing.
#[derive(Debug)]
pub(crate) struct Engine {
    inner: Mutex<Inner>,
    hands: Hands,
    /// Itself, for those whom it must not keep alive.
    own: Weak<Engine>,
    clock: Clock,
    /// Rung when something is due before all that was.
    changed: Notify,
    /// Where the instances' devices and metadata are.
    pub(crate) fleet: Fleet,
}

/// What changes, under one lock that is never held across work.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) world: World,
    journal: Option<Journal>,
    pub(crate) faults: Faults,
    pub(crate) buckets: Buckets,
    pub(crate) calls: Calls,
    /// The last calls.
    pub(crate) log: Log,
    /// Grows whenever the world may have changed.
    pub(crate) changes: u64,
}

/// What comes of an input: the answer to who gave it, and work for the backing.
type Entered = (Result<Reply, ApiError>, Vec<Effect>);

/// How a call ends for the caller.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is answered.
    Reply(Box<Reply>),
    /// It is refused.
    Error(ApiError),
    /// The connection is reset.
    Reset,
}

impl Engine {
    /// An engine whose backing's work is done by these hands.
    pub(crate) fn new(
        world: World,
        journal: Option<Journal>,
        hands: Hands,
        fleet: Fleet,
    ) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            inner: Mutex::new(Inner {
                world,
                journal,
                faults: Faults::default(),
                buckets: Buckets::default(),
                calls: Calls::default(),
                log: Log::default(),
                changes: 0,
            }),
            hands,
            own: Weak::clone(own),
            clock: Clock::new(),
            changed: Notify::new(),
            fleet,
        })
    }

    /// Everything that changes, locked.
    pub(crate) fn inner(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked with the lock held left a whole state behind: inputs take effect in one go.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a call from admission to answer.
    pub(crate) async fn call(&self, region: &Region, action: Action, call: &Call) -> Outcome {
        let (fault, latency) = {
            let mut inner = self.inner();
            let now = self.now(&inner);
            if !inner.buckets.admit(now, region, action, &call.request) {
                return Outcome::Error(action.throttled());
            }
            (
                inner.faults.take(now, action, call),
                inner.world.settings().delays.call,
            )
        };
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let mut script = Script::default();
        match fault {
            Some(Fault::Error(error)) => return Outcome::Error(error),
            Some(Fault::Reset) => return Outcome::Reset,
            Some(Fault::Delay(ms)) => tokio::time::sleep(Duration::from_millis(ms)).await,
            Some(Fault::Stuck) => script.stuck = true,
            Some(Fault::CreateFailure(how)) => script.failure = Some(how),
            Some(Fault::LostReply) | None => {}
        }
        let outcome = self.carry_out(region, call, script).await;
        match fault {
            Some(Fault::LostReply) => Outcome::Reset,
            _ => outcome.map_or_else(Outcome::Error, |reply| Outcome::Reply(Box::new(reply))),
        }
    }

    async fn carry_out(
        &self,
        region: &Region,
        call: &Call,
        script: Script,
    ) -> Result<Reply, ApiError> {
        match &call.request {
            Request::Look(query) => {
                let mut inner = self.inner();
                self.catch_up(&mut inner);
                let reply = inner.world.answer(region, query)?;
                refuse_dry_run(call).map(|()| reply)
            }
            Request::Blocks(query) => self.blocks(region, query).await.map(Reply::Blocks),
            Request::Change(command) if call.dry_run => {
                let mut inner = self.inner();
                self.catch_up(&mut inner);
                inner.world.rehearse(region, command)?;
                Err(ApiError::dry_run())
            }
            Request::Change(command) => {
                let input = Input::Call {
                    region: region.clone(),
                    command: command.clone(),
                    script,
                };
                self.input(&input).await
            }
        }
    }

    /// Takes an input, and waits until the backing has done what comes of it.
    pub(crate) async fn input(&self, input: &Input) -> Result<Reply, ApiError> {
        let (done, wait) = oneshot::channel();
        let reply = self.take(input, Some(done))?;
        // An error means that the backing's thread has ended, which only shutting down makes it do.
        let _ = wait.await;
        Ok(reply)
    }

    /// Takes what the backing says.
    fn report(&self, report: Report) {
        if let Err(error) = self.take(&Input::Report(report), None) {
            tracing::error!(error = %error, "report of the backing was lost");
        }
    }

    fn take(&self, input: &Input, done: Option<oneshot::Sender<()>>) -> Result<Reply, ApiError> {
        let mut inner = self.inner();
        let now = self.now(&inner);
        let before = inner.world.next_due();
        let (reply, effects) = inner.enter(now, input)?;
        self.hand_over(&mut inner, effects, done);
        inner.fold_journal();
        let next = inner.world.next_due();
        drop(inner);
        // Whoever waits for what was due before wakes up in time for all that comes later.
        if next.is_some_and(|next| before.is_none_or(|before| next < before)) {
            self.changed.notify_one();
        }
        reply
    }

    /// Changes delays and limits.
    ///
    /// # Errors
    /// The journal's.
    pub(crate) async fn configure(&self, settings: Settings) -> Result<(), ApiError> {
        self.input(&Input::Configure(settings))
            .await
            .map(|_reply| ())
    }

    /// Gives the backing the work that a kill may have cut off.
    pub(crate) fn resume(&self) {
        let mut inner = self.inner();
        let unfinished = inner.world.unfinished();
        self.hand_over(&mut inner, unfinished, None);
    }

    /// Lets things happen when they are due, for ever.
    pub(crate) async fn tick(&self) {
        loop {
            let wait = {
                let mut inner = self.inner();
                let now = self.catch_up(&mut inner);
                inner.world.next_due().map(|due| due.since(now))
            };
            match wait {
                Some(wait) => {
                    // Cut short by whatever changes the agenda.
                    let _ = tokio::time::timeout(wait, self.changed.notified()).await;
                }
                None => self.changed.notified().await,
            }
        }
    }

    /// Lets happen what is due, and says what time it is.
    pub(crate) fn catch_up(&self, inner: &mut Inner) -> Timestamp {
        let now = self.now(inner);
        let due = inner.world.next_due().is_some_and(|due| due <= now);
        inner.changes += u64::from(due);
        let effects = inner.world.advance(now);
        self.hand_over(inner, effects, None);
        now
    }

    /// The time of day.
    pub(crate) fn time(&self) -> Timestamp {
        self.clock.now()
    }

    /// When it was started, which tells it from one before it at the same address.
    pub(crate) fn born(&self) -> Timestamp {
        self.clock.start()
    }

    /// The time, never before what the state was told last: clocks are set back, journals are moved between machines.
    fn now(&self, inner: &Inner) -> Timestamp {
        self.clock.now().max(inner.world.now())
    }
}

impl Inner {
    /// Writes an input down and lets it take effect. The second error is the caller's own: its call is refused.
    fn enter(&mut self, now: Timestamp, input: &Input) -> Result<Entered, ApiError> {
        if let Some(journal) = &mut self.journal {
            journal.append(now, input).map_err(|error| {
                ApiError::internal(format!("the journal cannot be written: {error}"))
            })?;
        }
        self.changes += 1;
        Ok(self.world.apply(now, input))
    }

    /// Keeps the journal from growing for ever: a device that stays busy is a line every time it is tried again.
    fn fold_journal(&mut self) {
        if let Some(journal) = &mut self.journal
            && journal.is_long()
            && let Err(error) = journal.fold(&self.world)
        {
            tracing::warn!(error = %error, "the journal cannot be folded");
        }
    }
}

fn refuse_dry_run(call: &Call) -> Result<(), ApiError> {
    if call.dry_run {
        Err(ApiError::dry_run())
    } else {
        Ok(())
    }
}
