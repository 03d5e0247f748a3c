//! Waiting for changes together: all who wait for one kind of thing ride one describe per tick.
//!
//! Answers for: when the looks happen. The first one comes when EC2 has lately tended to be done ([`Experience`]), the next ones at
//! short, growing distances; of many who are due soon a look waits for some more ([`Arrivals`]); who is due before the next one rides
//! along. Throttling, failures of EC2 and lost replies slow it down; an EC2 that does not answer at all for [`seat::PATIENCE`] is
//! reported, so that a caller learns why it waits.
//! Doesn't answer for: deadlines (the waiter's own), nor how keys become calls (`batch`).

mod experience;
mod seat;

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use self::experience::Experience;
use self::seat::{News, Seat, Sight};
use super::batch::Batch;
use super::crowd::{Arrivals, Coming, OneComing};
use super::lookup::Lookup;
use super::metrics::CloudMetrics;
use super::sightings::{Absence, Sightings};
use crate::{Ec2Error, ErrorKind};

/// What is waited for. EC2 takes differently long for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// A new volume becomes usable.
    Made,
    /// An instance gets a volume.
    Attached,
    /// An instance lets go of a volume.
    Detached,
    /// A modification can be used.
    Modified,
}

impl Change {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Made, Self::Attached, Self::Detached, Self::Modified];
}

/// Since when EC2 is at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It has just accepted: the first look comes when it has lately tended to be done.
    Now,
    /// It has just accepted, and a look right away is worth its call.
    NowInDoubt,
    /// For how long is not known: the first look comes at once, and teaches nothing.
    Earlier,
}

/// The waiters of one kind of thing.
pub(super) struct Watch<L: Lookup> {
    batch: Arc<Batch<L>>,
    sightings: Arc<Sightings>,
    metrics: CloudMetrics,
    pace: Pace,
    /// Those whose call for a change is under way.
    coming: Coming,
    /// Wakes the ticking task when a look is due earlier than it thinks, or nobody waits any more.
    moved: Notify,
    waiters: Mutex<Waiters<L>>,
}

/// The bounds of the pause between two looks at the same thing.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// The shortest.
    pub(super) min: Duration,
    /// The longest.
    pub(super) max: Duration,
}

struct Waiters<L: Lookup> {
    seats: HashMap<u64, Seat<L>>,
    /// The seats by when they are due.
    order: BTreeSet<(Instant, u64)>,
    next_number: u64,
    arrivals: Arrivals,
    experience: HashMap<Change, Experience>,
    /// Whether a task is under way that looks.
    ticking: bool,
    /// When that task looks next, as far as it knows; in the past while it looks.
    planned: Instant,
    /// How many looks in a row have met trouble.
    strikes: u32,
    /// No call leaves before: the last one met trouble.
    rest_until: Instant,
}

