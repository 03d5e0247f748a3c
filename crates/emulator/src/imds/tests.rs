//! The metadata service over real HTTP.

use std::sync::Mutex;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::*;

/// A service on a free port of this machine; it ends with the test.
struct Service {
    url: String,
    running: Arc<Mutex<bool>>,
    stop: CancellationToken,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

const OUTPOST: &str = "arn:aws:outposts:eu-central-1:000000000000:outpost/op-0123456789abcdef0";

fn facts() -> InstanceFacts {
    InstanceFacts {
        id: "i-0123456789abcdef0".parse().unwrap(),
        instance_type: "m7i.large".parse().unwrap(),
        region: "eu-central-1".parse().unwrap(),
        zone: "eu-central-1b".parse().unwrap(),
        zone_id: "euc1-az3".to_owned(),
        outpost: Some(OUTPOST.parse().unwrap()),
        image_id: "ami-0123456789abcdef0".to_owned(),
        launched: "2026-11-21T09:30:00Z".to_owned(),
        private_ip: "10.0.1.7".to_owned(),
        macs: vec![
            "02:00:00:00:00:01".to_owned(),
            "02:00:00:00:00:02".to_owned(),
        ],
        root_device: "/dev/xvda".parse().unwrap(),
        volumes: vec![(
            "/dev/xvdba".parse().unwrap(),
            "vol-0123456789abcdef0".parse().unwrap(),
        )],
    }
}

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let running = Arc::new(Mutex::new(true));
        let seen = Arc::clone(&running);
        let facts_of: FactsOf = Arc::new(move || seen.lock().unwrap().then(facts));
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, facts_of, stop.clone()));
        Self { url, running, stop }
    }

    async fn call(&self, method: &str, path: &str, header: Option<(&str, &str)>) -> (u16, String) {
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url));
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let response = client
            .request(request.body(Empty::new()).unwrap())
            .await
            .unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn token(&self) -> String {
        let (status, token) = self.call("PUT", TOKEN_PATH, Some((TTL, "60"))).await;
        assert_eq!(status, 200);
        token
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let token = self.token().await;
        self.call("GET", path, Some((TOKEN, &token))).await
    }
}

#[tokio::test]
async fn values_are_told_to_who_has_a_token() {
    let service = Service::start().await;
    for (path, value) in [
        ("instance-id", "i-0123456789abcdef0"),
        ("instance-type", "m7i.large"),
        ("placement/availability-zone", "eu-central-1b"),
        ("placement/availability-zone-id", "euc1-az3"),
        ("placement/region", "eu-central-1"),
        ("block-device-mapping/root", "/dev/xvda"),
        ("outpost-arn", OUTPOST),
        ("block-device-mapping/ebs1", "xvdba"),
        (
            "network/interfaces/macs/02:00:00:00:00:02/device-number",
            "1",
        ),
        (
            "local-hostname",
            "ip-10-0-1-7.eu-central-1.compute.internal",
        ),
    ] {
        let answer = service.get(&format!("/latest/meta-data/{path}")).await;
        assert_eq!(answer, (200, value.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn directories_are_listed_with_and_without_a_slash() {
    let service = Service::start().await;
    let macs = "02:00:00:00:00:01/\n02:00:00:00:00:02/";
    let placement = "availability-zone\navailability-zone-id\nregion";
    for (path, names) in [
        ("/latest/meta-data/network/interfaces/macs/", macs),
        ("/latest/meta-data/network/interfaces/macs", macs),
        ("/latest/meta-data/placement", placement),
        ("/latest/meta-data/block-device-mapping/", "ami\nebs1\nroot"),
        ("/latest/", "dynamic/\nmeta-data/"),
        ("/", "latest/"),
    ] {
        assert_eq!(service.get(path).await, (200, names.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn the_identity_document_is_json() {
    let service = Service::start().await;
    let path = "/latest/dynamic/instance-identity/document";
    let (status, text) = service.get(path).await;
    assert_eq!(status, 200);
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["instanceId"], "i-0123456789abcdef0");
    assert_eq!(document["availabilityZone"], "eu-central-1b");
    assert_eq!(document["region"], "eu-central-1");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let service = Service::start().await;
    for path in [
        "/latest/meta-data/iam/security-credentials/",
        "/latest/meta-data/instance-id/",
        "/latest/meta-data/instance",
        "/latest/user-data",
        "/2009-04-04",
    ] {
        assert_eq!(service.get(path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn requests_out_of_order_are_refused() {
    let service = Service::start().await;
    let read = "/latest/meta-data/instance-id";
    for (method, path, header, status) in [
        ("GET", read, None, 401),
        ("GET", read, Some((TOKEN, "AQAEAmadeup")), 401),
        ("PUT", TOKEN_PATH, None, 400),
        ("PUT", TOKEN_PATH, Some((TTL, "0")), 400),
        ("PUT", TOKEN_PATH, Some((TTL, "21601")), 400),
        (
            "PUT",
            TOKEN_PATH,
            Some(("x-forwarded-for", "10.0.0.1")),
            403,
        ),
        ("PUT", read, Some((TTL, "60")), 405),
        ("GET", TOKEN_PATH, None, 405),
    ] {
        let answer = service.call(method, path, header).await;
        assert_eq!(answer.0, status, "{method} {path} {header:?}");
    }
}

#[tokio::test]
async fn an_instance_that_does_not_run_tells_nothing() {
    let service = Service::start().await;
    *service.running.lock().unwrap() = false;
    let answer = service.call("PUT", TOKEN_PATH, Some((TTL, "60"))).await;
    assert_eq!(answer.0, 503);
}
