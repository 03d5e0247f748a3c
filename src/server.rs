//! Serves gRPC on a unix socket or a TCP port until told to stop, then drains; and metrics over HTTP.
//!
//! Answers for: the listener and its socket file, a log line, a count and a deadline for each RPC, and an orderly end. Doesn't answer for:
//! which services there are (`cli`), nor what they do.

mod deadline;
mod endpoint;
mod http;
mod listener;
mod rpc_log;
mod shutdown;

use std::future::Future;
use std::time::Duration;

use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;

pub(crate) use endpoint::Endpoint;
pub(crate) use http::{Health, HttpAddress, HttpListener, Pages};
pub(crate) use listener::Listener;
pub(crate) use shutdown::Signals;

use crate::telemetry::RpcMetrics;

/// Why serving ended before anyone asked for it.
#[derive(Debug, thiserror::Error)]
#[error("the gRPC server failed")]
pub(crate) struct ServeError(#[from] tonic::transport::Error);

/// Serves until `stop` resolves; then takes no new connection and gives RPCs in flight, and the `rest` of the work that went on
/// without its callers, up to `drain` to end. A unix socket's file is gone afterwards.
pub(crate) async fn serve(
    listener: Listener,
    routes: Routes,
    metrics: RpcMetrics,
    stop: impl Future<Output = ()>,
    rest: impl Future<Output = ()>,
    drain: Duration,
) -> Result<(), ServeError> {
    let draining = CancellationToken::new();
    let server = accept(
        listener,
        routes,
        metrics,
        draining.clone().cancelled_owned(),
    );
    tokio::pin!(server);
    tokio::select! {
        ended = &mut server => return ended,
        () = stop => {}
    }
    tracing::info!(drain.limit_ms = drain.as_millis(), "draining");
    draining.cancel();
    let ended = async {
        let ended = server.await;
        rest.await;
        ended
    };
    match tokio::time::timeout(drain, ended).await {
        Ok(ended) => {
            tracing::info!("drained");
            ended
        }
        Err(_elapsed) => {
            tracing::warn!("work was still under way at the drain limit");
            Ok(())
        }
    }
}

async fn accept(
    listener: Listener,
    routes: Routes,
    metrics: RpcMetrics,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let router = tonic::transport::Server::builder()
        .layer(rpc_log::RpcLogLayer::new(metrics))
        .layer(deadline::DeadlineLayer)
        .add_routes(routes);
    match listener {
        Listener::Unix { socket, file } => {
            let incoming = UnixListenerStream::new(socket);
            let ended = router.serve_with_incoming_shutdown(incoming, stop).await;
            drop(file);
            Ok(ended?)
        }
        Listener::Tcp(socket) => {
            let incoming = TcpIncoming::from(socket).with_nodelay(Some(true));
            Ok(router.serve_with_incoming_shutdown(incoming, stop).await?)
        }
    }
}

#[cfg(test)]
mod tests;