impl<L: Lookup> Watch<L> {
    pub(super) fn new(
        batch: Arc<Batch<L>>,
        sightings: Arc<Sightings>,
        pace: Pace,
        metrics: CloudMetrics,
    ) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            batch,
            sightings,
            metrics,
            pace,
            coming: Coming::default(),
            moved: Notify::new(),
            waiters: Mutex::new(Waiters {
                seats: HashMap::new(),
                order: BTreeSet::new(),
                next_number: 0,
                arrivals: Arrivals::default(),
                experience: HashMap::new(),
                ticking: false,
                planned: now,
                strikes: 0,
                rest_until: now,
            }),
        })
    }

    /// Somebody makes a call, and will wait here for what it leads to.
    pub(super) fn coming(&self) -> OneComing {
        self.coming.one()
    }

    /// Looks at `key` until `look` breaks, EC2 refuses, or what is looked at is surely not there.
    pub(super) async fn until<T>(
        self: &Arc<Self>,
        key: L::Key,
        change: Change,
        begun: Begun,
        mut look: impl FnMut(&L::Value) -> ControlFlow<T>,
    ) -> Result<T, Ec2Error> {
        let since = Instant::now();
        loop {
            let mut place = self.sit_down(key.clone(), change, begun, since);
            while place.news.changed().await.is_ok() {
                let news = place.news.borrow_and_update().clone();
                match news {
                    Some(News::Seen { value, at, missed }) => {
                        if let ControlFlow::Break(result) = look(&value) {
                            place.learn(since, missed, at);
                            return Ok(result);
                        }
                    }
                    Some(News::Refused(error)) => return Err(error),
                    None => {}
                }
            }
            // The ticking task panicked and took the seats along: sit down again, with a new one.
        }
    }

    fn sit_down(
        self: &Arc<Self>,
        key: L::Key,
        change: Change,
        begun: Begun,
        since: Instant,
    ) -> Place<L> {
        let now = Instant::now();
        let (sender, news) = watch::channel(None);
        let mut waiters = self.waiters();
        waiters.arrivals.came(now);
        let typical = since + waiters.experience(change).first_look();
        let due = match begun {
            Begun::Now => typical.max(now),
            Begun::NowInDoubt | Begun::Earlier => now,
        };
        let number = waiters.next_number;
        waiters.next_number += 1;
        let typical = (begun != Begun::Earlier).then_some(typical);
        let seat = Seat::new(key, since, due, typical, sender);
        waiters.seats.insert(number, seat);
        waiters.order.insert((due, number));
        self.metrics.waits(change, 1);
        if waiters.ticking {
            self.hurry(&mut waiters);
        } else {
            waiters.ticking = true;
            let ticker = Ticker {
                watch: Arc::clone(self),
                stopped: false,
            };
            tokio::spawn(ticker.run());
        }
        Place {
            watch: Arc::clone(self),
            number,
            change,
            teaches: begun != Begun::Earlier,
            news,
        }
    }

    /// Wakes the ticking task where it sleeps too long, by what is known now.
    fn hurry(&self, waiters: &mut Waiters<L>) {
        match waiters.next_look(&self.coming) {
            Some(at) if at >= waiters.planned => {}
            next => {
                waiters.planned = next.unwrap_or(waiters.planned);
                self.moved.notify_one();
            }
        }
    }

    fn waiters(&self) -> MutexGuard<'_, Waiters<L>> {
        // Nothing that can panic runs while this is held.
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: Lookup> Waiters<L> {
    fn experience(&mut self, change: Change) -> &mut Experience {
        self.experience.entry(change).or_default()
    }

    /// When the next call leaves: when half of all who are about are due, or the first of them has waited for others long enough.
    fn next_look(&self, coming: &Coming) -> Option<Instant> {
        let (first, _) = self.order.first()?;
        let crowd = self.seats.len() + coming.count();
        let quorum = (crowd / 2).clamp(1, L::MOST);
        let latest = *first + self.arrivals.patience(crowd);
        let at = match self.order.iter().nth(quorum - 1) {
            Some((enough, _)) => latest.min(*enough),
            None => latest,
        };
        Some(at.max(self.rest_until))
    }

    /// Whom the next calls look at: those who are due, and those who fit into the same number of calls and are due before the next one;
    /// [`FEW`] in any case, as they cost nothing.
    fn riders(&self, horizon: Duration) -> Riders<L> {
        let now = Instant::now();
        let mut riders: Riders<L> = HashMap::new();
        let mut room = L::MOST;
        for (due, number) in &self.order {
            if *due > now + horizon && riders.len() >= FEW {
                break;
            }
            let Some(seat) = self.seats.get(number) else {
                continue;
            };
            if riders.len() >= room && !riders.contains_key(&seat.key) {
                if *due > now {
                    break;
                }
                room += L::MOST;
            }
            riders.entry(seat.key.clone()).or_default().push(*number);
        }
        riders
    }

    /// Tells one seat what was seen at `at`, which decides when it is due again.
    fn tell(&mut self, number: u64, sight: &Sight<L>, at: Instant, pace: Pace) {
        if let Some(seat) = self.seats.get_mut(&number) {
            let before = seat.due;
            seat.take(sight, at, self.rest_until, pace);
            if seat.due != before {
                let after = seat.due;
                self.order.remove(&(before, number));
                self.order.insert((after, number));
            }
        }
    }

    /// After a look: trouble holds up the next one, the longer the more often it came.
    fn rest(&mut self, trouble: bool, pace: Pace) {
        self.strikes = if trouble { self.strikes + 1 } else { 0 };
        if trouble {
            let pause = pace.min * (1 << self.strikes.min(10));
            self.rest_until = Instant::now() + pause.min(pace.max);
        }
    }
}

/// So many more or less in a describe make no difference.
const FEW: usize = 50;

/// The seats that a look is for, by what it looks at.
type Riders<L> = HashMap<<L as Lookup>::Key, Vec<u64>>;

/// A waiter's hold on its seat; dropping it gives the seat up.
struct Place<L: Lookup> {
    watch: Arc<Watch<L>>,
    number: u64,
    change: Change,
    teaches: bool,
    news: watch::Receiver<Option<News<L>>>,
}

