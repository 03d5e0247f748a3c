//! The flags of `ebs-lab emulate`, and the configuration that they make.
//!
//! Answers for: refusing what cannot be, before anything is started. Doesn't answer for: defaults inside the emulator.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::builder::RangedU64ValueParser;
use ebs_types::{InstanceType, Region};
use emulator::{BackingKind, BucketProfile, Config, Delays, FaultRate, OutpostConfig};

use crate::duration;

/// Flags of `ebs-lab emulate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "DURATION is a number with ms, s, m or h, as in 250ms, 1.5s or 2m; 0 to 30 days.\n\
    When ready, one line of JSON with all addresses is printed: ec2_url, control_url, and for each instance id, zone,\n\
    instance_type, dev_dir, sys_dir and imds_url. A browser shows at ec2_url what there is and what was called last. Any credentials are accepted, as in:\n\
    AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x aws --region eu-central-1 --endpoint-url EC2_URL ec2 describe-volumes"
)]
pub(crate) struct Args {
    /// A region to serve; may be repeated
    #[arg(long = "region", value_name = "REGION", default_value = "eu-central-1")]
    regions: Vec<Region>,
    /// Availability zones of each region, 1 to 26; a region that --data holds already stays as it was made
    #[arg(long, value_name = "COUNT", default_value = "3", value_parser = RangedU64ValueParser::<usize>::new().range(1..=26))]
    zones: usize,
    /// Instances that run in each new region from the start, 0 to 10000, spread over its zones
    #[arg(long, value_name = "COUNT", default_value = "4", value_parser = RangedU64ValueParser::<usize>::new().range(0..=10_000))]
    instances: usize,
    /// Serve no instance metadata: it takes a socket for each instance, and so many files may not be open at once
    #[arg(long)]
    no_metadata: bool,
    /// An Outpost in a zone, with instances of its own after the others, and the types of volumes that it offers; may be repeated
    #[arg(long = "outpost", value_name = "ZONE:INSTANCES:TYPE,…")]
    outposts: Vec<OutpostConfig>,
    /// The type of all these instances
    #[arg(long, value_name = "TYPE", default_value = "m7i.large")]
    instance_type: InstanceType,
    /// The cluster that those instances belong to, by security group and tags
    #[arg(long, value_name = "NAME", default_value = "lab")]
    cluster: String,
    /// Where state and volumes are kept and found again; without it nothing is written and nothing survives
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What stands behind a volume: `loop`, a sparse file and a loop device, which takes root and --data, or `none`
    /// [default: loop with --data, none without]
    #[arg(long, value_name = "KIND", value_parser = ["loop", "none"], hide_possible_values = true)]
    backing: Option<String>,
    /// Where EC2's API is served; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where tests turn the emulator's knobs (faults, delays, counts); port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    control: SocketAddr,
    /// Where the metadata service of the first instance listens, at the address of --listen, 1 to 65535 [default: a free port, and the
    /// same one again for --data]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    imds_port: Option<u16>,
    /// Allow addresses that other machines can reach: anybody there can then use and break what is served
    #[arg(long)]
    insecure_bind: bool,
    /// Modifications of one volume in 24 hours, 1 to 1000
    #[arg(long, value_name = "COUNT", default_value = "4", value_parser = clap::value_parser!(u32).range(1..=1000))]
    modifications_per_day: u32,
    /// How calls are throttled: `ec2`, by the buckets of tokens that EC2 publishes, or `none`
    #[arg(long, value_name = "NAME", default_value = "ec2", value_parser = ["ec2", "none"], hide_possible_values = true)]
    buckets: String,
    /// Something that goes wrong with a share of the calls, as in InternalError=0.05, lost-reply=0.01 or CreateVolume:reset=0.5:
    /// an error code of EC2, reset, lost-reply, stuck or create-failure; may be repeated
    #[arg(long = "fault-rate", value_name = "[ACTION:]FAULT=SHARE")]
    fault_rates: Vec<FaultRate>,
    /// A file with an IAM policy for those who sign their calls [default: everything is allowed]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A KMS key that may not be used, by id, ARN or alias; may be repeated
    #[arg(long = "denied-key", value_name = "KEY")]
    denied_keys: Vec<String>,
    /// What ids and faults are drawn from: the same seed and calls give the same ones; 0 to 2^64-1
    #[arg(long, value_name = "NUMBER", default_value = "0")]
    seed: u64,
    /// A file to write the line to that is printed when ready; it is removed at the end
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// What is logged to standard error: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = ["error", "warn", "info", "debug", "trace"], hide_possible_values = true)]
    log_level: String,
    #[command(flatten)]
    timing: Timing,
}

