//! The page: what there is in the emulated cloud and what was called last, for people, in a browser.
//!
//! Answers for: its files, which are the program's own; a JSON document for each place that it shows, told anew only when
//! something changed; headers that keep whatever comes from outside from becoming more than text.
//! Doesn't answer for: changing anything. What it shows is what there is, also what eventual consistency hides from describes.
//!
//! From the inside out: `screen` (what can be on a screen), `place` (which place is asked for), `table` (a list's page and what narrows
//! it down), `places` (one file for each kind of thing). `files/page.js` draws any screen and knows nothing of EC2.

mod place;
mod places;
mod screen;
mod table;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::get;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Method, Response, StatusCode, Uri};
use serde_json::json;

use self::place::Asked;
use crate::engine::{Engine, Inner};

/// Where all but the page itself is.
const BELOW: &str = "/lab/";

/// What the page may do: run its own script, look like its own style sheet, and ask its own address. A text that became markup
/// could neither run nor reach anybody, and no script may make markup of a text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const JSON: &str = "application/json";

/// The page's files: name below [`BELOW`], type, contents.
const FILES: [(&str, &str, &str); 3] = [
    (
        "page.js",
        "text/javascript; charset=utf-8",
        include_str!("page/files/page.js"),
    ),
    (
        "page.css",
        "text/css; charset=utf-8",
        include_str!("page/files/page.css"),
    ),
    (
        "icon.svg",
        "image/svg+xml",
        include_str!("page/files/icon.svg"),
    ),
];

/// The page's routes.
pub(crate) fn router(engine: Arc<Engine>) -> Router {
    Router::new()
        .route("/", get(serve))
        .route("/lab/{*place}", get(serve))
        .with_state(engine)
}

async fn serve(State(engine): State<Arc<Engine>>, request: Request) -> Response<Body> {
    answer(&engine, request.uri(), request.headers()).map(Body::new)
}

/// Whether a request to EC2's endpoint is for the page. A call of the Query protocol that is made by GET has its parameters in the query
/// string, so `/` with one is a call.
pub(crate) fn is_for(method: &Method, uri: &Uri) -> bool {
    let looks = matches!(*method, Method::GET | Method::HEAD);
    let here = uri.path().starts_with(BELOW) || uri.path() == "/" && uri.query().is_none();
    looks && here
}

/// Answers a request for the page or for what is on it.
pub(crate) fn answer(engine: &Engine, uri: &Uri, headers: &HeaderMap) -> Response<Full<Bytes>> {
    let Some(below) = uri.path().strip_prefix(BELOW) else {
        let page = include_str!("page/files/index.html");
        return response(StatusCode::OK, "text/html; charset=utf-8", page);
    };
    if let Some((_, kind, text)) = FILES.iter().find(|(name, _, _)| *name == below) {
        return response(StatusCode::OK, kind, *text);
    }
    match Asked::read(below, uri.query().unwrap_or_default()) {
        Ok(asked) => screen(engine, &asked, headers),
        Err(error) => {
            let error = json!({ "error": error }).to_string();
            response(StatusCode::NOT_FOUND, JSON, error)
        }
    }
}

/// What is at a place, unless the asker has seen it as it is.
fn screen(engine: &Engine, asked: &Asked, headers: &HeaderMap) -> Response<Full<Bytes>> {
    let mut inner = engine.inner();
    engine.catch_up(&mut inner);
    let tag = tag(engine, &inner, asked);
    let seen = headers.get(IF_NONE_MATCH);
    let mut response = if seen.is_some_and(|seen| seen.as_bytes() == tag.as_bytes()) {
        response(StatusCode::NOT_MODIFIED, JSON, "")
    } else {
        let screen = places::show(&inner.world, &inner.log, asked);
        // What follows needs nothing of the cloud, whose callers wait.
        drop(inner);
        response(StatusCode::OK, JSON, json!(screen).to_string())
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Differs from that of any earlier answer for the same place that said something else. A list of what there is knows nothing of calls,
/// of which there are far more than changes.
fn tag(engine: &Engine, inner: &Inner, asked: &Asked) -> String {
    let calls = if asked.place.shows_calls() {
        inner.log.ended()
    } else {
        0
    };
    format!("\"{:x}-{:x}-{calls:x}\"", engine.born().0, inner.changes)
}

fn response(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let same_origin = HeaderName::from_static("cross-origin-resource-policy");
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (same_origin, "same-origin"),
    ] {
        let headers = response.headers_mut();
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
