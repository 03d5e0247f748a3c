//! Requests to the API server, over one connection that is kept while it is used.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::Rule;
use super::objects::Refusal;
use super::{Access, KubernetesError};
use crate::cause::innermost;

/// For one request. The API server answers these within milliseconds.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// More than etcd stores of one object, and than a page of a list here.
pub(super) const LARGEST_ANSWER: usize = 4 * 1024 * 1024;

/// What is asked of the API.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    /// In the words of a role's rule.
    pub(super) rule: Rule,
    /// Where the object is, from the API group's version on: `nodes/node-1`.
    pub(super) path: String,
    /// The name of the object, for messages; empty for several.
    pub(super) name: &'a str,
    /// What is sent.
    pub(super) content: Content<'a>,
}

/// What a request carries.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    /// Nothing: the object is read.
    Nothing,
    /// Nothing: of several objects their metadata are read.
    NothingForMetadata,
    /// Nothing: several objects are shown as a table.
    NothingForTable,
    /// A new object.
    New(&'a Value),
    /// The object as it shall be.
    Whole(&'a Value),
    /// Steps of a JSON patch (RFC 6902).
    Steps(&'a Value),
    /// What of an object shall be otherwise (RFC 7396).
    Merged(&'a Value),
    /// Options by which the object is deleted.
    Deleted(&'a Value),
}

impl Content<'_> {
    fn method(self) -> Method {
        match self {
            Self::Nothing | Self::NothingForMetadata | Self::NothingForTable => Method::GET,
            Self::New(_) => Method::POST,
            Self::Whole(_) => Method::PUT,
            Self::Steps(_) | Self::Merged(_) => Method::PATCH,
            Self::Deleted(_) => Method::DELETE,
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Steps(_) => "application/json-patch+json",
            Self::Merged(_) => "application/merge-patch+json",
            _ => "application/json",
        }
    }

    fn accepted(self) -> &'static str {
        match self {
            // Without it a Node's list of images would make up most of the answer.
            Self::NothingForMetadata => {
                "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
            }
            Self::NothingForTable => "application/json;as=Table;g=meta.k8s.io;v=v1",
            _ => "application/json",
        }
    }

    fn body(self) -> Bytes {
        match self {
            Self::Nothing | Self::NothingForMetadata | Self::NothingForTable => Bytes::new(),
            Self::New(value)
            | Self::Whole(value)
            | Self::Steps(value)
            | Self::Merged(value)
            | Self::Deleted(value) => Bytes::from(value.to_string()),
        }
    }
}

/// A client.
#[derive(Debug)]
pub(super) struct Session {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    access: Access,
}

impl Session {
    /// Reads whom to trust. Nothing is sent yet.
    pub(super) fn open(access: &Access) -> Result<Self, KubernetesError> {
        let connector = HttpsConnectorBuilder::new().with_tls_config(access.tls()?);
        let connector = match access.is_proxy() {
            true => connector.https_or_http(),
            false => connector.https_only(),
        };
        let connector = connector.enable_http1().build();
        Ok(Self {
            http: Client::builder(TokioExecutor::new()).build(connector),
            access: access.clone(),
        })
    }

    /// Asks, with the token as it is now: the kubelet renews it.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        ask: Ask<'_>,
    ) -> Result<T, KubernetesError> {
        let (rule, name) = (ask.rule, ask.name);
        let exchange = tokio::time::timeout(TIMEOUT, self.exchange(&ask));
        let (status, answer) = match exchange.await {
            Ok(answer) => answer?,
            Err(_elapsed) => return Err(self.no_answer(format!("nothing came within {TIMEOUT:?}"))),
        };
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(|error| KubernetesError::Unreadable {
                rule,
                reason: error.to_string(),
            });
        }
        // What stands between may refuse as well, in another form.
        let Refusal { message } = serde_json::from_slice(&answer).unwrap_or_default();
        Err(KubernetesError::refused(status, message, rule, name))
    }

    async fn exchange(&self, ask: &Ask<'_>) -> Result<(StatusCode, Bytes), KubernetesError> {
        let response = self.send(ask).await?;
        let status = response.status();
        let answer = Limited::new(response.into_body(), LARGEST_ANSWER).collect();
        let answer = answer
            .await
            .map_err(|error| self.no_answer(error.to_string()))?;
        Ok((status, answer.to_bytes()))
    }

    /// Asks, and returns with the beginning of the answer.
    pub(super) async fn send(&self, ask: &Ask<'_>) -> Result<Response<Incoming>, KubernetesError> {
        let group = match ask.rule.group {
            "" => "/api/v1".to_owned(),
            group => format!("/apis/{group}/v1"),
        };
        let mut request = Request::builder();
        if let Some(bearer) = self.access.bearer()? {
            request = request.header(AUTHORIZATION, bearer);
        }
        let request = request
            .method(ask.content.method())
            .uri(format!("{}{group}/{}", self.access.server(), ask.path))
            .header(ACCEPT, ask.content.accepted())
            .header(CONTENT_TYPE, ask.content.media_type())
            .body(Full::new(ask.content.body()))
            .map_err(|error| self.no_answer(error.to_string()))?;
        let response = self.http.request(request).await;
        response.map_err(|error| self.no_answer(innermost(&error)))
    }

    pub(super) fn no_answer(&self, reason: String) -> KubernetesError {
        KubernetesError::NoAnswer {
            server: self.access.server().to_owned(),
            reason,
        }
    }
}
