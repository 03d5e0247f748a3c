//! The layout as a node plugin reads it. Namespaces need root, since they come with a device node.

use std::os::unix::fs::{FileTypeExt, MetadataExt};

use super::*;

const GIB: u64 = 1 << 30;

fn layout() -> (tempfile::TempDir, Layout) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::at(dir.path().join("i-1"));
    layout.create().unwrap();
    (dir, layout)
}

fn volume(n: u8) -> VolumeId {
    format!("vol-{n:017x}").parse().unwrap()
}

/// A namespace over a device that nobody opens: major number 240 is for local use.
fn namespace(n: u64) -> Option<Namespace> {
    Some(Namespace {
        dev: makedev(240, n),
        size: Bytes(GIB),
    })
}

fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("skipped: device nodes need root");
    }
    root
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_root_volume_is_a_controller_without_namespace() {
    let (_dir, layout) = layout();
    layout.show(&volume(1), None).unwrap();
    let controller = layout.sys.join("class/nvme/nvme0");
    assert_eq!(
        read(controller.join("model")),
        "Amazon Elastic Block Store              \n"
    );
    assert_eq!(read(controller.join("serial")), "vol00000000000000001\n");
    assert!(names(&layout.sys.join("class/block")).unwrap().is_empty());
    assert_eq!(layout.slot_of(&volume(1)).unwrap().unwrap().dev, None);
}

#[test]
fn the_bus_shows_the_interface_and_each_controller() {
    let (_dir, layout) = layout();
    let bus = layout.sys.join("bus/pci/devices");
    let classes = || {
        let mut classes: Vec<String> = names(&bus)
            .unwrap()
            .iter()
            .map(|name| read(bus.join(name).join("class")))
            .collect();
        classes.sort();
        classes
    };
    assert_eq!(classes(), ["0x020000\n"]);
    layout.show(&volume(1), None).unwrap();
    assert_eq!(classes(), ["0x010802\n", "0x020000\n"]);
    layout.hide(0).unwrap();
    assert_eq!(classes(), ["0x020000\n"]);
}

#[test]
fn a_volume_looks_as_the_kernel_and_udev_show_it() {
    if !is_root() {
        return;
    }
    let (_dir, layout) = layout();
    layout.show(&volume(1), None).unwrap();
    layout.show(&volume(2), namespace(77)).unwrap();
    let block = layout.sys.join("class/block/nvme1n1");
    assert_eq!(read(block.join("dev")), "240:77\n");
    assert_eq!(read(block.join("size")), format!("{}\n", GIB / 512));
    assert_eq!(read(block.join("device/serial")), "vol00000000000000002\n");
    let real = block.canonicalize().unwrap();
    for other in [
        "block/nvme1n1",
        "dev/block/240:77",
        "class/nvme/nvme1/nvme1n1",
    ] {
        assert_eq!(
            layout.sys.join(other).canonicalize().unwrap(),
            real,
            "{other}"
        );
    }
    for up in ["subsystem", "device/subsystem", "device/device"] {
        assert!(block.join(up).is_dir(), "{up}");
    }
    assert!(fs::read_link(&block).unwrap().is_relative());

    let node = layout.dev.join("nvme1n1");
    let found = fs::symlink_metadata(&node).unwrap();
    assert!(found.file_type().is_block_device());
    assert_eq!(found.rdev(), makedev(240, 77));
    let by_id = "disk/by-id/nvme-Amazon_Elastic_Block_Store_vol00000000000000002";
    assert_eq!(
        layout.dev.join(by_id).canonicalize().unwrap(),
        node.canonicalize().unwrap()
    );
}

#[test]
fn numbers_are_the_lowest_free_and_nothing_stays_of_a_hidden_one() {
    if !is_root() {
        return;
    }
    let (_dir, layout) = layout();
    for n in 1..4 {
        layout.show(&volume(n), namespace(u64::from(n))).unwrap();
    }
    layout.hide(1).unwrap();
    for dir in [
        layout.class_nvme(),
        layout.sys.join("class/block"),
        layout.sys.join("block"),
        layout.sys.join("dev/block"),
        layout.by_id(),
    ] {
        assert_eq!(names(&dir).unwrap().len(), 2, "{}", dir.display());
    }
    assert!(!layout.dev.join("nvme1n1").exists());
    layout.show(&volume(9), namespace(9)).unwrap();
    assert_eq!(layout.slot_of(&volume(9)).unwrap().unwrap().number, 1);
}

#[test]
fn what_a_cut_call_left_is_no_controller_and_is_in_nobodys_way() {
    if !is_root() {
        return;
    }
    let (_dir, layout) = layout();
    layout.show(&volume(1), namespace(1)).unwrap();
    // As if the process had been killed before the last step of showing, or after the first one of hiding.
    fs::remove_file(layout.class_nvme().join("nvme0")).unwrap();
    assert!(layout.slots().unwrap().is_empty());
    layout.show(&volume(2), namespace(2)).unwrap();
    let slot = layout.slot_of(&volume(2)).unwrap().unwrap();
    assert_eq!((slot.number, slot.dev), (0, Some(makedev(240, 2))));
    assert_eq!(names(&layout.by_id()).unwrap().len(), 1);
}

#[test]
fn a_new_size_is_seen() {
    if !is_root() {
        return;
    }
    let (_dir, layout) = layout();
    layout.show(&volume(1), namespace(1)).unwrap();
    layout.resize(0, Bytes(3 * GIB)).unwrap();
    let size = read(layout.sys.join("class/block/nvme0n1/size"));
    assert_eq!(size, format!("{}\n", 3 * GIB / 512));
}

#[test]
fn a_hundred_controllers_have_addresses_of_their_own() {
    let (_dir, layout) = layout();
    for n in 0..100 {
        layout.show(&volume(n), None).unwrap();
    }
    assert_eq!(layout.slots().unwrap().len(), 100);
}
