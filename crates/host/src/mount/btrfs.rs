//! Which device a mounted btrfs lies on. Its files have an anonymous device number, and the name it was mounted by may be stale.
//!
//! Answers for: asking the mounted file system who it is, and the kernel for that one's devices. Doesn't answer for: growing it.

#![expect(unsafe_code, reason = "ioctls have no safe form")]

use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags};

use crate::DeviceNumber;
use crate::place::{About, through};

/// `f_type` of statfs(2) for btrfs (linux/magic.h).
const MAGIC: u64 = 0x9123_683e;

/// The kernel's own sysfs, not the directory in which devices are looked for: what is mounted is always this kernel's.
const KNOWN: &str = "/sys/fs/btrfs";

/// `struct btrfs_ioctl_fs_info_args` (linux/btrfs.h) as far as it is used.
#[repr(C)]
struct Info {
    max_id: u64,
    num_devices: u64,
    fsid: [u8; 16],
    rest: [u8; 992],
}

const _: () = assert!(size_of::<Info>() == 1024);

mod raw {
    // BTRFS_IOC_FS_INFO (linux/btrfs.h).
    nix::ioctl_read!(info, 0x94, 31, super::Info);
}

/// Whether an open place lies on a btrfs.
pub(super) fn is(place: impl AsFd) -> io::Result<bool> {
    let found = rustix::fs::fstatfs(place)?;
    Ok(u64::try_from(found.f_type).is_ok_and(|kind| kind == MAGIC))
}

/// The devices of the mounted btrfs that the open directory or file lies on; none where all of them have gone from this machine, and
/// for what can't be asked (a socket, a device node).
pub(super) fn devices(place: impl AsFd) -> io::Result<Vec<DeviceNumber>> {
    // The kubelet also shows files of the node's own disk.
    let kind = About::of(&place)?.kind;
    if !matches!(kind, FileType::Directory | FileType::RegularFile) {
        return Ok(Vec::new());
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, through(&place), flags, Mode::empty())?;
    let id = id(&root)?;
    match devices_below(&Path::new(KNOWN).join(id).join("devices")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        devices => devices,
    }
}

/// Whether the device belongs to any btrfs that is mounted.
pub(super) fn has(device: DeviceNumber) -> bool {
    let known = std::fs::read_dir(KNOWN).into_iter().flatten().flatten();
    known
        .filter_map(|one| devices_below(&one.path().join("devices")).ok())
        .any(|devices| devices.contains(&device))
}

/// The id by which sysfs knows the file system while it is mounted: a copy mounted beside its origin has one of its own.
fn id(root: &OwnedFd) -> io::Result<String> {
    let mut info = Info {
        max_id: 0,
        num_devices: 0,
        fsid: [0; 16],
        rest: [0; 992],
    };
    // SAFETY: the descriptor is open, and `info` is a live structure of the kernel's size to write to; every bit pattern is a valid
    // value of it.
    unsafe { raw::info(root.as_raw_fd(), &raw mut info) }?;
    let mut text = String::new();
    for (at, byte) in info.fsid.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _infallible = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// The kernel makes these links from the devices themselves, not from their names.
fn devices_below(dir: &Path) -> io::Result<Vec<DeviceNumber>> {
    let mut devices = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let text = std::fs::read_to_string(entry?.path().join("dev"))?;
        devices.extend(DeviceNumber::parse(&text));
    }
    Ok(devices)
}
