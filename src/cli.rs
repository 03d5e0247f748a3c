//! The command line: one subcommand a role and one for each of an administrator's errands, flags over environment variables.
//!
//! Answers for: names, defaults and help of every setting, the one place that reads the environment, and how a start that
//! fails is told: one line on stderr and exit code 1; wrong usage is clap's, with exit code 2.
//! Doesn't answer for: what settings do.

mod all;
mod controller;
mod duration;
mod ec2;
mod kubernetes;
mod log;
mod metadata;
mod move_zone;
mod node;
mod or_unset;
mod pre_stop;
mod process;
mod size;
mod wire;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use host::{Confinement, Duty};

use crate::config::{Config, Role};

/// The CSI driver for Amazon EBS.
#[derive(Debug, Parser)]
#[command(name = "ebs-csi", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Serve(Box<Service>),
    /// Bring a volume's data to another zone, and its claim with them: a dry run, unless --yes is given.
    MoveZone(Box<move_zone::Args>),
    /// Wait until volumes have left this node, if it is drained or going away: the node plugin's preStop hook.
    PreStopHook(pre_stop::Args),
}

/// What serves until a signal.
#[derive(Debug, Subcommand)]
enum Service {
    /// Serve the Controller service: volumes and snapshots in EC2.
    Controller(controller::Args),
    /// Serve the Node service: devices and mounts of this machine.
    Node(node::Args),
    /// Serve both in one process, for tests and single machines.
    All(all::Args),
}

/// Reads the arguments, serves, and gives the process' exit code.
pub(crate) fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ebs-csi: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let config = match cli.command {
        Command::Serve(service) => service.into_config()?,
        Command::MoveZone(args) => return move_zone::run(*args),
        Command::PreStopHook(args) => return args.run(),
    };
    crate::telemetry::init(config.log);
    // Before there are threads: each has capabilities of its own.
    let duty = duty(&config.role);
    give_up_rights(duty)?;
    let runtime = runtime(duty)?;
    let ended = runtime.block_on(wire::run(config));
    // Work beyond the drain limit may hang in the kernel: this process must not wait for it.
    runtime.shutdown_background();
    ended
}

impl Service {
    fn into_config(self) -> anyhow::Result<Config> {
        match self {
            Self::Controller(args) => args.into_config(),
            Self::Node(args) => args.into_config(),
            Self::All(args) => args.into_config(),
        }
    }
}

fn duty(role: &Role) -> Duty {
    match role {
        Role::Controller(_) => Duty::Network,
        Role::Node(_) | Role::All(..) => Duty::Node,
    }
}

/// Gives up what is not needed (docs/SECURITY.md).
fn give_up_rights(duty: Duty) -> anyhow::Result<()> {
    let Confinement {
        kept,
        missing,
        bounded,
    } = host::confine(duty).context("cannot give up the capabilities that are not needed")?;
    let hex = |mask: u64| format!("{mask:016x}");
    tracing::info!(
        capabilities = hex(kept),
        missing = hex(missing),
        bounded,
        "confined"
    );
    Ok(())
}

/// One worker is enough for a thousand RPCs a second, and spares them the waking of others: a node waits for programs and the kernel most
/// of the time, a controller for EC2. A call to EC2 is thousands of small allocations: threads that make such keep what they freed.
fn runtime(duty: Duty) -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1);
    if matches!(duty, Duty::Network) {
        builder.on_thread_start(host::heap::keep);
        builder.on_thread_stop(host::heap::give_back);
    }
    // Blocking threads do the system calls of a node's operations. A volume that does not answer keeps one or two: a node has up to
    // 128 volumes, and those that answer need theirs. They end when there is nothing to do.
    builder
        .max_blocking_threads(320)
        .thread_keep_alive(Duration::from_secs(1))
        .enable_all()
        .build()
        .context("cannot start the async runtime")
}

#[cfg(test)]
mod tests;
