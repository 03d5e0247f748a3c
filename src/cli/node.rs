//! `ebs-csi node`: the Node service.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{FalseyValueParser, NonEmptyStringValueParser};
use ebs_types::Bytes;

use super::duration;
use super::process::ProcessArgs;
use super::size;
use crate::config::{AttachLimit, Config, Node, Role};

/// Flags of `ebs-csi node`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    process: ProcessArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// Flags of every role that mounts volumes.
#[derive(Debug, clap::Args)]
pub(super) struct NodeArgs {
    /// Directory of device nodes.
    #[arg(long, value_name = "DIR", default_value = "/dev")]
    dev_dir: PathBuf,

    /// Directory of the kernel's view of devices.
    #[arg(long, value_name = "DIR", default_value = "/sys")]
    sys_dir: PathBuf,

    /// How long the device of an attached volume may take to appear.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::parse)]
    device_timeout: Duration,

    /// How much memory a check of a file system may take, e.g. 512MiB [default: a quarter of the memory, 256MiB to 4GiB].
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    fsck_memory_limit: Option<Bytes>,

    /// Report that this node takes exactly so many volumes [default: by instance type and what is in use].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "reserved_volume_attachments")]
    volume_attach_limit: Option<u32>,

    /// So many attachments, the root volume included, are not for CSI volumes [default: counted each time].
    #[arg(long, value_name = "COUNT")]
    reserved_volume_attachments: Option<u32>,

    /// Leave the taint ebs.csi.aws.com/agent-not-ready on this node once the driver is registered.
    #[arg(long, env = "DISABLE_TAINT_WATCHER", value_parser = FalseyValueParser::new())]
    keep_startup_taint: bool,

    /// Make xfs without what kernels before 5.10 cannot mount.
    #[arg(long)]
    legacy_xfs: bool,

    /// An NVMe model whose disks are taken for EBS volumes; for laboratories, whose controllers are not Amazon's.
    #[arg(long, value_name = "MODEL", default_value = host::EBS_MODEL, value_parser = NonEmptyStringValueParser::new(), hide = true)]
    nvme_model: Vec<String>,
}

impl Args {
    pub(super) fn into_config(self) -> anyhow::Result<Config> {
        let role = Role::Node(self.node.into_node());
        self.process.into_config(role)
    }
}

impl NodeArgs {
    pub(super) fn into_node(self) -> Node {
        let attach_limit = match (self.volume_attach_limit, self.reserved_volume_attachments) {
            (Some(limit), _) => AttachLimit::Fixed(limit),
            (None, Some(reserved)) => AttachLimit::Reserved(reserved),
            (None, None) => AttachLimit::Counted,
        };
        Node {
            dev_dir: self.dev_dir,
            sys_dir: self.sys_dir,
            program_path: std::env::var_os("PATH"),
            device_timeout: self.device_timeout,
            fsck_memory: self.fsck_memory_limit,
            attach_limit,
            keep_startup_taint: self.keep_startup_taint,
            legacy_xfs: self.legacy_xfs,
            nvme_models: self.nvme_model,
        }
    }
}
