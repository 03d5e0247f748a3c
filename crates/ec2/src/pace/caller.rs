//! On whose behalf calls are made: which RPC, and until when its caller waits.

use tokio::time::Instant;

tokio::task_local! {
    static CALLER: Caller;
}

/// The RPC whose task this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The RPC's name, for metrics; of a bounded number of names.
    pub method: &'static str,
    /// When nobody waits for its answer any more. `None` if that was not said.
    pub deadline: Option<Instant>,
}

impl Caller {
    /// Does the work on behalf of this caller: its calls to EC2 that would come too late are not made, and fail with
    /// [`crate::ErrorKind::NoTurn`]. What the work begins in tasks of their own is nobody's in particular.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CALLER.scope(self, work).await
    }

    /// The one whose task this is, if any.
    pub(crate) fn current() -> Option<Self> {
        CALLER.try_with(|caller| *caller).ok()
    }
}
