//! A bucket of tokens over time: so many at most, so many more each second.

use std::time::Duration;

use tokio::time::Instant;

/// What adding up small times may lose of a token.
const EPSILON: f64 = 1e-6;

/// A level that rises with time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens {
    /// The most that there are.
    pub(super) most: f64,
    /// How many come each second; above zero.
    pub(super) per_second: f64,
    level: f64,
    at: Instant,
}

impl Tokens {
    /// A full bucket.
    pub(super) fn full(most: f64, per_second: f64, now: Instant) -> Self {
        Self {
            most,
            per_second,
            level: most,
            at: now,
        }
    }

    /// Adds what has come since; tells whether the bucket is full by that.
    pub(super) fn settle(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at);
        self.at = now.max(self.at);
        self.level = (self.level + passed.as_secs_f64() * self.per_second).min(self.most);
        self.level >= self.most
    }

    /// Whether there is one, as of the last time it was settled.
    pub(super) fn any(&self) -> bool {
        self.level + EPSILON >= 1.0
    }

    /// Takes one.
    pub(super) fn take(&mut self) {
        self.level -= 1.0;
    }

    /// Puts one back that was not used.
    pub(super) fn put_back(&mut self) {
        self.level = (self.level + 1.0).min(self.most);
    }

    /// How many there are; below zero, how many are owed.
    pub(super) fn level(&self) -> f64 {
        self.level
    }

    /// Sets how many there are.
    pub(super) fn set_level(&mut self, level: f64) {
        self.level = level;
    }

    /// How long until there are so many, at this rate.
    pub(super) fn until(&self, count: f64) -> Duration {
        seconds((count - self.level) / self.per_second)
    }
}

/// A time as numbers of seconds give it: never negative, at most a day.
pub(super) fn seconds(seconds: f64) -> Duration {
    const DAY: f64 = 86_400.0;
    Duration::try_from_secs_f64(seconds.clamp(0.0, DAY)).unwrap_or_default()
}
