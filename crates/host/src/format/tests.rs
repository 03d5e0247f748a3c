//! Formatting on loop devices with the machine's own mkfs, cut short at every point.

mod power_cuts;
mod used_meanwhile;

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use ebs_types::{FormatParameters, GIB};
use nix::unistd::{Whence, lseek};
use rstest::rstest;

use super::*;
use crate::inspect::Found;
use crate::testing::{MIB, TestVolume, skipped_without_root, volume};
use crate::{Contents, Host as _, HostSettings, InspectError, LinuxHost};

pub(super) async fn contents(test: &TestVolume) -> Contents {
    test.host().inspect(&test.find().await).await.unwrap()
}

pub(super) async fn blank(test: &TestVolume) -> BlankDevice {
    match contents(test).await {
        Contents::Blank(blank) => blank,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn what(test: &TestVolume) -> String {
    match contents(test).await {
        Contents::Other { what } => what,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn sound(test: &TestVolume) -> Found {
    assert!(matches!(contents(test).await, Contents::Filesystem(_)));
    match inspect::superblock(&test.find().await).unwrap() {
        Superblock::Ours(found) => found,
        other => panic!("{other:?}"),
    }
}

/// Everything of a format but its last step: the record is still there.
pub(super) async fn uncertified(test: &TestVolume, fs: FsType) -> Begun {
    let host = test.host();
    let options = FormatOptions::defaults(fs);
    host.maker()
        .made(&blank(test).await, &options)
        .await
        .unwrap()
}

/// The bytes that are on the disk.
pub(super) fn on_disk(test: &TestVolume, from: u64, length: u64) -> Vec<u8> {
    let image = File::open(test.tree.path("image")).unwrap();
    let mut bytes = vec![0; usize::try_from(length).unwrap()];
    image.read_exact_at(&mut bytes, from).unwrap();
    bytes
}

/// What the image holds, without its holes.
pub(super) fn data_of(test: &TestVolume) -> Vec<(u64, Vec<u8>)> {
    let image = File::open(test.tree.path("image")).unwrap();
    let mut found = Vec::new();
    let mut end = 0;
    while let Ok(begin) = lseek(&image, end, Whence::SeekData) {
        end = lseek(&image, begin, Whence::SeekHole).unwrap();
        let begin = u64::try_from(begin).unwrap();
        let length = u64::try_from(end).unwrap() - begin;
        found.push((begin, on_disk(test, begin, length)));
    }
    found
}

/// The record's place, as it is on the disk.
pub(super) fn at_records_place(test: &TestVolume, size: u64) -> Option<Record> {
    let place = record::place(Bytes(size)).unwrap();
    Record::parse(&on_disk(test, place, 4096))
}

pub(super) fn options(fs: FsType, given: &[(&str, &str)]) -> FormatOptions {
    let given: HashMap<_, _> = given
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    FormatParameters::of_context(&given).for_fs(fs).unwrap()
}

/// What the record relies on: no mkfs writes beyond the size that it is told, but for xfs' zeros over the last 128 KiB.
#[rstest]
#[case(FsType::Ext3, &[])]
#[case(FsType::Ext4, &[])]
#[case(FsType::Ext4, &[("blocksize", "1024")])]
#[case(FsType::Ext4, &[("ext4bigalloc", "true"), ("ext4clustersize", "1048576")])]
#[case(FsType::Xfs, &[])]
#[case(FsType::Xfs, &[("blocksize", "65536")])]
#[case(FsType::Btrfs, &[])]
#[tokio::test]
async fn no_mkfs_writes_where_the_record_is(#[case] fs: FsType, #[case] given: &[(&str, &str)]) {
    if skipped_without_root() {
        return;
    }
    let spared = match fs {
        FsType::Xfs => 128 << 10,
        FsType::Ext3 | FsType::Ext4 | FsType::Btrfs => 0,
    };
    for size in [GIB, 3 * GIB] {
        let place = record::place(Bytes(size)).unwrap();
        let test = TestVolume::holding(size, |image| {
            image.write_all_at(&[0xA5; 1 << 20], place).unwrap();
        });
        let device = test.find().await;
        let options = options(fs, given);
        let uuid = Uuid::random().unwrap();
        let order = Order {
            options: &options,
            uuid: uuid.text(),
            size: Bytes(place),
            without: &[],
        };
        test.host().maker().run(&device, fs, &order).await.unwrap();
        let tail = on_disk(&test, place, size - place - spared);
        assert!(
            tail.iter().all(|byte| *byte == 0xA5),
            "{fs} of {size} bytes"
        );
    }
}

#[rstest]
#[tokio::test]
async fn a_finished_format_leaves_no_record_and_its_own_uuid(
    #[values(FsType::Ext3, FsType::Ext4, FsType::Xfs, FsType::Btrfs)] fs: FsType,
) {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(GIB);
    test.formatted(fs).await;
    let found = sound(&test).await;
    assert_eq!(
        (found.filesystem.fs, found.filesystem.size.0),
        (fs, GIB - MIB)
    );
    assert!(!found.mounted);
    let tail = on_disk(&test, GIB - MIB, MIB);
    let rest = tail.strip_prefix(b"ebs-csi: formatted\n").unwrap();
    assert!(rest.iter().all(|byte| *byte == 0));
    let other = TestVolume::new(GIB);
    other.formatted(fs).await;
    assert_ne!(sound(&other).await.filesystem.uuid, found.filesystem.uuid);
}

#[tokio::test]
async fn a_volume_without_room_for_a_record_is_refused() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(3 * MIB);
    let device = blank(&test).await;
    let options = FormatOptions::defaults(FsType::Ext4);
    let error = test.host().format(device, options).await.unwrap_err();
    assert!(matches!(error, FormatError::TooSmall { .. }), "{error}");
}

/// A machine with a kernel of this release, which lists no features.
fn with_kernel(test: &TestVolume, release: (u32, u32)) -> LinuxHost {
    let settings = test.tree.settings();
    LinuxHost::new(HostSettings {
        kernel: Kernel {
            release,
            listed: test.tree.path("no features"),
            ..settings.kernel.clone()
        },
        ..settings
    })
}

#[tokio::test]
async fn what_the_kernel_lacks_is_left_out_where_mkfs_can() {
    if skipped_without_root() {
        return;
    }
    for (fs, release) in [
        (FsType::Xfs, (5, 4)),
        (FsType::Ext4, (5, 4)),
        (FsType::Ext3, (4, 14)),
    ] {
        let test = TestVolume::new(GIB);
        let host = with_kernel(&test, release);
        let device = blank(&test).await;
        host.format(device, FormatOptions::defaults(fs))
            .await
            .unwrap();
        let found = sound(&test).await;
        assert_eq!(host.maker().kernel.lacks(&found), [""; 0]);
    }
}

#[tokio::test]
async fn what_cannot_be_left_out_is_refused_and_made_again_on_another_day() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(GIB);
    let device = blank(&test).await;
    let options = FormatOptions::defaults(FsType::Xfs);
    let old = with_kernel(&test, (3, 10));
    let error = old.format(device, options.clone()).await.unwrap_err();
    let words = error.to_string();
    assert!(matches!(error, FormatError::Unmountable { .. }), "{words}");
    for word in ["kernel 3.10", "mkfs.xfs", "finobt", "sparse inodes"] {
        assert!(words.contains(word), "{word}: {words}");
    }
    let again = blank(&test).await;
    test.host().format(again, options).await.unwrap();
    sound(&test).await;
}

#[tokio::test]
async fn blocks_that_the_kernel_cannot_mount_are_refused_before_anything_is_written() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(GIB);
    let host = with_kernel(&test, (6, 1));
    let large = options(FsType::Xfs, &[("blocksize", "65536")]);
    if host.maker().kernel.page_size >= 65_536 {
        return;
    }
    let error = host.format(blank(&test).await, large).await.unwrap_err();
    let words = error.to_string();
    assert!(words.contains("blocks of 65536 bytes"), "{words}");
    assert_eq!(at_records_place(&test, GIB), None);
}

#[tokio::test]
async fn legacy_xfs_has_nothing_that_came_after_5_4() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(GIB);
    let host = LinuxHost::new(HostSettings {
        legacy_xfs: true,
        ..test.tree.settings()
    });
    let device = blank(&test).await;
    host.format(device, FormatOptions::defaults(FsType::Xfs))
        .await
        .unwrap();
    let features = sound(&test).await.features;
    // bigtime, nrext64, exchange, parent; reflink, inobtcount.
    assert_eq!(features.incompat & (0x8 | 0x20 | 0x40 | 0x80), 0);
    assert_eq!(features.ro_compat & (0x4 | 0x8), 0);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_proves_nothing() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(GIB);
    let device = test.find().await;
    test.set_file_size(GIB - 2 * MIB);
    let error = test.host().inspect(&device).await.unwrap_err();
    assert!(matches!(error, InspectError::Unreadable { .. }), "{error}");
}
