//! Why an RPC of the Node service did not succeed. Its code is decided in `status`.

use std::io;
use std::num::NonZeroU8;
use std::path::PathBuf;

use ebs_types::{Bytes, InvalidFormatOption, InvalidHandle, OutOfRange, VolumeHandle};
use host::{
    CheckError, FindError, FormatError, GrowError, InspectError, InvalidMountOption, MountError,
    StatsError,
};

use super::path::CleanPath;
use super::target::TargetError;
use crate::inflight;
use crate::metadata::MetadataError;
use crate::status::InvalidRequest;

/// Why an RPC of the Node service did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NodeError {
    /// The request is wrong in itself.
    #[error(transparent)]
    Invalid(#[from] InvalidRequest),
    /// One of the mount options is.
    #[error("volume_capability.mount.mount_flags: {0}")]
    MountOption(#[from] InvalidMountOption),
    /// One of the format options is.
    #[error("volume_context: {0}")]
    FormatOption(#[from] InvalidFormatOption),
    /// The capacity range is.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// No volume can have this id.
    #[error("there is no such volume: {0}")]
    NoSuchVolume(#[from] InvalidHandle),
    /// No volume can be at such a path.
    #[error(
        "no volume is at {path:?}: volumes are staged and published at absolute paths without . and .."
    )]
    NoPlace {
        /// The path.
        path: String,
    },
    /// Another RPC is at work on the same volume or target.
    #[error(transparent)]
    InFlight(#[from] inflight::Busy),
    /// A writer is at work on the volume, perhaps for an RPC whose caller has gone.
    #[error(transparent)]
    Writing(#[from] host::Busy),
    /// The volume's device could not be found.
    #[error(transparent)]
    Find(#[from] FindError),
    /// It could not be seen what is on the device.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The device holds something else than the file system that is wanted.
    #[error(
        "volume {volume} holds {found}, not {wanted}: it is neither formatted nor mounted, so that nothing is lost; \
         ask for what it holds, or empty it yourself (blkdiscard -z) if that may go"
    )]
    ForeignContents {
        /// The volume.
        volume: VolumeHandle,
        /// What is on it.
        found: String,
        /// The file system asked for.
        wanted: &'static str,
    },
    /// The device holds nothing that is known, and should hold what its snapshot or origin held.
    #[error(
        "volume {volume} was made from {origin}, and no known file system is on it: it is not formatted, because \
         what that held may be there; use it as a raw block device, or make an empty volume"
    )]
    BlankCopy {
        /// The volume.
        volume: VolumeHandle,
        /// Where its contents come from.
        origin: String,
    },
    /// The device holds nothing, and whoever asks for it may not write.
    #[error(
        "volume {volume} is empty and was asked for read-only: it is not formatted; have it mounted writable once, or make it from a snapshot"
    )]
    BlankReadOnly {
        /// The volume.
        volume: VolumeHandle,
    },
    /// mkfs did not succeed.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// fsck did not succeed.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The file system did not grow.
    #[error(transparent)]
    Grow(#[from] GrowError),
    /// A mount or unmount did not succeed.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// Measuring did not succeed.
    #[error(transparent)]
    Stats(#[from] StatsError),
    /// The directory or file to mount on could not be made or removed.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Something else is mounted where the volume is to be staged.
    #[error(
        "{path} carries {found}, not volume {volume}, {mode}: it is not mounted over; unmount that first"
    )]
    Occupied {
        /// The path.
        path: CleanPath,
        /// What is there.
        found: String,
        /// The volume to be there.
        volume: VolumeHandle,
        /// How it is to be there.
        mode: &'static str,
    },
    /// What is mounted where the volume is to be has lost its device and can't be unmounted.
    #[error(
        "{path} carries {found}, whose device has gone from this node, and a process still uses it: the device of volume {volume} \
         that has come back takes its place once that process has ended"
    )]
    LostInUse {
        /// The path.
        path: CleanPath,
        /// What is there.
        found: String,
        /// The volume to be there.
        volume: VolumeHandle,
    },
    /// NodePublishVolume before NodeStageVolume.
    #[error(
        "volume {volume} is not staged at {staging} (there is {found}): call NodeStageVolume first"
    )]
    NotStaged {
        /// The volume.
        volume: VolumeHandle,
        /// Where it should be staged.
        staging: CleanPath,
        /// What is there.
        found: String,
    },
    /// The volume is not where the request says it is.
    #[error("volume {volume} is not mounted at {path} ({found})")]
    NotMounted {
        /// The volume.
        volume: VolumeHandle,
        /// Where it should be mounted.
        path: CleanPath,
        /// What is there.
        found: String,
    },
    /// A volume for one workload has one already.
    #[error(
        "volume {volume} is for a single workload (SINGLE_NODE_SINGLE_WRITER) and is already published at {}: \
         unpublish it there first", .published.display()
    )]
    SingleWriter {
        /// The volume.
        volume: VolumeHandle,
        /// Where it is published.
        published: PathBuf,
    },
    /// The device is smaller than it has to be.
    #[error(
        "the device of volume {volume} has {size}, {required} are required: expand the volume in EC2 first \
         (ControllerExpandVolume); where that is done, the device will follow soon: try again"
    )]
    DeviceTooSmall {
        /// The volume.
        volume: VolumeHandle,
        /// The device's size.
        size: Bytes,
        /// What the request wants.
        required: Bytes,
    },
    /// The volume is used by way of a partition, which does not follow it.
    #[error(
        "partition {partition} of volume {volume} has {size}, {required} are required: a partition does not grow with its \
         volume; grow it yourself (growpart, or parted's resizepart), then the file system follows"
    )]
    PartitionTooSmall {
        /// The volume.
        volume: VolumeHandle,
        /// The partition's number.
        partition: NonZeroU8,
        /// The partition's size.
        size: Bytes,
        /// What the request wants.
        required: Bytes,
    },
    /// The device's size could not be read.
    #[error("cannot read the size of {}: {source}", .path.display())]
    Size {
        /// The device.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// This node's identity is not known.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// A thread that did blocking work died.
    #[error("the work was given up inside the driver: {0}")]
    Lost(#[from] host::Panicked),
}
