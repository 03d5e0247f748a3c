//! Making a file system as large as its device.
//!
//! Answers for: whether there is something to grow, and growing it, mounted or not. Doesn't answer for: the volume itself.
//!
//! Mounted file systems grow by ioctl, without a program: xfs and btrfs always, ext only with `CAP_SYS_RESOURCE`. The kernel journals
//! its steps, so that it goes on after a cut anywhere. Without that capability an ext grows while it is unmounted, by resize2fs,
//! which needs none: it comes after a full fsck, which repairs most of what an earlier one that was cut short left behind, and
//! says where a person has to.

use std::fs::File;
use std::path::Path;

use ebs_types::{Bytes, FsType};
use nix::errno::Errno;
use rustix::fs::StatVfsMountFlags;
use rustix::thread::CapabilitySet;

use crate::check::{self, Depth};
use crate::device::ioctl;
use crate::exec::{self, Program, Programs};
use crate::inspect::{Found, Superblock};
use crate::mount::RootAt;
use crate::tasks::blocking;
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

/// Grows an unmounted ext where nobody may do so once it is mounted; leaves all others alone. The kernel's way comes first: it
/// journals what it does, where resize2fs, cut short, can leave what only a person may mend, and it needs no look at the whole file
/// system before.
pub(crate) async fn before_mount(
    programs: &Programs,
    device: &Device,
    fs: FsType,
) -> Result<Grown, GrowError> {
    let found = on_disk(device, fs).await?;
    let before = found.filesystem.size;
    // resize2fs does not take it on itself to grow a file system of clusters; the kernel does.
    let by_program = fs.is_ext() && !found.has_clusters() && !SYS_RESOURCE.is_held();
    if !by_program || !has_room(before, inspect::size(device)?, found.grain) {
        return Ok(Grown::not(before));
    }
    check::fsck(programs, device, Depth::Full).await?;
    let failed = |source| GrowError::Program {
        path: device.path().to_owned(),
        source,
    };
    let lock = check::lock(device).await?;
    let ended = programs.write(RESIZE, &[exec::DEVICE], device.file()).await;
    lock.release();
    let output = ended.map_err(failed)?;
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

/// What the kernel asks of a process that makes a mounted file system grow.
#[derive(Clone, Copy, Debug)]
struct Capability {
    set: CapabilitySet,
    name: &'static str,
}

/// For EXT4_IOC_RESIZE_FS.
const SYS_RESOURCE: Capability = Capability {
    set: CapabilitySet::SYS_RESOURCE,
    name: "CAP_SYS_RESOURCE",
};

/// For XFS_IOC_FSGROWFSDATA and BTRFS_IOC_RESIZE.
const SYS_ADMIN: Capability = Capability {
    set: CapabilitySet::SYS_ADMIN,
    name: "CAP_SYS_ADMIN",
};

impl Capability {
    fn is_held(self) -> bool {
        rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(self.set))
    }
}

/// What is at a directory where a device is to be mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is mounted there.
    Free,
    /// The device is mounted there, writable, and its file system uses all of it: nothing is left to do.
    Complete,
    /// Something is mounted there that has to be looked at.
    Taken,
}

/// What is at the directory, without the mount table: the more mounts a node has, the longer that is.
pub(crate) fn standing(device: &Device, fs: FsType, path: &Path) -> Result<Standing, GrowError> {
    let place = match mount::root_at(device, path)? {
        RootAt::Nothing => return Ok(Standing::Free),
        RootAt::Another => return Ok(Standing::Taken),
        RootAt::Its(root) => root,
    };
    let about = rustix::fs::fstatvfs(&place).map_err(|errno| kernel(path, errno.into()))?;
    if about.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Ok(Standing::Taken);
    }
    let extent = match extent(device, &place, path, fs) {
        // Another file system, perhaps.
        Err(GrowError::OtherContents { .. } | GrowError::Kernel { .. }) => {
            return Ok(Standing::Taken);
        }
        extent => extent?,
    };
    Ok(match extent.has_room(inspect::size(device)?) {
        true => Standing::Taken,
        false => Standing::Complete,
    })
}

/// Grows a mounted file system.
pub(crate) fn mounted(device: &Device, fs: FsType, path: &Path) -> Result<Grown, GrowError> {
    let RootAt::Its(place) = mount::root_at(device, path)? else {
        return Err(GrowError::WrongMount {
            path: path.to_owned(),
            device: device.number(),
        });
    };
    let room = inspect::size(device)?;
    let before = extent(device, &place, path, fs)?;
    if !before.has_room(room) {
        return Ok(Grown::not(before.size));
    }
    let needs = match fs {
        FsType::Ext3 | FsType::Ext4 => SYS_RESOURCE,
        FsType::Btrfs | FsType::Xfs => SYS_ADMIN,
    };
    resize(&place, fs, room).map_err(|errno| refused(path, errno, needs))?;
    let grown = Grown {
        before: before.size,
        after: extent(device, &place, path, fs)?.size,
    };
    report(device, grown);
    Ok(grown)
}

/// How large a mounted file system is.
#[derive(Clone, Copy, Debug)]
struct Extent {
    size: Bytes,
    /// What the file system gives out at once: less than this it can't grow by, in bytes.
    grain: u64,
}

impl Extent {
    fn has_room(self, device: Bytes) -> bool {
        has_room(self.size, device, self.grain)
    }
}

/// A mounted xfs is asked. The others keep their superblocks in the device's own cache, and commit a new size before they answer: what
/// is read there is up to date.
fn extent(device: &Device, place: &File, path: &Path, fs: FsType) -> Result<Extent, GrowError> {
    if fs == FsType::Xfs {
        let geometry = ioctl::xfs_geometry(place).map_err(|errno| kernel(path, errno.into()))?;
        let grain = u64::from(geometry.block_size.max(1));
        return Ok(Extent {
            size: Bytes(geometry.data_blocks.saturating_mul(grain)),
            grain,
        });
    }
    let found = match fs.is_ext() {
        true => inspect::ext_superblock(device)?,
        false => inspect::superblock(device)?,
    };
    let found = expected(found, device, fs)?;
    Ok(Extent {
        size: found.filesystem.size,
        grain: found.grain,
    })
}

fn resize(place: &File, fs: FsType, room: Bytes) -> Result<(), Errno> {
    match fs {
        FsType::Ext3 | FsType::Ext4 => {
            let block = nix::sys::statvfs::fstatvfs(place)?.fragment_size();
            ioctl::resize_ext4(place, room.0 / block.max(1))
        }
        FsType::Btrfs => ioctl::resize_btrfs(place),
        FsType::Xfs => {
            let geometry = ioctl::xfs_geometry(place)?;
            let blocks = room.0 / u64::from(geometry.block_size.max(1));
            ioctl::grow_xfs(place, blocks, geometry.inode_percent)
        }
    }
}

fn kernel(path: &Path, source: std::io::Error) -> GrowError {
    GrowError::Kernel {
        path: path.to_owned(),
        source,
    }
}

fn refused(path: &Path, errno: Errno, needed: Capability) -> GrowError {
    match errno {
        // ext4 also says so of a file system with errors.
        Errno::EPERM if !needed.is_held() => GrowError::NeedsCapability {
            path: path.to_owned(),
            capability: needed.name,
        },
        Errno::EROFS => GrowError::ReadOnly {
            path: path.to_owned(),
        },
        other => kernel(path, other.into()),
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
