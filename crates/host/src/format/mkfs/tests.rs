use std::collections::HashMap;

use ebs_types::FormatParameters;
use rstest::rstest;

use super::*;

#[rstest]
#[case(FsType::Ext4, &[], &[], "-q -F -m0 -E nodiscard -U U /proc/self/fd/0 1047552k")]
#[case(
    FsType::Ext4,
    &[("blocksize", "2048"), ("inodesize", "512"), ("bytesperinode", "8192"), ("ext4bigalloc", "true"),
      ("ext4clustersize", "16384"), ("ext4encryptionsupport", "true")],
    &[("-O", "orphan_file")],
    "-q -F -m0 -E nodiscard -U U -b2048 -I512 -i8192 -C16384 -O ^orphan_file,bigalloc,encrypt /proc/self/fd/0 1047552k"
)]
#[case(FsType::Ext3, &[("numberofinodes", "1000")], &[], "-q -F -m0 -E nodiscard -U U -N1000 /proc/self/fd/0 1047552k")]
#[case(FsType::Xfs, &[], &[], "-q -K -m uuid=U -d size=1072693248 /proc/self/fd/0")]
#[case(
    FsType::Xfs,
    &[("blocksize", "1024"), ("inodesize", "512")],
    &[("-m", "bigtime"), ("-i", "nrext64"), ("-n", "parent")],
    "-q -K -b size=1024 -m uuid=U,bigtime=0 -d size=1072693248 -i nrext64=0,size=512 -n parent=0 /proc/self/fd/0"
)]
#[case(FsType::Btrfs, &[], &[("-O", "block-group-tree")], "-q -K -U U -b 1072693248 -O ^block-group-tree /proc/self/fd/0")]
fn every_option_reaches_mkfs(
    #[case] fs: FsType,
    #[case] context: &[(&str, &str)],
    #[case] without: &[(&'static str, &'static str)],
    #[case] arguments: &str,
) {
    let context: HashMap<_, _> = context
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let order = Order {
        options: &FormatParameters::of_context(&context).for_fs(fs).unwrap(),
        uuid: "U",
        size: Bytes((1 << 30) - (1 << 20)),
        without,
    };
    assert_eq!(order.arguments().join(" "), arguments);
}
