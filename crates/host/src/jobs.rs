//! The writers at work, one for each volume at most.
//!
//! Answers for: that what writes to a device runs to its end though its caller has gone, and that nothing else is begun on
//! that volume meanwhile. Doesn't answer for: what a job does. The result of a job whose caller has gone is logged and
//! dropped: the next caller looks at the device and sees what it did.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ebs_types::VolumeHandle;

use crate::tasks::{Panicked, to_the_end};

/// Another job is at work on the volume: try again later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{job} is still running on volume {volume}: it is never interrupted; try again when it has ended"
)]
pub struct Busy {
    /// The volume.
    pub volume: VolumeHandle,
    /// What is running, e.g. `mkfs.ext4` or `mount`.
    pub job: &'static str,
}

/// The jobs of one host; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Jobs {
    running: Arc<Mutex<HashMap<VolumeHandle, &'static str>>>,
}

/// A job's entry, removed when the job ends in whatever way.
#[derive(Debug)]
struct Entry {
    jobs: Jobs,
    volume: VolumeHandle,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.jobs.lock().remove(&self.volume);
    }
}

impl Jobs {
    /// Whether no job runs on the volume.
    pub(crate) fn idle(&self, volume: &VolumeHandle) -> Result<(), Busy> {
        match self.lock().get(volume) {
            None => Ok(()),
            Some(job) => Err(Busy {
                volume: volume.clone(),
                job,
            }),
        }
    }

    /// Runs the job to its end, whether or not the caller stays.
    pub(crate) async fn run<T, E, F>(
        &self,
        volume: &VolumeHandle,
        job: &'static str,
        work: F,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Busy> + Display + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let entry = self.enter(volume, job)?;
        let caller = Arc::new(());
        let heard = Arc::downgrade(&caller);
        let work = async move {
            let result = work.await;
            let volume = entry.volume.clone();
            // Before the answer: a caller that has it may begin the next job at once.
            drop(entry);
            if heard.strong_count() == 0 {
                report(&volume, job, result.as_ref().err());
            }
            result
        };
        match to_the_end(work).await {
            Ok(result) => result,
            Err(Panicked) => Err(Busy {
                volume: volume.clone(),
                job,
            }
            .into()),
        }
    }

    fn enter(&self, volume: &VolumeHandle, job: &'static str) -> Result<Entry, Busy> {
        let mut running = self.lock();
        if let Some(job) = running.get(volume) {
            return Err(Busy {
                volume: volume.clone(),
                job,
            });
        }
        running.insert(volume.clone(), job);
        Ok(Entry {
            jobs: self.clone(),
            volume: volume.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<VolumeHandle, &'static str>> {
        // Nothing that holds the lock can panic halfway through a change.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn report<E: Display>(volume: &VolumeHandle, job: &'static str, error: Option<&E>) {
    match error {
        None => tracing::info!(volume.id = %volume, job, "a job ended after its caller had gone"),
        Some(error) => {
            tracing::warn!(volume.id = %volume, job, %error, "a job failed after its caller had gone");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tokio::sync::oneshot;

    use super::*;

    #[derive(Debug, PartialEq, thiserror::Error)]
    enum Failure {
        #[error(transparent)]
        Busy(#[from] Busy),
    }

    fn volume() -> VolumeHandle {
        "vol-0123456789abcdef0".parse().unwrap()
    }

    #[tokio::test]
    async fn a_job_outlives_its_caller_and_keeps_the_volume_busy() {
        let jobs = Jobs::default();
        let (go_on, gate) = oneshot::channel::<()>();
        let (ended, end) = oneshot::channel::<()>();
        let work = async move {
            gate.await.unwrap();
            ended.send(()).unwrap();
            Ok::<_, Failure>(())
        };
        {
            let volume = volume();
            let call = jobs.run(&volume, "mkfs.ext4", work);
            tokio::pin!(call);
            // One poll begins the job; then the caller goes away.
            assert!(futures_poll_once(&mut call).await.is_none());
        }
        let busy = jobs.idle(&volume()).unwrap_err();
        assert!(busy.to_string().contains("mkfs.ext4"), "{busy}");
        let second = jobs
            .run(&volume(), "mount", async { Ok::<_, Failure>(()) })
            .await;
        assert_eq!(second, Err(Failure::Busy(busy)));
        jobs.idle(&"vol-00000000000000000".parse().unwrap())
            .unwrap();

        go_on.send(()).unwrap();
        end.await.unwrap();
        while jobs.idle(&volume()).is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            jobs.run(&volume(), "mount", async { Ok::<_, Failure>(7) })
                .await,
            Ok(7)
        );
    }

    #[tokio::test]
    async fn a_job_that_panics_frees_its_volume() {
        let jobs = Jobs::default();
        let lost = jobs
            .run(&volume(), "mount", async {
                panic!("bug") as Result<Infallible, Failure>
            })
            .await;
        assert!(lost.is_err());
        jobs.idle(&volume()).unwrap();
    }

    async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
