//! The rule "gone is gone only when sure": asking again until an absence can be believed.
//!
//! Doesn't answer for: what has been seen and since when (`sightings`).

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Cloud;
use super::sightings::{Absence, Subject};
use crate::{Ec2Error, ErrorKind, Outcome};

impl Cloud {
    /// Repeats `call` as long as it says "not found" of a `subject` (of which, the kind of error tells) that may yet show up.
    ///
    /// An error tells the outcome of all attempts: where an earlier one may have taken effect, this one may have.
    pub(super) async fn surely<T, F>(
        &self,
        subject: impl Fn(ErrorKind) -> Subject,
        mut call: impl FnMut() -> F,
    ) -> Result<T, Ec2Error>
    where
        F: Future<Output = Result<T, Ec2Error>>,
    {
        let mut pauses = self.pauses();
        let mut outcome = Outcome::NotDone;
        loop {
            let mut error = match call().await {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            outcome = outcome.max(error.outcome);
            error.outcome = outcome;
            if !error.is_not_found() {
                return Err(error);
            }
            match self.sightings.missed(&subject(error.kind)) {
                Absence::Sure => return Err(error),
                Absence::SureFrom(at) => sleep_until(at.min(Instant::now() + pauses())).await,
            }
        }
    }

    /// Repeats `list` as long as it is empty, until past the consistency window.
    pub(super) async fn some_surely<T, F>(
        &self,
        list: impl FnMut() -> F,
    ) -> Result<Vec<T>, Ec2Error>
    where
        F: Future<Output = Result<Vec<T>, Ec2Error>>,
    {
        self.enough_surely(|found| !found.is_empty(), list).await
    }

    /// Repeats `list` as long as it is not `enough`, until past the consistency window.
    pub(super) async fn enough_surely<T, F>(
        &self,
        enough: impl Fn(&[T]) -> bool,
        mut list: impl FnMut() -> F,
    ) -> Result<Vec<T>, Ec2Error>
    where
        F: Future<Output = Result<Vec<T>, Ec2Error>>,
    {
        let mut pauses = self.pauses();
        let sure_from = Instant::now() + self.settings.consistency_window;
        loop {
            let asked = Instant::now();
            let found = list().await?;
            if enough(&found) || asked >= sure_from {
                return Ok(found);
            }
            sleep_until(sure_from.min(Instant::now() + pauses())).await;
        }
    }

    /// The pauses between repetitions, each twice the one before.
    fn pauses(&self) -> impl FnMut() -> Duration + Send + use<> {
        let max = self.settings.watch_max;
        let mut next = self.settings.watch_min;
        move || {
            next = (next * 2).min(max);
            next
        }
    }
}
