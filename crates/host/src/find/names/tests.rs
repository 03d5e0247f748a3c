use ebs_types::VolumeHandle;

use super::*;
use crate::testing::{TestVolume, Tree, skipped_without_root, volume};

const EBS: &str = "Amazon Elastic Block Store";
const BY_ID: &str = "dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0";

fn attached_as(name: &str) -> Wanted {
    Wanted {
        attached_as: Some(name.parse().unwrap()),
        ..volume().into()
    }
}

fn local() -> Wanted {
    Wanted::disk("local-ebs://dev/xvdbz".parse::<VolumeHandle>().unwrap())
}

/// The number of a disk on which this machine's own files are.
fn own_disk() -> DeviceNumber {
    DeviceNumber::from_dev_t(std::fs::metadata("/etc/hosts").unwrap().dev())
}

#[test]
fn without_nvme_the_name_given_at_attach_leads_to_the_device() {
    if skipped_without_root() {
        return;
    }
    let machine = TestVolume::unplugged(1 << 20);
    let number = machine.number();
    machine.tree.add_xen("xvdf", number);
    for name in ["/dev/xvdf", "/dev/sdf"] {
        let device = machine.tree.finder().look(&attached_as(name)).unwrap();
        assert_eq!(device.number(), number);
        assert_eq!(device.path(), machine.tree.path("dev/xvdf"));
        // The name goes to another device: it is not written to.
        let node = machine.tree.path("dev/xvdf");
        std::fs::rename(&node, machine.tree.path("dev/aside")).unwrap();
        machine.tree.put("dev/xvdf", "");
        assert!(machine.tree.finder().verify(&device).is_err());
        std::fs::rename(machine.tree.path("dev/aside"), &node).unwrap();
        machine.tree.finder().verify(&device).unwrap();
    }
    let unnamed = machine.tree.finder().look(&volume().into()).unwrap_err();
    assert!(matches!(unnamed, FindError::Missing { .. }), "{unnamed}");
    assert!(unnamed.to_string().contains("xvdf"), "{unnamed}");
}

#[test]
fn without_nvme_a_link_leads_to_the_device_unless_a_name_says_otherwise() {
    if skipped_without_root() {
        return;
    }
    let machine = TestVolume::unplugged(1 << 20);
    machine.tree.add_xen("xvdf", machine.number());
    machine.tree.link("../../xvdf", BY_ID);
    let found = machine.tree.finder().look(&volume().into()).unwrap();
    assert_eq!(found.path(), machine.tree.path("dev/xvdf"));

    machine
        .tree
        .add_xen("xvdg", DeviceNumber::parse("202:96").unwrap());
    let error = machine
        .tree
        .finder()
        .look(&attached_as("/dev/xvdg"))
        .unwrap_err();
    assert!(matches!(error, FindError::Ambiguous { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("xvdf") && text.contains("xvdg"), "{text}");
}

#[test]
fn names_do_not_count_beside_nvme() {
    if skipped_without_root() {
        return;
    }
    let machine = TestVolume::unplugged(1 << 20);
    machine.tree.add_xen("xvdf", machine.number());
    machine
        .tree
        .add_nvme(0, EBS, "vol00000000000000000", "259:0");
    let error = machine
        .tree
        .finder()
        .look(&attached_as("/dev/xvdf"))
        .unwrap_err();
    assert!(matches!(error, FindError::Missing { .. }), "{error}");
}

#[test]
fn a_name_that_leads_to_this_nodes_own_disk_is_refused() {
    if skipped_without_root() {
        return;
    }
    let tree = Tree::new();
    tree.add_xen("xvda", own_disk());
    tree.link("../../xvda", BY_ID);
    let error = tree.finder().look(&volume().into()).unwrap_err();
    assert!(error.to_string().contains("own disk"), "{error}");
    // So is one whose partition that is.
    let tree = Tree::new();
    tree.add_xen("xvda", DeviceNumber::parse("202:0").unwrap());
    tree.add_partition("xvda", "xvda1", "1", &own_disk().to_string());
    let error = tree.finder().look(&attached_as("/dev/xvda")).unwrap_err();
    assert!(error.to_string().contains("own disk"), "{error}");
    // And for a node-local volume beside NVMe.
    let tree = Tree::new();
    tree.add_nvme(0, EBS, "vol00000000000000000", &own_disk().to_string());
    tree.add_node("nvme0n1", own_disk());
    tree.link("nvme0n1", "dev/xvdbz");
    let error = tree.finder().look(&local()).unwrap_err();
    assert!(error.to_string().contains("own disk"), "{error}");
}

#[test]
fn a_name_that_leads_to_no_disk_is_refused() {
    if skipped_without_root() {
        return;
    }
    let machine = TestVolume::unplugged(1 << 20);
    machine.tree.add_node("xvdf", machine.number());
    let error = machine
        .tree
        .finder()
        .look(&attached_as("/dev/xvdf"))
        .unwrap_err();
    assert!(error.to_string().contains("is no disk"), "{error}");
}

#[test]
fn a_node_local_volume_is_found_by_a_link_to_an_ebs_disk_that_cannot_be_asked() {
    if skipped_without_root() {
        return;
    }
    let machine = TestVolume::unplugged(1 << 20);
    let number = machine.number();
    let serial = "vol0fedcba9876543210";
    machine.tree.add_nvme(4, EBS, serial, &number.to_string());
    machine.tree.add_node("nvme4n1", number);
    let error = machine.tree.finder().look(&local()).unwrap_err();
    assert!(error.to_string().contains("can't be had"), "{error}");

    machine.tree.link("nvme4n1", "dev/xvdbz");
    let device = machine.tree.finder().look(&local()).unwrap();
    assert_eq!(device.number(), number);
    assert_eq!(device.volume(), &local().volume);

    machine.tree.put(
        "sys/class/nvme/nvme4/model",
        "Amazon EC2 NVMe Instance Storage",
    );
    let error = machine.tree.finder().look(&local()).unwrap_err();
    assert!(error.to_string().contains("no EBS volume"), "{error}");
    assert!(machine.tree.finder().verify(&device).is_err());
}

#[test]
fn without_nvme_a_node_local_volume_is_the_device_of_that_name() {
    if skipped_without_root() {
        return;
    }
    let machine = TestVolume::unplugged(1 << 20);
    machine.tree.add_xen("xvdbz", machine.number());
    let device = machine.tree.finder().look(&local()).unwrap();
    assert_eq!(device.number(), machine.number());
}
