//! Volumes grow while they are used, and while they are away.

use nvme::lab::Lab;
use nvme::node::Node;
use nvme::volume::{FILE_SYSTEMS, GIB, Kind, Volume};

use crate::world::{POD, check_marks, place, plug, start_using, stop_using, write_mark};

#[tokio::test]
async fn file_systems_grow_under_a_pod_and_at_the_next_stage() {
    let lab = Lab::of("growth").unwrap();
    let mut random = lab.random();
    let mut node = Node::boot(&lab, 8).await.unwrap();
    for kind in FILE_SYSTEMS {
        let mut volume = Volume::growing(&lab, &mut random, kind, GIB, 4 * GIB).unwrap();
        plug(&mut node, &[&volume], &mut random).await;
        start_using(&node, &[&volume]).await;
        write_mark(&node, &volume, 0).await;
        assert!(capacity(&node, &volume).await <= GIB);

        node.grow(&mut volume, 2 * GIB).await.unwrap();
        let answer = node.plugin().expand(&volume, POD).await.unwrap();
        assert_eq!(u64::try_from(answer).unwrap(), 2 * GIB, "{}", kind.name());
        assert!(
            capacity(&node, &volume).await > GIB * 18 / 10,
            "{}",
            kind.name()
        );
        let again = node.plugin().expand(&volume, POD).await.unwrap();
        assert_eq!(again, answer, "{}", kind.name());
        write_mark(&node, &volume, 1).await;
        stop_using(&node, &[&volume]).await;
        node.unplug(&volume).await.unwrap();

        volume.size = 3 * GIB;
        plug(&mut node, &[&volume], &mut random).await;
        start_using(&node, &[&volume]).await;
        assert!(
            capacity(&node, &volume).await > GIB * 27 / 10,
            "{}",
            kind.name()
        );
        check_marks(&node, &volume, 2).await;
        stop_using(&node, &[&volume]).await;
        node.unplug(&volume).await.unwrap();
    }
}

#[tokio::test]
async fn a_raw_block_device_shows_its_new_size() {
    let lab = Lab::of("growth-block").unwrap();
    let mut random = lab.random();
    let mut node = Node::boot(&lab, 8).await.unwrap();
    let mut volume = Volume::growing(&lab, &mut random, Kind::Block, GIB, 2 * GIB).unwrap();
    plug(&mut node, &[&volume], &mut random).await;
    start_using(&node, &[&volume]).await;
    write_mark(&node, &volume, 0).await;
    node.grow(&mut volume, 2 * GIB).await.unwrap();
    let answer = node.plugin().expand(&volume, POD).await.unwrap();
    assert_eq!(u64::try_from(answer).unwrap(), 2 * GIB);
    let seen = format!("blockdev --getsize64 {}", place(&volume));
    assert_eq!(
        node.shell().run(&seen).await.unwrap(),
        (2 * GIB).to_string()
    );
    assert_eq!(capacity(&node, &volume).await, 2 * GIB);
    check_marks(&node, &volume, 1).await;
    stop_using(&node, &[&volume]).await;
}

/// The bytes that NodeGetVolumeStats tells.
async fn capacity(node: &Node, volume: &Volume) -> u64 {
    let stats = node.plugin().stats(volume, POD).await.unwrap();
    let bytes = i32::from(csi::v1::volume_usage::Unit::Bytes);
    let usage = stats
        .usage
        .iter()
        .find(|usage| usage.unit == bytes)
        .unwrap();
    u64::try_from(usage.total).unwrap()
}
