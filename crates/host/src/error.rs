//! Why this node could not do something: one enum for each kind of work, so that a caller can answer each case by itself.
//!
//! Answers for: messages that say what was met and what to do. Doesn't answer for: gRPC codes.

use std::io;
use std::path::PathBuf;

use ebs_types::{Bytes, VolumeHandle};

use crate::{Busy, DeviceNumber, PlaceError, ProgramError};

/// Why a volume's device was not found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// A writer is at work on the volume.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// It did not turn up in time.
    #[error(
        "no device of volume {volume} after {waited_ms} ms: looked for {wanted}; there was: {seen}"
    )]
    Missing {
        /// The volume.
        volume: VolumeHandle,
        /// How long it was waited for, in milliseconds.
        waited_ms: u128,
        /// What would have been accepted.
        wanted: String,
        /// What was there instead.
        seen: String,
    },
    /// More than one device says that it is the volume.
    #[error("more than one device says that it is volume {volume}: {seen}; refusing to choose")]
    Ambiguous {
        /// The volume.
        volume: VolumeHandle,
        /// The devices.
        seen: String,
    },
    /// None says that it is the volume, and one that might be does not say what it is.
    #[error(
        "no device says that it is volume {volume}, and the serial number of what may be it can't be read: {seen}; refusing to guess"
    )]
    Unproven {
        /// The volume.
        volume: VolumeHandle,
        /// Disks and controllers of the right model without a serial number.
        seen: String,
    },
    /// The device node and sysfs contradict each other.
    #[error("{path:?} is not the device of volume {volume}: {why}; refusing to use it")]
    Mismatch {
        /// The volume.
        volume: VolumeHandle,
        /// The node.
        path: PathBuf,
        /// The contradiction.
        why: String,
    },
    /// Something that is there could not be read or opened.
    #[error("cannot {action} {path:?} while looking for volume {volume}: {source}")]
    Io {
        /// The volume.
        volume: VolumeHandle,
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// Why it could not be said what is on a device.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// A writer is at work on the volume.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The device could not be read: nothing may be concluded, least of all that it is blank.
    #[error(
        "cannot read {path:?} at byte {offset}: {source}; a device that cannot be read is never taken as blank"
    )]
    Unreadable {
        /// The device.
        path: PathBuf,
        /// Where reading failed, in bytes.
        offset: u64,
        /// The kernel's answer.
        source: io::Error,
    },
    /// What is there is nothing that can be mounted, and another process is at work on it.
    #[error(
        "{path:?} shows {found}, and another process holds it, perhaps a mkfs begun before this driver was started again: \
         try again when that has ended"
    )]
    Held {
        /// The device.
        path: PathBuf,
        /// What is there so far.
        found: String,
    },
    /// blkid is missing or failed.
    #[error("cannot tell what is on {path:?}: {source}")]
    Program {
        /// The device.
        path: PathBuf,
        /// What happened to it.
        source: ProgramError,
    },
}

/// Why a device was not formatted.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Another writer is at work on the volume.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// Something on this machine holds the device: a mount, a RAID, another mkfs.
    #[error(
        "{path:?} is in use on this machine (mounted, part of a RAID or LVM, or being formatted): it was not formatted"
    )]
    InUse {
        /// The device.
        path: PathBuf,
    },
    /// It was blank when inspected, but no longer.
    #[error("{path:?} is no longer blank, it holds {found}: it was not formatted")]
    NotBlank {
        /// The device.
        path: PathBuf,
        /// What was found.
        found: String,
    },
    /// There is no room for a file system and the record of its making.
    #[error("{path:?} has {size}, too little for a file system")]
    TooSmall {
        /// The device.
        path: PathBuf,
        /// Its size.
        size: Bytes,
    },
    /// mkfs ended well, and what it was told to make is not there.
    #[error(
        "mkfs ended without an error, and {path:?} holds {found} instead of what it was to make"
    )]
    NotMade {
        /// The device.
        path: PathBuf,
        /// What is there.
        found: String,
    },
    /// This node's kernel could not mount the file system.
    #[error(
        "an {fs} file system on {path:?}, as {made_by} makes it, has what this node's kernel {kernel} cannot mount ({lacking}): \
         use a node with a newer kernel, an older mkfs, or other format options"
    )]
    Unmountable {
        /// The device.
        path: PathBuf,
        /// The file system.
        fs: &'static str,
        /// The features.
        lacking: String,
        /// The program and its version.
        made_by: String,
        /// The kernel's release.
        kernel: String,
    },
    /// The descriptor no longer is what it was found to be.
    #[error(transparent)]
    Identity(#[from] FindError),
    /// The second look failed.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The kernel refused to open or write the device.
    #[error("cannot open or write {path:?} to format it: {source}")]
    Open {
        /// The device.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// mkfs is missing or failed.
    #[error("{path:?} could not be formatted: {source}")]
    Program {
        /// The device.
        path: PathBuf,
        /// What happened to it.
        source: ProgramError,
    },
}

/// Why a file system did not pass its check.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Another writer is at work on the volume.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// fsck found damage that it does not repair without a person's decision (exit code 4).
    #[error(
        "the file system on {path:?} is damaged beyond automatic repair, run fsck by hand on a copy: {said}"
    )]
    Damaged {
        /// The device.
        path: PathBuf,
        /// fsck's words.
        said: String,
    },
    /// fsck needed more memory than it may take.
    #[error(
        "the file system on {path:?} could not be checked within {bound} of memory, and was not mounted: allow more with \
         --fsck-memory-limit, or run e2fsck -f on a machine with more memory; fsck said: {said}"
    )]
    OutOfMemory {
        /// The device.
        path: PathBuf,
        /// What fsck may take.
        bound: Bytes,
        /// fsck's words.
        said: String,
    },
    /// A program that an earlier process started is still writing to the device.
    #[error(
        "another program is still at work on {path:?}: it is never interrupted; try again when it has ended"
    )]
    InUse {
        /// The device.
        path: PathBuf,
    },
    /// It could not be made sure that nobody else writes to the device.
    #[error("cannot lock {path:?}: {source}")]
    Lock {
        /// The device.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// fsck is missing or failed.
    #[error("the file system on {path:?} could not be checked: {source}")]
    Program {
        /// The device.
        path: PathBuf,
        /// What happened to it.
        source: ProgramError,
    },
}

