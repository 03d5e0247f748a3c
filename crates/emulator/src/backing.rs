//! What stands behind a volume: nothing, or a sparse file that becomes a loop device while it is attached.
//!
//! Answers for: bytes and devices. Doesn't answer for: which change is allowed when; the state machine decides that first.
//!
//! Every method blocks (it copies files and waits for the kernel), so it belongs on a blocking thread, and every method may
//! be repeated: it makes the world so, and says nothing where it is so already. A call cut short leaves nothing that its
//! repetition, or [`Backing::reconcile`] after a restart, doesn't put right.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

use ebs_types::{Gibibytes, InstanceId, SnapshotId, VolumeId};

use crate::model::{Block, BlockRange};

mod blocks;
mod images;
mod layout;
mod loops;

pub(crate) use images::holds_images;
pub(crate) use loops::LoopBacking;

/// The bytes and devices behind the emulated volumes.
pub(crate) trait Backing: Debug + Send + Sync + 'static {
    /// Makes a volume of this size: zeros, or what the snapshot holds followed by zeros.
    /// A volume that is there already stays as it is.
    ///
    /// # Errors
    /// [`BackingError::NoSnapshot`] and [`BackingError::Io`].
    fn create_volume(
        &self,
        volume: &VolumeId,
        size: Gibibytes,
        from: Option<&SnapshotId>,
    ) -> Result<(), BackingError>;

    /// Makes a volume of this size: what another one holds at this moment, as [`Backing::snapshots`] has it, followed by zeros.
    /// A volume that is there already stays as it is.
    ///
    /// # Errors
    /// [`BackingError::NoVolume`] and [`BackingError::Io`].
    fn copy_volume(
        &self,
        volume: &VolumeId,
        size: Gibibytes,
        of: &VolumeId,
    ) -> Result<(), BackingError>;

    /// Removes a volume.
    ///
    /// # Errors
    /// [`BackingError::InUse`] where a device of it is still open.
    fn delete_volume(&self, volume: &VolumeId) -> Result<(), BackingError>;

    /// Grows a volume, and its device where it is attached; never shrinks one.
    ///
    /// # Errors
    /// [`BackingError::NoVolume`], [`BackingError::Loop`] and [`BackingError::Io`].
    fn resize_volume(&self, volume: &VolumeId, size: Gibibytes) -> Result<(), BackingError>;

    /// Copies what these volumes hold at this one moment, including all that was synced to their devices. The call lasts as long as
    /// the copying. A snapshot that is there already stays as it is.
    ///
    /// # Errors
    /// [`BackingError::NoVolume`] and [`BackingError::Io`].
    fn snapshots(&self, of: &[(VolumeId, SnapshotId)]) -> Result<(), BackingError>;

    /// Removes a snapshot.
    ///
    /// # Errors
    /// [`BackingError::Io`].
    fn delete_snapshot(&self, snapshot: &SnapshotId) -> Result<(), BackingError>;

    /// The blocks of a snapshot that hold data, or differ from those of its base, in ascending order.
    ///
    /// # Errors
    /// [`BackingError::NoSnapshot`] and [`BackingError::Io`].
    fn blocks(&self, range: &BlockRange) -> Result<Vec<Block>, BackingError>;

    /// Gives an instance its directories, with the NVMe controller of its root volume in them. The root volume is shown
    /// there and nothing more: it needs neither [`Backing::create_volume`] nor [`Backing::attach`].
    ///
    /// # Errors
    /// [`BackingError::Io`].
    fn add_instance(
        &self,
        instance: &InstanceId,
        root: &VolumeId,
    ) -> Result<InstanceDirs, BackingError>;

    /// Takes the instance's devices away, in use or not, and its directories.
    ///
    /// # Errors
    /// [`BackingError::Loop`] and [`BackingError::Io`].
    fn remove_instance(&self, instance: &InstanceId) -> Result<(), BackingError>;

    /// Shows the volume as a device on the instance.
    ///
    /// # Errors
    /// [`BackingError::NoVolume`]; [`BackingError::NoInstance`]; [`BackingError::InUse`] while a device of the volume that
    /// was taken away by force is still open somewhere: two devices over the same bytes would destroy them.
    fn attach(&self, volume: &VolumeId, instance: &InstanceId) -> Result<(), BackingError>;

    /// Takes the volume's device away from the instance. A volume that isn't attached there is [`Detach::Released`].
    ///
    /// # Errors
    /// [`BackingError::Loop`] and [`BackingError::Io`].
    fn detach(
        &self,
        volume: &VolumeId,
        instance: &InstanceId,
        how: DetachMode,
    ) -> Result<Detach, BackingError>;

    /// Makes files and devices agree with the state that the emulator starts from: to be called once, before the first
    /// request is served. Devices that outlived the emulator and are still wanted go on, so a file system mounted on one
    /// notices nothing; images, devices and instances that the state doesn't know are removed.
    ///
    /// # Errors
    /// The first one met; the rest is put right all the same.
    fn reconcile(&self, wanted: &Inventory) -> Result<(), BackingError>;

    /// Lets go of all devices, for the end of the process; images stay. Answers what could not be released because it is
    /// in use: that device goes when its last user does.
    fn release_all(&self) -> Vec<StillUsed>;
}

