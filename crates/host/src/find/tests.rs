use std::fs;

use rstest::rstest;

use super::*;
use crate::testing::{TestVolume, Tree, skipped_without_root, volume};
use crate::{Contents, Host as _};

const EBS: &str = "Amazon Elastic Block Store";
const OTHER: &str = "vol00000000000000000";

fn by_id() -> String {
    format!(
        "dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{}",
        volume().nvme_serial()
    )
}

fn message(tree: &Tree) -> String {
    tree.finder()
        .look(&volume().into())
        .unwrap_err()
        .to_string()
}

#[tokio::test(start_paused = true)]
async fn a_device_that_never_comes_is_reported_with_what_was_there() {
    let tree = Tree::new();
    tree.add_nvme(0, EBS, OTHER, "259:0");
    tree.put("sys/class/nvme/nvme5/serial", &volume().nvme_serial());
    let wait = Duration::from_secs(30);
    let error = tree
        .finder()
        .find(&volume().into(), wait)
        .await
        .unwrap_err();
    assert!(matches!(&error, FindError::Missing { waited_ms, .. } if *waited_ms >= 30_000));
    let text = error.to_string();
    for part in [
        EBS,
        "vol0123456789abcdef0",
        "nvme0n1",
        OTHER,
        "259:0",
        "nvme5 (vol0123456789abcdef0)",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn the_model_must_be_right_as_well() {
    let tree = Tree::new();
    tree.add_nvme(
        0,
        "Amazon EC2 NVMe Instance Storage",
        &volume().nvme_serial(),
        "259:0",
    );
    let text = message(&tree);
    assert!(text.contains("Instance Storage"), "{text}");
}

#[test]
fn of_two_candidates_none_is_chosen() {
    let tree = Tree::new();
    tree.add_nvme(0, EBS, &volume().nvme_serial(), "259:0");
    tree.add_nvme(7, EBS, &volume().nvme_serial(), "259:7");
    let error = tree.finder().look(&volume().into()).unwrap_err();
    assert!(matches!(error, FindError::Ambiguous { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("nvme0n1") && text.contains("nvme7n1"),
        "{text}"
    );
}

#[rstest]
#[case::empty(Some(""), "empty")]
#[case::unreadable(None, "unreadable")]
fn a_serial_number_that_is_not_told_is_never_guessed(
    #[case] serial: Option<&str>,
    #[case] why: &str,
) {
    let tree = Tree::new();
    tree.add_nvme(0, EBS, serial.unwrap_or_default(), "259:0");
    if serial.is_none() {
        fs::remove_file(tree.path("sys/class/nvme/nvme0/serial")).unwrap();
    }
    tree.link("../../nvme0n1", &by_id());
    let error = tree.finder().look(&volume().into()).unwrap_err();
    assert!(matches!(error, FindError::Unproven { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("nvme0n1") && text.contains(why), "{text}");
}

#[test]
fn a_silent_controller_without_a_disk_is_refused_and_one_of_another_model_is_not() {
    let tree = Tree::new();
    tree.add_nvme(0, "Amazon EC2 NVMe Instance Storage", "", "259:0");
    assert!(matches!(
        tree.finder().look(&volume().into()),
        Err(FindError::Missing { .. })
    ));
    tree.put("sys/class/nvme/nvme4/model", EBS);
    tree.put("sys/class/nvme/nvme4/serial", "   ");
    let text = message(&tree);
    assert!(text.contains("nvme4 (serial number empty)"), "{text}");
}

#[test]
fn a_controller_that_is_going_away_is_no_candidate() {
    let tree = Tree::new();
    tree.add_nvme(0, EBS, &volume().nvme_serial(), "259:0");
    tree.put("sys/class/nvme/nvme0/state", "deleting (no IO)\n");
    let text = message(&tree);
    assert!(text.contains("controller deleting (no IO)"), "{text}");
}

#[test]
fn of_two_namespaces_of_one_controller_none_is_chosen() {
    let tree = Tree::new();
    tree.add_nvme(3, EBS, &volume().nvme_serial(), "259:0");
    tree.add_namespace(3, 2, "259:1");
    let error = tree.finder().look(&volume().into()).unwrap_err();
    assert!(matches!(error, FindError::Ambiguous { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("nvme3n1") && text.contains("nvme3n2"),
        "{text}"
    );
}

#[test]
fn a_disk_without_a_node_says_so() {
    let tree = Tree::new();
    tree.add_nvme(3, EBS, &volume().nvme_serial(), "259:3");
    let text = message(&tree);
    assert!(
        text.contains("no node") && text.contains("nvme3n1"),
        "{text}"
    );
}

#[test]
fn a_node_that_is_no_block_device_is_refused() {
    let tree = Tree::new();
    tree.add_nvme(3, EBS, &volume().nvme_serial(), "259:3");
    tree.put("dev/nvme3n1", "");
    let text = message(&tree);
    assert!(text.contains("not a block device"), "{text}");
}

#[test]
fn partitions_and_hidden_paths_are_no_candidates() {
    let tree = Tree::new();
    tree.add_nvme(0, EBS, &volume().nvme_serial(), "259:0");
    tree.put("sys/class/block/nvme0n1/partition", "1\n");
    tree.add_nvme(1, EBS, &volume().nvme_serial(), "259:1");
    tree.put("sys/class/block/nvme1n1/hidden", "1\n");
    assert!(matches!(
        tree.finder().look(&volume().into()),
        Err(FindError::Missing { .. })
    ));
}

#[tokio::test]
async fn a_node_of_another_device_is_refused() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(1 << 20);
    test.tree.put("sys/class/block/nvme1n1/dev", "259:77\n");
    let error = test.tree.finder().look(&volume().into()).unwrap_err();
    assert!(matches!(error, FindError::Mismatch { .. }), "{error}");
    assert!(error.to_string().contains("259:77"), "{error}");
}

#[tokio::test]
async fn a_stale_link_does_not_count_beside_nvme() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(1 << 20);
    test.tree.link("../../nvme1n1", &by_id());
    test.tree.put("sys/class/nvme/nvme1/serial", OTHER);
    assert!(matches!(
        test.tree.finder().look(&volume().into()),
        Err(FindError::Missing { .. })
    ));
}

#[tokio::test]
async fn a_disk_that_comes_back_under_another_number_is_found_by_its_serial() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(1 << 20);
    let number = test.find().await.number();
    test.tree.remove_nvme(1);
    test.tree.add_nvme(1, EBS, OTHER, "259:1");
    test.tree
        .add_nvme(7, EBS, &volume().nvme_serial(), &number.to_string());
    test.tree.add_node("nvme7n1", number);
    let device = test.find().await;
    assert_eq!(device.path(), test.tree.path("dev/nvme7n1"));
    assert_eq!(device.number(), number);
}

#[tokio::test]
async fn with_multipath_the_subsystem_says_who_the_disk_is() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(1 << 20);
    let number = test.find().await.number();
    test.tree.remove_nvme(1);
    let subsystem = "sys/class/nvme-subsystem/nvme-subsys2";
    test.tree.put(&format!("{subsystem}/model"), EBS);
    test.tree
        .put(&format!("{subsystem}/serial"), &volume().nvme_serial());
    test.tree
        .put("sys/class/block/nvme2n1/dev", &number.to_string());
    test.tree.link(
        "../../nvme-subsystem/nvme-subsys2",
        "sys/class/block/nvme2n1/device",
    );
    test.tree.add_node("nvme2n1", number);
    assert_eq!(test.find().await.number(), number);
}

#[test]
fn without_sysfs_nothing_is_concluded() {
    let tree = Tree::new();
    fs::remove_dir_all(tree.path("sys/class")).unwrap();
    let error = tree.finder().look(&volume().into()).unwrap_err();
    assert!(matches!(error, FindError::Io { .. }), "{error}");
}

#[tokio::test]
async fn a_device_that_turns_up_late_is_found_by_an_event() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(1 << 20);
    let (node, aside) = (test.tree.path("dev/nvme1n1"), test.tree.path("dev/aside"));
    fs::rename(&node, &aside).unwrap();
    let finder = Finder {
        // Only an event can tell of it in time.
        first_pause: Duration::from_secs(3600),
        ..test.tree.finder()
    };
    let (wanted, wait) = (volume().into(), Duration::from_secs(7200));
    let (found, ()) = tokio::join!(
        tokio::time::timeout(Duration::from_secs(30), finder.find(&wanted, wait)),
        async {
            while !finder.events.are_awaited() {
                tokio::task::yield_now().await;
            }
            fs::rename(&aside, &node).unwrap();
        }
    );
    let device = found.unwrap().unwrap();
    finder.verify(&device).unwrap();
    test.tree.put("sys/class/nvme/nvme1/serial", OTHER);
    assert!(matches!(
        finder.verify(&device),
        Err(FindError::Mismatch { .. })
    ));
}

fn partition(index: u8) -> Wanted {
    Wanted {
        part: Part::Partition(index.try_into().unwrap()),
        ..volume().into()
    }
}

/// A volume's disk, and another device that stands for the first partition of it.
fn partitioned() -> (TestVolume, TestVolume) {
    let (disk, part) = (TestVolume::new(8 << 20), TestVolume::unplugged(4 << 20));
    let number = part.number();
    disk.tree
        .add_partition("nvme1n1", "nvme1n1p1", "1\n", &number.to_string());
    disk.tree.add_node("nvme1n1p1", number);
    (disk, part)
}

#[test]
fn a_partition_is_found_below_its_disk_and_by_its_number() {
    if skipped_without_root() {
        return;
    }
    let (disk, part) = partitioned();
    let finder = disk.tree.finder();
    let device = finder.look(&partition(1)).unwrap();
    assert_eq!(device.number(), part.number());
    assert_eq!(device.path(), disk.tree.path("dev/nvme1n1p1"));
    let mounted = Wanted {
        part: Part::Numbered(part.number()),
        ..volume().into()
    };
    assert_eq!(finder.look(&mounted).unwrap().number(), part.number());
    assert_eq!(
        finder.look(&volume().into()).unwrap().number(),
        disk.number()
    );
    let error = finder.look(&partition(2)).unwrap_err();
    assert!(matches!(error, FindError::Missing { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("partition 2") && text.contains("[nvme1n1p1]"),
        "{text}"
    );
    // The partition is made anew elsewhere on the disk: the device is another.
    disk.tree
        .put("sys/class/block/nvme1n1/nvme1n1p1/dev", "259:9\n");
    let error = finder.verify(&device).unwrap_err();
    assert!(error.to_string().contains("259:9"), "{error}");
}

#[tokio::test]
async fn a_blank_partition_is_blank_only_on_a_disk_that_holds_nothing_but_its_table() {
    if skipped_without_root() {
        return;
    }
    let (disk, _part) = partitioned();
    let host = disk.host();
    let device = host.find(&partition(1), Duration::ZERO).await.unwrap();
    let other = async || match host.inspect(&device).await.unwrap() {
        Contents::Other { what } => what,
        found => panic!("{found:?}"),
    };
    assert!(other().await.contains("no partition table"));
    let mut table = [0; 512];
    table[450] = 0x83;
    table[454..458].copy_from_slice(&2048_u32.to_le_bytes());
    table[458..462].copy_from_slice(&8192_u32.to_le_bytes());
    table[510..].copy_from_slice(&[0x55, 0xaa]);
    disk.write(0, &table);
    assert!(matches!(
        host.inspect(&device).await.unwrap(),
        Contents::Blank(_)
    ));
    // A swap signature over all of the disk, which leaves the first sector alone.
    disk.write(4096 - 10, b"SWAPSPACE2");
    let (version, last_page) = (1_u32.to_le_bytes(), 2000_u32.to_le_bytes());
    disk.write(1024, &[version, last_page].concat());
    let what = other().await;
    assert!(what.contains("a disk that holds"), "{what}");
}
