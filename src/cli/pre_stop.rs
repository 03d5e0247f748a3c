//! `ebs-csi pre-stop-hook`: what the kubelet runs in the node plugin's container before it ends the plugin.

use std::fs::{self, File, OpenOptions};
use std::time::Duration;

use anyhow::Context as _;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::duration;
use super::kubernetes::KubernetesArgs;
use super::log::LogArgs;
use crate::identity::DRIVER_NAME;
use crate::kubernetes::Kubernetes;
use crate::{pre_stop, telemetry};

/// Flags of `ebs-csi pre-stop-hook`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How long to wait for volumes to leave a node that is drained or going away.
    #[arg(long, value_name = "DURATION", default_value = "25s", value_parser = duration::parse)]
    timeout: Duration,

    #[command(flatten)]
    kubernetes: KubernetesArgs,

    #[command(flatten)]
    log: LogArgs,
}

impl Args {
    /// Waits.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let log = self.log.into_log();
        // Before rights are given up: the plugin's log is the plugin's.
        match log_of_container() {
            Some(file) => telemetry::init_to(log, BoxMakeWriter::new(file)),
            None => telemetry::init(log),
        }
        super::give_up_rights(host::Duty::Network)?;
        let (access, node) = self.kubernetes.into_parts()?;
        let kubernetes = Kubernetes::new(access, node);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the async runtime")?;
        runtime.block_on(pre_stop::wait(&kubernetes, DRIVER_NAME, self.timeout));
        Ok(())
    }
}

/// The log of the container whose first process is the plugin. Of what a hook writes to its own stderr Kubernetes shows nothing.
fn log_of_container() -> Option<File> {
    let plugin = fs::read_link("/proc/1/exe").ok()?;
    let ours = fs::read_link("/proc/self/exe").ok()?;
    if plugin != ours || std::process::id() == 1 {
        return None;
    }
    OpenOptions::new().append(true).open("/proc/1/fd/2").ok()
}
