//! The signals that end the process.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT, caught from the time this was made.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// The kernel did not let the signals be caught.
#[derive(Debug, thiserror::Error)]
#[error("cannot catch SIGTERM and SIGINT")]
pub(crate) struct SignalError(#[from] std::io::Error);

impl Signals {
    /// Starts to catch them.
    pub(crate) fn catch() -> Result<Self, SignalError> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the first of them.
    pub(crate) async fn first(mut self) {
        let name = tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping");
    }
}
