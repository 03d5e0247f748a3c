//! What the scenarios have in common: a pod that writes what names its volume, and looks for it.

use futures::future::join_all;
use nvme::node::Node;
use nvme::plugin::target_path;
use nvme::random::Random;
use nvme::volume::{Kind, Volume};

/// The only pod of a volume.
pub(crate) const POD: &str = "pod";

/// How many marks a raw block device has room for.
const MARKS: usize = 1000;

/// Where the pod sees its volume.
pub(crate) fn place(volume: &Volume) -> String {
    target_path(volume, POD)
}

/// Plugs volumes in any order and waits until the guest sees all of them.
pub(crate) async fn plug(node: &mut Node, volumes: &[&Volume], random: &mut Random) {
    let mut order = volumes.to_vec();
    random.shuffle(&mut order);
    for volume in &order {
        node.plug(volume, random).await.unwrap();
    }
    for volume in &order {
        node.machine().device(&volume.serial()).await.unwrap();
    }
}

/// Stages and publishes volumes, all at once.
pub(crate) async fn start_using(node: &Node, volumes: &[&Volume]) {
    let used = volumes.iter().map(async |volume| {
        node.stage(volume).await?;
        node.publish(volume, POD).await
    });
    for (volume, used) in volumes.iter().zip(join_all(used).await) {
        if let Err(error) = used {
            panic!("{} ({}): {error:#}", volume.id, volume.kind.name());
        }
    }
    for volume in volumes {
        assert_eq!(serial_behind(node, volume).await, volume.serial());
    }
}

/// Unpublishes and unstages volumes, all at once.
pub(crate) async fn stop_using(node: &Node, volumes: &[&Volume]) {
    let used = volumes.iter().map(async |volume| {
        node.plugin().unpublish(volume, POD).await?;
        node.plugin().unstage(volume).await
    });
    for (volume, ended) in volumes.iter().zip(join_all(used).await) {
        if let Err(error) = ended {
            panic!("{} ({}): {error:#}", volume.id, volume.kind.name());
        }
    }
}

/// Takes volumes out in any order.
pub(crate) async fn unplug(node: &mut Node, volumes: &[&Volume], random: &mut Random) {
    let mut order = volumes.to_vec();
    random.shuffle(&mut order);
    for volume in &order {
        node.unplug(volume).await.unwrap();
    }
}

/// The serial number of the device that the pod's path leads to, as the kernel tells it.
async fn serial_behind(node: &Node, volume: &Volume) -> String {
    let place = place(volume);
    let device = match volume.kind {
        Kind::FileSystem(_) => format!("basename $(findmnt --noheadings --output SOURCE {place})"),
        Kind::Block => format!(
            "basename $(readlink /sys/dev/block/$((0x$(stat -c %t {place}))):$((0x$(stat -c %T {place}))))"
        ),
    };
    let read = format!("device=$({device}) && cat /sys/class/block/$device/device/serial");
    let said = node.shell().run(&read).await.unwrap();
    said.trim().to_owned()
}

fn mark(volume: &Volume, number: usize) -> String {
    format!("{} {number}", volume.id)
}

/// Writes the volume's next mark, durably.
pub(crate) async fn write_mark(node: &Node, volume: &Volume, number: usize) {
    let (place, mark) = (place(volume), mark(volume, number));
    let write = match volume.kind {
        Kind::FileSystem(_) => {
            format!("echo '{mark}' >>{place}/marks && sync {place}/marks {place}")
        }
        Kind::Block => format!(
            "echo '{mark}' | dd of={place} bs=4096 count=1 seek={} conv=sync,notrunc,fsync 2>&1",
            number % MARKS
        ),
    };
    node.shell().run(&write).await.unwrap();
}

/// Looks whether all of the volume's marks are there, and nothing else.
pub(crate) async fn check_marks(node: &Node, volume: &Volume, count: usize) {
    let place = place(volume);
    let numbers = match volume.kind {
        Kind::FileSystem(_) => 0..count,
        Kind::Block => count.saturating_sub(MARKS)..count,
    };
    let wanted: Vec<String> = numbers.map(|number| mark(volume, number)).collect();
    let read = match volume.kind {
        Kind::FileSystem(_) => format!("[ ! -e {place}/marks ] || cat {place}/marks"),
        Kind::Block => {
            format!("dd if={place} bs=4096 count={MARKS} 2>/dev/null | tr -d '\\0' | sort -n -k 2")
        }
    };
    let found = node.shell().run(&read).await.unwrap();
    let found: Vec<&str> = found.lines().collect();
    assert_eq!(found, wanted, "{} ({})", volume.id, volume.kind.name());
}
