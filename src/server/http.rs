//! `/metrics` and `/healthz` over HTTP, for Prometheus and the kubelet.
//!
//! Answers for: the second listener, few connections at a time, and a time limit for each. Doesn't answer for: what the metrics
//! say (`telemetry`).
//!
//! A connection carries one request: scrapes and probes come seconds apart, and nobody can keep the few places by idling.

mod address;
mod health;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use address::HttpAddress;
pub(crate) use health::Health;

use crate::telemetry::{Form, Metrics};

/// So many connections are served at once; further ones wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 16;
/// For one connection, from its first byte to its last. Prometheus gives up after ten seconds unless told otherwise.
const CONNECTION_LIMIT: Duration = Duration::from_secs(15);
/// How long answers under way may go on at the end of the process.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// After a connection could not be taken, e.g. for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// The bound endpoint.
pub(crate) struct HttpListener {
    socket: TcpListener,
}

/// Why it could not be bound.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot serve metrics on --http-endpoint {address} ({source}): give an address of this machine and a port that is free"
)]
pub(crate) struct HttpBindError {
    address: HttpAddress,
    source: io::Error,
}

/// What is answered.
#[derive(Clone)]
pub(crate) struct Pages {
    /// On `/metrics`.
    pub(crate) metrics: Metrics,
    /// On `/healthz`.
    pub(crate) health: Health,
}

type Page = Response<Full<Bytes>>;

impl HttpListener {
    /// Binds the address.
    pub(crate) async fn bind(address: HttpAddress) -> Result<Self, HttpBindError> {
        let socket = address
            .bind()
            .await
            .map_err(|source| HttpBindError { address, source })?;
        Ok(Self { socket })
    }

    /// What was bound: the port that the kernel chose where port 0 was asked for.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop`; then takes no new connection and lets answers under way end.
    pub(crate) async fn serve(self, pages: Pages, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let connections = TaskTracker::new();
        while let Some((stream, place)) =
            stop.run_until_cancelled(self.next(&places)).await.flatten()
        {
            connections.spawn(connection(stream, pages.clone(), place));
        }
        connections.close();
        let _ = tokio::time::timeout(LAST_ANSWERS, connections.wait()).await;
    }

    /// The next connection, once there is a place for it. `None` never comes: the semaphore stays open.
    async fn next(&self, places: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        loop {
            match self.socket.accept().await {
                Ok((stream, _)) => return Some((stream, place)),
                Err(error) => {
                    tracing::warn!(%error, "a connection to the metrics endpoint could not be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, pages: Pages, _place: OwnedSemaphorePermit) {
    let answer = service_fn(move |request| {
        let pages = pages.clone();
        async move { Ok::<_, Infallible>(pages.answer(&request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    match tokio::time::timeout(CONNECTION_LIMIT, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection to the metrics endpoint failed"),
        Err(_elapsed) => tracing::debug!("a connection to the metrics endpoint took too long"),
    }
}

impl Pages {
    async fn answer(&self, request: &Request<Incoming>) -> Page {
        let path = request.uri().path();
        if !matches!(path, "/metrics" | "/healthz") {
            return words(
                StatusCode::NOT_FOUND,
                "there are /metrics and /healthz\n".to_owned(),
            );
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let text = "only GET and HEAD are answered\n".to_owned();
            let mut page = words(StatusCode::METHOD_NOT_ALLOWED, text);
            let allowed = hyper::header::HeaderValue::from_static("GET, HEAD");
            page.headers_mut().insert(ALLOW, allowed);
            return page;
        }
        match path {
            "/metrics" => self.metrics(request).await,
            _ => self.health().await,
        }
    }

    async fn metrics(&self, request: &Request<Incoming>) -> Page {
        let accept = request.headers().get(ACCEPT);
        let accept = accept.and_then(|value| value.to_str().ok());
        let form = Form::accepted(accept.unwrap_or_default());
        match self.metrics.text(form).await {
            Ok(text) => page(StatusCode::OK, form.content_type(), text),
            Err(error) => words(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("the metrics could not be written: {error}\n"),
            ),
        }
    }

    async fn health(&self) -> Page {
        match self.health.check().await {
            Ok(()) => words(StatusCode::OK, "ok\n".to_owned()),
            Err(why) => words(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        }
    }
}

fn words(status: StatusCode, text: String) -> Page {
    page(status, "text/plain; charset=utf-8", text)
}

fn page(status: StatusCode, kind: &'static str, text: String) -> Page {
    let mut page = Response::new(Full::from(text));
    *page.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static(kind);
    page.headers_mut().insert(CONTENT_TYPE, kind);
    page
}

#[cfg(test)]
mod tests;
