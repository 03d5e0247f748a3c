//! What a scenario on a Kubernetes cluster is made of: a user's commands, and looks at all that they should have changed.
//!
//! Answers for: finding the cluster, a namespace of its own for each scenario and its end, `kubectl`, objects, EC2, the nodes'
//! mounts and devices, waiting for conditions, and the report of a scenario that fails.
//! Doesn't answer for: starting the cluster (`cluster/up.sh`), or what scenarios assert (`scenarios/`).
//!
//! Scenarios read top to bottom like a tutorial. Whatever cannot be, ends them by a panic with the reason.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod api;
mod cluster;
mod kubectl;
mod left;
mod node;
mod object;
mod report;
mod scenario;
mod shared;
mod storage;
mod workload;

pub use api::Kind;
pub use cluster::Cluster;
pub use lab::cloud::{Cloud, Count, NewVolume, SeenSnapshot, SeenVolume};
pub use lab::machine::Mount;
pub use left::Left;
pub use node::{DriverProcess, Node};
pub use object::Object;
pub use scenario::{LONG, PATIENCE, Scenario};
pub use shared::Cordon;
pub use storage::Volume;
pub use workload::Pod;
