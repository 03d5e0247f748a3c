use ebs_types::Bytes;
use rstest::rstest;
use tempfile::TempDir;

use super::*;
use crate::Filesystem;

fn kernel(major: u32, minor: u32) -> (Kernel, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let kernel = Kernel {
        release: (major, minor),
        page_size: 4096,
        listed: dir.path().to_owned(),
    };
    (kernel, dir)
}

fn found(fs: FsType, incompat: u64, ro_compat: u64) -> Found {
    Found {
        filesystem: Filesystem {
            fs,
            uuid: [0; 16],
            size: Bytes(1 << 30),
        },
        flaw: None,
        mounted: false,
        features: Features {
            incompat,
            ro_compat,
            block_size: 4096,
        },
        log: None,
        grain: 4096,
    }
}

#[rstest]
#[case(FsType::Ext4, 0x2C2, 0x46B, (4, 14), "")]
#[case(FsType::Ext4, 0x4_0000, 0x1_0000, (5, 10), "unknown features 0x40000, orphan_present")]
#[case(FsType::Xfs, 0x2B, 0xD, (5, 10), "nrext64")]
#[case(FsType::Xfs, 0x2B, 0xD, (5, 4), "bigtime, nrext64, inobtcount")]
#[case(FsType::Xfs, 0x2B, 0xD, (5, 19), "")]
#[case(FsType::Xfs, 0xC0, 0, (6, 9), "exchange, parent")]
#[case(FsType::Btrfs, 0x341, 0xB, (6, 0), "block_group_tree")]
#[case(FsType::Btrfs, 0x4000, 0, (7, 9), "raid_stripe_tree")]
fn what_a_release_lacks_is_named(
    #[case] fs: FsType,
    #[case] incompat: u64,
    #[case] ro_compat: u64,
    #[case] (major, minor): (u32, u32),
    #[case] lacking: &str,
) {
    let (kernel, _dir) = kernel(major, minor);
    let lacks = kernel.lacks(&found(fs, incompat, ro_compat));
    assert_eq!(lacks.join(", "), lacking);
}

#[test]
fn a_feature_that_the_kernel_lists_is_known_to_it() {
    let (kernel, dir) = kernel(5, 14);
    let features = dir.path().join("btrfs/features");
    fs::create_dir_all(&features).unwrap();
    fs::write(features.join("supported_sectorsizes"), "4096 65536\n").unwrap();
    let found = found(FsType::Btrfs, 0x1_0341, 0x3);
    assert_eq!(kernel.lacks(&found), ["simple_quota"]);
    fs::write(features.join("simple_quota"), "0\n").unwrap();
    assert_eq!(kernel.lacks(&found), [""; 0]);
}

#[rstest]
#[case(FsType::Ext4, 8192, (6, 18), false)]
#[case(FsType::Ext3, 1024, (4, 14), true)]
#[case(FsType::Xfs, 65536, (6, 11), false)]
#[case(FsType::Xfs, 65536, (6, 12), true)]
#[case(FsType::Btrfs, 65536, (6, 18), false)]
fn blocks_larger_than_a_page(
    #[case] fs: FsType,
    #[case] size: u64,
    #[case] (major, minor): (u32, u32),
    #[case] taken: bool,
) {
    let (kernel, _dir) = kernel(major, minor);
    assert_eq!(kernel.takes_blocks(fs, size), taken);
}

#[rstest]
#[case("6.18.44-fc", Some((6, 18)))]
#[case("v6.2", Some((6, 2)))]
#[case("1.47.0", Some((1, 47)))]
#[case("5.10-rc1", Some((5, 10)))]
#[case("mkfs.xfs", None)]
#[case("", None)]
fn versions_are_read(#[case] text: &str, #[case] read: Option<(u32, u32)>) {
    assert_eq!(numbers(text), read);
}

#[test]
fn the_running_kernel_says_what_it_is() {
    let kernel = Kernel::running();
    assert!(kernel.release > (3, 0) && kernel.release.0 < 1000);
    assert!(kernel.page_size.is_power_of_two() && kernel.page_size >= 4096);
}
