//! What users do, on a cluster with the driver in it: the manifests of `examples/`, unchanged, and what must be seen afterwards
//! in EC2, in the nodes' mounts and in the applications' data.
//!
//! Takes the cluster that `$EBS_CSI_CLUSTER` names; `make e2e` starts one. Each scenario has a namespace of its own and takes
//! everything away that came of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod access_modes;
mod attributes;
mod chart;
mod class_mistakes;
mod clone;
mod conditions;
mod crowd;
mod default_class;
mod empty_zone;
mod ephemeral;
mod expand;
mod grafana_sts;
mod in_tree_pv;
mod jenkins;
mod mongo_sts;
mod mysql_static;
mod mysql_sts;
mod nginx_sts;
mod one_pod;
mod raw_block;
mod redis_move;
mod snapshot_restore;
mod timing;
mod trouble;
mod ubuntu_opt;
mod upgrade;
mod workload;
