//! The laboratory itself: whether it can show what the other tests say that they saw.

use nvme::disk::{EVERYWHERE, Faults, GRANULE};
use nvme::lab::Lab;
use nvme::node::Node;
use nvme::volume::{Kind, Volume};

/// Bytes of these disks, which hold no file system.
const SIZE: u64 = 16 << 20;

#[tokio::test]
async fn what_was_flushed_survives_a_power_cut_and_what_was_not_may_be_lost() {
    let lab = Lab::of("flushes").unwrap();
    let mut random = lab.random();
    let mut node = Node::boot(&lab, 32).await.unwrap();
    let volumes: Vec<Volume> = (0..24)
        .map(|_| Volume::blank(&lab, &mut random, Kind::Block, SIZE).unwrap())
        .collect();
    for volume in &volumes {
        let device = node.plug_and_wait(volume, &mut random).await.unwrap();
        let queue = format!("/sys/class/block/{device}/queue");
        let cache = format!("cat {queue}/write_cache {queue}/fua");
        assert_eq!(node.shell().run(&cache).await.unwrap(), "write back\n0");
        let write = |place: u32, then: &str| {
            format!(
                "yes | dd of=/dev/{device} bs={GRANULE} count=1 seek={place} iflag=fullblock oflag=direct {then} 2>/dev/null"
            )
        };
        node.shell().run(&write(1, "conv=fsync")).await.unwrap();
        node.shell().run(&write(2, "")).await.unwrap();
    }
    let all: Vec<&Volume> = volumes.iter().collect();
    let loss = node.cut_power(&all, &mut random).await.unwrap();
    let written = |volume: &Volume, granule: u64| {
        let bytes = volume.disk.read(granule * GRANULE, 2).unwrap();
        bytes == b"y\n"
    };
    let kept = volumes.iter().filter(|volume| written(volume, 2)).count();
    assert!(
        volumes.iter().all(|volume| written(volume, 1)),
        "a flushed write was lost"
    );
    assert!(kept > 0, "no write survived that was not flushed");
    assert!(kept < volumes.len(), "no write was lost: {loss:?}");
    println!(
        "flushes: of {} unflushed writes {} were lost, of as many flushed ones none",
        volumes.len(),
        volumes.len() - kept
    );
}

#[tokio::test]
async fn a_disk_fails_as_it_is_told_and_recovers() {
    let lab = Lab::of("faults").unwrap();
    let mut random = lab.random();
    let mut node = Node::boot(&lab, 8).await.unwrap();
    let volume = Volume::blank(&lab, &mut random, Kind::Block, SIZE).unwrap();
    let device = node.plug_and_wait(&volume, &mut random).await.unwrap();
    let shell = node.shell();
    let read = format!("dd if=/dev/{device} of=/dev/null bs=4096 count=1 iflag=direct");
    let write = format!("dd if=/dev/zero of=/dev/{device} bs=4096 count=1 oflag=direct");
    for (faults, reads, writes) in [
        (
            Faults {
                reads: Some(EVERYWHERE),
                ..Faults::default()
            },
            false,
            true,
        ),
        (
            Faults {
                writes: Some(0..512),
                ..Faults::default()
            },
            true,
            false,
        ),
        (
            Faults {
                writes: Some(4096..8192),
                ..Faults::default()
            },
            true,
            true,
        ),
        (Faults::default(), true, true),
    ] {
        volume.disk.inject(faults);
        assert_eq!(shell.succeeds(&read).await.unwrap(), reads);
        assert_eq!(shell.succeeds(&write).await.unwrap(), writes);
    }
}
