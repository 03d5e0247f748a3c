//! Making clients of EC2 and of the EBS direct APIs: region, endpoints, credentials, time limits, TLS.
//!
//! Region and credentials are found as every AWS program finds them, by the SDK's own chains; settings go over them.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::imds;
use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region as SdkRegion, SdkConfig};
use aws_sdk_ec2::Client;
use aws_smithy_http_client::Builder as HttpBuilder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use ebs_types::{InvalidPlace, Region};

use super::{Proxy, SdkEc2};
use crate::pace::Pacer;

/// How to reach EC2. Credentials are found as every AWS program finds them.
#[derive(Clone, Debug)]
pub struct SdkSettings {
    /// The region whose EC2 to call; see [`SdkEc2::configured_region`].
    pub region: Region,
    /// URL of EC2's endpoint, in place of the region's; for EC2 alone, not for STS or others that give credentials.
    pub endpoint: Option<String>,
    /// URL of the EBS direct APIs, in place of the region's.
    pub blocks_endpoint: Option<String>,
    /// URL of the instance metadata service, in place of `http://169.254.169.254`.
    pub imds_endpoint: Option<String>,
    /// The way to AWS, where there is none without.
    pub proxy: Option<Proxy>,
    /// Goes into the user agent after the driver's name and version, e.g. `helm`. ASCII letters, digits and ``!#$%&'*+-.^_`|~``.
    pub user_agent_extra: Option<String>,
    /// The most changes a second that EC2 is asked for, of all kinds together; without it each kind of call has what EC2 gives it.
    pub mutations_per_second: Option<NonZeroU32>,
}

/// Why no client of EC2 could be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The region that is configured cannot be one.
    #[error("the AWS configuration names no region that can be one")]
    Region(#[from] InvalidPlace),
    /// The URL of instance metadata cannot be one.
    #[error("{value:?} is no URL of instance metadata, as in http://169.254.169.254: {reason}")]
    ImdsEndpoint {
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The URL of EC2, or of the EBS direct APIs, cannot be one.
    #[error("{value:?} is no URL of an EC2 or EBS endpoint: expected http://… or https://…")]
    Endpoint {
        /// What was given.
        value: String,
    },
    /// The addition to the user agent has characters that a header doesn't take.
    #[error(
        "{value:?} cannot go into the user agent: ASCII letters, digits and !#$%&'*+-.^_`|~ are allowed"
    )]
    UserAgent {
        /// What was given.
        value: String,
    },
}

/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long one attempt may take, from the connection to the last byte of the reply. EC2 answers in 0.1 to 3 s.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(12);

impl SdkEc2 {
    /// The region that the environment or the shared configuration file names, in this order, if one of them does.
    ///
    /// # Errors
    /// [`ConnectError::Region`], where what they name cannot be a region.
    pub async fn configured_region() -> Result<Option<Region>, ConnectError> {
        let profile = ProfileFileRegionProvider::builder()
            .configure(&ProviderConfig::without_region())
            .build();
        let environment = EnvironmentVariableRegionProvider::new();
        // A variable that is empty is as good as none.
        let named = |region: &SdkRegion| !region.as_ref().is_empty();
        let region = match environment.region().await.filter(named) {
            Some(region) => Some(region),
            None => profile.region().await.filter(named),
        };
        Ok(region.map(|region| region.as_ref().parse()).transpose()?)
    }

    /// Prepares a client. Calls nothing: credentials are looked for at the first call and renewed before they expire.
    ///
    /// # Errors
    /// [`ConnectError`], where settings are wrong.
    pub fn connect(settings: SdkSettings) -> Result<Self, ConnectError> {
        let app_name = app_name(settings.user_agent_extra.as_deref())?;
        let endpoint = settings.endpoint.map(checked_endpoint).transpose()?;
        let blocks_endpoint = settings.blocks_endpoint.map(checked_endpoint).transpose()?;
        let imds = settings.imds_endpoint.as_deref().map(imds_at).transpose()?;
        Ok(Self {
            plan: Arc::new(Plan {
                region: SdkRegion::new(String::from(settings.region)),
                endpoint,
                blocks_endpoint,
                imds,
                proxy: settings.proxy,
                app_name,
            }),
            shared: Arc::default(),
            client: Arc::default(),
            blocks: Arc::default(),
            pacer: Pacer::new(settings.mutations_per_second),
        })
    }
}

/// Settings that were checked: what a client is made of.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) region: SdkRegion,
    pub(super) endpoint: Option<String>,
    pub(super) blocks_endpoint: Option<String>,
    pub(super) imds: Option<imds::client::Builder>,
    pub(super) proxy: Option<Proxy>,
    pub(super) app_name: AppName,
}

