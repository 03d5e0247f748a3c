use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::testing::{TestVolume, Tree, skipped_without_root, volume};

const EBS: &str = "Amazon Elastic Block Store";
const OTHER: &str = "vol00000000000000000";

fn finder(tree: &Tree) -> Finder {
    let settings = tree.settings();
    Finder {
        dev_dir: settings.dev_dir,
        sys_dir: settings.sys_dir,
        models: settings.models,
    }
}

fn message(tree: &Tree) -> String {
    finder(tree).look(&volume()).unwrap_err().to_string()
}

#[tokio::test(start_paused = true)]
async fn a_device_that_never_comes_is_reported_with_what_was_there() {
    let tree = Tree::new();
    tree.add_nvme(0, EBS, OTHER, "259:0");
    tree.put("sys/class/nvme/nvme5/serial", &volume().nvme_serial());
    let wait = Duration::from_secs(30);
    let error = finder(&tree).find(&volume(), wait).await.unwrap_err();
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
    let error = finder(&tree).look(&volume()).unwrap_err();
    assert!(matches!(error, FindError::Ambiguous { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("nvme0n1") && text.contains("nvme7n1"),
        "{text}"
    );
}

#[test]
fn an_unreadable_serial_number_is_never_guessed() {
    let tree = Tree::new();
    tree.add_nvme(0, EBS, "", "259:0");
    fs::remove_file(tree.path("sys/class/nvme/nvme0/serial")).unwrap();
    let text = message(&tree);
    assert!(text.contains("unreadable"), "{text}");
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
        finder(&tree).look(&volume()),
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
    let error = finder(&test.tree).look(&volume()).unwrap_err();
    assert!(matches!(error, FindError::Mismatch { .. }), "{error}");
    assert!(error.to_string().contains("259:77"), "{error}");
}

#[tokio::test]
async fn a_stale_link_does_not_count_beside_nvme_but_alone_it_does() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(1 << 20);
    let link = test
        .tree
        .path("dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0");
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(test.tree.path("dev/nvme1n1"), &link).unwrap();
    test.tree.put("sys/class/nvme/nvme1/serial", OTHER);
    assert!(matches!(
        finder(&test.tree).look(&volume()),
        Err(FindError::Missing { .. })
    ));

    fs::remove_dir_all(test.tree.path("sys/class")).unwrap();
    assert_eq!(finder(&test.tree).look(&volume()).unwrap().path(), link);
}

#[tokio::test]
async fn a_device_that_turns_up_late_is_found_and_loses_its_name_only_with_its_serial() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(1 << 20);
    let (node, aside) = (test.tree.path("dev/nvme1n1"), test.tree.path("dev/aside"));
    fs::rename(&node, &aside).unwrap();
    let finder = finder(&test.tree);
    let (later, ()) = tokio::join!(
        async { finder.find(&volume(), Duration::from_secs(60)).await },
        async {
            assert!(matches!(
                finder.look(&volume()),
                Err(FindError::Missing { .. })
            ));
            fs::rename(&aside, &node).unwrap();
        }
    );
    let device = later.unwrap();
    finder.verify(&device).unwrap();
    test.tree.put("sys/class/nvme/nvme1/serial", OTHER);
    assert!(matches!(
        finder.verify(&device),
        Err(FindError::Mismatch { .. })
    ));
}
