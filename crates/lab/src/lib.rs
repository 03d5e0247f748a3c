//! Kubernetes' part, without Kubernetes: what calls a CSI driver, and what checks that it did as it says.
//!
//! Answers for: starting whole programs, the requests that sidecars and kubelet make, and looking at EC2, the kernel and
//! files from outside. The demo and the tests across processes are made of it.
//! Doesn't answer for: anything that the driver or the emulator does; neither depends on this.

pub mod announcement;
pub mod cloud;
pub mod failure;
pub mod kubelet;
pub mod leftovers;
pub mod machine;
pub mod metrics;
pub mod orchestrator;
pub mod process;
pub mod program;
pub mod proof;
pub mod socket;
pub mod world;
