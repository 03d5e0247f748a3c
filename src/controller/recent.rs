//! Names that this process asked EC2 to make a moment ago, so that EC2 may have them and not show them yet.
//!
//! Needed where EC2 knows no client token (snapshots): a look that finds nothing proves nothing about such a name.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The names, with when the last attempt began or ended.
#[derive(Debug, Default)]
pub(super) struct Recent {
    names: Mutex<HashMap<String, Instant>>,
}

impl Recent {
    /// Whether an attempt for this name ended, in whatever way, less than `window` ago.
    pub(super) fn contains(&self, name: &str, window: Duration) -> bool {
        self.lock()
            .get(name)
            .is_some_and(|last| last.elapsed() < window)
    }

    /// An attempt begins. It counts as recent from its end, also if it is dropped in the middle.
    /// Names older than `window` are forgotten.
    pub(super) fn begin<'a>(&'a self, name: &'a str, window: Duration) -> Attempt<'a> {
        let mut names = self.lock();
        names.retain(|_, last| last.elapsed() < window);
        Attempt {
            all: self,
            name,
            before: names.insert(name.to_owned(), Instant::now()),
            undone: false,
        }
    }

    /// The map is whole after every statement, so a panic elsewhere while it was locked does not matter.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One attempt under way.
#[derive(Debug)]
#[must_use = "the attempt ends when this is dropped"]
pub(super) struct Attempt<'a> {
    all: &'a Recent,
    name: &'a str,
    before: Option<Instant>,
    undone: bool,
}

impl Attempt<'_> {
    /// It ended without any effect: only what was before counts.
    pub(super) fn not_done(mut self) {
        self.undone = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut names = self.all.lock();
        match (self.undone, self.before) {
            (true, None) => names.remove(self.name),
            (true, Some(before)) => names.insert(self.name.to_owned(), before),
            (false, _) => names.insert(self.name.to_owned(), Instant::now()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn an_attempt_is_recent_for_a_window_after_its_end() {
        let recent = Recent::default();
        let attempt = recent.begin("a", WINDOW);
        tokio::time::advance(WINDOW * 2).await;
        drop(attempt);
        assert!(recent.contains("a", WINDOW) && !recent.contains("b", WINDOW));
        tokio::time::advance(WINDOW).await;
        assert!(!recent.contains("a", WINDOW));
        recent.begin("b", WINDOW).not_done();
        assert!(recent.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_does_not_undo_an_attempt_in_doubt() {
        let recent = Recent::default();
        drop(recent.begin("a", WINDOW));
        recent.begin("a", WINDOW).not_done();
        assert!(recent.contains("a", WINDOW));
    }
}
