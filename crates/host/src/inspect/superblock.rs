//! Superblocks of ext, xfs and btrfs, read in this process.
//!
//! Answers for: type, UUID, size, whether mkfs ended and whether it was mounted, from the bytes at the device's beginning. Doesn't
//! answer for: reading the device.

mod btrfs;
mod ext;
mod xfs;

use ebs_types::{Bytes, FsType};

use super::Filesystem;

/// Enough for the superblocks of all: 1 KiB at 1 KiB (ext), a sector at 0 (xfs), 4 KiB at 64 KiB (btrfs); in bytes.
pub(crate) const HEAD: u64 = 68 << 10;

/// What the beginning of a device shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Superblock {
    /// A file system that this driver mounts, if it has no flaw.
    Ours(Found),
    /// A superblock that this driver does not mount, described.
    Other(String),
    /// No superblock of ext, xfs or btrfs.
    None,
}

/// A superblock of a file system that this driver mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// What it says.
    pub(crate) filesystem: Filesystem,
    /// Why it can't be relied on, if so.
    pub(crate) flaw: Option<&'static str>,
    /// Whether it shows that the file system was mounted since mkfs made it.
    pub(crate) mounted: bool,
    /// What it asks of a kernel.
    pub(crate) features: Features,
    /// Where the log begins, in bytes, if a log says better whether the file system was mounted (xfs).
    pub(crate) log: Option<u64>,
    /// The space that the file system gives out at once, in bytes: less than this it can't grow by.
    pub(crate) grain: u64,
}

/// What a file system asks of a kernel that mounts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    /// Bits that a kernel must know to mount it.
    pub(crate) incompat: u64,
    /// Bits that it must know to mount it writable.
    pub(crate) ro_compat: u64,
    /// Bytes of a block, or of btrfs' sector.
    pub(crate) block_size: u64,
}

impl Found {
    /// Whether space is given out in clusters of several blocks (ext4's bigalloc).
    pub(crate) fn has_clusters(&self) -> bool {
        self.grain > self.features.block_size
    }

    /// What is there, with its flaw.
    pub(crate) fn described(&self) -> String {
        match self.flaw {
            None => self.filesystem.to_string(),
            Some(flaw) => format!("{} {flaw}", self.filesystem),
        }
    }
}

/// Reads the first bytes of a device, [`HEAD`] of them; too few show nothing.
pub(crate) fn recognise(head: &[u8]) -> Superblock {
    let found: Vec<_> = [ext::read(head), xfs::read(head), btrfs::read(head)]
        .into_iter()
        .flatten()
        .collect();
    match <[Superblock; 1]>::try_from(found) {
        Ok([only]) => only,
        Err(several) if several.is_empty() => Superblock::None,
        Err(_) => Superblock::Other("superblocks of several file systems".to_owned()),
    }
}

/// Whether the beginning can be that of a file system half made on a blank device, its superblock not written yet. What anything
/// else writes to a device begins with its first sector, where these have nothing.
pub(crate) fn may_be_begun(fs: FsType, head: &[u8]) -> bool {
    let zero = |from: usize, to: usize| head.get(from..to).is_some_and(super::is_zero);
    match fs {
        FsType::Ext3 | FsType::Ext4 => zero(0, 1536),
        FsType::Xfs => zero(0, 512) && xfs::may_be_begun(head),
        FsType::Btrfs => zero(0, 64 << 10) && btrfs::may_be_begun(head),
    }
}

/// The array at a place.
fn array<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..)?.first_chunk().copied()
}

/// The bytes with those of the checksum zero, as it is computed over them.
fn without(bytes: &[u8], checksum: std::ops::Range<usize>) -> impl Iterator<Item = u8> {
    let bytes = bytes.iter().enumerate();
    bytes.map(move |(at, byte)| if checksum.contains(&at) { 0 } else { *byte })
}

fn bytes_of(blocks: u64, block_size: u64) -> Bytes {
    Bytes(blocks.saturating_mul(block_size))
}

const WRONG_CHECKSUM: &str = "whose superblock has a wrong checksum";

/// How much of the log's beginning tells, in bytes.
pub(crate) use xfs::LOG_HEAD;
/// Whether an xfs log, from its beginning, holds more than what mkfs writes there.
pub(crate) use xfs::log_is_used;

#[cfg(test)]
mod tests;
