//! As many volumes as a node takes.

use nvme::lab::Lab;
use nvme::node::Node;
use nvme::volume::{FILE_SYSTEMS, GIB, Kind, Volume};

use crate::world::{check_marks, plug, start_using, stop_using, unplug, write_mark};

#[tokio::test]
async fn all_volumes_of_a_full_node_are_staged_at_once() {
    let lab = Lab::of("many").unwrap();
    let mut random = lab.random();
    let (count, slots) = if Lab::soaks() { (128, 128) } else { (27, 32) };
    let mut node = Node::boot(&lab, slots).await.unwrap();
    let kinds: Vec<Kind> = FILE_SYSTEMS.into_iter().chain([Kind::Block]).collect();
    let volumes: Vec<Volume> = (0..count)
        .map(|index| Volume::blank(&lab, &mut random, kinds[index % kinds.len()], GIB).unwrap())
        .collect();
    let all: Vec<&Volume> = volumes.iter().collect();
    plug(&mut node, &all, &mut random).await;
    start_using(&node, &all).await;
    for volume in &all {
        write_mark(&node, volume, 0).await;
    }
    for volume in &all {
        check_marks(&node, volume, 1).await;
    }
    stop_using(&node, &all).await;
    unplug(&mut node, &all, &mut random).await;
    println!("many: {count} volumes at once on one node, none confused");
}
