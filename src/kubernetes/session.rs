//! A few requests in a row.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;

use super::error::Rule;
use super::objects::{CsiNode, Node, Refusal};
use super::{Access, KubernetesError, NodeName};
use crate::cause::innermost;

/// For one request. The API server answers these within milliseconds.
const TIMEOUT: Duration = Duration::from_secs(5);
/// More than etcd stores of one object.
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;

const GET_NODE: Rule = Rule {
    verb: "get",
    resource: "nodes",
    group: "",
};
const PATCH_NODE: Rule = Rule {
    verb: "patch",
    ..GET_NODE
};
const GET_CSI_NODE: Rule = Rule {
    verb: "get",
    resource: "csinodes",
    group: "storage.k8s.io",
};

/// A client, and the node that it asks about.
#[derive(Debug)]
pub(super) struct Session {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    server: String,
    bearer: HeaderValue,
    name: NodeName,
}

impl Session {
    /// Reads the credentials. Nothing is sent yet.
    pub(super) fn open(access: &Access, name: NodeName) -> Result<Self, KubernetesError> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(access.tls()?)
            .https_only()
            .enable_http1()
            .build();
        Ok(Self {
            http: Client::builder(TokioExecutor::new()).build(connector),
            server: access.server().to_owned(),
            bearer: access.bearer()?,
            name,
        })
    }

    /// The Node object.
    pub(super) async fn node(&self) -> Result<Node, KubernetesError> {
        self.call(GET_NODE, Method::GET, Bytes::new()).await
    }

    /// What the kubelet has registered on the node.
    pub(super) async fn csi_node(&self) -> Result<CsiNode, KubernetesError> {
        self.call(GET_CSI_NODE, Method::GET, Bytes::new()).await
    }

    /// Changes the Node object by a JSON patch.
    pub(super) async fn patch_node(
        &self,
        patch: &serde_json::Value,
    ) -> Result<Node, KubernetesError> {
        let patch = Bytes::from(patch.to_string());
        self.call(PATCH_NODE, Method::PATCH, patch).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        rule: Rule,
        method: Method,
        body: Bytes,
    ) -> Result<T, KubernetesError> {
        let exchange = tokio::time::timeout(TIMEOUT, self.exchange(rule, method, body));
        let (status, answer) = exchange
            .await
            .unwrap_or_else(|_elapsed| Err(format!("nothing came within {TIMEOUT:?}")))
            .map_err(|reason| KubernetesError::NoAnswer {
                server: self.server.clone(),
                reason,
            })?;
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(|error| KubernetesError::Unreadable {
                rule,
                reason: error.to_string(),
            });
        }
        // What stands between may refuse as well, in another form.
        let Refusal { message } = serde_json::from_slice(&answer).unwrap_or_default();
        Err(KubernetesError::refused(status, message, rule, &self.name))
    }

    async fn exchange(
        &self,
        rule: Rule,
        method: Method,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), String> {
        let group = match rule.group {
            "" => "/api/v1".to_owned(),
            group => format!("/apis/{group}/v1"),
        };
        let url = format!("{}{group}/{}/{}", self.server, rule.resource, self.name);
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(AUTHORIZATION, &self.bearer)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json-patch+json")
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let response = self.http.request(request).await;
        let response = response.map_err(|error| innermost(&error))?;
        let status = response.status();
        let answer = Limited::new(response.into_body(), LARGEST_ANSWER).collect();
        let answer = answer.await.map_err(|error| error.to_string())?;
        Ok((status, answer.to_bytes()))
    }
}
