use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn given(pairs: &[(&str, &str)]) -> FormatParameters {
    let map = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    FormatParameters::of_context(&map)
}

#[test]
fn what_the_go_driver_wrote_is_read_and_written() {
    let context = [
        ("blocksize", "2048"),
        ("inodesize", "512"),
        ("bytesperinode", "8192"),
        ("ext4bigalloc", "true"),
        ("ext4clustersize", "16384"),
        ("ext4encryptionsupport", "true"),
    ];
    let read = given(&context);
    let FormatOptions::Ext4(ext, own) = read.for_fs(FsType::Ext4).unwrap() else {
        panic!("not ext4");
    };
    assert_eq!(ext.block_size(), Some(2048));
    assert_eq!(ext.inode_size(), Some(512));
    assert_eq!(ext.inodes(), Some(Inodes::BytesPer(8192)));
    assert_eq!(own.clusters(), Some(Clusters { size: Some(16384) }));
    assert!(own.encryption());
    let written: HashMap<_, _> = read.to_context().collect();
    let expected = context.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(written, HashMap::from(expected));
}

#[test]
fn nothing_given_is_the_default_of_each() {
    for fs in FsType::ALL {
        let options = given(&[("partition", "1")]).for_fs(fs).unwrap();
        assert_eq!(options, FormatOptions::defaults(fs));
        assert_eq!(options.fs(), fs);
    }
    FormatParameters::default().for_block().unwrap();
}

#[rstest]
#[case(FsType::Ext4, &[("blockSize", "4k")])]
#[case(FsType::Ext3, &[("numberOfInodes", "1000"), ("INODESIZE", "128")])]
#[case(FsType::Xfs, &[("blockSize", "1024"), ("inodeSize", "512")])]
#[case(FsType::Xfs, &[("ext4BigAlloc", "false")])]
#[case(FsType::Btrfs, &[("ext4EncryptionSupport", "false")])]
fn these_are_taken(#[case] fs: FsType, #[case] pairs: &[(&str, &str)]) {
    given(pairs).for_fs(fs).unwrap();
}

#[rstest]
#[case(FsType::Btrfs, &[("blockSize", "4096")], &["blockSize", "4096", "btrfs has no such option", "xfs"])]
#[case(FsType::Xfs, &[("bytesPerInode", "8192")], &["bytesPerInode", "ext3 or ext4"])]
#[case(FsType::Ext3, &[("ext4BigAlloc", "true")], &["ext4BigAlloc", "true", "ext4"])]
#[case(FsType::Ext4, &[("blockSize", "3000")], &["blockSize", "3000", "power of two", "1024", "65536"])]
#[case(FsType::Ext4, &[("blockSize", "")], &["power of two"])]
#[case(FsType::Ext4, &[("inodeSize", "8192")], &["inodeSize", "4096"])]
#[case(FsType::Ext4, &[("blockSize", "1024"), ("inodeSize", "2048")], &["inodeSize", "from 128 to 1024"])]
#[case(FsType::Xfs, &[("inodeSize", "256")], &["from 512 to 2048"])]
#[case(FsType::Xfs, &[("blockSize", "1024"), ("inodeSize", "1024")], &["from 512 to 512"])]
#[case(FsType::Ext4, &[("bytesPerInode", "8192"), ("numberOfInodes", "5")], &["numberOfInodes", "5", "keep one"])]
#[case(FsType::Ext4, &[("ext4ClusterSize", "16384")], &["ext4ClusterSize", "ext4BigAlloc"])]
#[case(FsType::Ext4, &[("ext4BigAlloc", "true"), ("ext4ClusterSize", "4096")], &["from 8192 to 268435456"])]
#[case(FsType::Ext4, &[("ext4BigAlloc", "yes")], &["ext4BigAlloc", "yes", "true or false"])]
#[case(FsType::Ext4, &[("numberOfInodes", "-1")], &["whole number"])]
fn these_are_refused(#[case] fs: FsType, #[case] pairs: &[(&str, &str)], #[case] words: &[&str]) {
    let error = given(pairs).for_fs(fs).unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "{word}: {error}");
    }
}

#[test]
fn a_raw_block_volume_takes_none() {
    let error = given(&[("inodeSize", "256")]).for_block().unwrap_err();
    assert_eq!(error.key, FormatKey::InodeSize);
    assert!(error.to_string().contains("raw block"), "{error}");
}

proptest! {
    #[test]
    fn no_value_panics_and_what_is_taken_is_in_range(value in "[0-9]{0,12}[kKmMgG]{0,2}|.*") {
        for key in FormatKey::ALL {
            for fs in FsType::ALL {
                if let Ok(options) = given(&[(key.parameter(), &value)]).for_fs(fs)
                    && let Some(size) = options.block_size()
                {
                    prop_assert!(size.is_power_of_two() && (1024..=65536).contains(&size));
                }
            }
        }
    }
}
