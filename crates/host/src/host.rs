//! The door to this node's kernel: what the node service may ask of it. [`LinuxHost`](crate::LinuxHost) is the real one.
//!
//! Answers for: the contract. Doesn't answer for: how it is kept.
//!
//! Three rules hold for all methods:
//! - Each may be repeated, and its future may be dropped at any moment.
//! - What writes to a device (format, check, grow, mount) goes on as a job of its volume when its future is dropped: a writer is
//!   never killed. Until it has ended, everything else asked of that volume answers [`Busy`], which a
//!   caller reports as "try again" (ABORTED).
//! - A [`Device`] holds its device open, so that the kernel can't give its number to another device meanwhile.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use ebs_types::{FormatOptions, FsType, VolumeHandle};

use crate::{
    BlankDevice, Busy, CheckError, Contents, Device, FindError, FormatError, GrowError, Grown,
    InspectError, Mount, MountError, MountOptions, Standing, Stats, StatsError, Trouble, Wanted,
};

/// This node's kernel.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// Whether a writer (format, check, grow, mount) is at work on the volume, perhaps for a caller that has gone. To be
    /// asked before undoing something by path (unmount), which knows no volume.
    ///
    /// # Errors
    /// [`Busy`] while one is.
    fn idle(&self, volume: &VolumeHandle) -> Result<(), Busy>;

    /// Finds the volume's device by identity: model and serial number of the NVMe controller in sysfs, the device number there
    /// equal to that of the opened node, and both read again after opening. A partition is found through sysfs below that
    /// disk. Names and links count only on a machine whose sysfs shows no NVMe controller at all. A node-local volume is the EBS
    /// disk whose controller tells the wanted device name. Waits up to `wait` for a device that is not there yet; zero looks once.
    ///
    /// # Errors
    /// At once: [`FindError::Busy`], and [`FindError::Ambiguous`] with two devices of one serial number. When `wait` is over:
    /// [`FindError::Missing`] with what was looked for and what was there, [`FindError::Unproven`] where that might be the volume
    /// but does not tell, [`FindError::Mismatch`] where node and sysfs contradict each other, [`FindError::Io`] where something
    /// that is there can't be opened or read; each of them may be a device that is just coming or going.
    async fn find(&self, wanted: &Wanted, wait: Duration) -> Result<Device, FindError>;

    /// Whether the device behind a mount of this driver has gone from this machine: pulled out, or detached by force. The mount
    /// stays in the mount table then, and nothing can be read or written through it.
    ///
    /// # Errors
    /// [`MountError::Kernel`] where sysfs can't be read.
    async fn lost(&self, mount: &Mount) -> Result<bool, MountError>;

    /// Says what is on the device. [`Contents::Blank`] only where everything was read successfully and nothing was found.
    ///
    /// # Errors
    /// [`InspectError::Unreadable`] for a device that can't be read: it is never taken as blank.
    async fn inspect(&self, device: &Device) -> Result<Contents, InspectError>;

    /// Makes a file system on a device that was seen to be blank; sees to it again right before. Runs as a job of its volume.
    ///
    /// # Errors
    /// [`FormatError::InUse`] where another process holds the device, [`FormatError::NotBlank`] where it is blank no longer,
    /// [`FormatError::Program`] with what mkfs said.
    async fn format(&self, device: BlankDevice, options: FormatOptions) -> Result<(), FormatError>;

    /// Checks the file system on an unmounted device and repairs what can be repaired without asking (`fsck -p`). Nothing
    /// to do for xfs and btrfs, whose logs the kernel replays when it mounts. Runs as a job of its volume.
    ///
    /// # Errors
    /// [`CheckError::Damaged`] where a person has to decide.
    async fn check(&self, device: &Device, fs: FsType) -> Result<(), CheckError>;

    /// Grows an ext file system on an unmounted device to the device's size, which needs no capability, where this process could not
    /// do so once it is mounted. Does nothing for xfs and btrfs, which grow only while mounted, nor where there is nothing to grow.
    /// Runs as a job of its volume.
    ///
    /// # Errors
    /// [`GrowError`].
    async fn grow_before_mount(&self, device: &Device, fs: FsType) -> Result<Grown, GrowError>;

    /// Grows the file system mounted at `mounted_at` to its device's size; does nothing where there is nothing to grow.
    /// Runs as a job of its volume.
    ///
    /// # Errors
    /// [`GrowError::ReadOnly`] where it is mounted for readers; [`GrowError::NeedsCapability`] where the kernel lets only a process with more capabilities do it (ext4 and
    /// `CAP_SYS_RESOURCE`): [`Self::grow_before_mount`] can still do it at the next staging. [`GrowError::WrongMount`] where the
    /// device is not what is mounted there.
    async fn grow_mounted(
        &self,
        device: &Device,
        fs: FsType,
        mounted_at: &Path,
    ) -> Result<Grown, GrowError>;

    /// What is at the directory where the device is to be mounted, in short: whether anything is left to do. Changes nothing.
    ///
    /// # Errors
    /// [`GrowError`] where that can't be told.
    async fn standing(
        &self,
        device: &Device,
        fs: FsType,
        mounted_at: &Path,
    ) -> Result<Standing, GrowError>;

    /// Mounts the device at the directory `target`, which has to exist, having made sure that this device is what is mounted.
    /// `nouuid` is added for xfs; read-only, no journal is replayed. Success as well if exactly this device is mounted there already
    /// in the same mode. Runs as a job of its volume.
    ///
    /// # Errors
    /// [`MountError::Occupied`] where something else is mounted, or the same in another mode; [`MountError::Copy`] where the kernel
    /// takes the device for another one of the same UUID; [`MountError::Kernel`] with the kernel's words.
    async fn mount(
        &self,
        device: &Device,
        target: &Path,
        fs: FsType,
        options: &MountOptions,
    ) -> Result<(), MountError>;

    /// Shows the device's file system, mounted at `source`, also at the directory `target`, which has to exist. The mount's own flags
    /// (nosuid, noexec, …) carry over; `read_only` adds to them. Success as well if it is there already.
    ///
    /// # Errors
    /// [`MountError::NotMounted`] where the device is not what is mounted at `source`; [`MountError::Occupied`] where the target carries
    /// something else, or the same read-only where it is wanted writable. The same writable where it is wanted read-only
    /// is how a call that was cut short leaves it: it is made read-only, which is success.
    async fn bind(
        &self,
        device: &Device,
        source: &Path,
        target: &Path,
        read_only: bool,
    ) -> Result<(), MountError>;

    /// Shows the device itself at the file `target`, which has to exist. Success as well if it is there already. The
    /// kernel lets a device be written through a read-only mount of its node: `read_only` marks the mount, which is
    /// what a container runtime derives the permissions from.
    ///
    /// # Errors
    /// [`MountError::Occupied`] where the target carries something else.
    async fn bind_block(
        &self,
        device: &Device,
        target: &Path,
        read_only: bool,
    ) -> Result<(), MountError>;

    /// Unmounts everything that is mounted at `target`. Success as well if nothing is, or nothing is at the path at all.
    /// The file or directory stays. Never lazy: what is in use stays mounted.
    ///
    /// # Errors
    /// [`MountError::Kernel`], with `EBUSY` while a process uses it.
    async fn unmount(&self, target: &Path) -> Result<(), MountError>;

    /// What is mounted at exactly this path, the topmost if several; `None` if nothing is, or nothing is at the path.
    ///
    /// # Errors
    /// [`MountError::Kernel`] where the mount table or the path can't be read.
    async fn mount_at(&self, path: &Path) -> Result<Option<Mount>, MountError>;

    /// Every place in this mount namespace that shows the device, through its file system or as itself.
    ///
    /// # Errors
    /// [`MountError::Kernel`] where the mount table can't be read.
    async fn mounts_of(&self, device: &Device) -> Result<Vec<Mount>, MountError>;

    /// Measures what is mounted at the path: the file system's use, or the size of a block device.
    ///
    /// # Errors
    /// [`StatsError::NotFound`] where nothing is at the path, [`StatsError::NotMounted`] where nothing is mounted there,
    /// [`StatsError::Gone`] where what is mounted has lost its device.
    async fn stats(&self, path: &Path) -> Result<Stats, StatsError>;

    /// What is wrong with what is mounted at the path; empty if nothing is known to be. Nothing is read from the volume.
    ///
    /// # Errors
    /// Those of [`Self::stats`], except [`StatsError::Gone`], which is an answer here.
    async fn troubles(&self, path: &Path) -> Result<Vec<Trouble>, StatsError>;

    /// EBS controllers that are there and do not work, each with its volume and its state, for a message.
    ///
    /// # Errors
    /// [`StatsError::Kernel`] where sysfs can't be read.
    async fn unsteady_controllers(&self) -> Result<Vec<String>, StatsError>;
}
