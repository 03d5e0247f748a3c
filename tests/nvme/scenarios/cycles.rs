//! Volumes come and go, in any order and under any name.

use nvme::lab::Lab;
use nvme::node::Node;
use nvme::random::Random;
use nvme::volume::{FILE_SYSTEMS, GIB, Kind, Volume};

use crate::world::{check_marks, plug, start_using, stop_using, unplug, write_mark};

/// A volume and how many marks it carries.
type Marked = (Volume, usize);

#[tokio::test]
async fn volumes_come_and_go_and_each_finds_its_own_data_again() {
    let lab = Lab::of("cycles").unwrap();
    let mut random = lab.random();
    let cycles = if Lab::soaks() { 1000 } else { 50 };
    let mut node = Node::boot(&lab, 8).await.unwrap();
    let mut volumes: Vec<Marked> = FILE_SYSTEMS
        .into_iter()
        .chain([
            Kind::Block,
            Kind::FileSystem("ext4"),
            Kind::FileSystem("xfs"),
        ])
        .map(|kind| (Volume::blank(&lab, &mut random, kind, GIB).unwrap(), 0))
        .collect();
    let mut done = 0;
    let mut stale = 0;
    while done < cycles {
        random.shuffle(&mut volumes);
        let several = 1 + random.index(volumes.len()).min(cycles - done - 1);
        stale += round(&mut node, &mut volumes[..several], &mut random).await;
        done += several;
    }
    println!(
        "cycles: {done} cycles of plug, stage, publish, write, unstage, unplug; no wrong device; {stale} times udev's link of before led elsewhere"
    );
    assert!(stale > 0, "no device had another name than before");
}

/// One cycle of each of these volumes, all at once: how many got a device name that a stale link gives to another one.
async fn round(node: &mut Node, marked: &mut [Marked], random: &mut Random) -> usize {
    let volumes: Vec<&Volume> = marked.iter().map(|(volume, _)| volume).collect();
    plug(node, &volumes, random).await;
    let mut renamed = 0;
    for volume in &volumes {
        let device = node.machine().device(&volume.serial()).await.unwrap();
        renamed += leave_stale_link(node, volume, &device).await;
    }
    start_using(node, &volumes).await;
    for (volume, marks) in marked.iter_mut() {
        check_marks(node, volume, *marks).await;
        write_mark(node, volume, *marks).await;
        *marks += 1;
    }
    let volumes: Vec<&Volume> = marked.iter().map(|(volume, _)| volume).collect();
    stop_using(node, &volumes).await;
    unplug(node, &volumes, random).await;
    renamed
}

/// Makes the link that udev would have made, and leaves it where udev would have left it: a later round finds links of this
/// volume to a device that is another volume by then. Whether it found one.
async fn leave_stale_link(node: &Node, volume: &Volume, device: &str) -> usize {
    let link = format!(
        "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{}",
        volume.serial()
    );
    let said = node
        .shell()
        .run(&format!(
            "[ ! -L {link} ] || [ $(readlink {link}) = /dev/{device} ] || echo stale
             [ -L {link} ] || ln -s /dev/{device} {link}"
        ))
        .await
        .unwrap();
    usize::from(said == "stale")
}
