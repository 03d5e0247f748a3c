//! Which device is taken for a volume, and which never is.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};

use lab::orchestrator::{Claim, Use};
use lab::program::Program;
use lab::proof;
use tonic::Code;

use crate::hardware::Hardware;
use crate::world::{lab, lab_with, mount_at, refusal};

/// Gives up on a device that does not come, at once.
fn hasty(program: &mut Program) {
    program.option("--device-timeout", "100ms");
}

/// Nodes are asked to stage before the device is there: what comes wakes them.
#[tokio::test]
async fn a_device_that_comes_late_is_waited_for() {
    let Some(lab) = lab().await else { return };
    let order = lab.world.order("pvc-1");
    let claim = lab.world.controller.create(&order).await.unwrap();
    let (context, once) = (Default::default(), lab.once());
    let (staged, _) = tokio::join!(once.stage(&claim, &context), lab.attach(&claim));
    staged.unwrap();
    assert_eq!(lab.mounts().len(), 1);
}

#[tokio::test]
async fn disks_that_change_their_names_keep_their_volumes() {
    let Some(lab) = lab().await else { return };
    let (first, target) = lab.in_use("pvc-1", Use::Ext4).await;
    let written = proof::write_files(&target, "first").unwrap();
    lab.put_away(&first).await;
    let (second, target) = lab.in_use("pvc-2", Use::Ext4).await;
    let others = proof::write_files(&target, "second").unwrap();
    lab.put_away(&second).await;
    // The other way round than at first: the second has the name that was the first's.
    let target = lab.put_to_use(&second).await;
    let back = lab.put_to_use(&first).await;
    assert_eq!(proof::read_files(&target).unwrap(), others);
    assert_eq!(proof::read_files(&back).unwrap(), written);
}

#[tokio::test]
async fn a_serial_number_that_cannot_be_read_is_never_guessed() {
    let Some(lab) = lab_with(hasty).await else {
        return;
    };
    let (claim, context) = lab.attached("pvc-1", Use::Ext4).await;
    let hardware = Hardware::of(&lab);
    let disk = hardware.disk(&claim).await;
    let serial = hardware.attribute(&disk, "device/serial");
    let told = fs::read_to_string(&serial).unwrap();
    fs::write(&serial, "").unwrap();
    let (code, words) = refusal(lab.once().stage(&claim, &context).await);
    assert_eq!(code, Code::Internal, "{words}");
    assert!(words.contains("refusing to guess"), "{words}");
    assert!(words.contains(&disk), "{words}");
    assert!(lab.mounts().is_empty());
    fs::write(&serial, told).unwrap();
    lab.node.stage(&claim, &context).await.unwrap();
}

/// A link of udev's that outlived its volume leads to another one.
#[tokio::test]
async fn a_stale_link_misleads_nobody() {
    let Some(lab) = lab_with(hasty).await else {
        return;
    };
    let (_, context) = lab.attached("pvc-1", Use::Ext4).await;
    let order = lab.world.order("pvc-2");
    let absent = lab.world.controller.create(&order).await.unwrap();
    let hardware = Hardware::of(&lab);
    let link = format!(
        "nvme-Amazon_Elastic_Block_Store_{}",
        absent.id.replace('-', "")
    );
    symlink("../../nvme1n1", hardware.dev.join("disk/by-id").join(link)).unwrap();
    let (code, words) = refusal(lab.once().stage(&absent, &context).await);
    assert_eq!(code, Code::Unavailable, "{words}");
    assert!(lab.mounts().is_empty());
}

#[tokio::test]
async fn of_two_disks_that_say_they_are_the_volume_none_is_taken() {
    let Some(lab) = lab().await else { return };
    let (claim, context) = lab.attached("pvc-1", Use::Ext4).await;
    let hardware = Hardware::of(&lab);
    let first = hardware.disk(&claim).await;
    let other = hardware.another_over_the_same(lab.world.dir());
    hardware.add(9, &claim, other.dev());
    let (code, words) = refusal(lab.once().stage(&claim, &context).await);
    assert_eq!(code, Code::Internal, "{words}");
    assert!(
        words.contains(&first) && words.contains("nvme9n1"),
        "{words}"
    );
    hardware.remove(9);
    lab.node.stage(&claim, &context).await.unwrap();
}

