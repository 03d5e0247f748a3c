//! Flags of every role: who knows the instance that this process runs on.

use anyhow::Context as _;
use clap::builder::FalseyValueParser;

use super::kubernetes::KubernetesArgs;
use super::or_unset::OrUnset;
use crate::config::{Metadata, MetadataSource};

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

    #[command(flatten)]
    kubernetes: KubernetesArgs,
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
        let (kubernetes, node_name) = self.kubernetes.into_parts()?;
        Ok(Metadata {
            sources,
            imds_endpoint: self.imds_endpoint.and_then(OrUnset::given),
            kubernetes,
            node_name,
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
