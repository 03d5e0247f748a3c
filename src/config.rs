//! What a process of the driver is told to do, as plain data. The command line builds it; everything below takes it by value.
//!
//! Answers for: which settings there are and their units. Doesn't answer for: defaults and spelling (`cli`), what the settings do.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ebs_types::{Bytes, Region, Tags};
use ec2::Proxy;

use crate::kubernetes::{Access, NodeName};
use crate::server::{Endpoint, HttpAddress};

/// One process of the driver.
#[derive(Debug)]
pub(crate) struct Config {
    /// Which services it offers.
    pub(crate) role: Role,
    /// Whether handles of node-local volumes are taken.
    pub(crate) node_local_volumes: bool,
    /// Where it learns what it runs on.
    pub(crate) metadata: Metadata,
    /// How and where it serves them.
    pub(crate) serve: Serve,
    /// How it logs.
    pub(crate) log: Log,
}

/// Which services a process offers beside Identity.
#[derive(Debug)]
pub(crate) enum Role {
    /// The Controller service, which talks to EC2.
    Controller(Controller),
    /// The Node service, which talks to this machine's kernel.
    Node(Node),
    /// Both: one process for tests and single machines.
    All(Controller, Node),
}

/// How and where to serve.
#[derive(Debug)]
pub(crate) struct Serve {
    /// Where to listen.
    pub(crate) endpoint: Endpoint,
    /// How long RPCs, and what they began, may go on after SIGTERM or SIGINT.
    pub(crate) drain: Duration,
    /// Where metrics and health are shown; `None` for nowhere.
    pub(crate) http: Option<HttpAddress>,
}

/// How to log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log {
    /// In which form.
    pub(crate) format: LogFormat,
    /// The least important level that is written.
    pub(crate) level: tracing::Level,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// One line an event, for people.
    Text,
    /// One JSON object an event, for collectors.
    Json,
}

/// Where a process learns which instance, zone and region it runs in.
#[derive(Debug)]
pub(crate) struct Metadata {
    /// Whom to ask, in this order.
    pub(crate) sources: Vec<MetadataSource>,
    /// URL of the instance metadata service in place of the link-local one.
    pub(crate) imds_endpoint: Option<String>,
    /// How the Kubernetes API is reached; `None` outside a cluster.
    pub(crate) kubernetes: Option<Access>,
    /// The Node object that stands for this machine.
    pub(crate) node_name: Option<NodeName>,
}

/// Who knows the instance that a process runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum MetadataSource {
    /// The instance metadata service.
    Imds,
    /// The Node object in Kubernetes.
    Kubernetes,
    /// Labels of the Node object that count what is attached.
    #[value(alias = "metadata-labeler")]
    Labels,
}

/// Where EC2 is, and how it is asked.
#[derive(Debug)]
pub(crate) struct Ec2 {
    /// The region, where the environment and metadata are not to be asked.
    pub(crate) region: Option<Region>,
    /// URL of EC2's endpoint in place of the region's.
    pub(crate) endpoint: Option<String>,
    /// URL of the EBS direct APIs, in place of the region's.
    pub(crate) ebs_endpoint: Option<String>,
    /// The proxy on the way to AWS.
    pub(crate) proxy: Option<Proxy>,
    /// What the user agent carries after the driver's name.
    pub(crate) user_agent_extra: Option<String>,
    /// The most changes a second that EC2 is asked for, of all kinds together.
    pub(crate) mutations_per_second: Option<NonZeroU32>,
    /// How long EC2 may take to show what it has accepted.
    pub(crate) consistency_window: Duration,
}

/// What the Controller service needs.
#[derive(Debug)]
pub(crate) struct Controller {
    /// How EC2 is asked.
    pub(crate) ec2: Ec2,
    /// How long an attachment may be on its way before it is undone and made anew.
    pub(crate) attach_patience: Duration,
    /// Tags that every volume and snapshot gets.
    pub(crate) extra_tags: Tags,
    /// Whether a class' tag that cannot be had is left out with a warning.
    pub(crate) warn_on_invalid_tag: bool,
    /// The Kubernetes cluster whose resources these are.
    pub(crate) cluster_id: Option<String>,
    /// After how long without word from the leading controller another one leads.
    pub(crate) lease: Duration,
    /// Between two looks of the leading controller at the health of all volumes.
    pub(crate) health_interval: Duration,
    /// Between two of its looks for Nodes that are not ready, whose instances may be terminated; `None` if these are not its business.
    pub(crate) fail_over_interval: Option<Duration>,
}

/// What the Node service needs.
#[derive(Debug)]
pub(crate) struct Node {
    /// Where device nodes are, `/dev` on a real machine.
    pub(crate) dev_dir: PathBuf,
    /// Where the kernel's view of devices is, `/sys` on a real machine.
    pub(crate) sys_dir: PathBuf,
    /// Where mkfs, fsck and the like are looked for, in the form of `PATH`; `None` for the usual places.
    pub(crate) program_path: Option<OsString>,
    /// How long an attached volume's device may take to appear.
    pub(crate) device_timeout: Duration,
    /// How much memory fsck may take; `None` for a share of what there is.
    pub(crate) fsck_memory: Option<Bytes>,
    /// How many volumes this node takes.
    pub(crate) attach_limit: AttachLimit,
    /// Whether the taint that keeps pods away until the driver is registered is left to others.
    pub(crate) keep_startup_taint: bool,
    /// Whether xfs is made without what kernels before 5.10 cannot mount.
    pub(crate) legacy_xfs: bool,
    /// NVMe models whose disks are taken for EBS volumes.
    pub(crate) nvme_models: Vec<String>,
}

/// Where the number of volumes that a node takes comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttachLimit {
    /// The instance type's limit, less what is in use.
    Counted,
    /// The instance type's limit, less so many attachments that are not for CSI volumes (the root volume included).
    Reserved(u32),
    /// Exactly so many.
    Fixed(u32),
}
