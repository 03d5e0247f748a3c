//! Making a file system as large as its device.
//!
//! Answers for: whether there is something to grow, and growing it, mounted or not. Doesn't answer for: the volume itself.
//!
//! Mounted file systems grow by ioctl, without a program: xfs and btrfs always, ext only with `CAP_SYS_RESOURCE`. An unmounted ext
//! grows by resize2fs, which needs no capability. Each way, cut short anywhere, goes on when it is called again: the kernel
//! journals its steps, and resize2fs comes after a full fsck, which repairs what an earlier one left behind.

use std::fs::File;
use std::path::Path;

use ebs_types::{Bytes, FsType};
use nix::errno::Errno;

use crate::check::{self, Depth};
use crate::device::ioctl;
use crate::exec::{self, Program, Programs};
use crate::inspect::{Found, Superblock};
use crate::linux::blocking;
use crate::{Device, GrowError, inspect, mount};

const RESIZE: Program = Program {
    name: "resize2fs",
    package: "e2fsprogs",
};

/// What is less than this is left unused, in bytes. A volume grows by whole GiB; a smaller rest is the tail that formatting leaves
/// (`record`), or one that the file system can't use (ext4 drops a last group that would hold little more than its own tables).
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

/// Grows an unmounted ext; leaves the others alone.
pub(crate) async fn before_mount(
    programs: &Programs,
    device: &Device,
    fs: FsType,
) -> Result<Grown, GrowError> {
    let found = on_disk(device, fs).await?;
    let before = found.filesystem.size;
    // resize2fs does not take it on itself to grow a file system of clusters; the kernel does.
    let by_program = fs.is_ext() && !found.has_clusters();
    if !by_program || !has_room(before, inspect::size(device)?, found.grain) {
        return Ok(Grown::not(before));
    }
    check::fsck(programs, device, Depth::Full).await?;
    let failed = |source| GrowError::Program {
        path: device.path().to_owned(),
        source,
    };
    let _lock = check::lock(device).await?;
    let output = programs
        .write(RESIZE, &[exec::DEVICE], device.file())
        .await
        .map_err(failed)?;
    if !output.status.success() {
        return Err(failed(output.failure(RESIZE)));
    }
    let grown = Grown {
        before,
        after: on_disk(device, fs).await?.filesystem.size,
    };
    report(device, grown);
    Ok(grown)
}

/// Grows a mounted file system.
pub(crate) fn mounted(device: &Device, fs: FsType, path: &Path) -> Result<Grown, GrowError> {
    let Some(place) = mount::root_of(device, path)? else {
        return Err(GrowError::WrongMount {
            path: path.to_owned(),
            device: device.number(),
        });
    };
    let room = inspect::size(device)?;
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
    let found = expected(inspect::superblock(device)?, device, fs)?;
    let before = found.filesystem.size;
    if !has_room(before, room, found.grain) {
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
    let after = size_now(device, fs)?;
    Ok(Grown { before, after })
}

fn xfs(place: &File, room: Bytes) -> Result<Grown, Errno> {
    let geometry = ioctl::xfs_geometry(place)?;
    let block = u64::from(geometry.block_size.max(1));
    let before = Bytes(geometry.data_blocks.saturating_mul(block));
    if !has_room(before, room, block) {
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

/// The kernel commits a new size before it answers, so that the superblock on the disk shows it.
fn btrfs(device: &Device, place: &File, path: &Path, room: Bytes) -> Result<Grown, GrowError> {
    let found = expected(inspect::superblock(device)?, device, FsType::Btrfs)?;
    let before = found.filesystem.size;
    if !has_room(before, room, found.grain) {
        return Ok(Grown::not(before));
    }
    ioctl::resize_btrfs(place).map_err(|errno| refused(path, errno, "CAP_SYS_ADMIN"))?;
    let after = size_now(device, FsType::Btrfs)?;
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

/// `grain` is what the file system gives out at once: less than this it can't grow by.
fn has_room(fs: Bytes, device: Bytes, grain: u64) -> bool {
    device.0.saturating_sub(fs.0) >= TAIL.max(grain)
}

async fn on_disk(device: &Device, fs: FsType) -> Result<Found, GrowError> {
    let owned = device.clone();
    let found = blocking(move || inspect::superblock(&owned)).await?;
    expected(found, device, fs)
}

fn size_now(device: &Device, fs: FsType) -> Result<Bytes, GrowError> {
    Ok(expected(inspect::superblock(device)?, device, fs)?
        .filesystem
        .size)
}

fn expected(found: Superblock, device: &Device, fs: FsType) -> Result<Found, GrowError> {
    let found = match found {
        Superblock::Ours(found) if found.filesystem.fs == fs => return Ok(found),
        Superblock::Ours(found) => found.described(),
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

#[cfg(test)]
mod tests;
