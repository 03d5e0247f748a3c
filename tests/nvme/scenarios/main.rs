//! Volumes on a machine of their own: what a node goes through, and what must be true afterwards.
//!
//! Takes the files that `scripts/nvme.sh` makes. Every test prints its seed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod cuts;
mod cycles;
mod errors;
mod growth;
mod identity;
mod lab;
mod ledger;
mod many;
mod world;
