//! Showing at a second place what is mounted at a first, or the device itself at a file.
//!
//! Answers for: that the copy shows the device, made read-only before anyone sees it where the kernel can do so (Linux 5.12). Doesn't
//! answer for: mounting the device.

#![expect(unsafe_code, reason = "mount_setattr(2) has no safe form")]

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::{FsFlags, fstatvfs};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};
use tokio::time::Instant;

use super::{Wanted, context, refused, seen_at, shows, table};
use crate::exec::work_us;
use crate::place::{About, through};
use crate::{Device, MountError, Place, Seen};

/// Shows the device's file system, which is mounted at the source, at the target too.
pub(crate) fn bind(
    device: &Device,
    source: &Path,
    target: &Path,
    read_only: bool,
) -> Result<(), MountError> {
    let origin = origin(device, source)?;
    let read_only = read_only || is_read_only(&origin, source)?;
    let seen = seen_at(target)?;
    if seen.mount().is_some() {
        // Not only the same device but the same directory of it: a subvolume is another.
        let same = shows(&seen, device)? && is_same_directory(&seen, &origin);
        return kept(&seen, target, same, &Wanted::new(device, read_only));
    }
    copy(origin, &seen, target, read_only)
}

/// Shows the device itself at the target.
pub(crate) fn bind_block(
    device: &Device,
    target: &Path,
    read_only: bool,
) -> Result<(), MountError> {
    let seen = seen_at(target)?;
    if seen.mount().is_some() {
        let node = seen.about().and_then(|about| about.node);
        let same = node == Some(device.number());
        return kept(&seen, target, same, &Wanted::new(device, read_only));
    }
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let node = rustix::fs::openat(CWD, device.path(), flags, Mode::empty())
        .map_err(|errno| refused("open", device.path(), errno, ""))?;
    let about = About::of(&node).map_err(|source| MountError::Kernel {
        action: "look at",
        path: device.path().to_owned(),
        source,
        hint: String::new(),
    })?;
    let found = about.node;
    if found != Some(device.number()) {
        return Err(MountError::WrongDevice {
            path: device.path().to_owned(),
            found: found.map_or_else(|| "no block device".to_owned(), |found| found.to_string()),
            wanted: device.number(),
        });
    }
    copy(node, &seen, target, read_only)
}

/// The staged file system, if it is the device's.
fn origin(device: &Device, source: &Path) -> Result<Seen, MountError> {
    let seen = match Place::find(source)? {
        Some(place) => place.look()?,
        None => None,
    };
    let mounted = seen.filter(|seen| seen.mount().is_some());
    let found = match mounted {
        Some(seen) if shows(&seen, device)? => return Ok(seen),
        Some(seen) => table::described(&seen)?.map(|found| found.to_string()),
        None => None,
    };
    Err(MountError::NotMounted {
        path: source.to_owned(),
        found: found.unwrap_or_else(|| "nothing".to_owned()),
        wanted: device.number(),
    })
}

/// Whether the mount was made read-only; a file system that refuses writes after errors was not.
fn is_read_only(origin: &Seen, source: &Path) -> Result<bool, MountError> {
    // Most are writable in every way, and the mount table needs not be read for that.
    if !refuses_writes(origin, source)? {
        return Ok(false);
    }
    Ok(table::described(origin)?.is_some_and(|mount| mount.made_read_only))
}

/// Whether the mount, or its whole file system, is read-only.
fn refuses_writes(seen: &Seen, path: &Path) -> Result<bool, MountError> {
    let found = fstatvfs(seen).map_err(|errno| MountError::Kernel {
        action: "look at",
        path: path.to_owned(),
        source: errno.into(),
        hint: String::new(),
    })?;
    Ok(found.flags().contains(FsFlags::ST_RDONLY))
}

fn is_same_directory(one: &Seen, other: &Seen) -> bool {
    let identity = |seen: &Seen| seen.about().map(|about| (about.device, about.inode));
    identity(one).is_some() && identity(one) == identity(other)
}

/// The target carries something already. A writable mount where a read-only one is wanted is one whose making was cut short between
/// its two steps: it is made read-only. The other way round it is somebody else's.
fn kept(seen: &Seen, target: &Path, same: bool, wanted: &Wanted) -> Result<(), MountError> {
    // Writable in every way, and wanted so: the mount table has nothing to add.
    if same && !wanted.read_only && refuses_writes(seen, target).is_ok_and(|refuses| !refuses) {
        return Ok(());
    }
    let found = wanted.found(seen, target, same)?;
    match (found.made_read_only, wanted.read_only) {
        (true, true) | (false, false) => Ok(()),
        (true, false) => Err(wanted.occupied(target, &found)),
        (false, true) => restrict(seen).or_else(|errno| match errno {
            Errno::NOSYS => restrict_attached(seen, target),
            errno => Err(refused("make read-only", target, errno, "")),
        }),
    }
}

/// Shows a copy of the mount that the source lies on, with its own attributes, at the target.
fn copy(source: impl AsFd, target: &Seen, path: &Path, read_only: bool) -> Result<(), MountError> {
    let failed = |errno| refused("bind to", path, errno, "");
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let began = Instant::now();
    let copy: OwnedFd = open_tree(source, c"", flags).map_err(failed)?;
    let restricted = if read_only { restrict(&copy) } else { Ok(()) };
    match restricted {
        Ok(()) => {
            context::attach(&copy, target).map_err(failed)?;
            tracing::debug!(work_us = work_us(began), "bound");
            Ok(())
        }
        Err(Errno::NOSYS) => {
            context::attach(&copy, target).map_err(failed)?;
            restrict_attached(&copy, path)
        }
        Err(errno) => Err(refused("make read-only", path, errno, "")),
    }
}

/// `struct mount_attr` (linux/mount.h).
#[repr(C)]
struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Makes a mount read-only and leaves the rest of it as it is.
fn restrict(mount: impl AsFd) -> Result<(), Errno> {
    let attributes = Attributes {
        set: MountAttrFlags::MOUNT_ATTR_RDONLY.bits().into(),
        clear: 0,
        propagation: 0,
        user_namespace: 0,
    };
    // SAFETY: the descriptor is open, the path is an empty C string, and `attributes` is a live structure of the size given, which the
    // kernel only reads.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    };
    match answer {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()
            .raw_os_error()
            .map_or(Errno::IO, Errno::from_raw_os_error)),
    }
}

/// The same for a mount that is visible already, as Linux before 5.12 does it: all flags of the mount are set anew, so that the others
/// are handed back.
fn restrict_attached(copy: impl AsFd, path: &Path) -> Result<(), MountError> {
    let step = |errno: nix::errno::Errno| MountError::Kernel {
        action: "make read-only",
        path: path.to_owned(),
        source: errno.into(),
        hint: String::new(),
    };
    let present = fstatvfs(&copy).map_err(step)?.flags();
    let kept = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
    ];
    // relatime needs no entry: a remount that names no way of keeping access times keeps the present one (mount(2)),
    // and musl has no constant for it.
    let flags = kept
        .iter()
        .filter(|(flag, _)| present.contains(*flag))
        .fold(
            MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY,
            |flags, (_, flag)| flags | *flag,
        );
    let mounted = through(&copy);
    mount(None::<&str>, &mounted, None::<&str>, flags, None::<&str>).map_err(step)
}
