//! A block device that was found for a volume, held open.
//!
//! Answers for: reading it, its size and its number. Doesn't answer for: whether it is the right one (`find`), and what is on it.
//!
//! The open descriptor ties everything to one device: while it is held, the kernel gives the device's number to no other
//! device, so that a number compared later still means the same disk, whatever names under the device directory do.

pub(crate) mod ioctl;
pub(crate) mod nvme;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroU8;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ebs_types::{Bytes, VolumeHandle};
use nix::libc::dev_t;
use nix::sys::stat::{major, makedev, minor};

use crate::record::Record;

/// The number of a block device: `major:minor`, as sysfs and the mount table write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceNumber {
    major: u64,
    minor: u64,
}

impl DeviceNumber {
    /// The number in the form of `st_dev` and `st_rdev`.
    #[must_use]
    pub fn from_dev_t(dev: dev_t) -> Self {
        Self {
            major: major(dev),
            minor: minor(dev),
        }
    }

    /// The number of these two parts.
    pub(crate) fn new(major: u32, minor: u32) -> Self {
        Self {
            major: major.into(),
            minor: minor.into(),
        }
    }

    /// The number of the block device at the path; `None` where something else or nothing is there.
    pub(crate) fn of_node(path: &Path) -> Option<Self> {
        Self::at(path).ok().flatten()
    }

    /// The number of the block device at the path; `None` where something else is there.
    pub(crate) fn at(path: &Path) -> io::Result<Option<Self>> {
        let found = path.metadata()?;
        let is_device = found.file_type().is_block_device();
        Ok(is_device.then(|| Self::from_dev_t(found.rdev())))
    }

    /// Reads `major:minor`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once(':')?;
        Some(Self {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    }

    /// Whether it stands for no device, as that of a file system which keeps its devices to itself (btrfs, tmpfs).
    pub(crate) fn is_anonymous(self) -> bool {
        self.major == 0
    }

    /// The number as `st_rdev` has it.
    #[must_use]
    pub fn dev_t(self) -> dev_t {
        makedev(self.major, self.minor)
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// Opens a block device for reading.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // The standard library opens with O_CLOEXEC: programs get the descriptor as their standard input, and nothing else.
    let file = OpenOptions::new().read(true).open(path)?;
    if !file.metadata()?.file_type().is_block_device() {
        return Err(io::Error::other("not a block device"));
    }
    Ok(file)
}

/// The device of a volume. Clones share the descriptor.
#[derive(Clone, Debug)]
pub struct Device {
    volume: VolumeHandle,
    path: PathBuf,
    number: DeviceNumber,
    file: Arc<File>,
    /// What says whose device this is, to be asked again before writing; `None` for a fake.
    origin: Option<Origin>,
    /// The whole disk of a partition.
    disk: Option<Arc<File>>,
}

/// Where a device was found.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The whole disk's directory in sysfs.
    pub(crate) disk: PathBuf,
    /// The number of the partition on it; `None` for the whole disk.
    pub(crate) partition: Option<NonZeroU8>,
    /// The node or link that led there, where the disk itself does not tell which volume it is.
    pub(crate) name: Option<PathBuf>,
}

impl Device {
    /// Opens the node for reading.
    pub(crate) fn open(volume: &VolumeHandle, path: &Path, origin: Origin) -> io::Result<Self> {
        let file = open(path)?;
        let disk = match (origin.partition, origin.disk.file_name()) {
            (Some(_), Some(name)) => Some(Arc::new(open(&path.with_file_name(name))?)),
            _ => None,
        };
        Ok(Self {
            volume: volume.clone(),
            path: path.to_owned(),
            number: DeviceNumber::from_dev_t(file.metadata()?.rdev()),
            file: Arc::new(file),
            origin: Some(origin),
            disk,
        })
    }

    /// The volume that this device was found for.
    #[must_use]
    pub fn volume(&self) -> &VolumeHandle {
        &self.volume
    }

    /// Its node under the device directory, for messages and mount(2).
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> DeviceNumber {
        self.number
    }

