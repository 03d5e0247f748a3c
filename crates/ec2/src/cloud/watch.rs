//! Waiting for states together: all who wait for one kind of thing ride one describe per tick.
//!
//! Answers for: when the looks happen. A newcomer gets a soon first look; the pauses of one for whom nothing changes grow;
//! who is not due yet rides along where a call leaves anyway and has room. Throttling, failures of EC2 and lost replies slow it down;
//! an EC2 that does not answer at all for [`PATIENCE`] is reported, so that a caller learns why it waits.
//! Doesn't answer for: deadlines (the waiter's own), nor how keys become calls (`batch`).

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use super::batch::Batch;
use super::lookup::Lookup;
use super::sightings::{Absence, Sightings};
use crate::{Ec2Error, ErrorKind};

/// How long a waiter is kept while nothing is heard of what it waits for. Throttling does not count: EC2 answers then.
const PATIENCE: Duration = Duration::from_secs(15);

/// What one waiter is told last; `None` before its first look.
type News<L> = Option<Result<<L as Lookup>::Value, Ec2Error>>;

/// The waiters of one kind of thing.
pub(super) struct Watch<L: Lookup> {
    batch: Arc<Batch<L>>,
    sightings: Arc<Sightings>,
    pace: Pace,
    /// Wakes the ticking task when somebody comes or the last one leaves.
    moved: Notify,
    waiters: Mutex<Waiters<L>>,
}

/// The bounds of the pause between two looks.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// The shortest; also a newcomer's time to the first look.
    pub(super) min: Duration,
    /// The longest.
    pub(super) max: Duration,
}

struct Waiters<L: Lookup> {
    seats: HashMap<u64, Seat<L>>,
    next_number: u64,
    /// Whether a task is under way that looks.
    ticking: bool,
    /// No call leaves before.
    rest_until: Instant,
}

struct Seat<L: Lookup> {
    key: L::Key,
    due: Instant,
    pause: Duration,
    last: Option<L::Value>,
    /// Since when every look failed.
    blind_since: Option<Instant>,
    news: watch::Sender<News<L>>,
}

impl<L: Lookup> Watch<L> {
    pub(super) fn new(batch: Arc<Batch<L>>, sightings: Arc<Sightings>, pace: Pace) -> Arc<Self> {
        Arc::new(Self {
            batch,
            sightings,
            pace,
            moved: Notify::new(),
            waiters: Mutex::new(Waiters {
                seats: HashMap::new(),
                next_number: 0,
                ticking: false,
                rest_until: Instant::now(),
            }),
        })
    }

    /// Looks at `key` until `look` breaks, EC2 refuses, or what is looked at is surely not there.
    pub(super) async fn until<T>(
        self: &Arc<Self>,
        key: L::Key,
        mut look: impl FnMut(&L::Value) -> ControlFlow<T>,
    ) -> Result<T, Ec2Error> {
        loop {
            let mut place = self.sit_down(key.clone());
            while place.news.changed().await.is_ok() {
                let news = place.news.borrow_and_update().clone();
                match news {
                    Some(Ok(value)) => {
                        if let ControlFlow::Break(result) = look(&value) {
                            return Ok(result);
                        }
                    }
                    Some(Err(error)) => return Err(error),
                    None => {}
                }
            }
            // The ticking task panicked and took the seats along: sit down again, with a new one.
        }
    }

    fn sit_down(self: &Arc<Self>, key: L::Key) -> Place<L> {
        let (sender, news) = watch::channel(None);
        let mut waiters = self.waiters();
        let number = waiters.next_number;
        waiters.next_number += 1;
        waiters.seats.insert(
            number,
            Seat {
                key,
                due: Instant::now() + self.pace.min,
                pause: self.pace.min,
                last: None,
                blind_since: None,
                news: sender,
            },
        );
        if waiters.ticking {
            self.moved.notify_one();
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
            news,
        }
    }

    fn waiters(&self) -> MutexGuard<'_, Waiters<L>> {
        // Nothing that can panic runs while this is held.
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A waiter's hold on its seat; dropping it gives the seat up.
struct Place<L: Lookup> {
    watch: Arc<Watch<L>>,
    number: u64,
    news: watch::Receiver<News<L>>,
}

impl<L: Lookup> Drop for Place<L> {
    fn drop(&mut self) {
        let mut waiters = self.watch.waiters();
        waiters.seats.remove(&self.number);
        if waiters.seats.is_empty() {
            self.watch.moved.notify_one();
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
                // Somebody came, who may be due earlier, or the last one left.
                () = self.watch.moved.notified() => {}
            }
        }
    }