impl<L: Lookup> Place<L> {
    /// What was waited for was seen by the look of `at`, and not by that of `missed`.
    fn learn(&self, since: Instant, missed: Option<Instant>, at: Instant) {
        if self.teaches {
            let after = |look: Instant| look.saturating_duration_since(since);
            let (missed, seen) = (missed.map(after), after(at));
            let mut waiters = self.watch.waiters();
            waiters.experience(self.change).learn(missed, seen);
            let lag = seen.saturating_sub(missed.unwrap_or_default());
            self.watch.metrics.told(self.change, lag);
        }
    }
}

impl<L: Lookup> Drop for Place<L> {
    fn drop(&mut self) {
        self.watch.metrics.waits(self.change, -1);
        let mut waiters = self.watch.waiters();
        if let Some(seat) = waiters.seats.remove(&self.number) {
            waiters.order.remove(&(seat.due, self.number));
            self.watch.hurry(&mut waiters);
        }
    }
}

/// The task that looks, until nobody waits.
struct Ticker<L: Lookup> {
    watch: Arc<Watch<L>>,
    /// Whether it ended because nobody waited.
    stopped: bool,
}

impl<L: Lookup> Ticker<L> {
    async fn run(mut self) {
        while let Some(at) = self.next_look() {
            tokio::select! {
                () = sleep_until(at) => self.look().await,
                // Somebody came who is due earlier, or the last one left.
                () = self.watch.moved.notified() => {}
            }
        }
    }

    /// When to look next; `None`, and the end of this task, where nobody waits.
    fn next_look(&mut self) -> Option<Instant> {
        let mut waiters = self.watch.waiters();
        let next = waiters.next_look(&self.watch.coming);
        match next {
            Some(at) => waiters.planned = at,
            None => {
                waiters.ticking = false;
                self.stopped = true;
            }
        }
        next
    }

    async fn look(&self) {
        let riders = {
            let mut waiters = self.watch.waiters();
            waiters.planned = Instant::now();
            let crowd = waiters.seats.len() + self.watch.coming.count();
            let next = waiters.arrivals.patience(crowd);
            waiters.riders(next.max(self.watch.pace.min))
        };
        let at = Instant::now();
        let tickets = self.watch.batch.ask(riders.keys().cloned());
        let mut sights = Vec::with_capacity(riders.len());
        for ((key, seats), ticket) in riders.into_iter().zip(tickets) {
            // A ticket that fails is a call that panicked; a later look asks again.
            let sight = match ticket.await {
                Ok(answer) => self.judge(&key, answer),
                Err(_) => Sight::Trouble(None),
            };
            sights.push((sight, seats));
        }
        self.deliver(sights, at);
    }

    /// Tells everybody what was seen at `at`. Whoever has come since is told nothing that was seen before it asked.
    fn deliver(&self, sights: Vec<(Sight<L>, Vec<u64>)>, at: Instant) {
        let pace = self.watch.pace;
        let mut waiters = self.watch.waiters();
        let is_trouble = |(sight, _): &(_, _)| matches!(sight, Sight::Trouble(_));
        waiters.rest(sights.iter().any(is_trouble), pace);
        for (sight, seats) in sights {
            for number in seats {
                waiters.tell(number, &sight, at, pace);
            }
        }
    }

    fn judge(&self, key: &L::Key, answer: Result<L::Value, Ec2Error>) -> Sight<L> {
        match answer {
            Ok(value) => Sight::Seen(Arc::new(value)),
            Err(error) if error.is_transient() => {
                tracing::debug!(key = %key, error = %error, "a look at what is awaited failed");
                let silence = !matches!(error.kind, ErrorKind::Throttled | ErrorKind::NoTurn);
                Sight::Trouble(silence.then_some(error))
            }
            Err(error) if error.is_not_found() => {
                match L::subject(key).map(|subject| self.watch.sightings.missed(&subject)) {
                    Some(Absence::SureFrom(at)) => Sight::NotYet(at),
                    Some(Absence::Sure) | None => Sight::Refused(error),
                }
            }
            Err(error) => Sight::Refused(error),
        }
    }
}

impl<L: Lookup> Drop for Ticker<L> {
    /// After a panic: the waiters lose their seats and sit down again.
    fn drop(&mut self) {
        if !self.stopped {
            let mut waiters = self.watch.waiters();
            waiters.ticking = false;
            waiters.seats.clear();
            waiters.order.clear();
        }
    }
}

#[cfg(test)]
mod tests;
