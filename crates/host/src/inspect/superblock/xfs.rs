//! The superblock of xfs, and the beginning of its log (fs/xfs/libxfs/xfs_format.h and xfs_log_format.h of Linux).

use ebs_types::FsType;

use super::{Features, Filesystem, Found, Superblock, WRONG_CHECKSUM, array, bytes_of, without};
use crate::crc32c;

pub(super) const MAGIC: &[u8] = b"XFSB";
/// How much of the log's beginning tells whether it was used, in bytes: more than any first record of mkfs, whose size is that of the
/// log's stripe unit at most.
pub(crate) const LOG_HEAD: u64 = 512 << 10;
const LOG_MAGIC: u32 = 0xFEED_BABE;
const SECTOR: usize = 512;
const CHECKSUM: std::ops::Range<usize> = 224..228;

/// Reads it, a sector at 0.
pub(super) fn read(head: &[u8]) -> Option<Superblock> {
    if !head.starts_with(MAGIC) {
        return None;
    }
    let u32_at = |at| array(head, at).map(u32::from_be_bytes);
    let u64_at = |at| array(head, at).map(u64::from_be_bytes);
    let (block_size, blocks) = (u32_at(4)?, u64_at(8)?);
    if blocks == 0 || !block_size.is_power_of_two() || !(512..=65_536).contains(&block_size) {
        return None;
    }
    let version = array(head, 100).map(u16::from_be_bytes)? & 0xF;
    let has_checksum = version >= 5;
    let flaw = if *head.get(126)? != 0 {
        // sb_inprogress: mkfs clears it as its last act.
        Some("whose mkfs did not end")
    } else if has_checksum && !checksum_is_right(head)? {
        Some(WRONG_CHECKSUM)
    } else {
        None
    };
    let newer = |bits: Option<u32>| {
        if has_checksum {
            bits.map(u64::from)
        } else {
            Some(0)
        }
    };
    Some(Superblock::Ours(Found {
        filesystem: Filesystem {
            fs: FsType::Xfs,
            uuid: array(head, 32)?,
            size: bytes_of(blocks, block_size.into()),
        },
        flaw,
        // sb_lsn: where in the log the superblock was last written. mkfs leaves it zero; so does a mount that ends in a crash.
        mounted: !has_checksum || u64_at(240)? != 0,
        features: Features {
            incompat: newer(u32_at(216))?,
            ro_compat: newer(u32_at(212))?,
            block_size: block_size.into(),
        },
        log: log_place(head, u64::from(block_size)),
        grain: block_size.into(),
    }))
}

/// Whether the sectors after the superblock's hold nothing, or what mkfs puts there: the headers of free space, inodes, and the free
/// list.
pub(super) fn may_be_begun(head: &[u8]) -> bool {
    let headers = [b"XAGF", b"XAGI", b"XAFL"];
    let mut sectors = head.chunks(SECTOR).skip(1).zip(headers);
    sectors.all(|(sector, magic)| super::super::is_zero(sector) || sector.starts_with(magic))
}

fn checksum_is_right(head: &[u8]) -> Option<bool> {
    let sector_size = usize::from(array(head, 102).map(u16::from_be_bytes)?);
    let sector = head.get(..sector_size)?;
    let stored = array(head, CHECKSUM.start).map(u32::from_le_bytes)?;
    Some(crc32c::checksum(without(sector, CHECKSUM)) == stored)
}

/// Where the log begins, in bytes: block numbers hold the allocation group in their upper bits.
fn log_place(head: &[u8], block_size: u64) -> Option<u64> {
    let start = array(head, 48).map(u64::from_be_bytes)?;
    let group_blocks = u64::from(array(head, 84).map(u32::from_be_bytes)?);
    let group_bits = u32::from(*head.get(124)?);
    let group = start.checked_shr(group_bits)?;
    let block = start & 1_u64.checked_shl(group_bits)?.wrapping_sub(1);
    group
        .checked_mul(group_blocks)?
        .checked_add(block)?
        .checked_mul(block_size)
}

/// Whether the log, from its beginning, holds more than the one record that mkfs writes: a mount stamps the space ahead of where it is
/// going to write before anything else.
pub(crate) fn log_is_used(log: &[u8]) -> bool {
    let zero = |from: usize| log.get(from..).is_some_and(super::super::is_zero);
    let magic = array(log, 0).map(u32::from_be_bytes);
    let length = array(log, 12).map(u32::from_be_bytes);
    let first = match (magic, length.map(usize::try_from)) {
        (Some(LOG_MAGIC), Some(Ok(length))) => length.div_ceil(SECTOR).saturating_mul(SECTOR),
        // A power cut may have left out the record's header, or all of it.
        (Some(0), _) if log.get(..SECTOR).is_some_and(super::super::is_zero) => SECTOR,
        _ => return true,
    };
    !zero(SECTOR.saturating_add(first))
}
