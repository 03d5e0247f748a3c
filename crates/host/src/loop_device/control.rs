//! The ioctls of loop(4), typed (linux/loop.h).
//!
//! Answers for: calling the kernel soundly. Doesn't answer for: races and retries.

#![expect(unsafe_code, reason = "ioctls have no safe form")]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::Result;
use nix::errno::Errno;
use nix::libc::c_int;

/// `LO_FLAGS_AUTOCLEAR`: the file is let go of at the last close.
const AUTOCLEAR: u32 = 4;

/// EBS volumes show sectors of this many bytes.
const SECTOR: u32 = 512;

/// `struct loop_info64`.
#[repr(C)]
#[derive(Default)]
pub(super) struct LoopInfo64 {
    /// The device number of the file's file system, in the kernel's 32-bit encoding.
    pub(super) device: u64,
    /// The file's inode number.
    pub(super) inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    // u64 where the header has bytes: arrays this long have no Default otherwise, and all are left zero.
    file_name: [u64; 8],
    crypt_name: [u64; 8],
    encrypt_key: [u64; 4],
    init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo64,
    reserved: [u64; 8],
}

// The sizes are part of the kernel's interface.
const _: () = assert!(size_of::<LoopInfo64>() == 232);
const _: () = assert!(size_of::<LoopConfig>() == 304);

mod raw {
    use super::{LoopConfig, LoopInfo64};

    nix::ioctl_write_int_bad!(set_fd, 0x4C00);
    nix::ioctl_none_bad!(clr_fd, 0x4C01);
    nix::ioctl_write_ptr_bad!(set_status64, 0x4C04, LoopInfo64);
    nix::ioctl_read_bad!(get_status64, 0x4C05, LoopInfo64);
    nix::ioctl_none_bad!(set_capacity, 0x4C07);
    nix::ioctl_write_ptr_bad!(configure, 0x4C0A, LoopConfig);
    nix::ioctl_none_bad!(ctl_get_free, 0x4C82);
}

/// The number of a device that is free now, made if there was none.
pub(super) fn free_number(control: &File) -> Result<u32> {
    // SAFETY: the descriptor is open for as long as `control` is borrowed; the call takes no argument.
    let number = unsafe { raw::ctl_get_free(control.as_raw_fd()) }?;
    u32::try_from(number).map_err(|_| Errno::ERANGE)
}

/// Puts the file behind the device, in one step where the kernel can (Linux 5.8), so that no one sees it half made.
///
/// The end of its path is noted with the device: to mkfs.btrfs devices without a name are all the same one.
pub(super) fn configure(device: &File, file: &File, path: &Path) -> Result<()> {
    let fd: c_int = file.as_raw_fd();
    let config = LoopConfig {
        fd: u32::try_from(fd).map_err(|_| Errno::EBADF)?,
        block_size: SECTOR,
        info: LoopInfo64 {
            file_name: name_of(path),
            ..LoopInfo64::default()
        },
        reserved: [0; 8],
    };
    // SAFETY: both descriptors are open for as long as they are borrowed, and `config` is a live `struct loop_config`
    // of the kernel's size, which the kernel only reads.
    match unsafe { raw::configure(device.as_raw_fd(), &raw const config) } {
        // How older kernels answer an ioctl that they don't know.
        Err(Errno::EINVAL | Errno::ENOTTY) => {
            // SAFETY: both descriptors are open for as long as they are borrowed.
            unsafe { raw::set_fd(device.as_raw_fd(), fd) }.map(drop)
        }
        answer => answer.map(drop),
    }
}

/// As much of a path's end as the kernel keeps, which is 63 bytes and a zero.
fn name_of(path: &Path) -> [u64; 8] {
    let path = path.as_os_str().as_bytes();
    let end = path.get(path.len().saturating_sub(63)..).unwrap_or(path);
    let mut padded = end.to_vec();
    padded.resize(64, 0);
    let (words, _) = padded.as_chunks();
    let mut name = [0; 8];
    for (word, bytes) in name.iter_mut().zip(words) {
        *word = u64::from_ne_bytes(*bytes);
    }
    name
}

/// What stands behind the device; ENXIO where nothing does.
pub(super) fn status(device: &File) -> Result<LoopInfo64> {
    let mut info = LoopInfo64::default();
    // SAFETY: the descriptor is open, and `info` is a live `struct loop_info64` of the kernel's size to write to; every
    // bit pattern is a valid value of it.
    unsafe { raw::get_status64(device.as_raw_fd(), &raw mut info) }?;
    Ok(info)
}

/// Takes [`clear`] back, as long as somebody has kept the device open since.
pub(super) fn keep(device: &File) -> Result<()> {
    let mut info = status(device)?;
    if info.flags & AUTOCLEAR == 0 {
        return Ok(());
    }
    info.flags &= !AUTOCLEAR;
    // SAFETY: the descriptor is open for as long as `device` is borrowed, and `info` is a live `struct loop_info64` of the
    // kernel's size, which the kernel only reads.
    unsafe { raw::set_status64(device.as_raw_fd(), &raw const info) }.map(drop)
}

/// Takes over the file's present size.
pub(super) fn set_capacity(device: &File) -> Result<()> {
    // SAFETY: the descriptor is open for as long as `device` is borrowed; the call takes no argument.
    unsafe { raw::set_capacity(device.as_raw_fd()) }.map(drop)
}

/// Lets go of the file once the last descriptor of the device is closed.
pub(super) fn clear(device: &File) -> Result<()> {
    // SAFETY: the descriptor is open for as long as `device` is borrowed; the call takes no argument.
    unsafe { raw::clr_fd(device.as_raw_fd()) }.map(drop)
}
