//! The time of day, by tokio's clock, so that tests that pause it move the emulated cloud too.

use std::time::SystemTime;

use tokio::time::Instant;

use crate::model::Timestamp;

/// A clock that started at the time of day and runs with tokio's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Timestamp,
    origin: Instant,
}

impl Clock {
    /// Starts it.
    pub(super) fn new() -> Self {
        let since_1970 = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            start: Timestamp::default() + since_1970,
            origin: Instant::now(),
        }
    }

    /// What it showed when it was started.
    pub(super) fn start(&self) -> Timestamp {
        self.start
    }

    /// What it shows.
    pub(super) fn now(&self) -> Timestamp {
        self.start + self.origin.elapsed()
    }
}
