//! One who waits: what it was told last, and when it is due for a look.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Pace;
use crate::Ec2Error;
use crate::cloud::lookup::Lookup;

/// How long a waiter is kept while nothing is heard of what it waits for. Throttling does not count: EC2 answers then.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// The share of the time waited so far that passes until the next look: by so much at most it is late.
const SHARE: u32 = 16;

/// The same for what takes EC2 longer than that, and longer than twice what it has lately taken: there is less to gain then.
const OVERDUE: Duration = Duration::from_secs(3);
const OVERDUE_SHARE: u32 = 6;

/// What one waiter is told.
pub(super) enum News<L: Lookup> {
    /// What the look of `at` saw; `missed` is when the one before left, if there was one.
    Seen {
        value: Arc<L::Value>,
        at: Instant,
        missed: Option<Instant>,
    },
    /// EC2 refuses, does not answer, or what is awaited is surely not there.
    Refused(Ec2Error),
}

impl<L: Lookup> Clone for News<L> {
    fn clone(&self) -> Self {
        match self {
            Self::Seen { value, at, missed } => Self::Seen {
                value: Arc::clone(value),
                at: *at,
                missed: *missed,
            },
            Self::Refused(error) => Self::Refused(error.clone()),
        }
    }
}

/// What a look at one key showed.
pub(super) enum Sight<L: Lookup> {
    /// It is there.
    Seen(Arc<L::Value>),
    /// EC2 doesn't show it, which is sure if it still doesn't at this time.
    NotYet(Instant),
    /// EC2 refuses, or what is awaited is surely not there.
    Refused(Ec2Error),
    /// Nothing: EC2 throttled, or it failed or its answer was lost, with the error.
    Trouble(Option<Ec2Error>),
}

pub(super) struct Seat<L: Lookup> {
    pub(super) key: L::Key,
    pub(super) due: Instant,
    since: Instant,
    /// When EC2 tends to be done; `None` where that is not known.
    typical: Option<Instant>,
    /// When the last look left.
    looked: Option<Instant>,
    last: Option<Arc<L::Value>>,
    /// Since when every look failed.
    blind_since: Option<Instant>,
    news: watch::Sender<Option<News<L>>>,
}

impl<L: Lookup> Seat<L> {
    pub(super) fn new(
        key: L::Key,
        since: Instant,
        due: Instant,
        typical: Option<Instant>,
        news: watch::Sender<Option<News<L>>>,
    ) -> Self {
        Self {
            key,
            due,
            since,
            typical,
            looked: None,
            last: None,
            blind_since: None,
            news,
        }
    }

    /// What the look of `at` showed. After trouble the next one is at `rest_until` or later.
    pub(super) fn take(&mut self, sight: &Sight<L>, at: Instant, rest_until: Instant, pace: Pace) {
        let now = Instant::now();
        self.blind_since = match sight {
            Sight::Trouble(Some(_)) => self.blind_since.or(Some(now)),
            _ => None,
        };
        let was_due = self.due <= at;
        match sight {
            Sight::Seen(value) => {
                let missed = self.looked.replace(at);
                let changed = self.last.as_ref() != Some(value);
                if changed {
                    self.last = Some(Arc::clone(value));
                }
                // Who only rode along is not bothered with what it knows.
                if changed || was_due {
                    let value = Arc::clone(value);
                    self.tell(News::Seen { value, at, missed });
                }
                if was_due {
                    self.due = self.next(now, pace);
                }
            }
            Sight::NotYet(sure_from) => {
                self.looked = Some(at);
                self.due = self.next(now, pace).min((*sure_from).max(now + pace.min));
            }
            Sight::Refused(error) => {
                self.due = now + pace.max;
                self.tell(News::Refused(error.clone()));
            }
            Sight::Trouble(error) => {
                self.due = self.due.max(rest_until);
                let silent = |since| now - since >= PATIENCE;
                if let (Some(error), Some(true)) = (error, self.blind_since.map(silent)) {
                    self.tell(News::Refused(error.clone()));
                }
            }
        }
    }

    fn tell(&self, news: News<L>) {
        self.news.send_replace(Some(news));
    }

    /// When it is worth another look.
    fn next(&self, now: Instant, pace: Pace) -> Instant {
        let waited = now - self.since;
        let typical = self.typical.map(|at| at - self.since).unwrap_or_default();
        let share = match waited > OVERDUE.max(typical * 2) {
            true => OVERDUE_SHARE,
            false => SHARE,
        };
        let next = now + (waited / share).clamp(pace.min, pace.max);
        // A first look that came early.
        self.typical.filter(|at| *at > now).unwrap_or(next)
    }
}
