//! Flags of everything that calls EC2: where it is, and how it is asked.

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::Context as _;
use ebs_types::Region;
use ec2::Proxy;

use super::duration;
use super::metadata::http_url;
use super::or_unset::{OrUnset, text};
use crate::config::Ec2;

/// Flags of everything that calls EC2. Credentials are found as every AWS program finds them.
#[derive(Debug, clap::Args)]
pub(super) struct Ec2Args {
    /// AWS region [default: the AWS configuration file's, or where this process runs].
    #[arg(long, env = "AWS_REGION", value_name = "REGION", value_parser = region)]
    region: Option<OrUnset<Region>>,

    /// EC2 endpoint, in place of the region's; AWS_EC2_ENDPOINT is read too.
    #[arg(long, env = "AWS_ENDPOINT_URL_EC2", value_name = "URL", value_parser = http_url)]
    ec2_endpoint: Option<OrUnset<String>>,

    /// The Go driver's name for the variable above, so that its deployments go on working.
    #[arg(long, hide = true, env = "AWS_EC2_ENDPOINT", value_name = "URL", value_parser = http_url)]
    aws_ec2_endpoint: Option<OrUnset<String>>,

    /// Endpoint of the EBS direct APIs, which list blocks of snapshots, in place of the region's.
    #[arg(long, env = "AWS_ENDPOINT_URL_EBS", value_name = "URL", value_parser = http_url)]
    ebs_endpoint: Option<OrUnset<String>>,

    /// Proxy on the way to AWS, http://[USER:PASSWORD@]HOST:PORT; instance metadata and Kubernetes are reached without it.
    #[arg(long, env = "HTTPS_PROXY", hide_env_values = true, value_name = "URL", value_parser = text)]
    https_proxy: Option<OrUnset<String>>,

    /// The other spelling of the variable above.
    #[arg(long, hide = true, env = "https_proxy", hide_env_values = true, value_name = "URL", value_parser = text)]
    https_proxy_in_small_letters: Option<OrUnset<String>>,

    /// Hosts that are reached without it: names, addresses and ranges, with commas between them.
    #[arg(long, env = "NO_PROXY", value_name = "HOSTS", value_parser = text)]
    no_proxy: Option<OrUnset<String>>,

    /// The other spelling of the variable above.
    #[arg(long, hide = true, env = "no_proxy", value_name = "HOSTS", value_parser = text)]
    no_proxy_in_small_letters: Option<OrUnset<String>>,

    /// Appended to the user agent of calls to AWS.
    #[arg(long, value_name = "TEXT")]
    user_agent_extra: Option<String>,

    /// The most changes a second that EC2 is asked for, of all kinds together, where other programs need their share of the
    /// account's; without it each kind of call has what EC2 gives it.
    #[arg(long, value_name = "N")]
    ec2_mutations_per_second: Option<NonZeroU32>,

    /// How long EC2 may take to show what it has accepted; until then "not found" is not believed.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    consistency_window: Duration,
}

impl Ec2Args {
    pub(super) fn into_ec2(self) -> anyhow::Result<Ec2> {
        let given = |one: Option<OrUnset<String>>, other: Option<OrUnset<String>>| {
            one.and_then(OrUnset::given)
                .or_else(|| other.and_then(OrUnset::given))
        };
        let except = given(self.no_proxy, self.no_proxy_in_small_letters).unwrap_or_default();
        let proxy = given(self.https_proxy, self.https_proxy_in_small_letters);
        let proxy = proxy
            .map(|url| Proxy::new(&url, &except).context("--https-proxy (HTTPS_PROXY)"))
            .transpose()?;
        Ok(Ec2 {
            region: self.region.and_then(OrUnset::given),
            endpoint: self
                .ec2_endpoint
                .and_then(OrUnset::given)
                .or(self.aws_ec2_endpoint.and_then(OrUnset::given)),
            ebs_endpoint: self.ebs_endpoint.and_then(OrUnset::given),
            user_agent_extra: self.user_agent_extra,
            mutations_per_second: self.ec2_mutations_per_second,
            consistency_window: self.consistency_window,
            proxy,
        })
    }
}

fn region(text: &str) -> anyhow::Result<OrUnset<Region>> {
    OrUnset::parse(text, |text| Ok(text.parse()?))
}