    /// When to look next; `None`, and the end of this task, where nobody waits.
    fn next_look(&mut self) -> Option<Instant> {
        let mut waiters = self.watch.waiters();
        let due = waiters.seats.values().map(|seat| seat.due).min();
        if due.is_none() {
            waiters.ticking = false;
            self.stopped = true;
        }
        due.map(|due| due.max(waiters.rest_until))
    }

    async fn look(&self) {
        let (keys, newcomers) = self.riders();
        let tickets = self.watch.batch.ask(keys.iter().cloned());
        let mut sights = HashMap::with_capacity(keys.len());
        for (key, ticket) in keys.into_iter().zip(tickets) {
            // A ticket that fails is a call that panicked; a later look asks again.
            let sight = match ticket.await {
                Ok(answer) => self.judge(&key, answer),
                Err(_) => Sight::Trouble(None),
            };
            sights.insert(key, sight);
        }
        self.deliver(&sights, newcomers);
    }

    /// Whom the next calls look at: those who are due, and by nearness those who fit into the same number of calls.
    /// With it the number of the first seat for which their answers will be too old.
    fn riders(&self) -> (Vec<L::Key>, u64) {
        let now = Instant::now();
        let waiters = self.watch.waiters();
        let mut seats: Vec<(Instant, &L::Key)> = waiters
            .seats
            .values()
            .map(|seat| (seat.due, &seat.key))
            .collect();
        seats.sort_by_key(|(due, _)| *due);
        let mut riders = HashSet::new();
        let mut room = L::MOST;
        for (due, key) in seats {
            if riders.len() >= room && !riders.contains(key) {
                if due > now {
                    break;
                }
                room += L::MOST;
            }
            riders.insert(key.clone());
        }
        (riders.into_iter().collect(), waiters.next_number)
    }

    /// Tells everybody what was seen, but for newcomers, and decides when each is due again.
    fn deliver(&self, sights: &HashMap<L::Key, Sight<L::Value>>, newcomers: u64) {
        let now = Instant::now();
        let pace = self.watch.pace;
        let mut waiters = self.watch.waiters();
        waiters.rest_until = now + pace.min;
        for (number, seat) in &mut waiters.seats {
            if *number < newcomers
                && let Some(sight) = sights.get(&seat.key)
            {
                seat.take(sight, now, pace);
            }
        }
    }

    fn judge(&self, key: &L::Key, answer: Result<L::Value, Ec2Error>) -> Sight<L::Value> {
        match answer {
            Ok(value) => Sight::Seen(value),
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
        }
    }
}

/// What a look at one key showed.
enum Sight<V> {
    /// It is there.
    Seen(V),
    /// EC2 doesn't show it, which is sure if it still doesn't at this time.
    NotYet(Instant),
    /// EC2 refuses, or what is awaited is surely not there.
    Refused(Ec2Error),
    /// Nothing: EC2 throttled, or it failed or its answer was lost, with the error.
    Trouble(Option<Ec2Error>),
}

impl<L: Lookup> Seat<L> {
    fn take(&mut self, sight: &Sight<L::Value>, now: Instant, pace: Pace) {
        let was_due = self.due <= now;
        self.blind_since = match sight {
            Sight::Trouble(Some(_)) => self.blind_since.or(Some(now)),
            _ => None,
        };
        match sight {
            Sight::Seen(value) => {
                if self.last.as_ref() != Some(value) {
                    self.last = Some(value.clone());
                    self.pause = pace.min;
                    self.due = now + pace.min;
                } else if was_due {
                    self.rest(now, (self.pause * 3 / 2).min(pace.max));
                }
                self.news.send_replace(Some(Ok(value.clone())));
            }
            Sight::NotYet(sure_from) => {
                self.rest(now, (self.pause * 3 / 2).min(pace.max));
                self.due = self.due.min((*sure_from).max(now + pace.min));
            }
            Sight::Refused(error) => {
                self.rest(now, pace.max);
                self.news.send_replace(Some(Err(error.clone())));
            }
            Sight::Trouble(error) => {
                self.rest(now, (self.pause * 2).min(pace.max));
                let silent = self
                    .blind_since
                    .is_some_and(|since| now - since >= PATIENCE);
                if let (true, Some(error)) = (silent, error) {
                    self.news.send_replace(Some(Err(error.clone())));
                }
            }
        }
    }

    fn rest(&mut self, now: Instant, pause: Duration) {
        self.pause = pause;
        self.due = now + pause;
    }
}

#[cfg(test)]
mod tests;
