//! Where work is done: by the caller's thread, by another, and to its end.
//!
//! Answers for: that what blocks keeps nobody else waiting, and that what must not stop halfway doesn't. Doesn't answer for: the
//! work itself.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does what may block, and is not cut short though the caller goes away. Where the runtime has workers, the caller's does it and
/// another takes over its other tasks meanwhile: waking a second thread and being woken by it costs more than most of this work.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => apart(work).await,
    }
}

/// The same on a thread of its own, for what is done beside something else.
pub(crate) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only at the runtime's shutdown, when nobody waits for the answer any more.
            Err(_) => std::future::pending().await,
        },
    }
}

/// The work ended by a panic, which is a bug: the panic's own message is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it ended by a panic")]
pub struct Panicked;

/// Does the work in the caller's task, and goes on with it in one of its own when the caller goes away: nobody is woken for it as
/// long as the caller stays.
///
/// # Errors
/// [`Panicked`] where the work did.
pub fn to_the_end<F>(work: F) -> ToTheEnd<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    ToTheEnd(Some(Box::pin(work)))
}

/// What [`to_the_end`] returns.
#[must_use = "a future does nothing until it is awaited"]
pub struct ToTheEnd<F>(Option<Pin<Box<F>>>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static;

impl<F> Future for ToTheEnd<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Taken out meanwhile, so that what has panicked is not gone on with.
        let Some(mut work) = self.0.take() else {
            return Poll::Ready(Err(Panicked));
        };
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Pending) => {
                self.0 = Some(work);
                Poll::Pending
            }
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    }
}

impl<F> Drop for ToTheEnd<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn drop(&mut self) {
        // Without a runtime nothing can go on.
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            drop(runtime.spawn(work));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::{Notify, oneshot};

    use super::*;

    #[tokio::test]
    async fn work_goes_on_when_its_caller_goes_away() {
        let (go_on, gate) = oneshot::channel::<()>();
        let (ended, end) = oneshot::channel::<()>();
        let begun = Arc::new(Notify::new());
        let telling = Arc::clone(&begun);
        let call = tokio::spawn(to_the_end(async move {
            telling.notify_one();
            gate.await.unwrap();
            ended.send(()).unwrap();
        }));
        begun.notified().await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        go_on.send(()).unwrap();
        end.await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_is_not_gone_on_with() {
        let work = async { panic!("bug") as u8 };
        assert_eq!(to_the_end(work).await, Err(Panicked));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_blocks_keeps_nobody_waiting() {
        let (go_on, gate) = std::sync::mpsc::channel::<()>();
        let blocked = tokio::spawn(blocking(move || gate.recv().is_ok()));
        let other = tokio::spawn(async move { go_on.send(()).unwrap() });
        other.await.unwrap();
        assert!(blocked.await.unwrap());
    }
}
