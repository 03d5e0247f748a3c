//! What there is in the emulated cloud, what can be asked of it, and what it answers: data alone.
//!
//! Doesn't answer for: how anything changes (`state`), or how it is written on the wire (`wire`).

mod blocks;
mod command;
mod effect;
mod error;
mod instance;
mod query;
mod reply;
mod snapshot;
mod timestamp;
mod volume;

pub(crate) use blocks::{BLOCK_BYTES, Block, BlockPlace, BlockQuery, BlockRange, Blocks};
pub(crate) use command::{
    AttachVolume, Command, CopyVolumes, CreateFailure, CreateSnapshot, CreateSnapshots, CreateTags,
    CreateVolume, DeleteTags, DetachVolume, EnableFastRestores, LockSnapshot, ModifyVolume,
    RunInstances, Script, Tagged,
};
pub(crate) use effect::{Effect, Report};
pub(crate) use error::ApiError;
pub(crate) use instance::{
    AvailabilityZone, Instance, OutpostRack, ROOT_DEVICE, SecurityGroup, ZoneState,
    private_dns_name, region_of,
};
pub(crate) use query::{Filter, Page, Paging, Query, Selection};
pub(crate) use reply::{
    FastRestoresAsked, InstanceChange, InstanceDetails, InstanceTypeInfo, Reply, TagDescription,
};
pub(crate) use snapshot::{FastRestore, Lock, LockMode, LockTerm, LockedSnapshot, Snapshot};
pub(crate) use timestamp::Timestamp;
pub(crate) use volume::{
    Attachment, Health, Initialization, Lifecycle, Modification, Phase, Progress, Shape, Store,
    Volume, VolumeStatus,
};
