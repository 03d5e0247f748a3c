//! What an RPC's log lines share, and at its end a log line and a count: method, ids, code, milliseconds. Never a request's contents.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::Instant;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::telemetry::{Rpc, RpcMetrics};

/// Wraps a service in [`RpcLog`].
#[derive(Clone, Debug)]
pub(super) struct RpcLogLayer {
    metrics: RpcMetrics,
}

impl RpcLogLayer {
    /// Counts into these.
    pub(super) fn new(metrics: RpcMetrics) -> Self {
        Self { metrics }
    }
}

impl<S> Layer<S> for RpcLogLayer {
    type Service = RpcLog<S>;

    fn layer(&self, inner: S) -> RpcLog<S> {
        RpcLog {
            inner,
            metrics: self.metrics.clone(),
        }
    }
}

/// A gRPC service whose calls are logged.
#[derive(Clone, Debug)]
pub(super) struct RpcLog<S> {
    inner: S,
    metrics: RpcMetrics,
}

impl<S, In, Out> Service<Request<In>> for RpcLog<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let method = request
            .uri()
            .path()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        let rpc = Rpc::new(&method);
        let mut call = Call::begin(method, self.metrics.clone());
        // The service's own future does nothing before it is awaited.
        let answer = self.inner.call(request);
        Box::pin(rpc.scope(async move {
            let answer = answer.await;
            if let Ok(response) = &answer {
                call.end(response.headers());
            }
            answer
        }))
    }
}

/// An RPC in flight. Dropped before its end, it was given up by its caller.
struct Call {
    method: String,
    metrics: RpcMetrics,
    began: Instant,
    ended: bool,
}

impl Call {
    fn begin(method: String, metrics: RpcMetrics) -> Self {
        metrics.began(&method);
        Self {
            method,
            metrics,
            began: Instant::now(),
            ended: false,
        }
    }

    /// Logs the end. A failed unary call carries its status in the headers, a successful one in the trailers.
    fn end(&mut self, headers: &HeaderMap) {
        self.ended = true;
        let ms = self.milliseconds();
        let status = Status::from_header_map(headers).unwrap_or_else(|| Status::ok(""));
        let (code, reason) = (status.code(), status.message());
        self.metrics.ended(&self.method, code, self.began.elapsed());
        match code {
            Code::Ok if is_chatter(&self.method) => {
                tracing::debug!(rpc.code = ?code, rpc.ms = ms, "rpc ended");
            }
            Code::Ok => tracing::info!(rpc.code = ?code, rpc.ms = ms, "rpc ended"),
            Code::Internal | Code::Unknown | Code::DataLoss => {
                tracing::error!(rpc.code = ?code, rpc.ms = ms, reason, "rpc failed");
            }
            _ => tracing::warn!(rpc.code = ?code, rpc.ms = ms, reason, "rpc failed"),
        }
    }

    /// Milliseconds since the begin, in tenths.
    fn milliseconds(&self) -> f64 {
        (self.began.elapsed().as_secs_f64() * 10_000.0).round() / 10.0
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.ended {
            let took = self.began.elapsed();
            self.metrics.ended(&self.method, Code::Cancelled, took);
            let ms = self.milliseconds();
            tracing::warn!(rpc.ms = ms, "rpc given up by its caller");
        }
    }
}

/// Whether a method is asked all the time by those who watch the driver, so that its success is no news.
fn is_chatter(method: &str) -> bool {
    method == "Probe"
        || method == "GetPluginInfo"
        || method == "NodeGetVolumeStats"
        || method.ends_with("GetCapabilities")
        || method == "GetPluginCapabilities"
}
