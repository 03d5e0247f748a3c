//! The instance metadata service, version 2 (EC2 user guide, "Use IMDSv2"): a session token first, then what is asked for.

use std::time::Duration;

use ebs_types::{InstanceId, InstanceType, Outpost, Region, Zone};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use super::sources::{Facts, InUse, Teller};
use crate::cause::innermost;

/// The link-local address of every instance.
const DEFAULT_ENDPOINT: &str = "http://169.254.169.254";
/// For one request. The service answers within milliseconds or not at all.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How long a session token is asked to live; one reading takes less than a second.
const TOKEN_SECONDS: &str = "60";
/// More than any answer holds; an identity document has about 500 bytes.
const LARGEST_ANSWER: usize = 64 * 1024;

/// A client of the instance metadata service.
#[derive(Clone, Debug)]
pub(crate) struct Imds {
    http: Client<HttpConnector, Empty<Bytes>>,
    endpoint: String,
}

/// Why instance metadata did not tell what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImdsError {
    /// No answer.
    #[error(
        "instance metadata at {url} does not answer ({reason}): in a pod without host network, raise the instance's metadata hop limit \
         to 2 or more (aws ec2 modify-instance-metadata-options --http-put-response-hop-limit), or run with hostNetwork"
    )]
    NoAnswer {
        /// What was asked.
        url: String,
        /// What happened.
        reason: String,
    },
    /// A refusal.
    #[error(
        "instance metadata at {url} refused with HTTP status {status}: check that the instance's metadata service is enabled"
    )]
    Refused {
        /// What was asked.
        url: String,
        /// The answer.
        status: StatusCode,
    },
    /// An answer that cannot be understood.
    #[error("instance metadata at {url} answered what cannot be understood: {reason}")]
    Unreadable {
        /// What was asked.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

impl ImdsError {
    /// Whether asking again soon can help.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::NoAnswer { .. } => true,
            Self::Refused { status, .. } => {
                status.is_server_error()
                    || *status == StatusCode::UNAUTHORIZED
                    || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Unreadable { .. } => false,
        }
    }
}

/// An endpoint that is no URL.
#[derive(Debug, thiserror::Error)]
#[error(
    "{endpoint:?} is not a URL of the instance metadata service: write http://HOST or http://HOST:PORT"
)]
pub(crate) struct InvalidEndpoint {
    endpoint: String,
}

/// The identity document's fields that are used (EC2 user guide, "Instance identity documents").
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    instance_id: InstanceId,
    instance_type: InstanceType,
    availability_zone: Zone,
    region: Region,
}

impl Imds {
    /// A client of this endpoint, by default of the link-local one. Nothing is sent yet.
    pub(crate) fn new(endpoint: Option<&str>) -> Result<Self, InvalidEndpoint> {
        let endpoint = endpoint.unwrap_or(DEFAULT_ENDPOINT).trim_end_matches('/');
        let plain_http = endpoint
            .parse::<hyper::Uri>()
            .is_ok_and(|url| url.scheme_str() == Some("http") && url.host().is_some());
        if !plain_http {
            return Err(InvalidEndpoint {
                endpoint: endpoint.to_owned(),
            });
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(TIMEOUT));
        Ok(Self {
            http: Client::builder(TokioExecutor::new()).build(connector),
            endpoint: endpoint.to_owned(),
        })
    }

    /// Reads what identifies this instance, in one session.
    pub(super) async fn facts(&self) -> Result<Facts, ImdsError> {
        let token = self.token().await?;
        let document = self.document(&token);
        let interfaces = self.get("meta-data/network/interfaces/macs/", &token);
        let mappings = self.get("meta-data/block-device-mapping/", &token);
        let outpost = self.outpost(&token);
        let (document, interfaces, mappings, outpost) =
            tokio::try_join!(document, interfaces, mappings, outpost)?;
        Ok(Facts {
            instance: document.instance_id,
            zone: document.availability_zone,
            instance_type: document.instance_type,
            outpost,
            in_use: Some(InUse {
                by: Teller::Imds,
                volumes: count(&mappings, |name| name.starts_with("ebs")),
                interfaces: count(&interfaces, |mac| !mac.is_empty()),
            }),
        })
    }

    /// Reads the region alone.
    pub(super) async fn region(&self) -> Result<Region, ImdsError> {
        let token = self.token().await?;
        Ok(self.document(&token).await?.region)
    }

    async fn document(&self, token: &str) -> Result<Document, ImdsError> {
        let path = "dynamic/instance-identity/document";
        let document = self.get(path, token).await?;
        serde_json::from_str(&document).map_err(|error| ImdsError::Unreadable {
            url: self.url(path),
            reason: error.to_string(),
        })
    }

    /// The Outpost that the instance is on; most are on none.
    async fn outpost(&self, token: &str) -> Result<Option<Outpost>, ImdsError> {
        let arn = match self.get("meta-data/outpost-arn", token).await {
            Err(ImdsError::Refused { status, .. }) if status == StatusCode::NOT_FOUND => {
                return Ok(None);
            }
            arn => arn?,
        };
        let outpost = arn.trim().parse();
        if let Err(error) = &outpost {
            tracing::warn!(%error, "instance metadata names an Outpost that is left out of this node's topology");
        }
        Ok(outpost.ok())
    }

    async fn token(&self) -> Result<String, ImdsError> {
        let url = self.url("api/token");
        let request = Request::builder()
            .method(Method::PUT)
            .uri(&url)
            .header("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS);
        self.send(url, request).await
    }

    async fn get(&self, path: &str, token: &str) -> Result<String, ImdsError> {
        let url = self.url(path);
        let request = Request::builder()
            .uri(&url)
            .header("x-aws-ec2-metadata-token", token);
        self.send(url, request).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}/latest/{path}", self.endpoint)
    }

    async fn send(
        &self,
        url: String,
        request: hyper::http::request::Builder,
    ) -> Result<String, ImdsError> {
        let request = request
            .body(Empty::new())
            .map_err(|error| ImdsError::Unreadable {
                url: url.clone(),
                reason: error.to_string(),
            })?;
        let no_answer = |reason: String| ImdsError::NoAnswer {
            url: url.clone(),
            reason,
        };
        let exchange = async {
            let response = self
                .http
                .request(request)
                .await
                .map_err(|error| no_answer(innermost(&error)))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect();
            let body = body.await.map_err(|error| no_answer(error.to_string()))?;
            Ok((status, body.to_bytes()))
        };
        let (status, body) = tokio::time::timeout(TIMEOUT, exchange)
            .await
            .map_err(|_elapsed| no_answer(format!("nothing came within {TIMEOUT:?}")))??;
        if status != StatusCode::OK {
            return Err(ImdsError::Refused { url, status });
        }
        String::from_utf8(body.to_vec()).map_err(|error| ImdsError::Unreadable {
            url,
            reason: error.to_string(),
        })
    }
}

/// How many lines of a listing are wanted.
fn count(listing: &str, wanted: impl Fn(&str) -> bool) -> u32 {
    let lines = listing.lines().filter(|line| wanted(line.trim())).count();
    u32::try_from(lines).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
