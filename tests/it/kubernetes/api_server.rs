//! A Kubernetes API server that knows one Node and what the kubelet has registered on it, and can be in trouble.

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use lab::program::Program;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// The only node.
pub(crate) const NODE: &str = "node-1";

/// Who vouches for the server.
const AUTHORITY: &str = include_str!("tls/ca.crt");

/// What is wrong with the API server, or with the rights of who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It never answers.
    Silent,
    /// It answers that it cannot.
    Failing,
    /// It refuses this method.
    Forbids(&'static str),
}

/// The API server.
#[derive(Debug)]
pub(crate) struct ApiServer {
    state: Arc<Mutex<State>>,
    url: String,
    credentials: TempDir,
    server: AbortHandle,
}

#[derive(Debug)]
struct State {
    node: Value,
    registered: bool,
    trouble: Option<Trouble>,
    rival: Option<Value>,
    asked: Vec<String>,
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl ApiServer {
    /// Starts one whose node has a provider id, all labels and these taints.
    pub(crate) async fn start(taints: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let credentials = tempfile::tempdir().unwrap();
        fs::write(credentials.path().join("ca.crt"), AUTHORITY).unwrap();
        fs::write(credentials.path().join("token"), "secret\n").unwrap();
        let tls = TlsAcceptor::from(Arc::new(tls()));
        let taints: Vec<Value> = taints.iter().map(|key| taint(key)).collect();
        let state = Arc::new(Mutex::new(State {
            node: node(&taints),
            registered: false,
            trouble: None,
            rival: None,
            asked: Vec::new(),
        }));
        let serving = Arc::clone(&state);
        let server = tokio::spawn(async move {
            loop {
                let (socket, _peer) = listener.accept().await.unwrap();
                let state = Arc::clone(&serving);
                let service = service_fn(move |request| {
                    let state = Arc::clone(&state);
                    async move { Ok::<_, Infallible>(serve(&state, request).await) }
                });
                let accept = tls.accept(socket);
                tokio::spawn(async move {
                    // A client that does not trust this server goes away.
                    if let Ok(stream) = accept.await {
                        let connection = http1::Builder::new();
                        let _ = connection
                            .serve_connection(TokioIo::new(stream), service)
                            .await;
                    }
                });
            }
        });
        Self {
            state,
            url,
            credentials,
            server: server.abort_handle(),
        }
    }

    /// Gives a program of the driver access to it.
    pub(crate) fn let_in(&self, program: &mut Program) {
        program
            .option("--kubernetes-api", &self.url)
            .option("--kubernetes-credentials", self.credentials.path());
    }

    /// Where a program finds the token and the certificate.
    pub(crate) fn credentials(&self) -> &Path {
        self.credentials.path()
    }

    /// The kubelet lists the driver from here on.
    pub(crate) fn register(&self) {
        self.state().registered = true;
    }

    /// From here on something is wrong, or nothing any more.
    pub(crate) fn trouble(&self, trouble: impl Into<Option<Trouble>>) {
        self.state().trouble = trouble.into();
    }

    /// Somebody else puts a taint before all others right before the next patch.
    pub(crate) fn let_a_rival_add(&self, key: &str) {
        self.state().rival = Some(taint(key));
    }

    /// What was asked so far, e.g. `GET nodes`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    /// The keys of the node's taints.
    pub(crate) fn taints(&self) -> Vec<String> {
        let state = self.state();
        let taints = state.node["spec"]["taints"].as_array().unwrap();
        let key = |taint: &Value| taint["key"].as_str().unwrap().to_owned();
        taints.iter().map(key).collect()
    }

    /// Waits until something was asked so often.
    pub(crate) async fn was_asked(&self, what: &str, times: usize) {
        let asked = || self.asked().iter().filter(|one| *one == what).count();
        until(&format!("{what} is asked {times} times"), || {
            asked() >= times
        })
        .await;
    }

    /// Waits until the node has these taints.
    pub(crate) async fn has_taints(&self, keys: &[&str]) {
        until(&format!("the taints are {keys:?}"), || {
            self.taints() == keys
        })
        .await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// Waits for something that takes the driver seconds.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn taint(key: &str) -> Value {
    json!({"key": key, "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"})
}

fn node(taints: &[Value]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": NODE,
            "labels": {
                "topology.kubernetes.io/zone": "eu-central-1b",
                "topology.kubernetes.io/region": "eu-central-1",
                "node.kubernetes.io/instance-type": "m5.large",
            },
        },
        "spec": {"providerID": "aws:///eu-central-1b/i-0123456789abcdef0", "taints": taints},
        "status": {"nodeInfo": {"kernelVersion": "6.1", "aFieldOfALaterVersion": true}},
    })
}

