//! [`SdkEc2`] over a function in place of connections: whole calls, from request to reply, with no socket and no other thread, so that
//! they can be made in a time that is paused.
//!
//! Answers for: a client whose requests are built, signed, timed and read as any other's.
//! Doesn't answer for: what is on the other side.

use std::fmt;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;

use aws_config::Region as SdkRegion;
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use bytes::Bytes;
use ebs_types::Region;
use futures::future::BoxFuture;
use http::{Request, Response};
use tokio::sync::OnceCell;

use super::SdkEc2;
use super::connect::{Plan, app_name, loader};
use crate::ConnectError;
#[cfg(doc)]
use crate::SdkSettings;
use crate::pace::Pacer;

/// Where requests go. A name that cannot be resolved, should one ever leave.
const ENDPOINT: &str = "http://in-process.invalid";

type Answer =
    dyn Fn(Request<Bytes>) -> BoxFuture<'static, io::Result<Response<Bytes>>> + Send + Sync;

impl SdkEc2 {
    /// A client whose requests, to EC2 and to the EBS direct APIs, are answered by `answer`. An error of its means that the
    /// connection broke after the request was sent. The calls are signed with made-up credentials, and paced as those of any client:
    /// for `mutations_per_second` see [`SdkSettings`].
    ///
    /// # Errors
    /// [`ConnectError`], which no settings of this client cause.
    pub async fn in_process<F, R>(
        region: Region,
        mutations_per_second: Option<NonZeroU32>,
        answer: F,
    ) -> Result<Self, ConnectError>
    where
        F: Fn(Request<Bytes>) -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<Response<Bytes>>> + Send + 'static,
    {
        let plan = Plan {
            region: SdkRegion::new(String::from(region)),
            endpoint: Some(ENDPOINT.to_owned()),
            blocks_endpoint: Some(ENDPOINT.to_owned()),
            imds: None,
            proxy: None,
            app_name: app_name(None)?,
        };
        let connector = SharedHttpConnector::new(Connector(Arc::new(move |request| {
            Box::pin(answer(request))
        })));
        let http = http_client_fn(move |_settings, _components| connector.clone());
        let config = loader(http, plan.region.clone(), plan.app_name.clone())
            .credentials_provider(Credentials::new("none", "secret", None, None, "in-process"))
            .load()
            .await;
        Ok(Self {
            plan: Arc::new(plan),
            shared: Arc::new(OnceCell::new_with(Some(config))),
            client: Arc::default(),
            blocks: Arc::default(),
            pacer: Pacer::new(mutations_per_second),
        })
    }
}

/// What takes a connection's place.
#[derive(Clone)]
struct Connector(Arc<Answer>);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            let request = read(request).map_err(user)?;
            let response = answer(request).await;
            let response = response.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(response.map(Into::into)).map_err(user)
        })
    }
}

/// The request with its body, which for all that the driver calls is in memory.
fn read(request: HttpRequest) -> Result<Request<Bytes>, BoxError> {
    let (head, body) = request.try_into_http1x()?.into_parts();
    let body = body.bytes().ok_or("the request's body is a stream")?;
    Ok(Request::from_parts(head, Bytes::copy_from_slice(body)))
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn user(error: impl Into<BoxError>) -> ConnectorError {
    ConnectorError::user(error.into())
}
