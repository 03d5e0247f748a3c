//! How long a describe may be held back so that more ride on it: what the crowd gains in calls it pays in time.
//!
//! Answers for: that pause, from how many are about and how fast they come. One alone is never held back.
//! Doesn't answer for: who rides (`watch`, `batch`), nor what EC2's buckets have left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// A describe is held back until about so many have come for it. With it a burst that a bucket of mutating calls spreads over minutes
/// takes a fifth of a describe for each of them.
const SHARERS: u32 = 5;

/// For how long at most more than [`SHARERS`] are collected: as many as half of the crowd, where they come that fast.
const SWIFT: Duration = Duration::from_millis(100);

/// What one more in the crowd adds to the longest pause: a few hardly wait for one another.
const EACH: Duration = Duration::from_millis(10);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(1);

/// How fast they come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arrivals {
    last: Option<Instant>,
    /// The time between two of them, smoothed over about eight.
    gap: Duration,
}

impl Arrivals {
    /// Another one has come.
    pub(super) fn came(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            let gap = (now - last).min(LONGEST);
            self.gap = (self.gap * 7 + gap) / 8;
        }
    }

    /// How long whoever has waited longest may be held back, when so many are about: those who wait, and those who will in a moment.
    pub(super) fn patience(&self, crowd: usize) -> Duration {
        let crowd = u32::try_from(crowd).unwrap_or(u32::MAX);
        let slow = self.gap.saturating_mul(SHARERS);
        let swift = self.gap.saturating_mul(crowd / 2).min(SWIFT);
        let most = EACH.saturating_mul(crowd.saturating_sub(1)).min(LONGEST);
        slow.max(swift).min(most)
    }

    /// How long those who wait may be held back for others of whom nothing is known but that they have come fast.
    pub(super) fn breath(&self, waiting: usize) -> Duration {
        let half = u32::try_from(waiting / 2).unwrap_or(u32::MAX);
        self.gap.saturating_mul(half).min(EACH)
    }
}

/// How many are at the call after which they will come.
#[derive(Clone, Debug, Default)]
pub(super) struct Coming(Arc<AtomicUsize>);

impl Coming {
    /// One is at that call, until this is dropped.
    pub(super) fn one(&self) -> OneComing {
        self.0.fetch_add(1, Ordering::Relaxed);
        OneComing(self.clone())
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One who will come.
#[derive(Debug)]
#[must_use = "it counts until it is dropped"]
pub(super) struct OneComing(Coming);

impl Drop for OneComing {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    async fn at_distances_of(gap: Duration) -> Arrivals {
        let mut arrivals = Arrivals::default();
        for _ in 0..100 {
            arrivals.came(Instant::now());
            advance(gap).await;
        }
        arrivals
    }

    #[tokio::test(start_paused = true)]
    async fn one_alone_is_not_held_back_and_few_hardly() {
        for gap in [0, 1, 200, 60_000].map(Duration::from_millis) {
            let arrivals = at_distances_of(gap).await;
            assert_eq!(arrivals.patience(0), Duration::ZERO);
            assert_eq!(arrivals.patience(1), Duration::ZERO);
            assert!(arrivals.patience(3) <= 2 * EACH);
            assert!(arrivals.breath(1000) <= EACH);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_bucket_spreads_is_collected_for_a_second_and_what_comes_fast_for_a_moment() {
        let slow = at_distances_of(Duration::from_millis(200)).await;
        let about_a_second = Duration::from_millis(900)..=LONGEST;
        assert!(about_a_second.contains(&slow.patience(200)));
        let fast = at_distances_of(Duration::from_micros(500)).await;
        assert!(fast.patience(1_000) <= SWIFT);
        assert!(fast.patience(100) <= Duration::from_millis(25));
        assert!(fast.patience(100) >= Duration::from_millis(15));
    }

    #[test]
    fn who_will_come_counts_until_it_is_dropped() {
        let coming = Coming::default();
        let two = (coming.one(), coming.one());
        assert_eq!(coming.count(), 2);
        drop(two);
        assert_eq!(coming.count(), 0);
    }
}
