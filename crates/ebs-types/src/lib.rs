//! The vocabulary of EBS that every other crate speaks: ids, sizes, volume kinds, states, device names, tags.
//!
//! Answers for: what a well-formed value is, and how it is written in EC2's, the kernel's and CSI's spelling.
//! Doesn't answer for: anything that needs I/O, a clock, or another crate's types.

mod access;
mod capacity;
mod client_token;
mod device_name;
mod format;
mod handle;
mod ids;
mod instance_limits;
mod instant;
mod outpost;
mod place;
mod size;
mod snapshot_lock;
mod states;
mod tags;
pub mod topology;
pub mod utc;
mod volume_kind;

pub use access::{
    Access, FsType, MountAccess, READ_ONLY_KEY, SOURCE_SNAPSHOT_KEY, SOURCE_VOLUME_KEY, Source,
    UnknownFsType,
};
pub use capacity::{CapacityRange, OutOfRange};
pub use client_token::ClientToken;
pub use device_name::{DeviceName, InvalidDeviceName};
pub use format::{
    Clusters, Ext4Options, ExtOptions, FormatKey, FormatOptions, FormatParameters, Inodes,
    InvalidFormatOption, XfsOptions,
};
pub use handle::{InvalidHandle, VolumeHandle};
pub use ids::{InstanceId, InvalidId, SnapshotId, VolumeId};
pub use instance_limits::{AttachmentLimit, Hypervisor, InvalidLimit, ListedLimit, listed_limits};
pub use instant::{InvalidInstant, parse_instant};
pub use outpost::{InvalidOutpost, Outpost};
pub use place::{InstanceType, InvalidPlace, Region, Zone};
pub use size::{Bytes, GIB, Gibibytes};
pub use snapshot_lock::{LockMode, LockTerm, SnapshotLock};
pub use states::{
    AttachmentState, FastRestoreState, InstanceState, LockState, ModificationState, SnapshotState,
    UnknownState, VolumeState,
};
pub use tags::{InvalidTag, MAX_TAGS, Tags, keys};
pub use volume_kind::{InvalidKind, Performance, UnknownVolumeType, VolumeKind, VolumeType};