/// Why a file system did not grow.
#[derive(Debug, thiserror::Error)]
pub enum GrowError {
    /// Another writer is at work on the volume.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// Only a process with this capability may grow a mounted file system of this type.
    #[error(
        "growing the file system mounted at {path:?} needs {capability}, which this process lacks: grant it, or stage the volume again, which grows the file system before it is mounted"
    )]
    NeedsCapability {
        /// The mount point.
        path: PathBuf,
        /// E.g. `CAP_SYS_RESOURCE`.
        capability: &'static str,
    },
    /// It is mounted for readers.
    #[error(
        "the file system mounted at {path:?} is read-only and stays as large as it is: it is grown when the volume is staged to be written"
    )]
    ReadOnly {
        /// The mount point.
        path: PathBuf,
    },
    /// The device is not what is mounted there.
    #[error("{path:?} does not have device {device} mounted: nothing was grown")]
    WrongMount {
        /// The mount point.
        path: PathBuf,
        /// The volume's device.
        device: DeviceNumber,
    },
    /// The device holds no file system of the type that was to be grown.
    #[error("{path:?} holds {found}, not the {wanted} that was to be grown")]
    OtherContents {
        /// The device.
        path: PathBuf,
        /// What was found.
        found: String,
        /// The file system that was expected.
        wanted: &'static str,
    },
    /// The device could not be read.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The check that must come before failed.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The mount table could not be read.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// The kernel refused.
    #[error("cannot grow the file system mounted at {path:?}: {source}")]
    Kernel {
        /// The mount point.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// resize2fs is missing or failed.
    #[error("the file system on {path:?} could not be grown: {source}")]
    Program {
        /// The device.
        path: PathBuf,
        /// What happened to it.
        source: ProgramError,
    },
}

/// Why something was not mounted or unmounted.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// Another writer is at work on the volume.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The target carries something else.
    #[error("{path:?} already carries {found}, not {wanted}: unmount that first")]
    Occupied {
        /// The target.
        path: PathBuf,
        /// What is mounted there.
        found: String,
        /// What was to be mounted.
        wanted: String,
    },
    /// What should be mounted at a place is not.
    #[error("{path:?} does not have device {wanted} mounted, there is {found}")]
    NotMounted {
        /// Where.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What should be.
        wanted: DeviceNumber,
    },
    /// The place could not be reached, looked at or made.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A copy of the file system is mounted from another device, and the kernel can't tell the two apart.
    #[error(
        "the file system on {path:?} is a copy of one that is mounted on this machine (device {found}), and this kernel cannot mount \
         both, because their UUIDs are equal: nothing was mounted; use the two on different nodes, a kernel of at least Linux 6.7, \
         or another file system type"
    )]
    Copy {
        /// The device.
        path: PathBuf,
        /// The device that the kernel takes for it, if that is known.
        found: String,
    },
    /// The device's path leads to another device by now.
    #[error(
        "{path:?} leads to device {found}, not to {wanted} that was found for the volume: nothing was mounted"
    )]
    WrongDevice {
        /// The path.
        path: PathBuf,
        /// What it leads to.
        found: String,
        /// The volume's device.
        wanted: DeviceNumber,
    },
    /// The kernel refused.
    #[error("cannot {action} {path:?}: {source}{hint}")]
    Kernel {
        /// What was tried, as a verb.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
        /// What the kernel's answer leaves open, starting with `: `; may be empty.
        hint: String,
    },
}

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum StatsError {
    /// Nothing is at the path.
    #[error("nothing is at {path:?}")]
    NotFound {
        /// The path.
        path: PathBuf,
    },
    /// Something is, but nothing is mounted there.
    #[error("nothing is mounted at {path:?}")]
    NotMounted {
        /// The path.
        path: PathBuf,
    },
    /// What is mounted there has lost its device.
    #[error(
        "the device of what is mounted at {path:?} has gone from this machine: what is there cannot be read or written; stop \
         the pods that use it, so that it is unmounted, and attach the volume again"
    )]
    Gone {
        /// The path.
        path: PathBuf,
    },
    /// The file system refuses everything, though its device is there.
    #[error(
        "the file system at {path:?} has shut itself down after an error, which the kernel's log (dmesg) tells: stop the pods that \
         use it, so that it is unmounted; it is checked when it is mounted again"
    )]
    ShutDown {
        /// The path.
        path: PathBuf,
    },
    /// It could not be seen what is mounted there.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// The kernel refused, e.g. `EIO` once the device has gone.
    #[error("cannot measure {path:?}: {source}")]
    Kernel {
        /// The path.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}
