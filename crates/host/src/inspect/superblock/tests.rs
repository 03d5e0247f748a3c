use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::crc32c;

fn put(head: &mut [u8], at: usize, bytes: &[u8]) {
    head[at..][..bytes.len()].copy_from_slice(bytes);
}

/// An ext superblock of 4 KiB blocks with these features.
fn ext_head(compat: u32, incompat: u32, ro_compat: u32) -> Vec<u8> {
    let mut head = vec![0; 68 << 10];
    let sb = &mut head[1024..2048];
    put(sb, 0x4, &262_144_u32.to_le_bytes());
    put(sb, 0x18, &2_u32.to_le_bytes());
    put(sb, 0x38, &0xEF53_u16.to_le_bytes());
    put(sb, 0x5C, &compat.to_le_bytes());
    put(sb, 0x60, &incompat.to_le_bytes());
    put(sb, 0x64, &ro_compat.to_le_bytes());
    put(sb, 0x68, &[7; 16]);
    put(sb, 0x150, &1_u32.to_le_bytes());
    let checksum = crc32c::update(u32::MAX, sb[..0x3FC].iter().copied());
    put(sb, 0x3FC, &checksum.to_le_bytes());
    head
}

fn xfs_head(in_progress: u8) -> Vec<u8> {
    let mut head = vec![0; 68 << 10];
    put(&mut head, 0, b"XFSB");
    put(&mut head, 4, &4096_u32.to_be_bytes());
    put(&mut head, 8, &262_144_u64.to_be_bytes());
    put(&mut head, 32, &[9; 16]);
    put(&mut head, 100, &0xB4A5_u16.to_be_bytes());
    put(&mut head, 102, &512_u16.to_be_bytes());
    head[126] = in_progress;
    let checksum = crc32c::checksum(head[..512].iter().copied());
    put(&mut head, 224, &checksum.to_le_bytes());
    head
}

fn btrfs_head(devices: u64) -> Vec<u8> {
    let mut head = vec![0; 68 << 10];
    let sb = &mut head[64 << 10..];
    put(sb, 0x20, &[5; 16]);
    put(sb, 0x40, b"_BHRfS_M");
    put(sb, 0x48, &6_u64.to_le_bytes());
    put(sb, 0x70, &(1_u64 << 30).to_le_bytes());
    put(sb, 0x88, &devices.to_le_bytes());
    put(sb, 0x90, &4096_u32.to_le_bytes());
    let checksum = crc32c::checksum(sb[0x20..].iter().copied());
    put(sb, 0, &checksum.to_le_bytes());
    head
}

fn ours(head: &[u8]) -> Found {
    match recognise(head) {
        Superblock::Ours(found) => found,
        other => panic!("{other:?}"),
    }
}

fn sound(head: &[u8]) -> (FsType, u8, u64) {
    let found = ours(head);
    assert_eq!((found.flaw, found.mounted), (None, false));
    let Filesystem { fs, uuid, size } = found.filesystem;
    assert_eq!(uuid, [uuid[0]; 16]);
    (fs, uuid[0], size.0 / 4096)
}

#[rstest]
#[case(0x4, 0x40, 0, FsType::Ext4, 262_144)]
#[case(0x4, 0xC0, 0, FsType::Ext4, (1 << 32) + 262_144)]
#[case(0, 0x2, 0x400, FsType::Ext4, 262_144)]
#[case(0x4, 0x6, 0x3, FsType::Ext3, 262_144)]
fn ext_and_its_size_are_read(
    #[case] compat: u32,
    #[case] incompat: u32,
    #[case] ro_compat: u32,
    #[case] fs: FsType,
    #[case] blocks: u64,
) {
    let head = ext_head(compat, incompat, ro_compat);
    assert_eq!(sound(&head), (fs, 7, blocks));
}

#[test]
fn other_ext_are_told_apart() {
    for (compat, incompat, what) in [(0, 0x2, "an ext2 "), (0, 0x8, "external journal")] {
        match recognise(&ext_head(compat, incompat, 0x3)) {
            Superblock::Other(found) => assert!(found.contains(what), "{found}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn xfs_and_btrfs_are_read() {
    assert_eq!(sound(&xfs_head(0)), (FsType::Xfs, 9, 262_144));
    assert_eq!(sound(&btrfs_head(1)), (FsType::Btrfs, 5, 262_144));
    for devices in [0, 2] {
        assert!(matches!(
            recognise(&btrfs_head(devices)),
            Superblock::Other(_)
        ));
    }
}

#[test]
fn xfs_counts_once_mkfs_has_ended() {
    let found = ours(&xfs_head(1));
    assert!(found.described().contains("mkfs did not end"));
}

#[rstest]
#[case(ext_head(0x4, 0x40, 0x400), 1024 + 0x78)]
#[case(xfs_head(0), 108)]
#[case(btrfs_head(1), (64 << 10) + 0x12B)]
fn a_wrong_checksum_is_a_flaw(#[case] mut head: Vec<u8>, #[case] label: usize) {
    sound(&head);
    head[label] ^= 1;
    assert_eq!(ours(&head).flaw, Some(WRONG_CHECKSUM));
}

#[test]
fn a_mount_leaves_its_mark() {
    let mut ext = ext_head(0x4, 0x40, 0);
    put(&mut ext, 1024 + 0x2C, &1_u32.to_le_bytes());
    let mut xfs = xfs_head(0);
    put(&mut xfs, 240, &1_u64.to_be_bytes());
    let mut btrfs = btrfs_head(1);
    put(&mut btrfs, (64 << 10) + 0x233, &7_u64.to_le_bytes());
    for head in [ext, xfs, btrfs] {
        assert!(ours(&head).mounted);
    }
}

#[test]
fn a_log_is_used_with_the_second_record() {
    let mut log = vec![0; 4096];
    assert!(!log_is_used(&log));
    log[512] = 1;
    assert!(!log_is_used(&log), "the header may be missing");
    log[1024] = 1;
    assert!(log_is_used(&log));
    log = vec![0; 4096];
    put(&mut log, 0, &0xFEED_BABE_u32.to_be_bytes());
    put(&mut log, 12, &512_u32.to_be_bytes());
    put(&mut log, 512, &[1; 512]);
    assert!(!log_is_used(&log));
    log[1024] = 1;
    assert!(log_is_used(&log));
    put(&mut log, 12, &u32::MAX.to_be_bytes());
    assert!(log_is_used(&log));
}

#[test]
fn two_superblocks_are_not_chosen_from() {
    let mut both = ext_head(0x4, 0x40, 0);
    both[..512].copy_from_slice(&xfs_head(0)[..512]);
    assert!(matches!(recognise(&both), Superblock::Other(_)));
}

proptest! {
    #[test]
    fn no_bytes_panic(
        mut head in proptest::collection::vec(any::<u8>(), 0..4096),
        zeros in 0..(66_usize << 10),
        at in 0..3_usize,
    ) {
        let magics: [(usize, &[u8]); 3] = [(0, b"XFSB"), (1024 + 0x38, &[0x53, 0xEF]), ((64 << 10) + 0x40, b"_BHRfS_M")];
        let mut bytes = vec![0; zeros];
        bytes.append(&mut head);
        let (place, magic) = magics[at];
        if bytes.len() > place + 8 {
            put(&mut bytes, place, magic);
        }
        let _ = recognise(&bytes);
        let _ = log_is_used(&bytes);
        for fs in FsType::ALL {
            let _ = may_be_begun(fs, &bytes);
        }
    }
}
