//! The ioctls of block devices and of file systems that grow, typed.
//!
//! Answers for: calling the kernel soundly. Doesn't answer for: when to call.

#![expect(unsafe_code, reason = "ioctls have no safe form")]

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::Result;

/// `struct xfs_fsop_geom_v1` (xfs_fs.h): the geometry of a mounted xfs.
#[repr(C)]
#[derive(Default)]
pub(crate) struct XfsGeometry {
    /// Bytes in a block.
    pub(crate) block_size: u32,
    rt_extent_size: u32,
    ag_blocks: u32,
    ag_count: u32,
    log_blocks: u32,
    sector_size: u32,
    inode_size: u32,
    /// The share of the space that inodes may take, in percent.
    pub(crate) inode_percent: u32,
    /// Blocks of data.
    pub(crate) data_blocks: u64,
    rt_blocks: u64,
    rt_extents: u64,
    log_start: u64,
    uuid: [u8; 16],
    stripe_unit: u32,
    stripe_width: u32,
    version: i32,
    flags: u32,
    log_sector_size: u32,
    rt_sector_size: u32,
    directory_block_size: u32,
    // The C structure ends on a boundary of its alignment.
    padding: u32,
}

/// `struct xfs_growfs_data` (xfs_fs.h).
#[repr(C)]
struct XfsGrowth {
    data_blocks: u64,
    inode_percent: u32,
    padding: u32,
}

// The sizes are part of the kernel's interface: they are in the ioctls' numbers.
const _: () = assert!(size_of::<XfsGeometry>() == 112);
const _: () = assert!(size_of::<XfsGrowth>() == 16);

/// `struct btrfs_ioctl_vol_args` (linux/btrfs.h).
#[repr(C)]
struct BtrfsResize {
    descriptor: i64,
    name: [u8; 4088],
}

const _: () = assert!(size_of::<BtrfsResize>() == 4096);

mod raw {
    use super::{BtrfsResize, XfsGeometry, XfsGrowth};

    // BLKGETSIZE64 is declared with size_t, though it writes 64 bits everywhere (linux/fs.h).
    nix::ioctl_read!(size, 0x12, 114, usize);
    // EXT4_IOC_RESIZE_FS (linux/ext4.h).
    nix::ioctl_write_ptr!(resize_ext4, b'f', 16, u64);
    // XFS_IOC_FSGEOMETRY_V1 and XFS_IOC_FSGROWFSDATA (xfs_fs.h).
    nix::ioctl_read!(xfs_geometry, b'X', 100, XfsGeometry);
    nix::ioctl_write_ptr!(grow_xfs, b'X', 110, XfsGrowth);
    // BTRFS_IOC_RESIZE (linux/btrfs.h).
    nix::ioctl_write_ptr!(resize_btrfs, 0x94, 3, BtrfsResize);
}

/// The size of an open block device, in bytes.
pub(crate) fn size(device: &File) -> Result<u64> {
    // The driver runs on 64-bit machines alone, where size_t has the 64 bits that the kernel writes.
    const _: () = assert!(size_of::<usize>() == size_of::<u64>());
    let mut bytes: usize = 0;
    // SAFETY: the descriptor is open for as long as `device` is borrowed, and `bytes` has the 8 bytes that the kernel writes.
    unsafe { raw::size(device.as_raw_fd(), &raw mut bytes) }?;
    Ok(bytes as u64)
}

/// Grows the mounted ext4 that `place` lies on to this number of blocks.
pub(crate) fn resize_ext4(place: &File, blocks: u64) -> Result<()> {
    // SAFETY: the descriptor is open for as long as `place` is borrowed, and the kernel only reads the 8 bytes of `blocks`.
    unsafe { raw::resize_ext4(place.as_raw_fd(), &raw const blocks) }.map(drop)
}

/// The geometry of the mounted xfs that `place` lies on.
pub(crate) fn xfs_geometry(place: &File) -> Result<XfsGeometry> {
    let mut geometry = XfsGeometry::default();
    // SAFETY: the descriptor is open, and `geometry` is a live structure of the kernel's size to write to; every bit
    // pattern is a valid value of it.
    unsafe { raw::xfs_geometry(place.as_raw_fd(), &raw mut geometry) }?;
    Ok(geometry)
}

/// Grows the mounted xfs that `place` lies on to this number of blocks; `inode_percent` is what it has now.
pub(crate) fn grow_xfs(place: &File, data_blocks: u64, inode_percent: u32) -> Result<()> {
    let growth = XfsGrowth {
        data_blocks,
        inode_percent,
        padding: 0,
    };
    // SAFETY: the descriptor is open, and `growth` is a live structure of the kernel's size, which the kernel only reads.
    unsafe { raw::grow_xfs(place.as_raw_fd(), &raw const growth) }.map(drop)
}

/// Grows the mounted btrfs that `place` lies on to the size of its one device, and commits that.
pub(crate) fn resize_btrfs(place: &File) -> Result<()> {
    let mut wish = BtrfsResize {
        descriptor: 0,
        name: [0; 4088],
    };
    for (byte, letter) in wish.name.iter_mut().zip(b"max") {
        *byte = *letter;
    }
    // SAFETY: the descriptor is open, and `wish` is a live structure of the kernel's size, which the kernel only reads.
    unsafe { raw::resize_btrfs(place.as_raw_fd(), &raw const wish) }.map(drop)
}
