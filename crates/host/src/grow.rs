//! Making a file system as large as its device.
//!
//! Answers for: whether there is something to grow, and growing it, mounted or not. Doesn't answer for: the volume itself.
//!
//! Mounted file systems grow by ioctl, without a program: xfs always, ext4 only with `CAP_SYS_RESOURCE`. An unmounted ext4
//! grows by resize2fs, which needs no capability. Each way, cut short anywhere, goes on when it is called again: the kernel
//! journals its steps, and resize2fs comes after a full fsck, which repairs what an earlier one left behind.

use std::fs::File;
use std::path::Path;

use ebs_types::{Bytes, FsType};
use nix::errno::Errno;

use crate::check::{self, Depth};
use crate::device::ioctl;
use crate::exec::{self, Program, Programs};
use crate::inspect::Superblock;
use crate::linux::blocking;
use crate::{Device, GrowError, InspectError, inspect, mount};

const RESIZE: Program = Program {
    name: "resize2fs",
    package: "e2fsprogs",
};

/// What is less than this is left unused, in bytes. A volume grows by whole GiB; a smaller rest is a tail that the file system
/// can't use (ext4 drops a last group that would hold little more than its own tables).
const TAIL: u64 = 16 << 20;

/// What growing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grown {
    /// The file system's size before, in bytes.
    pub before: Bytes,
    /// The file system's size now, in bytes.
    pub after: Bytes,
}

impl Grown {
    fn not(size: Bytes) -> Self {
        Self {
            before: size,
            after: size,
        }
    }

    /// Whether the file system's size changed.
    #[must_use]
    pub fn changed(self) -> bool {
        self.before != self.after
    }
}

/// Grows an unmounted ext4; leaves xfs alone.
pub(crate) async fn before_mount(
    programs: &Programs,
    device: &Device,
    fs: FsType,
) -> Result<Grown, GrowError> {
    let before = on_disk(device, fs).await?;
    if !fs.is_ext() || !has_room(before, device_size(device)?) {
        return Ok(Grown::not(before));
    }
    check::fsck(programs, device, Depth::Full).await?;
    let failed = |source| GrowError::Program {
        path: device.path().to_owned(),
        source,
    };
    let output = programs
        .write(RESIZE, &[exec::DEVICE], device.file())
        .await
        .map_err(failed)?;
    if !output.status.success() {
        return Err(failed(output.failure(RESIZE)));
    }
    let grown = Grown {
        before,
        after: on_disk(device, fs).await?,
    };
    report(device, grown);
    Ok(grown)
}

/// Grows a mounted file system.
pub(crate) fn mounted(device: &Device, fs: FsType, path: &Path) -> Result<Grown, GrowError> {
    let carried = mount::at(path)?.is_some_and(|mount| mount.device == device.number());
    if !carried {
        return Err(GrowError::WrongMount {
            path: path.to_owned(),
            device: device.number(),
        });
    }
    let kernel = |source| GrowError::Kernel {
        path: path.to_owned(),
        source,
    };
    let place = File::open(path).map_err(kernel)?;
    let room = device_size(device)?;
    let grown = match fs {
        FsType::Ext3 | FsType::Ext4 => ext(device, &place, path, fs, room)?,
        FsType::Btrfs => btrfs(device, &place, path, room)?,
        FsType::Xfs => xfs(&place, room).map_err(|errno| refused(path, errno, "CAP_SYS_ADMIN"))?,
    };
    report(device, grown);
    Ok(grown)
}

fn ext(
    device: &Device,
    place: &File,
    path: &Path,
    fs: FsType,
    room: Bytes,
) -> Result<Grown, GrowError> {
    // A mounted ext4 keeps its superblock in the device's own cache: what is read here is up to date.
    let before = size_of(inspect::superblock(device)?, device, fs)?;
    if !has_room(before, room) {
        return Ok(Grown::not(before));
    }
    let block = nix::sys::statvfs::fstatvfs(place)
        .map_err(|errno| GrowError::Kernel {
            path: path.to_owned(),
            source: errno.into(),
        })?
        .fragment_size();
    ioctl::resize_ext4(place, room.0 / block.max(1))
        .map_err(|errno| refused(path, errno, "CAP_SYS_RESOURCE"))?;
    let after = size_of(inspect::superblock(device)?, device, fs)?;
    Ok(Grown { before, after })
}

fn xfs(place: &File, room: Bytes) -> Result<Grown, Errno> {
    let geometry = ioctl::xfs_geometry(place)?;
    let block = u64::from(geometry.block_size.max(1));
    let before = Bytes(geometry.data_blocks.saturating_mul(block));
    if !has_room(before, room) {
        return Ok(Grown::not(before));
    }
    ioctl::grow_xfs(place, room.0 / block, geometry.inode_percent)?;
    let after = Bytes(
        ioctl::xfs_geometry(place)?
            .data_blocks
            .saturating_mul(block),
    );
    Ok(Grown { before, after })
}

/// The superblock on the disk is behind what is mounted by a transaction at most: a file system that was grown a moment ago is
/// asked to grow again, which changes nothing.
fn btrfs(device: &Device, place: &File, path: &Path, room: Bytes) -> Result<Grown, GrowError> {
    let before = size_of(inspect::superblock(device)?, device, FsType::Btrfs)?;
    if !has_room(before, room) {
        return Ok(Grown::not(before));
    }
    ioctl::resize_btrfs(place).map_err(|errno| refused(path, errno, "CAP_SYS_ADMIN"))?;
    let after = size_of(inspect::superblock(device)?, device, FsType::Btrfs)?;
    Ok(Grown { before, after })
}

fn refused(path: &Path, errno: Errno, capability: &'static str) -> GrowError {
    let path = path.to_owned();
    match errno {
        Errno::EPERM => GrowError::NeedsCapability { path, capability },
        other => GrowError::Kernel {
            path,
            source: other.into(),
        },
    }
}

fn has_room(fs: Bytes, device: Bytes) -> bool {
    device.0.saturating_sub(fs.0) >= TAIL
}

fn device_size(device: &Device) -> Result<Bytes, InspectError> {
    device.size().map_err(|source| InspectError::Unreadable {
        path: device.path().to_owned(),
        offset: 0,
        source,
    })
}

async fn on_disk(device: &Device, fs: FsType) -> Result<Bytes, GrowError> {
    let owned = device.clone();
    let found = blocking(move || inspect::superblock(&owned)).await?;
    size_of(found, device, fs)
}

fn size_of(found: Superblock, device: &Device, fs: FsType) -> Result<Bytes, GrowError> {
    let found = match found {
        Superblock::Ours(found) if found.fs == fs => return Ok(found.size),
        Superblock::Ours(found) => found.to_string(),
        Superblock::Other(what) => what,
        Superblock::None => "no file system".to_owned(),
    };
    Err(GrowError::OtherContents {
        path: device.path().to_owned(),
        found,
        wanted: fs.as_str(),
    })
}

fn report(device: &Device, grown: Grown) {
    if grown.changed() {
        tracing::info!(volume.id = %device.volume(), before = grown.before.0, after = grown.after.0, "grew the file system");
    }
}
