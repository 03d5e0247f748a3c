//! Work that is done again and again: the pause after each round, and that one trouble is told once.

use std::fmt::Display;
use std::time::Duration;

/// The pause after a round that failed; twice as long after each further one, up to the usual one.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// What went wrong so far.
#[derive(Debug)]
pub(super) struct Rounds {
    /// What a failure means, as a sentence for the log.
    failure: &'static str,
    pause: Duration,
    told: String,
    failures: u32,
}

impl Rounds {
    /// Rounds with this pause between them.
    pub(super) fn new(failure: &'static str, pause: Duration) -> Self {
        Self {
            failure,
            pause,
            told: String::new(),
            failures: 0,
        }
    }

    /// A round has ended like this: how long to wait for the next one.
    pub(super) fn pause_after<E: Display>(&mut self, round: Result<(), E>) -> Duration {
        let Err(error) = round else {
            self.told.clear();
            self.failures = 0;
            return self.pause;
        };
        let words = error.to_string();
        if self.told != words {
            tracing::warn!(error = %words, "{}, it is tried again", self.failure);
            self.told = words;
        }
        let factor = 2_u32.saturating_pow(self.failures);
        self.failures = self.failures.saturating_add(1);
        PAUSE_AFTER_FAILURE.saturating_mul(factor).min(self.pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_less_often_while_they_lead_to_nothing() {
        let mut rounds = Rounds::new("nothing is done", Duration::from_secs(30));
        let mut after = |round: Result<(), &str>| rounds.pause_after(round).as_secs();
        let pauses: Vec<_> = (0..40).map(|_| after(Err("no"))).collect();
        assert_eq!(pauses[..5], [5, 10, 20, 30, 30]);
        assert_eq!(pauses.last(), Some(&30));
        assert_eq!(after(Ok(())), 30);
        assert_eq!(after(Err("no")), 5);
    }
}
