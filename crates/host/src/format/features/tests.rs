use rstest::rstest;

use super::*;

fn left_out(fs: FsType, kernel: (u32, u32), legacy: bool, version: (u32, u32)) -> String {
    let kernel = Kernel {
        release: kernel,
        ..Kernel::running()
    };
    let all = unwanted(fs, &kernel, legacy, version);
    assert!(all.is_empty() || concern(fs, &kernel, legacy));
    let names: Vec<_> = all.iter().map(|(_, name)| *name).collect();
    names.join(" ")
}

#[rstest]
#[case(FsType::Xfs, (6, 18), false, (7, 0), "")]
#[case(FsType::Xfs, (6, 1), false, (6, 1), "")]
#[case(FsType::Xfs, (6, 1), false, (6, 13), "exchange parent")]
#[case(FsType::Xfs, (5, 10), false, (6, 1), "nrext64")]
#[case(FsType::Xfs, (5, 4), false, (5, 13), "bigtime inobtcount")]
#[case(FsType::Xfs, (5, 4), false, (5, 3), "")]
#[case(FsType::Xfs, (6, 18), true, (6, 1), "reflink bigtime inobtcount nrext64")]
#[case(FsType::Xfs, (6, 18), true, (6, 13), "reflink bigtime inobtcount nrext64 exchange parent")]
#[case(FsType::Xfs, (6, 18), true, (4, 20), "reflink")]
#[case(FsType::Ext4, (5, 10), true, (1, 47), "orphan_file")]
#[case(FsType::Ext4, (5, 10), true, (1, 46), "")]
#[case(FsType::Ext3, (2, 6), true, (1, 47), "")]
#[case(FsType::Btrfs, (6, 0), false, (6, 19), "block-group-tree")]
fn what_the_kernel_or_the_operator_does_not_want(
    #[case] fs: FsType,
    #[case] kernel: (u32, u32),
    #[case] legacy: bool,
    #[case] version: (u32, u32),
    #[case] names: &str,
) {
    assert_eq!(left_out(fs, kernel, legacy, version), names);
}
