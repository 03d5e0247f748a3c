//! What this process knows about its attempts to make volumes, by name.
//!
//! Answers for: whether a volume of a name may exist ([`Attempts::outcome`]), accumulated over all attempts, and which generation of
//! the client token is next. Doesn't answer for: finding out; a look at EC2 that found nothing is reported here.
//!
//! A name that this process knows nothing about may exist: another process, or this one before a restart, may have made it.
//! So forgetting is always safe, and only what is *not* there is worth remembering.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ec2::Outcome;
use tokio::time::Instant;

/// Names remembered at most, some 150 bytes each. Beyond it all are forgotten, which costs a look each.
const MAX_NAMES: usize = 10_000;

/// How long a name is remembered of which nothing was heard since. What is tried again is tried again within minutes.
const KEPT: Duration = Duration::from_hours(1);

/// The names of volumes.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    names: Mutex<Names>,
}

#[derive(Debug, Default)]
struct Names {
    known: HashMap<String, (Instant, Known)>,
    /// When what is too old was last forgotten.
    swept: Option<Instant>,
}

impl Names {
    /// Forgets what is too old, now and then.
    fn sweep(&mut self) {
        let swept = *self.swept.get_or_insert_with(Instant::now);
        if swept.elapsed() >= KEPT {
            self.swept = Some(Instant::now());
            self.known.retain(|_, (since, _)| since.elapsed() < KEPT);
        }
    }
}

/// What is known about one name.
#[derive(Clone, Copy, Debug)]
struct Known {
    outcome: Outcome,
    generation: u32,
}

/// Nothing is known.
const UNKNOWN: Known = Known {
    outcome: Outcome::MayBeDone,
    generation: 0,
};

impl Attempts {
    /// Whether anything of this name may exist, whatever attempts were made.
    pub(super) fn outcome(&self, name: &str) -> Outcome {
        self.known(name).outcome
    }

    /// An attempt begins. Until it ends in [`Attempt::not_done`] the name may exist, also if the attempt is dropped in the middle.
    pub(super) fn begin<'a>(&'a self, name: &'a str) -> Attempt<'a> {
        let before = self.lock().known.get(name).map(|(_, known)| *known);
        let generation = before.unwrap_or(UNKNOWN).generation;
        self.set(
            name,
            Known {
                outcome: Outcome::MayBeDone,
                generation,
            },
        );
        Attempt {
            all: self,
            name,
            before,
        }
    }

    /// EC2 was seen to have nothing of this name, past its consistency window.
    pub(super) fn found_nothing(&self, name: &str) {
        let outcome = Outcome::NotDone;
        self.set(
            name,
            Known {
                outcome,
                ..self.known(name)
            },
        );
    }

    /// The token of the present generation is burnt: the next attempt uses another one.
    pub(super) fn roll(&self, name: &str) {
        let known = self.known(name);
        self.set(
            name,
            Known {
                generation: known.generation + 1,
                ..known
            },
        );
    }

    /// It exists and is known to the caller: nothing is worth remembering but a rolled generation.
    pub(super) fn succeeded(&self, name: &str) {
        let mut names = self.lock();
        let plain = |(_, known): &(_, Known)| known.generation == 0;
        if names.known.get(name).is_some_and(plain) {
            names.known.remove(name);
        }
        names.sweep();
    }

    fn known(&self, name: &str) -> Known {
        let known = self.lock().known.get(name).map(|(_, known)| *known);
        known.unwrap_or(UNKNOWN)
    }

    fn set(&self, name: &str, known: Known) {
        let mut names = self.lock();
        if names.known.len() >= MAX_NAMES && !names.known.contains_key(name) {
            names.known.clear();
        }
        names.known.insert(name.to_owned(), (Instant::now(), known));
    }

    /// The map is whole after every statement, so a panic elsewhere while it was locked does not matter.
    fn lock(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One attempt under way.
#[derive(Debug)]
#[must_use = "an attempt that is not told how it ended stays in doubt"]
pub(super) struct Attempt<'a> {
    all: &'a Attempts,
    name: &'a str,
    before: Option<Known>,
}

impl Attempt<'_> {
    /// Which client token this attempt uses.
    pub(super) fn generation(&self) -> u32 {
        self.before.unwrap_or(UNKNOWN).generation
    }

    /// It ended without any effect: what was known before is true again.
    pub(super) fn not_done(self) {
        match self.before {
            Some(before) => self.all.set(self.name, before),
            None => {
                self.all.lock().known.remove(self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_in_doubt_until_a_look_finds_nothing() {
        let all = Attempts::default();
        assert_eq!(all.outcome("a"), Outcome::MayBeDone);
        all.found_nothing("a");
        assert_eq!(all.outcome("a"), Outcome::NotDone);
    }

    #[test]
    fn a_refused_attempt_leaves_what_was_known() {
        let all = Attempts::default();
        all.begin("a").not_done();
        assert_eq!(all.outcome("a"), Outcome::MayBeDone);
        all.found_nothing("a");
        all.begin("a").not_done();
        assert_eq!(all.outcome("a"), Outcome::NotDone);
    }

    #[test]
    fn a_dropped_attempt_stays_in_doubt_over_later_refusals() {
        let all = Attempts::default();
        all.found_nothing("a");
        drop(all.begin("a"));
        all.begin("a").not_done();
        assert_eq!(all.outcome("a"), Outcome::MayBeDone);
    }

    #[test]
    fn a_rolled_token_stays_rolled() {
        let all = Attempts::default();
        all.roll("a");
        all.succeeded("a");
        assert_eq!(all.begin("a").generation(), 1);
        all.succeeded("b");
        assert_eq!(all.begin("b").generation(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_tries_any_more_is_forgotten() {
        let all = Attempts::default();
        all.roll("a");
        drop(all.begin("b"));
        all.succeeded("c");
        tokio::time::advance(KEPT).await;
        all.succeeded("c");
        assert!(all.lock().known.is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let all = Attempts::default();
        for n in 0..=MAX_NAMES {
            all.found_nothing(&n.to_string());
        }
        assert_eq!(all.lock().known.len(), 1);
    }
}
