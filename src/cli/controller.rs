//! `ebs-csi controller`: the Controller service.

use std::time::Duration;

use anyhow::Context as _;
use ebs_types::Tags;

use super::duration;
use super::ec2::Ec2Args;
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

/// Flags of every role that has the Controller service.
#[derive(Debug, clap::Args)]
pub(super) struct ControllerArgs {
    #[command(flatten)]
    ec2: Ec2Args,

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
        Ok(Controller {
            ec2: self.ec2.into_ec2()?,
            attach_patience: self.attach_patience,
            extra_tags: self.extra_tags.unwrap_or_default(),
            warn_on_invalid_tag: self.warn_on_invalid_tag,
            cluster_id: self.k8s_tag_cluster_id,
            lease: self.leader_election_lease_duration,
            health_interval: self.volume_health_interval,
            fail_over_interval: self.fail_over.then_some(self.fail_over_interval),
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