/// The two directories in which an instance sees its devices, in the kernel's layout; both empty without backing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InstanceDirs {
    /// In place of `/dev`.
    pub(crate) dev: PathBuf,
    /// In place of `/sys`.
    pub(crate) sys: PathBuf,
}

/// Whether use of a device stops its detach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DetachMode {
    /// A mounted device, or one that a program holds for itself, stays.
    IfUnused,
    /// It is taken away (`Force=true`, a terminated instance). The kernel lets go of the bytes when the last user does.
    Forced,
}

/// What a detach came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Detach {
    /// The device is gone from the instance.
    Released,
    /// The device is mounted or held exclusively, and still there.
    Busy,
}

/// All that the emulator's state knows and that a backing stands behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inventory {
    /// Volumes, without the root volumes of instances.
    pub(crate) volumes: Vec<WantedVolume>,
    /// Snapshots.
    pub(crate) snapshots: Vec<WantedSnapshot>,
    /// Instances that are not terminated.
    pub(crate) instances: Vec<WantedInstance>,
    /// Which volume is a device of which instance (states `attached`, `detaching`, `busy`).
    pub(crate) attachments: Vec<(VolumeId, InstanceId)>,
}

/// A volume of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WantedVolume {
    /// Its id.
    pub(crate) id: VolumeId,
    /// The size that its device has.
    pub(crate) size: Gibibytes,
    /// What it was made from.
    pub(crate) from: Option<Origin>,
}

/// Whose bytes a volume began with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A snapshot's.
    Snapshot(SnapshotId),
    /// Another volume's.
    Volume(VolumeId),
}

/// A snapshot of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WantedSnapshot {
    /// Its id.
    pub(crate) id: SnapshotId,
    /// The volume it was taken of.
    pub(crate) volume: VolumeId,
}

/// An instance of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WantedInstance {
    /// Its id.
    pub(crate) id: InstanceId,
    /// Its root volume.
    pub(crate) root: VolumeId,
}

/// A device that is mounted or held when all are to be released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StillUsed {
    /// Its volume.
    pub(crate) volume: VolumeId,
    /// The machine's own name of it, e.g. `loop3`.
    pub(crate) device: String,
}

/// Why bytes or devices are not as they should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackingError {
    /// The volume has no image.
    #[error("volume {0} has no image in the data directory")]
    NoVolume(VolumeId),
    /// The snapshot has no image.
    #[error("snapshot {0} has no image in the data directory")]
    NoSnapshot(SnapshotId),
    /// The instance has no directories.
    #[error("instance {0} has no directory in the data directory")]
    NoInstance(InstanceId),
    /// A device of the volume is open and must not be.
    #[error("volume {volume} is still open as {device}: close or unmount it there first")]
    InUse {
        /// The volume.
        volume: VolumeId,
        /// The machine's own name of the device, e.g. `loop3`.
        device: String,
    },
    /// The data directory cannot hold devices.
    #[error(
        "{path:?} lies on a file system mounted with nodev, where device nodes don't work: choose a data directory elsewhere, e.g. under /var/lib"
    )]
    NoDevices {
        /// The data directory.
        path: PathBuf,
    },
    /// Loop devices cannot be used or failed.
    #[error(transparent)]
    Loop(#[from] host::loop_device::LoopError),
    /// A file or directory of the data directory failed.
    #[error("cannot {action} {path:?}: {source}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl BackingError {
    /// Names what was done to which path when the kernel refused.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

/// Volumes without bytes, for tests that need states only; no root needed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NoBacking;

impl Backing for NoBacking {
    fn create_volume(
        &self,
        _: &VolumeId,
        _: Gibibytes,
        _: Option<&SnapshotId>,
    ) -> Result<(), BackingError> {
        Ok(())
    }

    fn copy_volume(&self, _: &VolumeId, _: Gibibytes, _: &VolumeId) -> Result<(), BackingError> {
        Ok(())
    }

    fn delete_volume(&self, _: &VolumeId) -> Result<(), BackingError> {
        Ok(())
    }

    fn resize_volume(&self, _: &VolumeId, _: Gibibytes) -> Result<(), BackingError> {
        Ok(())
    }

    fn snapshots(&self, _: &[(VolumeId, SnapshotId)]) -> Result<(), BackingError> {
        Ok(())
    }

    fn delete_snapshot(&self, _: &SnapshotId) -> Result<(), BackingError> {
        Ok(())
    }

    fn blocks(&self, _: &BlockRange) -> Result<Vec<Block>, BackingError> {
        Ok(Vec::new())
    }

    fn add_instance(&self, _: &InstanceId, _: &VolumeId) -> Result<InstanceDirs, BackingError> {
        Ok(InstanceDirs::default())
    }

    fn remove_instance(&self, _: &InstanceId) -> Result<(), BackingError> {
        Ok(())
    }

    fn attach(&self, _: &VolumeId, _: &InstanceId) -> Result<(), BackingError> {
        Ok(())
    }

    fn detach(&self, _: &VolumeId, _: &InstanceId, _: DetachMode) -> Result<Detach, BackingError> {
        Ok(Detach::Released)
    }

    fn reconcile(&self, _: &Inventory) -> Result<(), BackingError> {
        Ok(())
    }

    fn release_all(&self) -> Vec<StillUsed> {
        Vec::new()
    }
}
