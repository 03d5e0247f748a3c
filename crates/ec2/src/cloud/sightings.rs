//! What this process has seen of each resource, and since when it is missing: whether "not found" can be believed.
//!
//! EC2 is eventually consistent: what it has just accepted may be "not found" for some seconds. So absence is sure only when
//! EC2 has repeated it past the consistency window, or when this process saw the resource longer than the window ago,
//! or when EC2 accepted its deletion from this process.
//! Doesn't answer for: asking again; callers do that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ebs_types::{InstanceId, SnapshotId, VolumeId};
use tokio::time::{Instant, sleep};

/// What can be missing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// A volume.
    Volume(VolumeId),
    /// A snapshot.
    Snapshot(SnapshotId),
    /// An instance.
    Instance(InstanceId),
    /// The attachment of a volume to an instance. Unlike the others it can come back.
    Attachment(VolumeId, InstanceId),
    /// The latest modification of a volume.
    Modification(VolumeId),
}

/// How far a "not found" can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absence {
    /// It is gone, or never was.
    Sure,
    /// It may be a create that EC2 doesn't show yet; sure if EC2 still says so at this time.
    SureFrom(Instant),
}

/// How current it is that EC2 shows something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sighting {
    /// It exists.
    Current,
    /// It was deleted from here, and EC2 shows for a while yet what was.
    Outdated,
}

/// Remembers the resources of which EC2 spoke lately. Forgetting one costs time, never correctness.
///
/// Volumes at rest take no memory: what nobody asked for within [`KEPT`] windows is gone within twice that, whether or not anything
/// else happens.
pub(super) struct Sightings {
    window: Duration,
    memory: Arc<Mutex<Memory>>,
}

/// Two generations of bounded size: when the young one is full or of age it becomes the old one, and what nobody asked for since goes.
#[derive(Default)]
struct Memory {
    young: HashMap<Subject, Trace>,
    old: HashMap<Subject, Trace>,
    /// Whether a task is under way that lets generations age.
    ageing: bool,
}

/// What one generation holds at most. An entry takes about 130 bytes and, with an id or two on the heap, 60 more: 6 MB in all.
const GENERATION: usize = 16_384;

/// After how many consistency windows a generation is of age: with the default window five minutes.
const KEPT: u32 = 30;

#[derive(Clone, Copy, Default)]
struct Trace {
    /// When it was first seen to exist.
    seen: Option<Instant>,
    /// When EC2 first said "not found" since it was last seen.
    missed: Option<Instant>,
    /// When EC2 accepted its deletion.
    ended: Option<Instant>,
}

impl Sightings {
    pub(super) fn new(window: Duration) -> Self {
        Self {
            window,
            memory: Arc::default(),
        }
    }

    /// Changes what is known of a subject.
    fn trace<T>(&self, subject: &Subject, change: impl FnOnce(&mut Trace) -> T) -> T {
        let mut memory = lock(&self.memory);
        if !memory.ageing {
            memory.ageing = true;
            tokio::spawn(age(Arc::downgrade(&self.memory), self.window * KEPT));
        }
        memory.trace(subject, change)
    }

    /// EC2 shows it.
    pub(super) fn saw(&self, subject: &Subject) -> Sighting {
        let now = Instant::now();
        let window = self.window;
        self.trace(subject, |trace| {
            if trace.ended.is_some_and(|ended| now < ended + window) {
                return Sighting::Outdated;
            }
            // Shown for longer than that: it was brought back, as EC2's recycle bin can.
            trace.ended = None;
            trace.seen.get_or_insert(now);
            trace.missed = None;
            Sighting::Current
        })
    }

    /// EC2 has just accepted to make it: what was known of an earlier one of the same key is void.
    pub(super) fn made(&self, subject: &Subject) {
        let now = Instant::now();
        self.trace(subject, |trace| {
            *trace = Trace {
                seen: Some(now),
                ..Trace::default()
            };
        });
    }

    /// EC2 has accepted to delete it. Not for what is made again under the same key.
    pub(super) fn ended(&self, subject: &Subject) {
        let now = Instant::now();
        self.trace(subject, |trace| trace.ended = Some(now));
    }

    /// EC2 says "not found".
    pub(super) fn missed(&self, subject: &Subject) -> Absence {
        let now = Instant::now();
        let window = self.window;
        self.trace(subject, |trace| {
            let missed = *trace.missed.get_or_insert(now);
            let since = trace.seen.map_or(missed, |seen| seen.min(missed));
            let sure_from = since + window;
            if trace.ended.is_some() || now >= sure_from {
                Absence::Sure
            } else {
                Absence::SureFrom(sure_from)
            }
        })
    }
}