/// The server's end of TLS. Certificate and key are of an authority that was made for these tests, and thrown away.
fn tls() -> ServerConfig {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/server.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap()
}

async fn serve(state: &Mutex<State>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let trouble = state.lock().unwrap().trouble;
    if trouble == Some(Trouble::Silent) {
        return std::future::pending().await;
    }
    assert_eq!(parts.headers["authorization"], "Bearer secret");
    let (code, answer) = answer(
        &mut state.lock().unwrap(),
        &parts.method,
        parts.uri.path(),
        &body,
    );
    let mut response = Response::new(Full::new(Bytes::from(answer.to_string())));
    *response.status_mut() = code;
    response
}

fn answer(state: &mut State, method: &Method, path: &str, body: &[u8]) -> (StatusCode, Value) {
    let (list, name) = path.rsplit_once('/').unwrap();
    let resource = list.rsplit('/').next().unwrap();
    state.asked.push(format!("{method} {resource}"));
    match state.trouble {
        Some(Trouble::Forbids(forbidden)) if forbidden == method.as_str() => {
            let words = format!("nodes {name:?} is forbidden: User \"driver\" cannot do that");
            return refusal(StatusCode::FORBIDDEN, "Forbidden", &words);
        }
        Some(Trouble::Failing) => {
            let words = "the server is currently unable to handle the request";
            return refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", words);
        }
        _ => {}
    }
    if name != NODE {
        let words = format!("{resource} {name:?} not found");
        return refusal(StatusCode::NOT_FOUND, "NotFound", &words);
    }
    match (method.as_str(), list) {
        ("GET", "/api/v1/nodes") => (StatusCode::OK, state.node.clone()),
        ("PATCH", "/api/v1/nodes") => patch(state, body),
        ("GET", "/apis/storage.k8s.io/v1/csinodes") => (StatusCode::OK, csi_node(state)),
        _ => refusal(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", path),
    }
}

fn refusal(code: StatusCode, reason: &str, message: &str) -> (StatusCode, Value) {
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": code.as_u16(),
    });
    (code, status)
}

fn csi_node(state: &State) -> Value {
    let other = json!({"name": "other.csi.example.com", "nodeID": "x", "topologyKeys": null});
    let ours = json!({
        "name": "ebs.csi.aws.com",
        "nodeID": "i-0123456789abcdef0",
        "topologyKeys": ["topology.kubernetes.io/zone"],
        "allocatable": {"count": 26},
    });
    let drivers = if state.registered {
        vec![other, ours]
    } else {
        vec![other]
    };
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSINode",
        "metadata": {"name": NODE},
        "spec": {"drivers": drivers},
    })
}

/// A JSON patch of the taints: all of its steps, or none.
fn patch(state: &mut State, body: &[u8]) -> (StatusCode, Value) {
    let steps: Vec<Value> = serde_json::from_slice(body).unwrap();
    if let Some(rival) = state.rival.take() {
        let taints = state.node["spec"]["taints"].as_array_mut().unwrap();
        taints.insert(0, rival);
    }
    let mut patched = state.node.clone();
    for step in steps {
        let path = step["path"].as_str().unwrap();
        let applied = match step["op"].as_str().unwrap() {
            "test" => patched.pointer(path) == Some(&step["value"]),
            "remove" => {
                let at = path.strip_prefix("/spec/taints/").unwrap();
                let taints = patched["spec"]["taints"].as_array_mut().unwrap();
                taints.remove(at.parse().unwrap());
                true
            }
            other => panic!("a step {other} was not expected"),
        };
        if !applied {
            let words = "the server rejected our request due to an error in our request";
            return refusal(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", words);
        }
    }
    state.node = patched;
    (StatusCode::OK, state.node.clone())
}
