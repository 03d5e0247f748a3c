//! What an RPC's log lines share, and at its end a log line and a count: method, ids, code, milliseconds. Never a request's contents.
//!
//! An RPC ends with its trailers: behind the one message of most, behind the last of a stream.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;
use tonic::codegen::http::{Request, Response};
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
    Out: Body + Unpin,
{
    type Response = Response<Logged<Out>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

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
        Box::pin(rpc.clone().scope(async move {
            let response = answer.await?;
            // A refusal says so at once, and has no trailers.
            if let Some(status) = Status::from_header_map(response.headers()) {
                call.end(&status);
            }
            Ok(response.map(|body| Logged {
                body,
                rpc,
                call: Some(call),
            }))
        }))
    }
}

/// The body of an answer, up to the end of its RPC.
pub(super) struct Logged<B> {
    body: B,
    rpc: Rpc,
    /// There until it is dropped, as part of the RPC.
    call: Option<Call>,
}

impl<B: Body + Unpin> Body for Logged<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.get_mut();
        let (rpc, body, call) = (&this.rpc, &mut this.body, &mut this.call);
        rpc.enter(|| {
            let polled = Pin::new(body).poll_frame(context);
            if let Poll::Ready(Some(Ok(frame))) = &polled
                && let Some(trailers) = frame.trailers_ref()
                && let Some(status) = Status::from_header_map(trailers)
                && let Some(call) = call
            {
                call.end(&status);
            }
            polled
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Logged<B> {
    fn drop(&mut self) {
        let call = self.call.take();
        self.rpc.enter(|| drop(call));
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

    /// Logs the end.
    fn end(&mut self, status: &Status) {
        self.ended = true;
        let ms = self.milliseconds();
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