/// On a machine without NVMe names are all there is; one that leads to the node's own disk is refused even there.
#[tokio::test]
async fn without_nvme_a_link_to_the_nodes_own_disk_is_refused() {
    let Some(lab) = lab_with(hasty).await else {
        return;
    };
    let order = lab.world.order("pvc-1");
    let claim = lab.world.controller.create(&order).await.unwrap();
    let hardware = Hardware::of(&lab);
    for class in ["class/nvme", "class/block"] {
        for entry in fs::read_dir(hardware.sys.join(class)).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
    let own = fs::metadata("/etc/hosts").unwrap().dev();
    hardware.add_xen("xvda", own);
    let link = format!(
        "nvme-Amazon_Elastic_Block_Store_{}",
        claim.id.replace('-', "")
    );
    symlink("../../xvda", hardware.dev.join("disk/by-id").join(link)).unwrap();
    let (code, words) = refusal(lab.once().stage(&claim, &Default::default()).await);
    assert_eq!(code, Code::Internal, "{words}");
    assert!(words.contains("own disk"), "{words}");
    assert!(lab.mounts().is_empty());
}

#[tokio::test]
async fn several_pods_get_one_raw_device_at_once_and_its_new_size() {
    let Some(lab) = lab().await else { return };
    let (claim, context) = lab.attached("pvc-1", Use::Block).await;
    lab.node.stage(&claim, &context).await.unwrap();
    let pods = ["pod", "b", "c", "d", "e", "f", "g", "h"];
    let publish = pods.map(|pod| {
        let (node, claim, context) = (lab.once(), claim.clone(), context.clone());
        tokio::spawn(async move { node.publish(&claim, pod, &context, false).await })
    });
    let mut targets = Vec::new();
    for one in publish {
        targets.push(one.await.unwrap().unwrap());
    }
    let written = proof::write_device(&targets[0], "shared").unwrap();
    for target in &targets {
        assert_eq!(proof::read_device(target).unwrap(), written);
    }
    assert_eq!(lab.mounts().len(), pods.len());

    let range = lab::orchestrator::gib_or_more(2);
    lab.world.controller.expand(&claim, range).await.unwrap();
    let size = lab.node.expand(&claim, "c", 2).await.unwrap();
    assert_eq!(size, 2 << 30);
    for pod in pods {
        lab.node.unpublish(&claim, pod).await.unwrap();
    }
    lab.node.unstage(&claim).await.unwrap();
    assert!(lab.mounts().is_empty());
}

#[tokio::test]
async fn a_partition_is_formatted_mounted_and_never_taken_for_the_disk() {
    let Some(lab) = lab_with(hasty).await else {
        return;
    };
    let (mut claim, context) = lab.attached("pvc-1", Use::Ext4).await;
    let hardware = Hardware::of(&lab);
    let disk = hardware.disk(&claim).await;
    let partition = hardware.partition(&disk);
    // The disk as a whole holds a partition table: it is not blank.
    let (code, words) = refusal(lab.once().stage(&claim, &context).await);
    assert_eq!(code, Code::FailedPrecondition, "{words}");
    assert!(words.contains("partition table"), "{words}");

    claim.context.insert("Partition".into(), "2".into());
    let (code, words) = refusal(lab.once().stage(&claim, &context).await);
    assert_eq!(code, Code::Unavailable, "{words}");
    assert!(words.contains("partition 2"), "{words}");

    claim.context.insert("Partition".into(), "1".into());
    let target = {
        lab.node.stage(&claim, &context).await.unwrap();
        lab.node.publish(&claim, "pod", &context, false).await
    }
    .unwrap();
    let mount = mount_at(&target).unwrap();
    assert!(mount.source.ends_with(&partition.name), "{mount}");
    let written = proof::write_files(&target, "in a partition").unwrap();

    lab.node.expand(&claim, "pod", 0).await.unwrap();
    let (code, words) = refusal(lab.once().expand(&claim, "pod", 1).await);
    assert_eq!(code, Code::FailedPrecondition, "{words}");
    assert!(words.contains("growpart"), "{words}");

    lab.node.unpublish(&claim, "pod").await.unwrap();
    lab.node.unstage(&claim).await.unwrap();
    lab.node.stage(&claim, &context).await.unwrap();
    let staging = lab.node.staging_path(&claim);
    assert_eq!(proof::read_files(&staging).unwrap(), written);
    lab.node.unstage(&claim).await.unwrap();
}

/// As EC2's launch template attaches it and the instance's udev rules link it, before Kubernetes knows of it.
#[tokio::test]
async fn a_node_local_volume_is_found_by_its_device_name_for_all_pods() {
    let taken = |program: &mut Program| {
        hasty(program);
        program.arg("--enable-node-local-volumes");
    };
    let Some(lab) = lab_with(taken).await else {
        return;
    };
    let (attached, _) = lab.attached("pvc-1", Use::Ext4).await;
    let hardware = Hardware::of(&lab);
    let disk = hardware.disk(&attached).await;
    let claim = Claim {
        id: "local-ebs://dev/xvdbz".to_owned(),
        ..attached
    };
    let (code, words) = refusal(lab.once().stage(&claim, &Default::default()).await);
    assert_eq!(code, Code::Unavailable, "{words}");
    assert!(
        words.contains("/dev/xvdbz") && words.contains(&disk),
        "{words}"
    );

    symlink(disk, hardware.dev.join("xvdbz")).unwrap();
    let context = Default::default();
    lab.node.stage(&claim, &context).await.unwrap();
    let pods = ["pod", "b", "c"];
    let mut targets = Vec::new();
    for pod in pods {
        let target = lab.node.publish(&claim, pod, &context, false).await;
        targets.push(target.unwrap());
    }
    let written = proof::write_files(&targets[0], "shared").unwrap();
    for target in &targets {
        assert_eq!(proof::read_files(target).unwrap(), written);
    }
    for pod in pods {
        lab.node.unpublish(&claim, pod).await.unwrap();
    }
    lab.node.unstage(&claim).await.unwrap();
    assert!(lab.mounts().is_empty());
}

#[tokio::test]
async fn a_node_local_volume_is_refused_unless_it_is_wanted() {
    let Some(lab) = lab().await else { return };
    let (attached, _) = lab.attached("pvc-1", Use::Ext4).await;
    let claim = Claim {
        id: "local-ebs://dev/xvdbz".to_owned(),
        ..attached
    };
    let (code, words) = refusal(lab.once().stage(&claim, &Default::default()).await);
    assert_eq!(code, Code::InvalidArgument, "{words}");
    assert!(words.contains("--enable-node-local-volumes"), "{words}");
    lab.node.unpublish(&claim, "pod").await.unwrap();
    lab.node.unstage(&claim).await.unwrap();
}
