//! Superblocks of ext2, ext3, ext4 and xfs, read in this process.
//!
//! Answers for: type, UUID and size from the bytes at the device's beginning. Doesn't answer for: reading the device.
//! Layouts: Documentation/filesystems/ext4/super.rst and fs/xfs/libxfs/xfs_format.h of Linux.

use ebs_types::{Bytes, FsType};

use super::Filesystem;

/// What the beginning of a device shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Superblock {
    /// A file system that this driver mounts.
    Ours(Filesystem),
    /// A superblock that this driver does not mount, described.
    Other(String),
    /// No superblock of ext or xfs.
    None,
}

/// Reads the first bytes of a device; too few of them show nothing.
pub(super) fn recognise(head: &[u8]) -> Superblock {
    match (ext(head), xfs(head)) {
        (Some(_), Some(_)) => Superblock::Other("superblocks of both ext and xfs".to_owned()),
        (Some(found), None) | (None, Some(found)) => found,
        (None, None) => Superblock::None,
    }
}

fn bytes<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..)?.first_chunk().copied()
}

fn ext(head: &[u8]) -> Option<Superblock> {
    const COMPAT_JOURNAL: u32 = 0x4;
    const INCOMPAT_JOURNAL_DEVICE: u32 = 0x8;
    const INCOMPAT_64BIT: u32 = 0x80;
    // What ext3 knows (file types, recovery, meta_bg; sparse superblocks, large files, directory trees): anything beyond is ext4's.
    const INCOMPAT_EXT3: u32 = 0x2 | 0x4 | 0x10;
    const RO_COMPAT_EXT3: u32 = 0x1 | 0x2 | 0x4;

    let sb = head.get(1024..)?;
    let u32_at = |at| bytes(sb, at).map(u32::from_le_bytes);
    if bytes(sb, 0x38).map(u16::from_le_bytes)? != 0xEF53 {
        return None;
    }
    let (compat, incompat, ro_compat) = (u32_at(0x5C)?, u32_at(0x60)?, u32_at(0x64)?);
    let high = if incompat & INCOMPAT_64BIT == 0 {
        0
    } else {
        u32_at(0x150)?
    };
    let blocks = u64::from(high) << 32 | u64::from(u32_at(0x4)?);
    let log_block_size = u32_at(0x18)?;
    // Blocks have 1 to 64 KiB. A stray magic number is no superblock.
    if blocks == 0 || log_block_size > 6 {
        return None;
    }
    let ext3 = incompat & !INCOMPAT_EXT3 == 0 && ro_compat & !RO_COMPAT_EXT3 == 0;
    Some(if incompat & INCOMPAT_JOURNAL_DEVICE != 0 {
        Superblock::Other("the external journal of an ext file system".to_owned())
    } else if ext3 && compat & COMPAT_JOURNAL == 0 {
        Superblock::Other("an ext2 file system".to_owned())
    } else {
        Superblock::Ours(Filesystem {
            fs: if ext3 { FsType::Ext3 } else { FsType::Ext4 },
            uuid: bytes(sb, 0x68)?,
            size: Bytes(blocks.saturating_mul(1024 << log_block_size)),
        })
    })
}

fn xfs(head: &[u8]) -> Option<Superblock> {
    if !head.starts_with(b"XFSB") {
        return None;
    }
    let block_size = u32::from_be_bytes(bytes(head, 4)?);
    let blocks = u64::from_be_bytes(bytes(head, 8)?);
    if blocks == 0 || !block_size.is_power_of_two() || !(512..=65_536).contains(&block_size) {
        return None;
    }
    // sb_inprogress: mkfs clears it as its last act.
    if *head.get(126)? != 0 {
        return Some(Superblock::Other(
            "an xfs file system whose mkfs did not end".to_owned(),
        ));
    }
    Some(Superblock::Ours(Filesystem {
        fs: FsType::Xfs,
        uuid: bytes(head, 32)?,
        size: Bytes(blocks.saturating_mul(u64::from(block_size))),
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An ext superblock of 4 KiB blocks with these features.
    fn ext_head(compat: u32, incompat: u32, ro_compat: u32) -> Vec<u8> {
        let mut head = vec![0; 4096];
        let mut put =
            |at: usize, bytes: &[u8]| head[1024 + at..][..bytes.len()].copy_from_slice(bytes);
        put(0x4, &262_144_u32.to_le_bytes());
        put(0x18, &2_u32.to_le_bytes());
        put(0x38, &0xEF53_u16.to_le_bytes());
        put(0x5C, &compat.to_le_bytes());
        put(0x60, &incompat.to_le_bytes());
        put(0x64, &ro_compat.to_le_bytes());
        put(0x68, &[7; 16]);
        put(0x150, &1_u32.to_le_bytes());
        head
    }

    fn xfs_head(in_progress: u8) -> Vec<u8> {
        let mut head = vec![0; 4096];
        head[..4].copy_from_slice(b"XFSB");
        head[4..8].copy_from_slice(&4096_u32.to_be_bytes());
        head[8..16].copy_from_slice(&262_144_u64.to_be_bytes());
        head[32..48].copy_from_slice(&[9; 16]);
        head[126] = in_progress;
        head
    }

    fn ours(fs: FsType, uuid: u8, blocks: u64) -> Superblock {
        Superblock::Ours(Filesystem {
            fs,
            uuid: [uuid; 16],
            size: Bytes(blocks * 4096),
        })
    }

    #[test]
    fn ext4_and_its_size_are_read() {
        assert_eq!(
            recognise(&ext_head(0x4, 0x40, 0)),
            ours(FsType::Ext4, 7, 262_144)
        );
        assert_eq!(
            recognise(&ext_head(0x4, 0xC0, 0)),
            ours(FsType::Ext4, 7, (1 << 32) + 262_144)
        );
        assert_eq!(
            recognise(&ext_head(0, 0x2, 0x400)),
            ours(FsType::Ext4, 7, 262_144)
        );
    }

    #[test]
    fn the_older_ext_are_told_apart() {
        for (compat, incompat, what) in [(0, 0x2, "an ext2 "), (0, 0x8, "external journal")] {
            match recognise(&ext_head(compat, incompat, 0x3)) {
                Superblock::Other(found) => assert!(found.contains(what), "{found}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn xfs_counts_once_mkfs_has_ended() {
        assert_eq!(recognise(&xfs_head(0)), ours(FsType::Xfs, 9, 262_144));
        assert!(matches!(recognise(&xfs_head(1)), Superblock::Other(_)));
    }

    #[test]
    fn two_superblocks_are_not_chosen_from() {
        let mut both = ext_head(0x4, 0x40, 0);
        both[..512].copy_from_slice(&xfs_head(0)[..512]);
        assert!(matches!(recognise(&both), Superblock::Other(_)));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut head in proptest::collection::vec(any::<u8>(), 0..4096), xfs in any::<bool>()) {
            if xfs && head.len() > 4 {
                head[..4].copy_from_slice(b"XFSB");
            } else if head.len() > 1100 {
                head[1024 + 0x38..][..2].copy_from_slice(&[0x53, 0xEF]);
            }
            let _ = recognise(&head);
        }
    }
}
