//! The driver and the emulated EC2 over the wire: `ebs-csi` as a process on a Unix socket, everything else in the test.
//! No root is needed: volumes have no bytes here. What takes devices and mounts is tested in `tests/root`.
//!
//! What is asserted is what a caller sees and what EC2 has in the end: never what the driver thinks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod attach;
mod bursts;
mod calls;
mod clones;
mod concurrency;
mod confinement;
mod consistency;
mod errors;
mod faults;
mod finality;
mod group_snapshots;
mod handles;
mod histories;
mod iam;
mod idempotence;
mod initialization;
mod kubernetes;
mod lifecycle;
mod listing;
mod metrics;
mod modify;
mod moto;
mod move_zone;
mod node;
mod options;
mod outage;
mod outposts;
mod pace;
mod parameters;
mod params;
mod placement;
mod proxy;
mod restart;
mod sharing;
mod snapshot_class;
mod snapshot_metadata;
mod tags;
mod volume_health;
mod world;