impl Plan {
    /// What clients are made of. Reads configuration files, calls nothing.
    pub(super) async fn load(&self) -> SdkConfig {
        let http = match &self.proxy {
            Some(proxy) => proxy.client(),
            None => https(),
        };
        let mut config = loader(http.clone(), self.region.clone(), self.app_name.clone());
        if let Some(imds) = self.imds.clone() {
            let provider_config = ProviderConfig::without_region()
                .with_http_client(http)
                .with_region(Some(self.region.clone()));
            let imds = imds.configure(&provider_config).build();
            let chain = DefaultCredentialsChain::builder()
                .configure(provider_config)
                // Named again, or the builder would look for one itself, and wait for instance metadata.
                .region(self.region.clone())
                .imds_client(imds)
                .build()
                .await;
            config = config.credentials_provider(chain);
        }
        config.load().await
    }

    /// Makes the client of EC2.
    pub(super) fn client(&self, shared: &SdkConfig) -> Client {
        let mut ec2 = aws_sdk_ec2::config::Builder::from(shared);
        if let Some(endpoint) = &self.endpoint {
            ec2 = ec2.endpoint_url(endpoint);
        }
        Client::from_conf(ec2.build())
    }

    /// Makes the client of the EBS direct APIs.
    pub(super) fn blocks_client(&self, shared: &SdkConfig) -> aws_sdk_ebs::Client {
        let mut ebs = aws_sdk_ebs::config::Builder::from(shared);
        if let Some(endpoint) = &self.blocks_endpoint {
            ebs = ebs.endpoint_url(endpoint);
        }
        aws_sdk_ebs::Client::from_conf(ebs.build())
    }
}

fn https() -> SharedHttpClient {
    HttpBuilder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}

pub(super) fn loader(
    http: SharedHttpClient,
    region: SdkRegion,
    app_name: AppName,
) -> aws_config::ConfigLoader {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .region(region)
        .app_name(app_name)
        // Repetition is ours: see `retry`, which knows what is harmless to repeat and what an error then means.
        .retry_config(RetryConfig::disabled())
        // It watches how fast bodies flow, which a time limit on whole attempts makes superfluous.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .build(),
        )
}

pub(super) fn app_name(extra: Option<&str>) -> Result<AppName, ConnectError> {
    let own = concat!("ebs-csi-", env!("CARGO_PKG_VERSION"));
    let full = extra.map_or_else(|| own.to_owned(), |extra| format!("{own}-{extra}"));
    AppName::new(full).map_err(|_| ConnectError::UserAgent {
        value: extra.unwrap_or_default().to_owned(),
    })
}

fn imds_at(endpoint: &str) -> Result<imds::client::Builder, ConnectError> {
    imds::Client::builder()
        .endpoint(endpoint)
        .map_err(|error| ConnectError::ImdsEndpoint {
            value: endpoint.to_owned(),
            reason: error.to_string(),
        })
}

/// The SDK takes any text here and fails at the first call.
fn checked_endpoint(endpoint: String) -> Result<String, ConnectError> {
    let rest = endpoint
        .strip_prefix("http://")
        .or_else(|| endpoint.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains(char::is_whitespace) => Ok(endpoint),
        _ => Err(ConnectError::Endpoint { value: endpoint }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> SdkSettings {
        SdkSettings {
            region: "eu-central-1".parse().unwrap(),
            endpoint: None,
            blocks_endpoint: None,
            imds_endpoint: None,
            proxy: None,
            user_agent_extra: None,
            mutations_per_second: None,
        }
    }

    #[test]
    fn wrong_settings_are_named() {
        let cases = [
            (
                SdkSettings {
                    user_agent_extra: Some("two words".into()),
                    ..settings()
                },
                "\"two words\" cannot go into the user agent",
            ),
            (
                SdkSettings {
                    imds_endpoint: Some("not a url".into()),
                    ..settings()
                },
                "\"not a url\" is no URL of instance metadata",
            ),
            (
                SdkSettings {
                    endpoint: Some("localhost:4566".into()),
                    ..settings()
                },
                "\"localhost:4566\" is no URL of an EC2 or EBS endpoint",
            ),
            (
                SdkSettings {
                    blocks_endpoint: Some("http://".into()),
                    ..settings()
                },
                "\"http://\" is no URL of an EC2 or EBS endpoint",
            ),
        ];
        for (settings, message) in cases {
            let error = SdkEc2::connect(settings).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
