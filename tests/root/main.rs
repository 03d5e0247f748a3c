//! Real file systems on real block devices: loop devices that an emulated EC2 attaches, formatted, mounted and used through
//! the driver's processes. What needs no device is tested in `tests/it`.
//!
//! Needs root; without it each test says so and passes. Whatever a test makes lies in a directory of its own, and a guard
//! takes it down, however the test ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod access;
mod clones;
mod confinement;
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
mod crashes;
mod devices;
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
mod faults;
mod formatting;
mod group_snapshots;
mod growing;
mod hardware;
mod interruption;
mod metrics;
mod persistence;
mod programs;
mod publishing;
mod staging;
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
mod trace;
mod unplug;
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
mod walk;
mod world;
