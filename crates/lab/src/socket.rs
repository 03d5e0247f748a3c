//! gRPC over a Unix socket, with the patience of Kubernetes' sidecars.
//!
//! Answers for: channels, and repeating what may be repeated.
//! Doesn't answer for: requests; see [`crate::orchestrator`] and [`crate::kubelet`].

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};

/// How long to wait before repeating.
pub const PAUSE: Duration = Duration::from_millis(100);

/// How long a call may take, and how long it is repeated.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    deadline: Duration,
    repeat: Duration,
}

impl Patience {
    /// As much as a sidecar's, at the scale of a demo.
    pub const SIDECAR: Self = Self {
        deadline: Duration::from_secs(60),
        repeat: Duration::from_secs(60),
    };
    /// For the first answer, whatever it is.
    pub const ONCE: Self = Self {
        deadline: Duration::from_secs(60),
        repeat: Duration::ZERO,
    };

    /// As much as a sidecar's for each call, which is repeated for so long: where everything is slow.
    #[must_use]
    pub const fn lasting(repeat: Duration) -> Self {
        Self {
            repeat,
            ..Self::SIDECAR
        }
    }

    /// For the first answer, if it comes so soon.
    #[must_use]
    pub const fn within(deadline: Duration) -> Self {
        Self {
            deadline,
            repeat: Duration::ZERO,
        }
    }

    /// Makes a call, and again while its answer is one after which every sidecar of Kubernetes repeats the same call.
    pub async fn call<C: Clone, M: Clone, T>(
        self,
        name: &'static str,
        client: &C,
        message: &M,
        rpc: impl AsyncFn(C, Request<M>) -> Result<Response<T>, Status>,
    ) -> anyhow::Result<T> {
        let give_up = Instant::now() + self.repeat;
        loop {
            let mut request = Request::new(message.clone());
            request.set_timeout(self.deadline);
            match rpc(client.clone(), request).await {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) if may_repeat(&status) && Instant::now() < give_up => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(status) => return Err(anyhow::Error::new(status).context(name)),
            }
        }
    }
}

/// A channel to the socket, which connects at the first call and again after its server was replaced.
pub fn channel(socket: &Path) -> anyhow::Result<Channel> {
    Ok(Endpoint::new(format!("unix://{}", socket.display()))?.connect_lazy())
}

fn may_repeat(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Aborted | Code::DeadlineExceeded | Code::Cancelled
    )
}