    /// Its size now, in bytes; it follows a volume that grows.
    ///
    /// # Errors
    /// The kernel's, e.g. once the device has gone.
    pub fn size(&self) -> io::Result<Bytes> {
        ioctl::size(&self.file).map(Bytes).map_err(Into::into)
    }

    /// Opens the device so that nobody else can mount or hold it; by the descriptor, never by name. `EBUSY` where somebody does.
    /// The claim is over when the file is closed, and with it every copy that a process being started has for a moment.
    pub(crate) fn claim(&self) -> io::Result<File> {
        claim(&self.file)
    }

    /// Opens the device for writing; by the descriptor, never by name.
    pub(crate) fn writer(&self) -> io::Result<File> {
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        OpenOptions::new().write(true).open(path)
    }

    /// The serial number of the disk, if it has one.
    pub(crate) fn serial(&self) -> Option<String> {
        let serial = self.origin()?.disk.join("device/serial");
        let serial = std::fs::read_to_string(serial).ok()?.trim().to_owned();
        (!serial.is_empty()).then_some(serial)
    }

    /// The number of the partition that it is; `None` for a whole disk.
    #[must_use]
    pub fn partition(&self) -> Option<NonZeroU8> {
        self.origin.as_ref()?.partition
    }

    /// The disk that it is a partition of.
    pub(crate) fn disk(&self) -> Option<&File> {
        self.disk.as_deref()
    }

    /// The number of [`Self::disk`].
    pub(crate) fn disk_number(&self) -> Option<io::Result<DeviceNumber>> {
        let found = self.disk()?.metadata();
        Some(found.map(|found| DeviceNumber::from_dev_t(found.rdev())))
    }

    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Has the kernel begin to read, for [`Self::read_at`] to find it read.
    pub(crate) fn read_soon(&self, offset: u64, length: usize) {
        let length = std::num::NonZeroU64::new(length as u64);
        // Advice: where it is not taken, reading takes longer.
        let _ = rustix::fs::fadvise(&self.file, offset, length, rustix::fs::Advice::WillNeed);
    }

    /// Fills the buffer from byte `offset` on.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

/// Opens a block device anew for oneself alone, as [`Device::claim`] says.
pub(crate) fn claim(device: &File) -> io::Result<File> {
    // O_EXCL without O_CREAT claims a block device (open(2)).
    OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_EXCL)
        .open(format!("/proc/self/fd/{}", device.as_raw_fd()))
}

/// A device that was read from end to end of what matters and holds nothing, or nothing but what an interrupted format of this volume
/// left. Only [`inspect`](crate::Host::inspect) makes one, so that a device that was not seen to be blank can't be formatted.
#[derive(Debug)]
pub struct BlankDevice {
    device: Device,
    /// What proves that the contents, if any, are an unfinished format's.
    record: Option<Record>,
}

impl BlankDevice {
    pub(crate) fn seen(device: Device) -> Self {
        Self {
            device,
            record: None,
        }
    }

    pub(crate) fn unfinished(device: Device, record: Record) -> Self {
        Self {
            device,
            record: Some(record),
        }
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    pub(crate) fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }
}

/// Devices that stand for nothing, for a host that is not this machine. Nothing on disk can come to harm: their descriptor is
/// `/dev/null`'s.
#[cfg(feature = "fakes")]
mod fake {
    use super::{Arc, BlankDevice, Device, DeviceNumber, File, Path, VolumeHandle, io};

    impl Device {
        /// A device that can't be read, with the given path and number.
        ///
        /// # Errors
        /// Where `/dev/null` can't be opened.
        pub fn fake(volume: &VolumeHandle, path: &Path, number: DeviceNumber) -> io::Result<Self> {
            Ok(Self {
                volume: volume.clone(),
                path: path.to_owned(),
                number,
                file: Arc::new(File::open("/dev/null")?),
                origin: None,
                disk: None,
            })
        }
    }

    impl BlankDevice {
        /// A fake device, seen as blank. `None` for a real one.
        #[must_use]
        pub fn fake(device: &Device) -> Option<Self> {
            device.size().is_err().then(|| Self::seen(device.clone()))
        }
    }
}
