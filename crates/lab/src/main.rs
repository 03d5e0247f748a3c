//! `ebs-lab`: what one machine needs to try the driver out without AWS.
//!
//! Answers for: the command line. Doesn't answer for: what the commands do; each has a module.

mod bench;
mod demo;
mod emulate;

use std::process::ExitCode;

use clap::Parser;

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
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Demo(args) => demo::run(args).await,
        Command::Emulate(args) => emulate::run(*args).await,
        Command::Bench(args) => bench::run(args).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ebs-lab: {}", lab::failure::words(&error));
            ExitCode::FAILURE
        }
    }
}
