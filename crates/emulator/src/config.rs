//! What an emulator is started with: plain data, no defaults hidden elsewhere.
//!
//! Answers for: the size of the emulated cloud, where it listens and where it keeps its state, and how long things take.
//! Doesn't answer for: reading a command line; `ebs-lab emulate` does.

mod outpost;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ebs_types::{InstanceType, Region};
use serde::{Deserialize, Serialize};

pub use crate::faults::{FaultRate, InvalidFaultRate};
pub use outpost::{InvalidOutpostConfig, OutpostConfig};

/// What [`crate::Emulator::start`] needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The regions served, at least one; the first answers requests whose signature names none.
    pub regions: Vec<Region>,
    /// Availability zones of each region, 1 to 26.
    pub zones: usize,
    /// Instances that run in each region from the start, spread over its zones in turn.
    pub instances: usize,
    /// The account's Outposts, each in the region that its zone is of, with instances of its own after those of the zones.
    pub outposts: Vec<OutpostConfig>,
    /// The type of all of these instances.
    pub instance_type: InstanceType,
    /// The cluster that those instances say they belong to: security group `nodes.NAME`, tag `KubernetesCluster=NAME`.
    pub cluster: String,
    /// Where the EC2 endpoint listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the control endpoint listens; port 0 takes a free one.
    pub control: SocketAddr,
    /// Where the first instance's metadata service listens, at the EC2 endpoint's address; a free port if there is none.
    pub imds_port: Option<u16>,
    /// Where state and backing files are kept. Without it nothing is written and nothing survives.
    pub data: Option<PathBuf>,
    /// What stands behind a volume.
    pub backing: BackingKind,
    /// How long each asynchronous change takes.
    pub delays: Delays,
    /// For how long a new resource stays out of sight: describes by id say NotFound for so long, filters for twice as long.
    pub consistency: Duration,
    /// How many modifications a volume takes in 24 hours before `VolumeModificationRateExceeded`; EC2's figure is 4.
    pub modifications_per_day: u32,
    /// For how long a client token is remembered.
    pub token_lifetime: Duration,
    /// Which buckets of tokens throttle calls from the start.
    pub buckets: BucketProfile,
    /// What goes wrong from the start, each at its rate.
    pub fault_rates: Vec<FaultRate>,
    /// Whether each instance has a metadata service, which takes a socket.
    pub metadata: bool,
    /// The IAM policy, in JSON, of who signs its calls; without one everything is allowed. Who doesn't sign them is the administrator.
    pub policy: Option<String>,
    /// KMS keys, by id, ARN or alias, that may not be used: a volume that is to be encrypted with one is accepted, and gone later.
    pub denied_keys: Vec<String>,
    /// What ids are drawn from, and which calls faults by rate befall: equal seeds and calls give equal ids and faults.
    pub seed: u64,
}

impl Default for Config {
    /// One region, `eu-central-1`, of three zones and four `m7i.large`, everything at once and without throttling, on free loopback ports, kept nowhere.
    fn default() -> Self {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self {
            regions: "eu-central-1".parse().into_iter().collect(),
            zones: 3,
            instances: 4,
            outposts: Vec::new(),
            instance_type: crate::state::default_instance_type(),
            cluster: "lab".to_owned(),
            listen: any,
            control: any,
            imds_port: None,
            data: None,
            backing: BackingKind::None,
            delays: Delays::none(),
            consistency: Duration::ZERO,
            modifications_per_day: 4,
            token_lifetime: Duration::from_hours(24),
            buckets: BucketProfile::None,
            fault_rates: Vec::new(),
            metadata: true,
            policy: None,
            denied_keys: Vec::new(),
            seed: 0,
        }
    }
}

/// The buckets of tokens from which calls are taken (EC2 developer guide, "Request throttling for the Amazon EC2 API").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketProfile {
    /// None: nothing is throttled.
    None,
    /// As EC2 publishes them for an account whose limits nobody has raised.
    Ec2,
}

/// What stands behind a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackingKind {
    /// Nothing: states only. Serves tests without root.
    None,
    /// A sparse file, and a loop device while attached. Needs root and [`Config::data`].
    Loop,
}

