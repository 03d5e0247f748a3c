//! The superblock of ext (Documentation/filesystems/ext4/super.rst of Linux).

use ebs_types::FsType;

use super::{Features, Filesystem, Found, Superblock, WRONG_CHECKSUM, array, bytes_of};
use crate::crc32c;

const COMPAT_JOURNAL: u32 = 0x4;
const INCOMPAT_JOURNAL_DEVICE: u32 = 0x8;
const INCOMPAT_64BIT: u32 = 0x80;
const RO_COMPAT_BIGALLOC: u32 = 0x200;
const RO_COMPAT_METADATA_CSUM: u32 = 0x400;
// What ext3 knows (file types, recovery, meta_bg; sparse superblocks, large files, directory trees): anything beyond is ext4's.
const INCOMPAT_EXT3: u32 = 0x2 | 0x4 | 0x10;
const RO_COMPAT_EXT3: u32 = 0x1 | 0x2 | 0x4;

/// Reads it, 1 KiB at 1 KiB.
pub(super) fn read(head: &[u8]) -> Option<Superblock> {
    let sb = head.get(1024..2048)?;
    let u32_at = |at| array(sb, at).map(u32::from_le_bytes);
    let u16_at = |at| array(sb, at).map(u16::from_le_bytes);
    if u16_at(0x38)? != 0xEF53 {
        return None;
    }
    let (compat, incompat, ro_compat) = (u32_at(0x5C)?, u32_at(0x60)?, u32_at(0x64)?);
    let high = match incompat & INCOMPAT_64BIT {
        0 => 0,
        _ => u32_at(0x150)?,
    };
    let blocks = u64::from(high) << 32 | u64::from(u32_at(0x4)?);
    let (log_block, log_cluster) = (u32_at(0x18)?, u32_at(0x1C)?);
    // Blocks have 1 to 64 KiB. A stray magic number is no superblock.
    if blocks == 0 || log_block > 6 {
        return None;
    }
    let ext3 = incompat & !INCOMPAT_EXT3 == 0 && ro_compat & !RO_COMPAT_EXT3 == 0;
    if incompat & INCOMPAT_JOURNAL_DEVICE != 0 {
        let what = "the external journal of an ext file system";
        return Some(Superblock::Other(what.to_owned()));
    }
    if ext3 && compat & COMPAT_JOURNAL == 0 {
        return Some(Superblock::Other("an ext2 file system".to_owned()));
    }
    let block_size = 1024 << log_block;
    let grain = match ro_compat & RO_COMPAT_BIGALLOC {
        0 => block_size,
        _ => 1024 << log_cluster.min(20),
    };
    let wrong = ro_compat & RO_COMPAT_METADATA_CSUM != 0 && checksum(sb) != u32_at(0x3FC);
    Some(Superblock::Ours(Found {
        filesystem: Filesystem {
            fs: if ext3 { FsType::Ext3 } else { FsType::Ext4 },
            uuid: array(sb, 0x68)?,
            size: bytes_of(blocks, block_size),
        },
        flaw: wrong.then_some(WRONG_CHECKSUM),
        // s_mtime and s_mnt_count, both set and flushed before a mount for writing goes on.
        mounted: u32_at(0x2C)? != 0 || u16_at(0x34)? != 0,
        features: Features {
            incompat: incompat.into(),
            ro_compat: ro_compat.into(),
            block_size,
        },
        log: None,
        grain,
    }))
}

fn checksum(sb: &[u8]) -> Option<u32> {
    let covered = sb.get(..0x3FC)?;
    Some(crc32c::update(u32::MAX, covered.iter().copied()))
}
