//! `ebs-csi controller`: the Controller service.

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::Context as _;
use ebs_types::{Region, Tags};
use ec2::Proxy;

use super::duration;
use super::metadata::http_url;
use super::or_unset::{OrUnset, text};
use super::process::ProcessArgs;
use crate::config::{Config, Controller, Role};

/// Flags of `ebs-csi controller`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    process: ProcessArgs,
    #[command(flatten)]
    controller: ControllerArgs,
}

/// Flags of every role that calls EC2. Credentials are found as every AWS program finds them.
#[derive(Debug, clap::Args)]
pub(super) struct ControllerArgs {
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

    /// An attachment that is `attaching` for so long hangs: it is undone and made anew.
    #[arg(long, value_name = "DURATION", default_value = "90s", value_parser = patience)]
    attach_patience: Duration,

    /// Tags for every volume and snapshot, as key=value,key=value.
    #[arg(long, value_name = "TAGS", value_parser = tags)]
    extra_tags: Option<Tags>,

    /// Leave a tag of a class out that cannot be had, with a warning in the log, in place of refusing the request.
    #[arg(long)]
    warn_on_invalid_tag: bool,

    /// Id of the Kubernetes cluster: tags every volume and snapshot as owned by it.
    #[arg(long, value_name = "ID")]
    k8s_tag_cluster_id: Option<String>,

    /// A controller that leads and is not heard of for so long is followed by another.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = lease)]
    leader_election_lease_duration: Duration,

    /// How often the controller that leads looks at the health of all volumes, and tells their claims of it.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = health_interval)]
    volume_health_interval: Duration,

    /// Whether the controller that leads lets pods and volumes move at once from nodes whose instance is terminated, by
    /// Kubernetes' taint out-of-service.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    fail_over: bool,

    /// How often it looks for nodes that are not ready.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = fail_over_interval)]
    fail_over_interval: Duration,
}

impl Args {
    pub(super) fn into_config(self) -> anyhow::Result<Config> {
        let role = Role::Controller(self.controller.into_controller()?);
        self.process.into_config(role)
    }
}

impl ControllerArgs {
    pub(super) fn into_controller(self) -> anyhow::Result<Controller> {
        let given = |one: Option<OrUnset<String>>, other: Option<OrUnset<String>>| {
            one.and_then(OrUnset::given)
                .or_else(|| other.and_then(OrUnset::given))
        };
        let except = given(self.no_proxy, self.no_proxy_in_small_letters).unwrap_or_default();
        let proxy = given(self.https_proxy, self.https_proxy_in_small_letters);
        let proxy = proxy
            .map(|url| Proxy::new(&url, &except).context("--https-proxy (HTTPS_PROXY)"))
            .transpose()?;
        Ok(Controller {
            region: self.region.and_then(OrUnset::given),
            ec2_endpoint: self
                .ec2_endpoint
                .and_then(OrUnset::given)
                .or(self.aws_ec2_endpoint.and_then(OrUnset::given)),
            ebs_endpoint: self.ebs_endpoint.and_then(OrUnset::given),
            user_agent_extra: self.user_agent_extra,
            ec2_mutations_per_second: self.ec2_mutations_per_second,
            consistency_window: self.consistency_window,
            attach_patience: self.attach_patience,
            extra_tags: self.extra_tags.unwrap_or_default(),
            warn_on_invalid_tag: self.warn_on_invalid_tag,
            cluster_id: self.k8s_tag_cluster_id,
            lease: self.leader_election_lease_duration,
            health_interval: self.volume_health_interval,
            fail_over_interval: self.fail_over.then_some(self.fail_over_interval),
            proxy,
        })
    }
}

/// A lease counts in whole seconds.
fn lease(text: &str) -> anyhow::Result<Duration> {
    let lasts = duration::parse(text)?;
    anyhow::ensure!(
        lasts >= Duration::from_secs(1) && lasts.subsec_nanos() == 0,
        "{text} is not a number of whole seconds, at least 1s"
    );
    Ok(lasts)
}

fn patience(text: &str) -> anyhow::Result<Duration> {
    at_least(
        text,
        Duration::from_millis(100),
        "shorter than any attachment takes",
    )
}

fn health_interval(text: &str) -> anyhow::Result<Duration> {
    at_least(
        text,
        Duration::from_secs(1),
        "too short: EC2 would be asked about all volumes all the time",
    )
}

fn fail_over_interval(text: &str) -> anyhow::Result<Duration> {
    at_least(
        text,
        Duration::from_secs(1),
        "too short: Kubernetes would be asked about all nodes all the time",
    )
}

fn at_least(text: &str, least: Duration, why: &str) -> anyhow::Result<Duration> {
    let given = duration::parse(text)?;
    anyhow::ensure!(given >= least, "{text} is {why}: give {least:?} or more");
    Ok(given)
}

fn region(text: &str) -> anyhow::Result<OrUnset<Region>> {
    OrUnset::parse(text, |text| Ok(text.parse()?))
}

/// Reads `key=value,key=value`. A value may hold `=`, but no comma.
fn tags(text: &str) -> anyhow::Result<Tags> {
    let mut tags = Tags::new();
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair
            .split_once('=')
            .with_context(|| format!("{pair:?} is not a tag: write key=value,key=value"))?;
        if tags.get(key).is_some() {
            anyhow::bail!("tag key {key:?} is given twice: keep one of them");
        }
        tags.set(key, value)?;
    }
    Ok(tags)
}
