//! `ebs-lab`: what one machine needs to try the driver out without AWS.
//!
//! Answers for: the command line. Doesn't answer for: what the commands do; each has a module.

mod bench;
mod demo;
mod duration;
mod emulate;
mod load;
mod measures;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::{Builder, Runtime};

/// Tries the EBS CSI driver out on this machine, without AWS.
#[derive(Debug, Parser)]
#[command(name = "ebs-lab", version, arg_required_else_help = true)]
enum Command {
    /// Play the whole life of a volume through the driver, on an emulated EC2, and clean up behind it
    Demo(demo::Args),
    /// Serve an emulated EC2 with EBS volumes that are real block devices, until SIGINT or SIGTERM
    Emulate(Box<emulate::Args>),
    /// Measure a driver built for release: size, start, memory, staging; beside the Go driver's figures
    Bench(bench::Args),
    /// Drive a controller with many volumes: time, calls of EC2, latency, processor time and memory of each phase
    Load(Box<load::Args>),
}

fn main() -> ExitCode {
    match run(Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ebs-lab: {}", lab::failure::words(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(args) => on_all_cores()?.block_on(demo::run(args)),
        Command::Emulate(args) => on_all_cores()?.block_on(emulate::run(*args)),
        // What is measured is the driver, not how long a caller's threads take to wake each other.
        Command::Bench(args) => on_one_thread()?.block_on(bench::run(args)),
        Command::Load(args) => on_all_cores()?.block_on(load::run(*args)),
    }
}

fn on_all_cores() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build()
}

fn on_one_thread() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
