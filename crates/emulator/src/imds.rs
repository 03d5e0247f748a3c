//! The instance metadata service, version 2, of one instance (EC2 user guide, "Instance metadata").
//!
//! Answers for: session tokens, the metadata that a CSI node plugin and the AWS SDKs look at, directory listings.
//! Doesn't answer for: version 1 (requests without a token are refused), roles and their credentials (there are none).

mod tokens;
mod tree;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, SERVER};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use ebs_types::{DeviceName, InstanceId, InstanceType, Outpost, Region, VolumeId, Zone};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use tokens::Tokens;

/// How long a token is to live, in seconds: asked with PUT, answered with the token.
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
/// The token, sent with each GET.
const TOKEN: &str = "x-aws-ec2-metadata-token";
const TOKEN_PATH: &str = "/latest/api/token";

/// What the service tells about its instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InstanceFacts {
    pub(crate) id: InstanceId,
    pub(crate) instance_type: InstanceType,
    pub(crate) region: Region,
    pub(crate) zone: Zone,
    /// The zone's id, which is the same place in every account, e.g. `euc1-az2`.
    pub(crate) zone_id: String,
    /// The Outpost that it is on.
    pub(crate) outpost: Option<Outpost>,
    /// The image it was started from, `ami-…`.
    pub(crate) image_id: String,
    /// When it was started, e.g. `2026-11-21T09:30:00Z`.
    pub(crate) launched: String,
    /// Its private IPv4 address.
    pub(crate) private_ip: String,
    /// The MAC addresses of its network interfaces in lowercase, the primary one first.
    pub(crate) macs: Vec<String>,
    pub(crate) root_device: DeviceName,
    /// The other volumes that were attached when it was last started; the service never shows later ones (EC2 user guide,
    /// "Instance metadata categories", `block-device-mapping/ebsN`).
    pub(crate) volumes: Vec<(DeviceName, VolumeId)>,
}

/// Where the facts come from, asked anew at each request; `None` while the instance doesn't run, when nothing answers.
pub(crate) type FactsOf = Arc<dyn Fn() -> Option<InstanceFacts> + Send + Sync>;

struct Imds {
    facts: FactsOf,
    tokens: Tokens,
}

/// Serves the metadata of one instance on the listener until `stop` is cancelled.
///
/// # Errors
/// The listener's, once it cannot accept any more.
pub(crate) async fn serve(
    listener: TcpListener,
    facts: FactsOf,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let imds = Imds {
        facts,
        tokens: Tokens::default(),
    };
    let app = axum::Router::new()
        .fallback(answer)
        .with_state(Arc::new(imds));
    // Not gracefully: a client's idle connection must not hold up the end.
    tokio::select! {
        ended = axum::serve(listener, app).into_future() => ended,
        () = stop.cancelled() => Ok(()),
    }
}

async fn answer(State(imds): State<Arc<Imds>>, request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let mut response = match (imds.facts)() {
        None => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the instance is not running",
        )
            .into_response(),
        Some(_) if path == TOKEN_PATH && method == Method::PUT => imds.issue(request.headers()),
        Some(facts) if method == Method::GET && path != TOKEN_PATH => {
            imds.read(request.headers(), &facts, path)
        }
        Some(_) => {
            let allowed = if path == TOKEN_PATH { "PUT" } else { "GET" };
            (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, allowed)]).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(SERVER, axum::http::HeaderValue::from_static("EC2ws"));
    response
}

impl Imds {
    fn issue(&self, headers: &HeaderMap) -> Response {
        // A request that came through a proxy is not the instance's own.
        if headers.contains_key("x-forwarded-for") {
            return StatusCode::FORBIDDEN.into_response();
        }
        let asked = headers.get(TTL).and_then(|value| value.to_str().ok());
        match asked.and_then(tokens::parse_ttl) {
            Some(ttl) => {
                let shown = ttl.as_secs().to_string();
                ([(TTL, shown)], self.tokens.issue(ttl)).into_response()
            }
            None => StatusCode::BAD_REQUEST.into_response(),
        }
    }

    fn read(&self, headers: &HeaderMap, facts: &InstanceFacts, path: &str) -> Response {
        let token = headers.get(TOKEN).and_then(|value| value.to_str().ok());
        if !token.is_some_and(|token| self.tokens.is_valid(token)) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        match tree::look_up(facts, path) {
            Some(text) => ([(CONTENT_TYPE, "text/plain")], text).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

#[cfg(test)]
mod tests;
