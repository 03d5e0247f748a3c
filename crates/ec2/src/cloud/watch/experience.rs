//! How long EC2 has lately taken for a change, learnt from the looks that found it done.
//!
//! Answers for: when a first look is worth its call. Doesn't answer for: the looks after it.

use std::collections::VecDeque;
use std::time::Duration;

/// How many of the last waits count.
const REMEMBERED: usize = 16;

/// The share of them that a first look finds done: a look too early costs a call, one too late costs all who wait time.
const QUARTER: usize = 4;

/// What is done within this is looked at right away.
const AT_ONCE: Duration = Duration::from_millis(10);

/// The last waits for one kind of change.
#[derive(Debug, Default)]
pub(super) struct Experience {
    lasted: VecDeque<Duration>,
    first_look: Duration,
}

impl Experience {
    /// How long after EC2 has accepted the first look is worth it; zero where nothing is known.
    pub(super) fn first_look(&self) -> Duration {
        self.first_look
    }

    /// A change was seen to be done `seen` after it was accepted, and not yet at `missed`.
    pub(super) fn learn(&mut self, missed: Option<Duration>, seen: Duration) {
        let lasted = match missed {
            // Somewhere in between.
            Some(missed) => (missed + seen) / 2,
            // No later than that: whether earlier, only an earlier look can tell.
            None => seen.min(self.first_look.max(AT_ONCE)) * 31 / 32,
        };
        if self.lasted.len() == REMEMBERED {
            self.lasted.pop_front();
        }
        self.lasted.push_back(lasted);
        let mut sorted: Vec<_> = self.lasted.iter().copied().collect();
        sorted.sort_unstable();
        let typical = sorted.get(sorted.len() / QUARTER).copied();
        self.first_look = typical
            .filter(|typical| *typical >= AT_ONCE)
            .unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pause between two looks, as of a seat.
    fn next(at: Duration) -> Duration {
        at + (at / 16).max(Duration::from_millis(50))
    }

    /// Waits for changes that take so long, one after the other: how many looks each took, and how late the last one was.
    fn play(
        experience: &mut Experience,
        takes: impl IntoIterator<Item = u64>,
    ) -> Vec<(u32, Duration)> {
        let one = |takes| {
            let takes = Duration::from_millis(takes);
            let (mut looks, mut missed, mut at) = (1, None, experience.first_look());
            while at < takes {
                missed = Some(at);
                at = next(at);
                looks += 1;
            }
            experience.learn(missed, at);
            (looks, at - takes)
        };
        takes.into_iter().map(one).collect()
    }

    #[test]
    fn what_is_done_at_once_is_looked_at_at_once() {
        let mut experience = Experience::default();
        assert_eq!(experience.first_look(), Duration::ZERO);
        assert!(play(&mut experience, [0; 100]).iter().all(|w| w.0 == 1));
        assert_eq!(experience.first_look(), Duration::ZERO);
    }

    #[test]
    fn a_steady_ec2_takes_two_looks_and_little_lag() {
        for takes in [500, 1_000, 2_000, 10_000] {
            let mut experience = Experience::default();
            play(&mut experience, [takes; 10]);
            for (looks, late) in play(&mut experience, [takes; 200]) {
                assert!(looks <= 2, "{looks} looks at what takes {takes} ms");
                let most = Duration::from_millis(takes / 15).max(Duration::from_millis(50));
                assert!(late <= most, "{late:?} late for {takes} ms");
            }
        }
    }

    #[test]
    fn it_follows_an_ec2_that_becomes_faster_or_slower() {
        let mut experience = Experience::default();
        play(&mut experience, [4_000; 50]);
        play(&mut experience, [1_000; 400]);
        assert!(experience.first_look() < Duration::from_millis(1_100));
        play(&mut experience, [3_000; 50]);
        assert!(experience.first_look() > Duration::from_millis(2_500));
        play(&mut experience, [0; 2_000]);
        assert_eq!(experience.first_look(), Duration::ZERO);
    }

    #[test]
    fn of_changes_that_take_differently_long_a_quarter_is_done_at_the_first_look() {
        let mut experience = Experience::default();
        let spread = (0..1_000).map(|n| 1_000 + (n * 677) % 3_000);
        let waits = play(&mut experience, spread);
        let at_first = waits.iter().filter(|(looks, _)| *looks == 1).count();
        assert!((100..400).contains(&at_first), "{at_first}");
    }
}
