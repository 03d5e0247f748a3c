//! A Kubernetes API server that knows Nodes, what the kubelet has registered on one of them, leases, PersistentVolumes,
//! VolumeAttachments and Events, and can be in trouble.

mod answer;
mod attachments;

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
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

use answer::State;

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
    /// It refuses this method for this resource, e.g. `POST events`.
    ForbidsOf(&'static str),
    /// What it is asked by this method it does, but its answer gets lost on the way.
    LosesAnswersTo(&'static str),
    /// A policy in it refuses changes of the Node of this name.
    Keeps(&'static str),
}

/// The API server.
#[derive(Debug)]
pub(crate) struct ApiServer {
    state: Arc<Mutex<State>>,
    url: String,
    credentials: TempDir,
    server: AbortHandle,
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
        let state = Arc::new(Mutex::new(State::with(node(taints))));
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

    /// The same, as arguments.
    pub(crate) fn arguments(&self) -> [&str; 4] {
        let credentials = self.credentials.path().to_str().unwrap();
        let [api, at] = ["--kubernetes-api", "--kubernetes-credentials"];
        [api, &self.url, at, credentials]
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

    /// A node is another machine's right before the next change of it.
    pub(crate) fn let_a_rival_rename(&self, node: &str, provider_id: &str) {
        self.state().renamed = Some((node.to_owned(), provider_id.to_owned()));
    }

    /// Another node, of this instance type.
    pub(crate) fn add_node(&self, name: &str, instance_type: &str) {
        let mut node = node(&[]);
        node["metadata"]["name"] = json!(name);
        node["metadata"]["labels"]["node.kubernetes.io/instance-type"] = json!(instance_type);
        self.state().nodes.insert(name.to_owned(), node);
    }

    /// Makes a PersistentVolume, or changes it.
    pub(crate) fn put_volume(&self, name: &str, volume: Value) {
        self.state().volumes.insert(name.to_owned(), volume);
    }

    /// Makes a pod that has no node, or changes it.
    pub(crate) fn put_pod(&self, name: &str, pod: Value) {
        self.state().pods.insert(name.to_owned(), pod);
    }

    /// Makes a claim of this PersistentVolume; of none where that is empty.
    pub(crate) fn put_claim(&self, name: &str, volume: &str) {
        let claim = json!({"metadata": {"name": name}, "spec": {"volumeName": volume}});
        self.state().claims.insert(name.to_owned(), claim);
    }

    /// A PersistentVolume goes.
    pub(crate) fn remove_volume(&self, name: &str) {
        self.state().volumes.remove(name);
    }

    /// Changes the one node that a plugin runs on.
    pub(crate) fn change_node(&self, change: impl FnOnce(&mut Value)) {
        change(self.state().nodes.get_mut(NODE).unwrap());
    }

    /// Changes another node.
    pub(crate) fn change(&self, node: &str, change: impl FnOnce(&mut Value)) {
        let mut state = self.state();
        change(state.nodes.get_mut(node).unwrap());
        state.touch(node);
    }

    /// A node's kubelet is heard of, or not any more.
    pub(crate) fn set_ready(&self, node: &str, ready: bool) {
        let status = if ready { "True" } else { "Unknown" };
        self.change(node, |node| {
            node["status"]["conditions"] = json!([{"type": "Ready", "status": status}]);
        });
    }

    /// A node as it is; null where there is none.
    pub(crate) fn node(&self, name: &str) -> Value {
        self.state().nodes.get(name).cloned().unwrap_or_default()
    }

    /// A node goes.
    pub(crate) fn remove_node(&self, name: &str) {
        self.state().nodes.remove(name);
    }

    /// The value of an annotation of a node.
    pub(crate) fn annotation(&self, node: &str, key: &str) -> Option<String> {
        let state = self.state();
        Some(
            state.nodes[node]["metadata"]["annotations"]
                .get(key)?
                .as_str()?
                .to_owned(),
        )
    }

    /// Who holds the only lease; empty where it was given back.
    pub(crate) fn lease_holder(&self) -> Option<String> {
        let state = self.state();
        let lease = state.leases.values().next()?;
        Some(lease["spec"]["holderIdentity"].as_str()?.to_owned())
    }

    /// All Events.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.state().events.clone()
    }

    /// What was asked so far, e.g. `GET nodes`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    /// The keys of the node's taints.
    pub(crate) fn taints(&self) -> Vec<String> {
        let state = self.state();
        let taints = state.nodes[NODE]["spec"]["taints"].as_array().unwrap();
        let key = |taint: &Value| taint["key"].as_str().unwrap().to_owned();
        taints.iter().map(key).collect()
    }

    /// How often something was asked.
    pub(crate) fn times_asked(&self, what: &str) -> usize {
        self.asked().iter().filter(|one| *one == what).count()
    }

    /// Waits until something was asked so often.
    pub(crate) async fn was_asked(&self, what: &str, times: usize) {
        until(&format!("{what} is asked {times} times"), || {
            self.times_asked(what) >= times
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

fn node(taints: &[&str]) -> Value {
    let taints: Vec<Value> = taints.iter().map(|key| taint(key)).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": NODE,
            "uid": "5f2d3c1e-0000-4000-8000-000000000001",
            "resourceVersion": "of the beginning",
            "labels": {
                "topology.kubernetes.io/zone": "eu-central-1b",
                "topology.kubernetes.io/region": "eu-central-1",
                "node.kubernetes.io/instance-type": "m5.large",
            },
            "annotations": {},
        },
        "spec": {"providerID": "aws:///eu-central-1b/i-0123456789abcdef0", "taints": taints},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kernelVersion": "6.1", "aFieldOfALaterVersion": true}},
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

async fn serve(
    state: &Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Response<BoxBody<Bytes, Infallible>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let trouble = state.lock().unwrap().trouble;
    if trouble == Some(Trouble::Silent) {
        return std::future::pending().await;
    }
    assert_eq!(parts.headers["authorization"], "Bearer secret");
    let (code, answer) = state.lock().unwrap().answer(&parts, &body);
    let body = match code.is_success() && answer::is_watch(&parts) {
        true => attachments::watch(state, &parts).boxed(),
        false => Full::new(Bytes::from(answer.to_string())).boxed(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response
}
