//! Whether the gRPC side serves: asked as a sidecar would ask it.

use std::time::Duration;

use csi::v1::ProbeRequest;
use csi::v1::identity_client::IdentityClient;
use tonic::Status;

use crate::server::Endpoint;

/// For the whole of it. A Probe takes well below a millisecond.
const LIMIT: Duration = Duration::from_secs(2);

/// Connects to this process' own endpoint and calls Probe: the socket is there, it is ours, and calls get answers.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    endpoint: Endpoint,
}

/// Why it does not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unhealthy {
    /// Nobody listens, as before the first call and after SIGTERM.
    #[error("{endpoint} takes no connection: {}", crate::cause::innermost(.source))]
    NoConnection {
        /// Where.
        endpoint: Endpoint,
        /// Why.
        source: tonic::transport::Error,
    },
    /// A call failed.
    #[error("Probe failed with {:?}: {}", .0.code(), .0.message())]
    Refused(Status),
    /// A call hangs.
    #[error("{endpoint} did not answer a Probe within {LIMIT:?}")]
    Silent {
        /// Where.
        endpoint: Endpoint,
    },
}

impl Health {
    /// Of the services behind the endpoint.
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }

    /// Asks now.
    pub(super) async fn check(&self) -> Result<(), Unhealthy> {
        let asked = tokio::time::timeout(LIMIT, self.probe()).await;
        asked.unwrap_or_else(|_elapsed| {
            Err(Unhealthy::Silent {
                endpoint: self.endpoint.clone(),
            })
        })
    }

    async fn probe(&self) -> Result<(), Unhealthy> {
        let failed = |source| Unhealthy::NoConnection {
            endpoint: self.endpoint.clone(),
            source,
        };
        let url = match &self.endpoint {
            Endpoint::Unix(_) => self.endpoint.to_string(),
            Endpoint::Tcp(address) => format!("http://{address}"),
        };
        let channel = tonic::transport::Endpoint::from_shared(url).map_err(failed)?;
        let channel = channel.connect().await.map_err(failed)?;
        IdentityClient::new(channel)
            .probe(ProbeRequest {})
            .await
            .map_err(Unhealthy::Refused)?;
        Ok(())
    }
}