/// How long things take.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "How long things take (DURATION)")]
struct Timing {
    /// What the delays are that no flag gives: `none`, or `realistic`, about what EC2 takes
    #[arg(long, value_name = "NAME", default_value = "none", value_parser = ["none", "realistic"], hide_possible_values = true)]
    delays: String,
    /// Every call itself, before it takes effect [none, realistic: 0s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    call_latency: Option<Duration>,
    /// A volume from creating to available [none: 0s, realistic: 1.5s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    create_delay: Option<Duration>,
    /// The blocks of a volume made from a snapshot, until all are there [none: 0s, realistic: 10s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    initialize_delay: Option<Duration>,
    /// A volume copy from available to initialized [none: 0s, realistic: 10s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    copy_delay: Option<Duration>,
    /// A volume from deleting to gone [none: 0s, realistic: 500ms]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    delete_delay: Option<Duration>,
    /// An attachment from attaching to attached [none: 0s, realistic: 1.5s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    attach_delay: Option<Duration>,
    /// An attachment from detaching to gone [none: 0s, realistic: 2s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    detach_delay: Option<Duration>,
    /// Between two tries to detach a device that is in use [none: 100ms, realistic: 1s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    busy_retry: Option<Duration>,
    /// A modification from modifying to optimizing [none: 0s, realistic: 2s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    modify_delay: Option<Duration>,
    /// A modification from optimizing to completed [none: 0s, realistic: 10s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    optimize_delay: Option<Duration>,
    /// A snapshot from pending to completed [none: 0s, realistic: 5s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    snapshot_delay: Option<Duration>,
    /// An instance from pending to running [none: 0s, realistic: 5s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    start_delay: Option<Duration>,
    /// An instance from stopping to stopped [none: 0s, realistic: 5s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    stop_delay: Option<Duration>,
    /// An instance from shutting-down to terminated [none: 0s, realistic: 5s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    terminate_delay: Option<Duration>,
    /// For how long describes by id don't see a new resource; filters lag twice as long
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    consistency: Duration,
    /// For how long a client token is remembered
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration::parse)]
    token_lifetime: Duration,
}

impl Args {
    /// See `--log-level`.
    pub(super) fn log_level(&self) -> &str {
        &self.log_level
    }

    /// See `--ready-file`.
    pub(super) fn ready_file(&self) -> Option<&Path> {
        self.ready_file.as_deref()
    }

    /// The configuration that these flags make for a process that is root or isn't.
    pub(super) fn config(self, root: bool) -> Result<Config> {
        let backing = self.backing(root)?;
        if !self.insecure_bind {
            refuse_reachable("--listen", self.listen)?;
            refuse_reachable("--control", self.control)?;
        }
        let policy = self.policy.as_ref().map(|path| {
            std::fs::read_to_string(path)
                .with_context(|| format!("--policy {} cannot be read", path.display()))
        });
        Ok(Config {
            regions: self.regions,
            zones: self.zones,
            instances: self.instances,
            outposts: self.outposts,
            instance_type: self.instance_type,
            cluster: self.cluster,
            listen: self.listen,
            control: self.control,
            imds_port: self.imds_port,
            data: self.data,
            backing,
            consistency: self.timing.consistency,
            token_lifetime: self.timing.token_lifetime,
            delays: self.timing.delays(),
            modifications_per_day: self.modifications_per_day,
            buckets: match self.buckets.as_str() {
                "none" => BucketProfile::None,
                _ => BucketProfile::Ec2,
            },
            fault_rates: self.fault_rates,
            metadata: !self.no_metadata,
            policy: policy.transpose()?,
            denied_keys: self.denied_keys,
            seed: self.seed,
        })
    }

    fn backing(&self, root: bool) -> Result<BackingKind> {
        match (self.backing.as_deref(), &self.data) {
            (Some("none"), _) | (None, None) => return Ok(BackingKind::None),
            (Some(_), None) => bail!("--backing loop needs --data DIR to keep the volumes in"),
            (_, Some(_)) => {}
        }
        ensure!(
            root,
            "loop devices need root: run as root, or give --backing none to serve states without bytes"
        );
        Ok(BackingKind::Loop)
    }
}

impl Timing {
    fn delays(&self) -> Delays {
        let base = match self.delays.as_str() {
            "realistic" => Delays::realistic(),
            _ => Delays::none(),
        };
        Delays {
            call: self.call_latency.unwrap_or(base.call),
            create: self.create_delay.unwrap_or(base.create),
            initialize: self.initialize_delay.unwrap_or(base.initialize),
            copy: self.copy_delay.unwrap_or(base.copy),
            delete: self.delete_delay.unwrap_or(base.delete),
            attach: self.attach_delay.unwrap_or(base.attach),
            detach: self.detach_delay.unwrap_or(base.detach),
            busy_retry: self.busy_retry.unwrap_or(base.busy_retry),
            modify: self.modify_delay.unwrap_or(base.modify),
            optimize: self.optimize_delay.unwrap_or(base.optimize),
            snapshot: self.snapshot_delay.unwrap_or(base.snapshot),
            start: self.start_delay.unwrap_or(base.start),
            stop: self.stop_delay.unwrap_or(base.stop),
            terminate: self.terminate_delay.unwrap_or(base.terminate),
        }
    }
}

/// There is no authentication: what is served is for this machine, unless somebody says otherwise.
fn refuse_reachable(flag: &str, address: SocketAddr) -> Result<()> {
    ensure!(
        address.ip().is_loopback(),
        "{flag} {address} can be reached from other machines, and no one is asked who they are: \
         use an address like 127.0.0.1:0, or allow it with --insecure-bind"
    );
    Ok(())
}

#[cfg(test)]
mod tests;
