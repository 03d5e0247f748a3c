//! Flags of every role: who knows the instance that this process runs on.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::builder::FalseyValueParser;

use super::or_unset::OrUnset;
use crate::config::{Metadata, MetadataSource};
use crate::kubernetes::{Access, NodeName};

/// Flags of every role.
#[derive(Debug, clap::Args)]
pub(super) struct MetadataArgs {
    /// Who is asked for instance, zone and region, one after the other until one tells.
    #[arg(
        long,
        value_enum,
        value_name = "SOURCES",
        value_delimiter = ',',
        ignore_case = true,
        default_value = "imds,kubernetes,labels"
    )]
    metadata_sources: Vec<MetadataSource>,

    /// AWS's own variable that keeps its programs from instance metadata.
    #[arg(long, hide = true, env = "AWS_EC2_METADATA_DISABLED", value_parser = FalseyValueParser::new())]
    imds_disabled: bool,

    /// Instance metadata service, in place of http://169.254.169.254.
    #[arg(long, env = "AWS_EC2_METADATA_SERVICE_ENDPOINT", value_name = "URL", value_parser = http_url)]
    imds_endpoint: Option<OrUnset<String>>,

    /// Kubernetes API server [default: that of the cluster whose pod this is].
    #[arg(long, value_name = "URL")]
    kubernetes_api: Option<String>,

    /// Directory with the files token and ca.crt for it.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/run/secrets/kubernetes.io/serviceaccount"
    )]
    kubernetes_credentials: PathBuf,

    /// What the kubelet tells each container.
    #[arg(long, hide = true, env = "KUBERNETES_SERVICE_HOST", value_name = "HOST", value_parser = text)]
    kubernetes_service_host: Option<OrUnset<String>>,

    /// What the kubelet tells each container.
    #[arg(
        long,
        hide = true,
        env = "KUBERNETES_SERVICE_PORT",
        value_name = "PORT",
        default_value = "443"
    )]
    kubernetes_service_port: u16,

    /// The Kubernetes node that this process runs on.
    #[arg(long, env = "CSI_NODE_NAME", value_name = "NAME", value_parser = node_name)]
    node_name: Option<OrUnset<NodeName>>,
}

impl MetadataArgs {
    pub(super) fn into_metadata(self) -> anyhow::Result<Metadata> {
        let mut sources = self.metadata_sources;
        if self.imds_disabled {
            sources.retain(|source| *source != MetadataSource::Imds);
        }
        anyhow::ensure!(
            !sources.is_empty(),
            "AWS_EC2_METADATA_DISABLED leaves no --metadata-sources: add kubernetes"
        );
        let credentials = self.kubernetes_credentials;
        let host = self.kubernetes_service_host.and_then(OrUnset::given);
        let access = match (self.kubernetes_api, host) {
            (Some(url), _) => Some(Access::new(&url, credentials).context("--kubernetes-api")?),
            (None, Some(host)) => {
                let access = Access::of_pod(&host, self.kubernetes_service_port, credentials);
                Some(access.context("KUBERNETES_SERVICE_HOST")?)
            }
            (None, None) => None,
        };
        Ok(Metadata {
            sources,
            imds_endpoint: self.imds_endpoint.and_then(OrUnset::given),
            kubernetes: access,
            node_name: self.node_name.and_then(OrUnset::given),
        })
    }
}

/// Checks that a text is an absolute http or https URL; which host answers shows at the first call.
pub(super) fn http_url(text: &str) -> anyhow::Result<OrUnset<String>> {
    OrUnset::parse(text, |text| {
        let url: hyper::Uri = text
            .parse()
            .with_context(|| format!("{text:?} is not a URL"))?;
        match (url.scheme_str(), url.host()) {
            (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(text.to_owned()),
            _ => anyhow::bail!("{text:?} is not an http:// or https:// URL with a host"),
        }
    })
}

fn node_name(text: &str) -> anyhow::Result<OrUnset<NodeName>> {
    OrUnset::parse(text, |text| Ok(text.parse()?))
}

fn text(text: &str) -> anyhow::Result<OrUnset<String>> {
    OrUnset::parse(text, |text| Ok(text.to_owned()))
}
