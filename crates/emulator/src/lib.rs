//! A local EC2 and EBS: one pure state machine behind EC2's Query protocol, with an IMDS for each instance.
//!
//! Answers for: behaving towards an unmodified AWS SDK and the `aws` command line as EC2 does where EBS is concerned.
//! Doesn't answer for: identity (any signature is accepted), networking, images, billing.
//!
//! From the inside out: `model` (what there is and what can be asked), `state` (how it changes; no I/O, no clock), `journal`
//! (so that it survives), `backing` (files and loop devices), `faults` (what goes wrong on purpose), `engine` (joins these
//! and the clock), `wire` and `server` (EC2's protocol), `control` (what tests turn), `page` (what people
//! look at), `imds`; `start` serves all this over
//! sockets, `in_process` without.

mod backing;
mod config;
mod control;
mod engine;
mod faults;
mod iam;
mod imds;
mod in_process;
mod journal;
mod model;
mod page;
mod server;
mod start;
mod state;
mod wire;

use std::path::PathBuf;

use ebs_types::{InstanceId, InstanceType, Outpost, Zone};
use serde::Serialize;

pub use config::{
    BackingKind, BucketProfile, Config, Delays, FaultRate, InvalidFaultRate, InvalidOutpostConfig,
    OutpostConfig,
};
pub use in_process::{InProcess, PresetError, PresetVolume, VolumeView};
pub use journal::JournalError;
pub use start::{Emulator, Running, StartError};

/// A running instance, as the node plugin's side of the world sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstanceView {
    /// Its id.
    pub id: InstanceId,
    /// Its zone.
    pub zone: Zone,
    /// The Outpost that it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outpost: Option<Outpost>,
    /// Its type.
    pub instance_type: InstanceType,
    /// Its `/dev`; empty with a backing of none.
    pub dev_dir: PathBuf,
    /// Its `/sys`; empty with a backing of none.
    pub sys_dir: PathBuf,
    /// Where its metadata service listens.
    pub imds_url: String,
}
