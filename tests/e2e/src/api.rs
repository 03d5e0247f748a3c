//! Reading the cluster's API without a `kubectl` for each look: waiting looks often, and that program takes its time to start.
//!
//! One `kubectl proxy` stays for as long as its [`Api`], and dies with the thread that started it at the latest.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::object::Object;

/// A kind of object, by where the API has it.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    group: &'static str,
    plural: &'static str,
    namespaced: bool,
}

/// A kind of which each namespace has its own objects.
const fn namespaced(group: &'static str, plural: &'static str) -> Kind {
    Kind {
        group,
        plural,
        namespaced: true,
    }
}

/// A kind of which the cluster has the objects.
const fn global(group: &'static str, plural: &'static str) -> Kind {
    Kind {
        group,
        plural,
        namespaced: false,
    }
}

#[allow(missing_docs, reason = "these are Kubernetes' own names")]
impl Kind {
    pub const POD: Self = namespaced("api/v1", "pods");
    pub const CLAIM: Self = namespaced("api/v1", "persistentvolumeclaims");
    pub const EVENT: Self = namespaced("api/v1", "events");
    pub const SERVICE_ACCOUNT: Self = namespaced("api/v1", "serviceaccounts");
    pub const DEPLOYMENT: Self = namespaced("apis/apps/v1", "deployments");
    pub const STATEFUL_SET: Self = namespaced("apis/apps/v1", "statefulsets");
    pub const DAEMON_SET: Self = namespaced("apis/apps/v1", "daemonsets");
    pub const SNAPSHOT: Self = namespaced("apis/snapshot.storage.k8s.io/v1", "volumesnapshots");
    pub const SNAPSHOT_CONTENT: Self =
        global("apis/snapshot.storage.k8s.io/v1", "volumesnapshotcontents");
    pub const GROUP_SNAPSHOT: Self = namespaced(
        "apis/groupsnapshot.storage.k8s.io/v1",
        "volumegroupsnapshots",
    );
    pub const VOLUME: Self = global("api/v1", "persistentvolumes");
    pub const NODE: Self = global("api/v1", "nodes");
    pub const NAMESPACE: Self = global("api/v1", "namespaces");
    pub const STORAGE_CLASS: Self = global("apis/storage.k8s.io/v1", "storageclasses");
    pub const ATTACHMENT: Self = global("apis/storage.k8s.io/v1", "volumeattachments");
    pub const CSI_NODE: Self = global("apis/storage.k8s.io/v1", "csinodes");

    /// The path of this kind's objects, in a namespace if they are in any.
    fn path(self, namespace: &str) -> String {
        let Self {
            group,
            plural,
            namespaced,
        } = self;
        if namespaced {
            format!("/{group}/namespaces/{namespace}/{plural}")
        } else {
            format!("/{group}/{plural}")
        }
    }
}

/// The cluster's API, for reading.
#[derive(Debug)]
pub(crate) struct Api {
    proxy: Child,
    /// Held open: the proxy would die of writing to it otherwise.
    _said: BufReader<ChildStdout>,
    address: String,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl Api {
    /// Starts the proxy.
    pub(crate) fn start(kubectl: &Path, kubeconfig: &Path) -> Result<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "whole programs are started here, not a node's tools"
        )]
        let mut command = Command::new("setpriv");
        let mut proxy = command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(kubectl)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(["proxy", "--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("setpriv (of util-linux) cannot be started")?;
        let mut said = BufReader::new(proxy.stdout.take().context("no standard output")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        let address = line.trim().strip_prefix("Starting to serve on ");
        let address = address
            .with_context(|| format!("kubectl proxy did not start; it said {line:?}"))?
            .to_owned();
        Ok(Self {
            proxy,
            _said: said,
            address,
            http: Client::builder(TokioExecutor::new()).build_http(),
        })
    }

    /// An object, if it is there.
    pub(crate) fn get(
        &self,
        runtime: &Runtime,
        kind: Kind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Object>> {
        let path = format!("{}/{name}", kind.path(namespace));
        let Some(body) = runtime.block_on(self.ask(&path))? else {
            return Ok(None);
        };
        Ok(Some(Object(serde_json::from_slice(&body)?)))
    }

    /// All objects of a kind, of one namespace if they are in any.
    pub(crate) fn list(
        &self,
        runtime: &Runtime,
        kind: Kind,
        namespace: &str,
    ) -> Result<Vec<Object>> {
        let path = kind.path(namespace);
        let body = runtime.block_on(self.ask(&path))?;
        let body = body.with_context(|| format!("the cluster knows no {}", kind.plural))?;
        let list: Value = serde_json::from_slice(&body)?;
        Ok(Object(list).items("/items").collect())
    }

    /// The body of an answer; none if there is no such object.
    async fn ask(&self, path: &str) -> Result<Option<Bytes>> {
        let url = format!("http://{}{path}", self.address);
        let request = Request::get(&url).body(Full::default())?;
        let response = self.http.request(request).await.context(url)?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        ensure!(
            status.is_success(),
            "{path}: {status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(Some(body))
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}