/// Every change of a trace is whole, so a panic elsewhere leaves nothing half done.
fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets generations age until nothing is left to forget.
async fn age(memory: Weak<Mutex<Memory>>, every: Duration) {
    loop {
        sleep(every).await;
        let Some(memory) = memory.upgrade() else {
            return;
        };
        let mut memory = lock(&memory);
        memory.old = std::mem::take(&mut memory.young);
        if memory.old.is_empty() {
            memory.ageing = false;
            return;
        }
    }
}

impl Memory {
    fn trace<T>(&mut self, subject: &Subject, change: impl FnOnce(&mut Trace) -> T) -> T {
        if let Some(trace) = self.young.get_mut(subject) {
            return change(trace);
        }
        let mut trace = self.old.remove(subject).unwrap_or_default();
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        let result = change(&mut trace);
        self.young.insert(subject.clone(), trace);
        result
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    fn volume(number: usize) -> Subject {
        Subject::Volume(format!("vol-{number:017x}").parse().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn absence_is_sure_once_repeated_past_the_window() {
        let sightings = Sightings::new(WINDOW);
        let first = Instant::now();
        assert_eq!(
            sightings.missed(&volume(1)),
            Absence::SureFrom(first + WINDOW)
        );
        advance(WINDOW - Duration::from_millis(1)).await;
        assert_eq!(
            sightings.missed(&volume(1)),
            Absence::SureFrom(first + WINDOW)
        );
        advance(Duration::from_millis(1)).await;
        assert_eq!(sightings.missed(&volume(1)), Absence::Sure);
        assert_ne!(sightings.missed(&volume(2)), Absence::Sure);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_seen_long_ago_is_gone_at_once() {
        let sightings = Sightings::new(WINDOW);
        sightings.saw(&volume(1));
        advance(Duration::from_secs(4)).await;
        sightings.saw(&volume(1));
        assert!(matches!(
            sightings.missed(&volume(1)),
            Absence::SureFrom(at) if at == Instant::now() + Duration::from_secs(6)
        ));
        advance(Duration::from_secs(6)).await;
        assert_eq!(sightings.missed(&volume(1)), Absence::Sure);
    }

    #[tokio::test(start_paused = true)]
    async fn showing_up_again_and_being_made_again_start_over() {
        let sightings = Sightings::new(WINDOW);
        sightings.missed(&volume(1));
        advance(WINDOW / 2).await;
        sightings.saw(&volume(1));
        advance(WINDOW / 2).await;
        assert_ne!(sightings.missed(&volume(1)), Absence::Sure);

        advance(WINDOW * 2).await;
        sightings.made(&volume(1));
        assert_ne!(sightings.missed(&volume(1)), Absence::Sure);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_deleted_from_here_is_gone_at_once() {
        let sightings = Sightings::new(WINDOW);
        sightings.saw(&volume(1));
        sightings.ended(&volume(1));
        assert_eq!(sightings.saw(&volume(1)), Sighting::Outdated);
        assert_eq!(sightings.missed(&volume(1)), Absence::Sure);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_shown_past_the_window_after_its_deletion_was_brought_back() {
        let sightings = Sightings::new(WINDOW);
        sightings.ended(&volume(1));
        advance(WINDOW).await;
        assert_eq!(sightings.saw(&volume(1)), Sighting::Current);
        assert_ne!(sightings.missed(&volume(1)), Absence::Sure);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_and_keeps_what_is_asked_for() {
        let sightings = Sightings::new(WINDOW);
        for number in 0..5 * GENERATION {
            sightings.saw(&volume(number));
            if number % 1_000 == 0 {
                sightings.saw(&volume(7));
            }
        }
        {
            let memory = lock(&sightings.memory);
            assert!(memory.young.len() + memory.old.len() <= 2 * GENERATION);
        }
        advance(WINDOW).await;
        assert_eq!(sightings.missed(&volume(7)), Absence::Sure);
        assert_ne!(sightings.missed(&volume(8)), Absence::Sure);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_of_what_is_at_rest() {
        let sightings = Sightings::new(WINDOW);
        let entries = || {
            let memory = lock(&sightings.memory);
            memory.young.len() + memory.old.len()
        };
        for _ in 0..2 {
            for number in 0..1_000 {
                sightings.saw(&volume(number));
            }
            assert_eq!(entries(), 1_000);
            sleep(WINDOW * KEPT / 2).await;
            assert_eq!(entries(), 1_000);
            sleep(WINDOW * KEPT * 2).await;
            assert_eq!(entries(), 0);
        }
        assert!(!lock(&sightings.memory).ageing);
    }

    #[test]
    fn an_entry_takes_no_more_than_it_says() {
        assert!(size_of::<(Subject, Trace)>() <= 130);
    }
}
