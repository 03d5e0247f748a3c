//! `ebs-csi`: the CSI driver for Amazon EBS.
//!
//! Answers for: the process' exit code. What it does in between is [`cli`]'s, which reads the arguments, builds a
//! [`config::Config`], wires the parts and serves them until a signal.

mod capability;
mod cause;
mod cli;
mod cluster;
mod config;
mod controller;
mod identity;
mod inflight;
mod kubernetes;
mod metadata;
mod move_zone;
mod node;
mod pre_stop;
mod server;
mod snapshot_metadata;
mod statistics;
mod status;
mod telemetry;

#[cfg(test)]
mod architecture;

use std::process::ExitCode;

// Tests have one that counts.
#[cfg(not(test))]
#[global_allocator]
static HEAP: host::Heap = host::Heap;

fn main() -> ExitCode {
    cli::main()
}
