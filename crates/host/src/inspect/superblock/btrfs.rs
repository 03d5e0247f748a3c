//! The superblock of btrfs (struct btrfs_super_block in linux/btrfs_tree.h).

use ebs_types::{Bytes, FsType};

use super::{Features, Filesystem, Found, Superblock, WRONG_CHECKSUM, array};
use crate::crc32c;

const PLACE: usize = 64 << 10;
const SIZE: usize = 4 << 10;
const MAGIC: &[u8; 8] = b"_BHRfS_M";
const FLAG_SEEDING: u64 = 1 << 32;
const CSUM_CRC32C: u16 = 0;
/// mkfs takes less than ten transactions.
const FIRST_GENERATIONS: u64 = 16;

/// Reads it, 4 KiB at 64 KiB.
pub(super) fn read(head: &[u8]) -> Option<Superblock> {
    let sb = head.get(PLACE..PLACE + SIZE)?;
    let u64_at = |at| array(sb, at).map(u64::from_le_bytes);
    let u32_at = |at| array(sb, at).map(u32::from_le_bytes);
    if array(sb, 0x40).as_ref() != Some(MAGIC) {
        return None;
    }
    let (size, devices, flags) = (u64_at(0x70)?, u64_at(0x88)?, u64_at(0x38)?);
    if devices != 1 {
        let what = format!("one of {devices} devices of a btrfs file system");
        return Some(Superblock::Other(what));
    }
    if flags & FLAG_SEEDING != 0 {
        return Some(Superblock::Other("a btrfs seed device".to_owned()));
    }
    let kind = array(sb, 0xC4).map(u16::from_le_bytes)?;
    let stored = u32_at(0)?;
    let covered = sb.get(0x20..)?.iter().copied();
    let wrong = kind == CSUM_CRC32C && crc32c::checksum(covered) != stored;
    let sector = u64::from(u32_at(0x90)?);
    Some(Superblock::Ours(Found {
        filesystem: Filesystem {
            fs: FsType::Btrfs,
            uuid: array(sb, 0x20)?,
            size: Bytes(size),
        },
        flaw: wrong.then_some(WRONG_CHECKSUM),
        mounted: shows_mount(sb)?,
        features: Features {
            incompat: u64_at(0xBC)?,
            ro_compat: u64_at(0xB4)?,
            block_size: sector,
        },
        log: None,
        grain: sector,
    }))
}

/// Whether there is nothing at the superblock's place, or what mkfs has there until its last act.
pub(super) fn may_be_begun(head: &[u8]) -> bool {
    const TEMPORARY: &[u8; 8] = b"!BHRfS_M";
    head.get(PLACE..PLACE + SIZE).is_some_and(|sb| {
        sb.get(..512).is_some_and(super::super::is_zero)
            || array(sb, 0x40).as_ref() == Some(TEMPORARY)
    })
}

/// A log tree is what fsync leaves until the next transaction; the first mount makes the tree of UUIDs and notes its generation. mkfs
/// leaves the generation of the space cache at zero, or all ones where there is no such cache.
fn shows_mount(sb: &[u8]) -> Option<bool> {
    let u64_at = |at| array(sb, at).map(u64::from_le_bytes);
    let (generation, log_root) = (u64_at(0x48)?, u64_at(0x60)?);
    let (cache, uuid_tree) = (u64_at(0x22B)?, u64_at(0x233)?);
    Some(
        generation >= FIRST_GENERATIONS
            || log_root != 0
            || uuid_tree != 0
            || !matches!(cache, 0 | u64::MAX),
    )
}