/// How long calls take, and the asynchronous changes that they start. In JSON each is a whole number of milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delays {
    /// Every call itself, from its admission until it takes effect; states saved before there was a choice have none.
    #[serde(rename = "call_ms", with = "millis", default)]
    pub call: Duration,
    /// A volume from `creating` to `available`.
    #[serde(rename = "create_ms", with = "millis")]
    pub create: Duration,
    /// The blocks of a volume that was made from a snapshot, from its creation until all of them are there.
    #[serde(rename = "initialize_ms", with = "millis", default)]
    pub initialize: Duration,
    /// A volume copy from `available` to initialized; states saved before this was kept have none.
    #[serde(rename = "copy_ms", with = "millis", default)]
    pub copy: Duration,
    /// A volume from `deleting` to gone.
    #[serde(rename = "delete_ms", with = "millis")]
    pub delete: Duration,
    /// An attachment from `attaching` to `attached`.
    #[serde(rename = "attach_ms", with = "millis")]
    pub attach: Duration,
    /// An attachment from `detaching` to gone; a stopped instance lets go at once.
    #[serde(rename = "detach_ms", with = "millis")]
    pub detach: Duration,
    /// How often a detach is tried again while the instance still uses the device, and an attach whose device cannot be
    /// shown yet.
    #[serde(rename = "busy_retry_ms", with = "millis")]
    pub busy_retry: Duration,
    /// A modification from `modifying` to `optimizing`.
    #[serde(rename = "modify_ms", with = "millis")]
    pub modify: Duration,
    /// A modification from `optimizing` to `completed`.
    #[serde(rename = "optimize_ms", with = "millis")]
    pub optimize: Duration,
    /// A snapshot from `pending` to `completed`.
    #[serde(rename = "snapshot_ms", with = "millis")]
    pub snapshot: Duration,
    /// An instance from `pending` to `running`.
    #[serde(rename = "start_ms", with = "millis")]
    pub start: Duration,
    /// An instance from `stopping` to `stopped`.
    #[serde(rename = "stop_ms", with = "millis")]
    pub stop: Duration,
    /// An instance from `shutting-down` to `terminated`, when its volumes are let go of.
    #[serde(rename = "terminate_ms", with = "millis")]
    pub terminate: Duration,
}

impl Delays {
    /// Everything at once; a busy device is looked at again every 100 ms.
    #[must_use]
    pub fn none() -> Self {
        Self {
            call: Duration::ZERO,
            create: Duration::ZERO,
            initialize: Duration::ZERO,
            copy: Duration::ZERO,
            delete: Duration::ZERO,
            attach: Duration::ZERO,
            detach: Duration::ZERO,
            busy_retry: Duration::from_millis(100),
            modify: Duration::ZERO,
            optimize: Duration::ZERO,
            snapshot: Duration::ZERO,
            start: Duration::ZERO,
            stop: Duration::ZERO,
            terminate: Duration::ZERO,
        }
    }

    /// About what EC2 takes in the median; what takes EC2 minutes or more takes some ten seconds here.
    #[must_use]
    pub fn realistic() -> Self {
        Self {
            call: Duration::ZERO,
            create: Duration::from_millis(1_500),
            initialize: Duration::from_secs(10),
            copy: Duration::from_secs(10),
            delete: Duration::from_millis(500),
            attach: Duration::from_millis(1_500),
            detach: Duration::from_millis(2_000),
            busy_retry: Duration::from_secs(1),
            modify: Duration::from_secs(2),
            optimize: Duration::from_secs(10),
            snapshot: Duration::from_secs(5),
            start: Duration::from_secs(5),
            stop: Duration::from_secs(5),
            terminate: Duration::from_secs(5),
        }
    }
}

impl Default for Delays {
    fn default() -> Self {
        Self::none()
    }
}

/// What of the configuration the state machine itself depends on; it can be changed while the emulator runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// See [`Config::delays`].
    #[serde(flatten)]
    pub(crate) delays: Delays,
    /// See [`Config::consistency`].
    #[serde(rename = "consistency_ms", with = "millis")]
    pub(crate) consistency: Duration,
    /// See [`Config::modifications_per_day`].
    pub(crate) modifications_per_day: u32,
    /// See [`Config::token_lifetime`].
    #[serde(rename = "token_lifetime_ms", with = "millis")]
    pub(crate) token_lifetime: Duration,
    /// See [`Config::denied_keys`]; settings saved before there were any don't say.
    #[serde(default)]
    pub(crate) denied_keys: Vec<String>,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            delays: config.delays.clone(),
            consistency: config.consistency,
            modifications_per_day: config.modifications_per_day,
            token_lifetime: config.token_lifetime,
            denied_keys: config.denied_keys.clone(),
        }
    }
}

/// Durations as whole milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}
