//! Growing on loop devices, with the machine's kernel and resize2fs.

use std::collections::HashMap;
use std::fs;

use ebs_types::{FormatParameters, GIB};
use rstest::rstest;

use super::*;
use crate::testing::{MIB, TestVolume, skipped_without_root, text};
use crate::{Contents, Host as _, MountOptions};

/// A volume of 1 GiB with a file system made with these options.
async fn made(fs: FsType, given: &[(&str, &str)]) -> (TestVolume, Device) {
    let given: HashMap<_, _> = given
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let options = FormatParameters::of_context(&given).for_fs(fs).unwrap();
    let test = TestVolume::new(GIB);
    let (host, device) = (test.host(), test.find().await);
    let Contents::Blank(blank) = host.inspect(&device).await.unwrap() else {
        panic!("not blank");
    };
    host.format(blank, options).await.unwrap();
    (test, device)
}

#[rstest]
#[tokio::test]
async fn ext_grows_before_it_is_mounted_unless_this_process_may_grow_it_then(
    #[values(FsType::Ext3, FsType::Ext4, FsType::Xfs, FsType::Btrfs)] fs: FsType,
) {
    if skipped_without_root() {
        return;
    }
    let mut test = TestVolume::new(512 * MIB);
    let host = test.host();
    let device = test.formatted(fs).await;
    let staging = test.place("staging");
    test.grow(GIB);
    let grown = host.grow_before_mount(&device, fs).await.unwrap();
    let by_program = fs.is_ext() && !SYS_RESOURCE.is_held();
    let sizes = if by_program {
        (511 * MIB, GIB)
    } else {
        (511 * MIB, 511 * MIB)
    };
    assert_eq!((grown.before.0, grown.after.0), sizes);
    host.mount(&device, &staging, fs, &MountOptions::default())
        .await
        .unwrap();
    fs::write(staging.join("file"), "kept").unwrap();
    let grown = host.grow_mounted(&device, fs, &staging).await.unwrap();
    assert_eq!((grown.changed(), grown.after.0), (!by_program, GIB));
    let again = host.grow_mounted(&device, fs, &staging).await.unwrap();
    assert!(!again.changed());

    test.grow(2 * GIB);
    match host.grow_mounted(&device, fs, &staging).await {
        Ok(grown) => assert_eq!(grown.after.0, 2 * GIB),
        Err(GrowError::NeedsCapability { capability, .. }) => {
            assert_eq!((fs.is_ext(), capability), (true, "CAP_SYS_RESOURCE"));
        }
        Err(error) => panic!("{error}"),
    }
    host.unmount(&staging).await.unwrap();
    host.grow_before_mount(&device, fs).await.unwrap();
    host.check(&device, fs).await.unwrap();
    host.mount(&device, &staging, fs, &MountOptions::default())
        .await
        .unwrap();
    assert_eq!(text(&staging, "file"), "kept");
}

/// The tail that formatting leaves, and the rest that is no whole cluster, are no room to grow by for ever.
#[rstest]
#[case(FsType::Ext3, &[])]
#[case(FsType::Ext4, &[])]
#[case(FsType::Ext4, &[("blocksize", "1024"), ("bytesperinode", "1024")])]
#[case(FsType::Xfs, &[])]
#[case(FsType::Btrfs, &[])]
#[tokio::test]
async fn what_has_grown_once_has_grown(#[case] fs: FsType, #[case] given: &[(&str, &str)]) {
    if skipped_without_root() {
        return;
    }
    let (mut test, device) = made(fs, given).await;
    let host = test.host();
    let staging = test.place("staging");
    for size in [GIB, 2 * GIB] {
        test.grow(size);
        for round in 0..3 {
            let before = host.grow_before_mount(&device, fs).await.unwrap();
            host.mount(&device, &staging, fs, &MountOptions::default())
                .await
                .unwrap();
            let mounted = host.grow_mounted(&device, fs, &staging).await.unwrap();
            host.unmount(&staging).await.unwrap();
            let changed = before.changed() || mounted.changed();
            assert!(
                !changed || round == 0,
                "{fs} of {size} bytes: {before:?}, {mounted:?}"
            );
            assert!(mounted.after.0 >= size - 16 * MIB, "{mounted:?}");
        }
    }
}

#[tokio::test]
async fn an_unmounted_ext4_of_clusters_is_left_to_the_kernel() {
    if skipped_without_root() {
        return;
    }
    let given = [("ext4bigalloc", "true"), ("ext4clustersize", "16777216")];
    let (test, device) = made(FsType::Ext4, &given).await;
    test.grow(2 * GIB);
    let host = test.host();
    let grown = host.grow_before_mount(&device, FsType::Ext4).await;
    assert!(!grown.unwrap().changed());
}

#[test]
fn a_tail_is_no_room() {
    let has_room = |fs: u64, device: u64| has_room(Bytes(fs), Bytes(device), 4096);
    assert!(!has_room(GIB - MIB, GIB));
    assert!(!has_room(2 * GIB, GIB));
    assert!(has_room(GIB - MIB, 2 * GIB));
}
