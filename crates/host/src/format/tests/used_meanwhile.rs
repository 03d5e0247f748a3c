//! Somebody used a volume whose format was interrupted, before this driver came to it again: what they have there is never lost.

use super::*;
use crate::{MountOptions, exec};

const SIZE: u64 = GIB;

#[rstest]
#[tokio::test]
async fn a_file_system_that_was_mounted_is_kept(
    #[values(FsType::Ext3, FsType::Ext4, FsType::Xfs, FsType::Btrfs)] fs: FsType,
    #[values(true, false)] unmounted: bool,
) {
    if skipped_without_root() {
        return;
    }
    let mut used = TestVolume::new(SIZE);
    uncertified(&used, fs).await;
    let (host, device) = (used.host(), used.find().await);
    let path = used.place("by hand");
    let options = MountOptions::default();
    host.mount(&device, &path, fs, &options).await.unwrap();
    std::fs::write(path.join("file"), "precious").unwrap();
    File::open(path.join("file")).unwrap().sync_all().unwrap();
    if unmounted {
        host.unmount(&path).await.unwrap();
    }
    used.sync();
    // What is on the disk at this moment: with a file system that is still mounted, a machine that lost its power.
    let mut test = TestVolume::holding(SIZE, |image| {
        for (at, bytes) in data_of(&used) {
            image.write_all_at(&bytes, at).unwrap();
        }
    });
    assert!(at_records_place(&test, SIZE).is_some());
    sound(&test).await;

    let (host, device) = (test.host(), test.find().await);
    host.unmount(&path).await.unwrap();
    host.check(&device, fs).await.unwrap();
    assert_eq!(at_records_place(&test, SIZE), None, "the record is retired");
    let path = test.place("staging");
    host.mount(&device, &path, fs, &options).await.unwrap();
    assert_eq!(crate::testing::text(&path, "file"), "precious");
}

#[rstest]
#[case(FsType::Ext4, &["-q", "-F", exec::DEVICE])]
#[case(FsType::Xfs, &["-q", "-f", exec::DEVICE])]
#[case(FsType::Btrfs, &["-q", "-f", exec::DEVICE])]
#[tokio::test]
async fn a_file_system_that_somebody_else_made_is_kept(
    #[case] fs: FsType,
    #[case] arguments: &[&str],
) {
    if skipped_without_root() {
        return;
    }
    for first in [FsType::Ext4, FsType::Xfs, FsType::Btrfs] {
        let test = TestVolume::new(SIZE);
        uncertified(&test, first).await;
        let record = record::place(Bytes(SIZE)).unwrap();
        let kept = on_disk(&test, record, 4096);
        let device = test.find().await;
        let made = Programs::default()
            .write(mkfs::program(fs), arguments, device.file())
            .await
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        test.write(record, &kept);
        // Where the new one leaves the old one's superblock, nobody can tell which is meant.
        match contents(&test).await {
            Contents::Filesystem(found) => assert_eq!(found.fs, fs),
            Contents::Other { what } => assert!(what.contains("several"), "{what}"),
            Contents::Blank(_) => panic!("{fs} over {first} taken for an unfinished format"),
        }
    }
}

/// Data that no program knows, at the beginning of the device.
#[rstest]
#[tokio::test]
async fn data_of_any_kind_is_kept(
    #[values(FsType::Ext3, FsType::Ext4, FsType::Xfs, FsType::Btrfs)] fs: FsType,
) {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(SIZE);
    let device = blank(&test).await;
    let uuid = Uuid::random().unwrap().bytes();
    test.host().maker().begin(&device, fs, uuid).await.unwrap();
    drop(device);
    test.write(0, b"a database without a signature");
    let what = what(&test).await;
    assert!(what.contains("unknown data"), "{what}");
    // A partition table, and a physical volume of LVM: nothing in their first sector, or a signature.
    test.write(0, &[0; 512]);
    let mut label = [0; 512];
    label[..8].copy_from_slice(b"LABELONE");
    label[8] = 1;
    label[20] = 32;
    label[24..32].copy_from_slice(b"LVM2 001");
    test.write(512, &label);
    assert!(matches!(contents(&test).await, Contents::Other { .. }));
}

#[tokio::test]
async fn the_record_of_another_volume_proves_nothing() {
    if skipped_without_root() {
        return;
    }
    let record = Record {
        volume: "vol-0fedcba9876543210".to_owned(),
        fs: FsType::Ext4,
        uuid: [1; 16],
        device_size: Bytes(SIZE),
    };
    let place = record.place().unwrap();
    let test = TestVolume::holding(SIZE, |image| {
        image.write_all_at(&record.encode(), place).unwrap();
    });
    let what = what(&test).await;
    assert!(what.contains("vol-0fedcba9876543210"), "{what}");
}

/// A file that a workload wrote, made to look like a record, in a file system that has grown over the place.
#[tokio::test]
async fn a_record_within_a_file_system_proves_nothing() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(SIZE);
    test.formatted(FsType::Ext4).await;
    test.grow(2 * SIZE);
    let device = test.find().await;
    let host = test.host();
    host.grow_before_mount(&device, FsType::Ext4).await.unwrap();
    let uuid = sound(&test).await.filesystem.uuid;
    for device_size in [SIZE, 2 * SIZE] {
        let forged = Record {
            volume: volume().to_string(),
            fs: FsType::Ext4,
            uuid,
            device_size: Bytes(device_size),
        };
        test.write(forged.place().unwrap(), &forged.encode());
        sound(&test).await;
    }
}

/// The beginning of a volume with data reads as zeros, and the end of its file system is far from the device's: it is not blank.
#[rstest]
#[case(FsType::Ext3)]
#[case(FsType::Ext4)]
#[case(FsType::Xfs)]
#[case(FsType::Btrfs)]
#[tokio::test]
async fn a_file_system_whose_beginning_was_lost_is_not_blank(#[case] fs: FsType) {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(SIZE);
    test.formatted(fs).await;
    test.write(0, &vec![0; usize::try_from(EDGE).unwrap()]);
    let what = what(&test).await;
    assert!(what.contains("its beginning was lost"), "{what}");
}
