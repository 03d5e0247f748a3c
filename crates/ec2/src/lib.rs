//! EC2 in domain types: the one door to the cloud.
//!
//! Answers for: which calls the driver makes ([`Ec2`], [`Blocks`]), what can go wrong and whether the call may have taken effect
//! ([`Ec2Error`]), the SDK behind it ([`SdkEc2`]), at what pace calls leave, and how they are shared and awaited ([`Cloud`]).
//! Doesn't answer for: what CSI makes of an answer (the driver's `controller`).

mod api;
mod blocks;
mod classify;
mod cloud;
mod error;
#[cfg(feature = "sdk")]
mod pace;
mod requests;
mod resources;
#[cfg(feature = "sdk")]
mod sdk;

pub use api::Ec2;
pub use blocks::{BLOCK_BYTES, BlockPlace, BlockQuery, Blocks};
pub use cloud::{Begun, Change, Cloud, CloudMetrics, CloudSettings};
pub use error::{Action, Ec2Error, ErrorKind, Outcome};
#[cfg(feature = "sdk")]
pub use pace::Caller;
pub use requests::{
    AttachVolume, CopyVolume, CreateSnapshot, CreateSnapshots, CreateVolume, Encryption,
    ModifyVolume, Page, SnapshotQuery, VolumeQuery, VolumeSort, VolumeStatusQuery,
};
pub use resources::{
    Attachment, AvailabilityZone, BlockDevice, FastRestore, Initialization, Instance,
    LockedSnapshot, Modification, Snapshot, Volume, VolumeStatus, VolumeTrouble,
};
#[cfg(feature = "sdk")]
pub use sdk::{ConnectError, InvalidProxy, Proxy, SdkEc2, SdkSettings};
