//! The node plugin on real NVMe devices: a virtual machine, its kernel, and disks that fail on purpose.
//!
//! Answers for: what the tests below `scenarios/` are made of. `make test-nvme` runs them.
//! Doesn't answer for: the programs and files of the machine, which `guest/` makes of Debian's packages.

#![allow(
    clippy::indexing_slicing,
    reason = "a harness of tests: what is out of range is a failure of the test that asks for it"
)]

mod debugger;
pub mod disk;
pub mod lab;
pub mod machine;
mod memory;
pub mod node;
pub mod plugin;
mod qmp;
pub mod random;
pub mod shell;
mod slot;
pub mod volume;
