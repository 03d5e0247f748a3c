//! Volumes in use as the mount table and sysfs show them, on loop devices, which count nothing.

use std::fs;
use std::time::Duration;

use ebs_types::FsType;

use super::*;
use crate::testing::{MIB, TestVolume, skipped_without_root, volume};
use crate::{Host, MountOptions, Wanted};

#[test]
fn only_what_the_kubelet_puts_csi_volumes_at_is_ours() {
    for ours_ in [
        "/var/lib/kubelet/plugins/kubernetes.io/csi/ebs.csi.aws.com/0a1b/globalmount",
        "/data/kubelet/plugins/kubernetes.io/csi/pv/pvc-1/globalmount",
        "/var/lib/kubelet/pods/0a1b/volumes/kubernetes.io~csi/pvc-1/mount",
        "/var/lib/kubelet/plugins/kubernetes.io/csi/volumeDevices/publish/pvc-1/0a1b",
    ] {
        assert!(ours(Path::new(ours_)), "{ours_}");
    }
    for other in [
        "/",
        "/var/lib/kubelet",
        "/mnt/csi",
        "/var/lib/kubelet/pods/0a1b/volume-subpaths/config/web/0",
        "/var/lib/kubelet/pods/0a1b/volumes/kubernetes.io~empty-dir/cache",
        "/var/lib/kubelet/plugins/kubernetes.io/aws-ebs/mounts/vol-1",
    ] {
        assert!(!ours(Path::new(other)), "{other}");
    }
}

#[test]
fn refusals_are_told_from_failures_whatever_flags_the_kernel_adds() {
    for refusal in [0x001, 0x002, 0x109, 0x4109, 0x6002] {
        assert!(is_refusal(refusal), "{refusal:#x}");
    }
    for failure in [0x004, 0x006, 0x007, 0x371] {
        assert!(!is_refusal(failure), "{failure:#x}");
    }
}

#[tokio::test]
async fn volumes_are_in_use_where_they_are_mounted_for_pods() {
    if skipped_without_root() {
        return;
    }
    let mut test = TestVolume::new(64 * MIB);
    let device = test.formatted(FsType::Ext4).await;
    let staged = test.place("plugins/kubernetes.io/csi/ebs.csi.aws.com/0a1b/globalmount");
    let elsewhere = test.place("elsewhere");
    let raw = test.file_place("plugins/kubernetes.io/csi/volumeDevices/publish/pvc-1/pod");
    let statistics = test.host().statistics();
    let host = test.host();
    let options = MountOptions::default();
    host.mount(&device, &elsewhere, FsType::Ext4, &options)
        .await
        .unwrap();
    assert_eq!(statistics.in_use().unwrap(), []);
    host.mount(&device, &staged, FsType::Ext4, &options)
        .await
        .unwrap();
    host.bind_block(&device, &raw, false).await.unwrap();

    let found = statistics.in_use().unwrap();
    let expected = VolumeInUse {
        volume: volume(),
        disk: test.tree.path("sys/class/block/nvme1n1"),
        targets: vec![staged, raw],
    };
    assert_eq!(found, std::slice::from_ref(&expected));
    let error = statistics.read(&expected).unwrap_err();
    assert!(
        matches!(error, StatisticsError::Unsupported { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_disk_that_has_become_another_volume_is_not_read() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(MIB);
    let statistics = test.host().statistics();
    let seen = VolumeInUse {
        volume: volume(),
        disk: test.tree.path("sys/class/block/nvme1n1"),
        targets: Vec::new(),
    };
    let wanted = Wanted::from(volume());
    test.host().find(&wanted, Duration::ZERO).await.unwrap();
    test.tree
        .put("sys/class/nvme/nvme1/serial", "vol0aaaaaaaaaaaaaaaa\n");
    let error = statistics.read(&seen).unwrap_err();
    assert!(matches!(error, StatisticsError::Find(_)), "{error}");
    fs::remove_file(test.tree.path("sys/class/block/nvme1n1/device")).unwrap();
    assert!(statistics.read(&seen).is_err());
}
