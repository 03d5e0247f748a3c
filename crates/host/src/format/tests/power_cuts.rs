//! A power cut in the middle of a format: any part of what was written and not flushed may be on the disk, and any may not.
//!
//! What mkfs leaves on a device of zeros is taken apart into sectors, a random part of which is put on another device beside the
//! record. The seed is printed.

use std::time::{SystemTime, UNIX_EPOCH};

use super::*;
use crate::MountOptions;

const SECTOR: usize = 512;
const SIZE: u64 = GIB;

/// Numbers that look random (the generator xorshift64*).
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = u64::try_from(since.as_nanos() & u128::from(u64::MAX)).unwrap() | 1;
        println!("seed {seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    }

    /// True in so many of 100 cases.
    fn falls(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// Sectors other than zero, without the record's.
fn sectors(test: &TestVolume) -> Vec<(u64, Vec<u8>)> {
    let place = record::place(Bytes(SIZE)).unwrap();
    let mut found = Vec::new();
    for (at, bytes) in data_of(test) {
        let pieces = (at..).step_by(SECTOR).zip(bytes.chunks(SECTOR));
        let written = pieces.filter(|(at, sector)| *at < place && !inspect::is_zero(sector));
        found.extend(written.map(|(at, sector)| (at, sector.to_vec())));
    }
    found
}

fn with_part(record: &[u8], part: &[&(u64, Vec<u8>)]) -> TestVolume {
    TestVolume::holding(SIZE, |image| {
        for (at, sector) in part {
            image.write_all_at(sector, *at).unwrap();
        }
        image
            .write_all_at(record, record::place(Bytes(SIZE)).unwrap())
            .unwrap();
    })
}

async fn is_made_again(mut test: TestVolume, fs: FsType) {
    let again = blank(&test).await;
    let host = test.host();
    host.format(again, FormatOptions::defaults(fs))
        .await
        .unwrap();
    sound(&test).await;
    assert_eq!(at_records_place(&test, SIZE), None);
    let device = test.find().await;
    host.check(&device, fs).await.unwrap();
    let path = test.place("staging");
    let options = MountOptions::default();
    host.mount(&device, &path, fs, &options).await.unwrap();
    std::fs::write(path.join("file"), "written").unwrap();
}

#[rstest]
#[tokio::test]
async fn whatever_part_of_mkfs_is_on_the_disk_it_is_formatted_again(
    #[values(FsType::Ext3, FsType::Ext4, FsType::Xfs, FsType::Btrfs)] fs: FsType,
) {
    if skipped_without_root() {
        return;
    }
    let mut dice = Dice::new();
    let whole = TestVolume::new(SIZE);
    uncertified(&whole, fs).await;
    whole.sync();
    let all = sectors(&whole);
    let record = on_disk(&whole, record::place(Bytes(SIZE)).unwrap(), 4096);
    assert!(all.len() > 10 && Record::parse(&record).is_some());
    for percent in [0, 10, 90, 100] {
        let part: Vec<_> = all.iter().filter(|_| dice.falls(percent)).collect();
        is_made_again(with_part(&record, &part), fs).await;
    }
    // The first sectors, where superblocks are, decide most: all of the rest, and any part of them.
    for _ in 0..2 {
        let part = |at: u64, dice: &mut Dice| at >= inspect::superblock::HEAD || dice.falls(50);
        let part: Vec<_> = all.iter().filter(|(at, _)| part(*at, &mut dice)).collect();
        is_made_again(with_part(&record, &part), fs).await;
    }
    // In the order in which programs write: up to some point.
    let end = usize::try_from(dice.next()).unwrap() % all.len();
    let part: Vec<_> = all.iter().take(end).collect();
    is_made_again(with_part(&record, &part), fs).await;
}

/// The same with a second cut in the second try.
#[tokio::test]
async fn a_format_that_is_cut_twice_is_made_a_third_time() {
    if skipped_without_root() {
        return;
    }
    for (first, second) in [
        (FsType::Ext4, FsType::Xfs),
        (FsType::Xfs, FsType::Btrfs),
        (FsType::Btrfs, FsType::Ext3),
    ] {
        let test = TestVolume::new(SIZE);
        uncertified(&test, first).await;
        uncertified(&test, second).await;
        is_made_again(test, second).await;
    }
}

/// The record is written, mkfs has not begun: on a blank device, and over the work of a first try.
#[rstest]
#[tokio::test]
async fn a_cut_before_mkfs_begins(#[values(FsType::Ext4, FsType::Xfs, FsType::Btrfs)] fs: FsType) {
    if skipped_without_root() {
        return;
    }
    for earlier in [
        None,
        Some(FsType::Ext4),
        Some(FsType::Xfs),
        Some(FsType::Btrfs),
    ] {
        let test = TestVolume::new(SIZE);
        if let Some(earlier) = earlier {
            uncertified(&test, earlier).await;
        }
        let device = blank(&test).await;
        let uuid = Uuid::random().unwrap().bytes();
        test.host().maker().begin(&device, fs, uuid).await.unwrap();
        assert_eq!(at_records_place(&test, SIZE).unwrap().uuid, uuid);
        drop(device);
        is_made_again(test, fs).await;
    }
}

/// A second try is cut while it wipes the first one's work.
#[rstest]
#[tokio::test]
async fn a_cut_while_a_first_try_is_wiped(
    #[values(FsType::Ext3, FsType::Ext4, FsType::Xfs, FsType::Btrfs)] fs: FsType,
) {
    if skipped_without_root() {
        return;
    }
    let mut dice = Dice::new();
    let whole = TestVolume::new(SIZE);
    uncertified(&whole, fs).await;
    whole.sync();
    let all = sectors(&whole);
    let record = on_disk(&whole, record::place(Bytes(SIZE)).unwrap(), 4096);
    for _ in 0..3 {
        let left = |at: u64, dice: &mut Dice| at >= EDGE || dice.falls(50);
        let part: Vec<_> = all.iter().filter(|(at, _)| left(*at, &mut dice)).collect();
        is_made_again(with_part(&record, &part), fs).await;
    }
}

#[rstest]
#[tokio::test]
async fn a_volume_that_has_grown_since_is_formatted_at_its_new_size(
    #[values(FsType::Ext3, FsType::Ext4, FsType::Xfs, FsType::Btrfs)] fs: FsType,
) {
    if skipped_without_root() {
        return;
    }
    for keep in [0, 50, 100] {
        let mut dice = Dice::new();
        let whole = TestVolume::new(SIZE);
        uncertified(&whole, fs).await;
        whole.sync();
        let all = sectors(&whole);
        let record = on_disk(&whole, record::place(Bytes(SIZE)).unwrap(), 4096);
        let part: Vec<_> = all.iter().filter(|_| dice.falls(keep)).collect();
        let test = with_part(&record, &part);
        test.grow(3 * GIB);
        let again = blank(&test).await;
        test.host()
            .format(again, FormatOptions::defaults(fs))
            .await
            .unwrap();
        assert_eq!(sound(&test).await.filesystem.size.0, 3 * GIB - MIB);
        assert_eq!(
            at_records_place(&test, SIZE),
            None,
            "the old one is gone too"
        );
        assert_eq!(at_records_place(&test, 3 * GIB), None);
    }
}
