//! Devices that fail, that are slow, that come late or not at all, and that leave while they are used.

use std::time::Duration;

use nvme::disk::{EVERYWHERE, Faults};
use nvme::lab::Lab;
use nvme::machine::Look;
use nvme::node::Node;
use nvme::volume::{FILE_SYSTEMS, GIB, Kind, Volume};
use tokio::time::timeout;

use crate::world::{POD, check_marks, place, plug, start_using, stop_using, unplug, write_mark};

/// The first mebibyte, where every file system says what it is.
const BEGINNING: std::ops::Range<u64> = 0..1 << 20;

#[tokio::test]
async fn a_device_that_cannot_be_read_is_refused_and_never_formatted() {
    let lab = Lab::of("unreadable").unwrap();
    let mut random = lab.random();
    let mut node = Node::boot(&lab, 8).await.unwrap();
    for kind in FILE_SYSTEMS {
        let volume = Volume::blank(&lab, &mut random, kind, GIB).unwrap();
        plug(&mut node, &[&volume], &mut random).await;
        start_using(&node, &[&volume]).await;
        write_mark(&node, &volume, 0).await;
        stop_using(&node, &[&volume]).await;
        node.unplug(&volume).await.unwrap();
        // A file system may do without what is somewhere behind its beginning, or be mounted before it is missed.
        let somewhere = (2 + random.below(64)) << 20;
        for reads in [BEGINNING, EVERYWHERE, somewhere..somewhere + (1 << 20)] {
            let changes = volume.disk.changes();
            plug(&mut node, &[&volume], &mut random).await;
            volume.disk.inject(Faults {
                reads: Some(reads.clone()),
                ..Faults::default()
            });
            let staged = node.plugin().once().stage(&volume).await;
            if reads.start == 0 {
                assert!(staged.is_err(), "{} was staged unread", kind.name());
                assert_eq!(volume.disk.changes(), changes, "{}", kind.name());
            }
            node.plugin().unstage(&volume).await.unwrap();
            volume.disk.heal();
            node.unplug(&volume).await.unwrap();
        }
        plug(&mut node, &[&volume], &mut random).await;
        start_using(&node, &[&volume]).await;
        check_marks(&node, &volume, 1).await;
        stop_using(&node, &[&volume]).await;
        node.unplug(&volume).await.unwrap();
    }
}

#[tokio::test]
async fn a_format_that_fails_is_told_and_succeeds_once_the_device_is_well() {
    let lab = Lab::of("unwritable").unwrap();
    let mut random = lab.random();
    let mut node = Node::boot(&lab, 8).await.unwrap();
    for kind in FILE_SYSTEMS {
        let volume = Volume::blank(&lab, &mut random, kind, GIB).unwrap();
        plug(&mut node, &[&volume], &mut random).await;
        let begin = random.below(8) << 26;
        let bad = *random.one_of(&[0, begin]);
        let writes = Some(bad..GIB);
        volume.disk.inject(Faults {
            writes,
            ..Faults::default()
        });
        let staged = node.plugin().once().stage(&volume).await;
        assert!(
            staged.is_err(),
            "{} with writes failing from {bad}",
            kind.name()
        );
        volume.disk.heal();
        start_using(&node, &[&volume]).await;
        write_mark(&node, &volume, 0).await;
        check_marks(&node, &volume, 1).await;
        stop_using(&node, &[&volume]).await;
        node.unplug(&volume).await.unwrap();
    }
}

#[tokio::test]
async fn a_device_that_comes_late_is_waited_for_and_a_slow_one_is_not_given_up() {
    let lab = Lab::of("late").unwrap();
    let mut random = lab.random();
    let mut node = Node::boot(&lab, 8).await.unwrap();
    let volume = Volume::blank(&lab, &mut random, Kind::FileSystem("ext4"), GIB).unwrap();
    let delay = Duration::from_millis(20);
    volume.disk.inject(Faults {
        delay,
        ..Faults::default()
    });
    let plugin = node.plugin();
    let mut staging = tokio::spawn({
        let place = nvme::plugin::staging_path(&volume);
        node.shell()
            .run(&format!("mkdir -p {place}"))
            .await
            .unwrap();
        let request = nvme::plugin::stage_request(&volume);
        async move { plugin.stage_with(request).await }
    });
    let early = timeout(Duration::from_millis(500), &mut staging).await;
    assert!(early.is_err(), "staged without a device: {early:?}");
    node.plug(&volume, &mut random).await.unwrap();
    staging.await.unwrap().unwrap();
    start_using(&node, &[&volume]).await;
    write_mark(&node, &volume, 0).await;
    check_marks(&node, &volume, 1).await;
    stop_using(&node, &[&volume]).await;
}

