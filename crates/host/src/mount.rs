//! Mounting, binding, unmounting, and what is mounted where.
//!
//! Answers for: that the very device that was found is what gets mounted, and that repeating each call is harmless. Doesn't
//! answer for: what is on the device, and making or removing the targets.

mod options;
mod table;

use std::path::Path;

use ebs_types::FsType;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::{FsFlags, statvfs};
use tokio::time::Instant;

use crate::exec::work_us;
use crate::{Device, DeviceNumber, MountError};

pub use options::{InvalidMountOption, MountOptions};
pub use table::Mount;
pub(crate) use table::{at, of};

/// More mounts than this on top of each other at one path are somebody's mistake that unmounting does not mend.
const MOST_LAYERS: usize = 64;

/// Mounts the device at the target.
pub(crate) fn device(
    device: &Device,
    target: &Path,
    fs: FsType,
    options: &MountOptions,
) -> Result<(), MountError> {
    if let Some(found) = at(target)? {
        return if found.device == device.number() {
            Ok(())
        } else {
            Err(occupied(
                target,
                &found,
                format!("device {}", device.number()),
            ))
        };
    }
    leads_to(device.path(), device.number())?;
    let mut data = options.data().to_vec();
    // A clone or a restored snapshot has its origin's UUID, by which xfs refuses to be mounted beside it (xfs(5)).
    if fs == FsType::Xfs && !data.iter().any(|option| option == "nouuid") {
        data.push("nouuid".to_owned());
    }
    let data = data.join(",");
    let began = Instant::now();
    mount(
        Some(device.path()),
        target,
        Some(fs.as_str()),
        options.flags(),
        Some(data.as_str()),
    )
    .map_err(|errno| refused("mount", device.path(), errno, MOUNT_HINT))?;
    tracing::debug!(volume.id = %device.volume(), work_us = work_us(began), "mounted");
    // The name could have been turned to another device between the look and mount(2). The number can't: the open descriptor keeps
    // the kernel from giving it to another device, so that equal numbers mean the same disk.
    settle(
        target,
        |found| found.device == device.number(),
        device.number(),
    )
}

/// Shows at the target what is mounted at the source.
pub(crate) fn bind(source: &Path, target: &Path, read_only: bool) -> Result<(), MountError> {
    let origin = at(source)?.ok_or_else(|| MountError::NotMounted {
        path: source.to_owned(),
    })?;
    let same = |found: &Mount| found.device == origin.device && found.root == origin.root;
    if !carries(
        target,
        same,
        read_only || origin.read_only,
        &origin.to_string(),
    )? {
        mount_bind(source, target)?;
        settle(target, same, origin.device)?;
    }
    if read_only { restrict(target) } else { Ok(()) }
}

/// Shows the device itself at the target.
pub(crate) fn bind_block(
    device: &Device,
    target: &Path,
    read_only: bool,
) -> Result<(), MountError> {
    let same = |found: &Mount| found.node == Some(device.number());
    if !carries(
        target,
        same,
        read_only,
        &format!("device {}", device.number()),
    )? {
        leads_to(device.path(), device.number())?;
        mount_bind(device.path(), target)?;
        settle(target, same, device.number())?;
    }
    if read_only { restrict(target) } else { Ok(()) }
}

/// Whether the target already carries what is wanted.
///
/// A writable mount where a read-only one is wanted is one whose making was cut short between its two steps: it counts, and is
/// made read-only. The other way round it is somebody else's.
fn carries(
    target: &Path,
    same: impl Fn(&Mount) -> bool,
    read_only: bool,
    wanted: &str,
) -> Result<bool, MountError> {
    match at(target)? {
        None => Ok(false),
        Some(found) if same(&found) && (read_only || !found.read_only) => Ok(true),
        Some(found) => {
            let mode = if read_only { "read-only" } else { "writable" };
            Err(occupied(target, &found, format!("{wanted}, {mode}")))
        }
    }
}

fn mount_bind(source: &Path, target: &Path) -> Result<(), MountError> {
    mount(
        Some(source),
        target,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .map_err(|errno| refused("bind to", target, errno, ""))
}

/// Makes a bind mount read-only. The kernel sets all flags of the mount anew at that: the others are handed back.
fn restrict(target: &Path) -> Result<(), MountError> {
    let step = |errno| refused("make read-only", target, errno, "");
    let present = statvfs(target).map_err(step)?.flags();
    if present.contains(FsFlags::ST_RDONLY) {
        return Ok(());
    }
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
    mount(None::<&str>, target, None::<&str>, flags, None::<&str>).map_err(step)
}

/// Unmounts all layers at the target.
pub(crate) fn unmount(target: &Path) -> Result<(), MountError> {
    for _ in 0..MOST_LAYERS {
        if at(target)?.is_none() {
            return Ok(());
        }
        detach(target)?;
    }
    Err(refused(
        "unmount",
        target,
        Errno::ELOOP,
        ": something is mounted there again and again",
    ))
}

fn detach(target: &Path) -> Result<(), MountError> {
    match umount2(target, MntFlags::UMOUNT_NOFOLLOW) {
        // Somebody else was faster.
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => Ok(()),
        Err(errno) => Err(refused("unmount", target, errno, "")),
    }
}

/// Makes sure of what has just been mounted; undoes it if it is something else.
fn settle(
    target: &Path,
    same: impl Fn(&Mount) -> bool,
    wanted: DeviceNumber,
) -> Result<(), MountError> {
    let found = at(target)?;
    if found.as_ref().is_some_and(same) {
        return Ok(());
    }
    detach(target)?;
    let found = found.map_or_else(|| "nothing".to_owned(), |found| found.to_string());
    Err(MountError::WrongDevice {
        path: target.to_owned(),
        found,
        wanted,
    })
}

fn leads_to(path: &Path, wanted: DeviceNumber) -> Result<(), MountError> {
    match DeviceNumber::of_node(path) {
        Some(found) if found == wanted => Ok(()),
        found => Err(MountError::WrongDevice {
            path: path.to_owned(),
            found: found.map_or_else(|| "no block device".to_owned(), |found| found.to_string()),
            wanted,
        }),
    }
}

fn occupied(path: &Path, found: &Mount, wanted: String) -> MountError {
    MountError::Occupied {
        path: path.to_owned(),
        found: found.to_string(),
        wanted,
    }
}

/// mount(2) has these numbers for a dozen causes, and the kernel's log has the cause.
const MOUNT_HINT: &str = ": unknown mount option, damaged file system or a feature that this kernel lacks; the kernel's log (dmesg) says which";

fn refused(action: &'static str, path: &Path, errno: Errno, hint: &str) -> MountError {
    let vague = hint != MOUNT_HINT || matches!(errno, Errno::EINVAL | Errno::EUCLEAN | Errno::EIO);
    MountError::Kernel {
        action,
        path: path.to_owned(),
        source: errno.into(),
        hint: if vague {
            hint.to_owned()
        } else {
            String::new()
        },
    }
}
