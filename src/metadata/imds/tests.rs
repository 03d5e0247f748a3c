//! The client against a small metadata service of its own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http_body_util::Full;
use hyper::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::*;
use crate::config::AttachLimit;
use crate::metadata::Metadata;
use crate::metadata::sources::{ATTEMPTS, Source, Sources};

const DOCUMENT: &str = r#"{"accountId": "123456789012", "instanceId": "i-0123456789abcdef0",
    "instanceType": "m5.large", "availabilityZone": "eu-central-1b", "region": "eu-central-1", "version": "2017-09-30"}"#;

/// A metadata service that answers a number of requests with an error before it works.
struct Service {
    address: SocketAddr,
    requests: Arc<AtomicU32>,
    server: AbortHandle,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Service {
    async fn start(failures: u32, error: StatusCode, document: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&requests);
        let server = tokio::spawn(async move {
            loop {
                let (socket, _peer) = listener.accept().await.unwrap();
                let seen = Arc::clone(&seen);
                let service = service_fn(move |request| {
                    let failing = seen.fetch_add(1, Ordering::SeqCst) < failures;
                    let answer = if failing {
                        (error, "")
                    } else {
                        answer(&request, document)
                    };
                    async move { Ok::<_, Infallible>(response(answer)) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
            }
        });
        Self {
            address,
            requests,
            server: server.abort_handle(),
        }
    }

    fn source(&self) -> Source {
        let imds = Imds::new(Some(&format!("http://{}/", self.address))).unwrap();
        Source::Imds(Box::new(imds))
    }

    fn metadata(&self) -> Metadata {
        Metadata::of(vec![self.source()], AttachLimit::Counted)
    }
}

fn answer(request: &Request<Incoming>, document: &'static str) -> (StatusCode, &'static str) {
    let path = request.uri().path();
    if path == "/latest/api/token" {
        let asked = request
            .headers()
            .contains_key("x-aws-ec2-metadata-token-ttl-seconds");
        return match request.method() == Method::PUT && asked {
            true => (StatusCode::OK, "a token"),
            false => (StatusCode::BAD_REQUEST, ""),
        };
    }
    let token = request.headers().get("x-aws-ec2-metadata-token");
    if token.is_none_or(|token| token != "a token") {
        return (StatusCode::UNAUTHORIZED, "");
    }
    match path {
        "/latest/dynamic/instance-identity/document" => (StatusCode::OK, document),
        "/latest/meta-data/network/interfaces/macs/" => {
            (StatusCode::OK, "02:00:00:00:00:01/\n02:00:00:00:00:02/\n")
        }
        "/latest/meta-data/block-device-mapping/" => {
            (StatusCode::OK, "ami\nebs1\nephemeral0\nroot")
        }
        _ => (StatusCode::NOT_FOUND, ""),
    }
}

fn response((status, body): (StatusCode, &'static str)) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response
}

#[tokio::test]
async fn an_instance_is_read_once_and_kept() {
    let service = Service::start(0, StatusCode::OK, DOCUMENT).await;
    let metadata = service.metadata();
    let identity = metadata.identity().await.unwrap();
    assert_eq!(identity.instance.as_str(), "i-0123456789abcdef0");
    assert_eq!(identity.zone.as_str(), "eu-central-1b");
    // 27, less the root volume, one more volume and one more interface.
    assert_eq!(identity.max_volumes, 24);

    let requests = service.requests.load(Ordering::SeqCst);
    assert_eq!(metadata.identity().await.unwrap(), identity);
    assert_eq!(service.requests.load(Ordering::SeqCst), requests);
}

#[tokio::test]
async fn the_region_is_told() {
    let service = Service::start(0, StatusCode::OK, DOCUMENT).await;
    let region = Sources::new(vec![service.source()]).region().await.unwrap();
    assert_eq!(region.as_str(), "eu-central-1");
}

#[tokio::test]
async fn a_service_that_fails_for_a_moment_is_asked_again() {
    let service = Service::start(2, StatusCode::SERVICE_UNAVAILABLE, DOCUMENT).await;
    service.metadata().identity().await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_told_at_once() {
    let service = Service::start(u32::MAX, StatusCode::FORBIDDEN, DOCUMENT).await;
    let error = service.metadata().identity().await.unwrap_err().to_string();
    assert!(
        error.contains("403") && error.contains("is enabled"),
        "{error}"
    );
    assert_eq!(service.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_silent_service_is_told_with_the_hop_limit() {
    // Bound and dropped: nobody listens there any more.
    let address = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let imds = Imds::new(Some(&format!("http://{address}"))).unwrap();
    let metadata = Metadata::of(vec![Source::Imds(Box::new(imds))], AttachLimit::Counted);
    let error = metadata.identity().await.unwrap_err().to_string();
    assert!(
        error.contains("hop limit") && error.contains("refused"),
        "{error}"
    );
}

#[tokio::test]
async fn failing_long_enough_ends_the_attempt_but_not_the_next_one() {
    let service = Service::start(ATTEMPTS, StatusCode::INTERNAL_SERVER_ERROR, DOCUMENT).await;
    let metadata = service.metadata();
    assert!(metadata.identity().await.is_err());
    metadata.identity().await.unwrap();
}

#[tokio::test]
async fn an_unreadable_document_is_told() {
    let service = Service::start(0, StatusCode::OK, r#"{"instanceId": "nonsense"}"#).await;
    let error = service.metadata().identity().await.unwrap_err().to_string();
    assert!(
        error.contains("instance-identity") && error.contains("nonsense"),
        "{error}"
    );
}

#[test]
fn endpoints_are_checked_before_anything_is_sent() {
    for bad in [
        "",
        "169.254.169.254",
        "https://169.254.169.254",
        "http://",
        "ftp://x",
    ] {
        assert!(Imds::new(Some(bad)).is_err(), "{bad}");
    }
    assert!(Imds::new(Some("http://[fd00:ec2::254]/")).is_ok());
}