#[tokio::test]
async fn of_two_devices_with_one_serial_number_neither_is_taken() {
    let lab = Lab::of("twins").unwrap();
    let mut random = lab.random();
    let mut node = Node::boot(&lab, 8).await.unwrap();
    let volume = Volume::blank(&lab, &mut random, Kind::FileSystem("ext4"), GIB).unwrap();
    let twin = Volume::blank(&lab, &mut random, Kind::FileSystem("ext4"), GIB).unwrap();
    plug(&mut node, &[&volume], &mut random).await;
    let same = Look {
        ebs: false,
        serial: Some(volume.serial()),
    };
    node.plug_as(&twin, &mut random, &same).await.unwrap();
    node.machine().devices(&volume.serial(), 2).await.unwrap();
    let refused = node.plugin().once().stage(&volume).await.unwrap_err();
    let said = format!("{refused:#}");
    assert!(said.contains("nvme0") && said.contains("nvme1"), "{said}");
    assert_eq!(volume.disk.changes(), []);
    assert_eq!(twin.disk.changes(), []);
    node.unplug(&twin).await.unwrap();
    start_using(&node, &[&volume]).await;
    write_mark(&node, &volume, 0).await;
    stop_using(&node, &[&volume]).await;
    assert_eq!(twin.disk.changes(), [], "the twin was written");
}

/// How a device leaves.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    /// The machine is asked to let go of it.
    InOrder,
    /// Every read and write fails before.
    Failing,
    /// It is gone before the machine hears of it, with all that it was doing: its registers and its configuration read as ones.
    Vanished,
}

#[tokio::test]
async fn a_device_that_leaves_under_a_mount_is_let_go_and_comes_back() {
    let lab = Lab::of("unplugged").unwrap();
    let mut random = lab.random();
    let mut node = Node::boot(&lab, 8).await.unwrap();
    for kind in FILE_SYSTEMS.into_iter().chain([Kind::Block]) {
        for leaving in [Leaving::InOrder, Leaving::Failing, Leaving::Vanished] {
            let volume = Volume::blank(&lab, &mut random, kind, GIB).unwrap();
            plug(&mut node, &[&volume], &mut random).await;
            start_using(&node, &[&volume]).await;
            write_mark(&node, &volume, 0).await;
            let file = match kind {
                Kind::Block => place(&volume),
                Kind::FileSystem(_) => format!("{}/busy", place(&volume)),
            };
            let busy = format!("(while echo x; do sync; done) >{file} 2>/dev/null & echo $!");
            let writer = node.shell().run(&busy).await.unwrap();
            match leaving {
                Leaving::InOrder => {}
                Leaving::Failing => {
                    let (reads, writes) = (Some(EVERYWHERE), Some(EVERYWHERE));
                    volume.disk.inject(Faults {
                        reads,
                        writes,
                        ..Faults::default()
                    });
                }
                Leaving::Vanished => {
                    node.vanish(&volume).await.unwrap();
                    // Whoever asks for it now is answered at once, well or not.
                    let _ = node.plugin().once().troubles(&volume, POD).await;
                }
            }
            node.unplug(&volume).await.unwrap();
            // An ext file system can still tell its size when its device has gone.
            let stats = node.plugin().once().stats(&volume, POD).await;
            let troubles = node.plugin().once().troubles(&volume, POD).await;
            let told = stats.is_err() || troubles.as_ref().is_ok_and(|told| !told.is_empty());
            assert!(told, "{} {leaving:?}: {stats:?}, {troubles:?}", kind.name());
            node.shell()
                .run(&format!("kill -9 {writer} || true"))
                .await
                .unwrap();
            stop_using(&node, &[&volume]).await;
            volume.disk.heal();
            plug(&mut node, &[&volume], &mut random).await;
            start_using(&node, &[&volume]).await;
            if kind != Kind::Block {
                check_marks(&node, &volume, 1).await;
            }
            stop_using(&node, &[&volume]).await;
            unplug(&mut node, &[&volume], &mut random).await;
        }
    }
}
