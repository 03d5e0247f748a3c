//! Measuring what may not answer.
//!
//! Answers for: that a volume that hangs leaves threads to the others. Doesn't answer for: what is measured.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::tasks::{apart, blocking};

/// So many paths are measured at once.
const MOST: usize = 8;

/// What is being measured.
#[derive(Debug)]
pub(crate) struct Measuring {
    places: Arc<Semaphore>,
    /// Of each path one at a time: whoever asks again meanwhile waits for the first, and takes no thread.
    paths: Mutex<HashMap<PathBuf, Weak<Semaphore>>>,
}

impl Default for Measuring {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(MOST)),
            paths: Mutex::default(),
        }
    }
}

impl Measuring {
    /// Does what could hang on a device that does not answer, and would hold a thread that everything else needs.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let held = self.hold(path).await;
        blocking(move || within(held, work)).await
    }

    /// The same for a caller who waits only so long.
    pub(crate) async fn run_apart<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let held = self.hold(path).await;
        apart(move || within(held, work)).await
    }

    async fn hold(&self, path: &Path) -> Held {
        let turn = taken(self.turn(path)).await;
        [turn, taken(Arc::clone(&self.places)).await]
    }

    fn turn(&self, path: &Path) -> Arc<Semaphore> {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = paths.get(path).and_then(Weak::upgrade) {
            return turn;
        }
        paths.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Semaphore::new(1));
        paths.insert(path.to_owned(), Arc::downgrade(&turn));
        turn
    }
}

/// A path's turn and a place.
type Held = [Option<OwnedSemaphorePermit>; 2];

/// They are held until the work has ended, though its caller may have gone.
fn within<T>(held: Held, work: impl FnOnce() -> T) -> T {
    let done = work();
    drop(held);
    done
}

/// A place; these semaphores are never closed.
async fn taken(semaphore: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    semaphore.acquire_owned().await.ok()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// Asks ten times for a path that never answers, and then for another.
    #[tokio::test]
    async fn a_path_that_hangs_takes_one_place_and_no_more() {
        let measuring = Arc::new(Measuring::default());
        let (go_on, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let hanging: Vec<_> = (0..=MOST)
            .map(|_| {
                let (measuring, gate) = (Arc::clone(&measuring), Arc::clone(&gate));
                let hang = move || gate.lock().unwrap().recv().is_ok();
                tokio::spawn(async move { measuring.run(Path::new("/hangs"), hang).await })
            })
            .collect();
        let other = measuring.run(Path::new("/well"), || "measured");
        let other = tokio::time::timeout(Duration::from_secs(20), other).await;
        assert_eq!(other.unwrap(), "measured");
        drop(go_on);
        for asked in hanging {
            asked.await.unwrap();
        }
        assert_eq!(measuring.places.available_permits(), MOST);
    }
}
