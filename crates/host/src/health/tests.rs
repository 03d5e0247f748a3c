//! Volumes that come to harm: their file system stops, their bytes go, their device goes.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use ebs_types::FsType;
use rstest::rstest;

use super::*;
use crate::testing::{MIB, TestVolume, skipped_without_root};
use crate::{Host, LinuxHost, MountOptions, Stats};

/// A volume of 400 MiB, enough for every file system, formatted and mounted.
async fn mounted(fs: FsType) -> (TestVolume, LinuxHost, PathBuf) {
    let mut test = TestVolume::new(400 * MIB);
    let device = test.formatted(fs).await;
    let path = test.place("mounted");
    let host = test.host();
    let options = MountOptions::default();
    host.mount(&device, &path, fs, &options).await.unwrap();
    (test, host, path)
}

#[rstest]
#[case(FsType::Ext4)]
#[case(FsType::Xfs)]
#[case(FsType::Btrfs)]
#[tokio::test]
async fn a_volume_that_works_is_healthy_until_its_device_goes(#[case] fs: FsType) {
    if skipped_without_root() {
        return;
    }
    let (test, host, path) = mounted(fs).await;
    assert_eq!(host.troubles(&path).await.unwrap(), []);
    assert!(matches!(
        host.stats(&path).await.unwrap(),
        Stats::Filesystem { .. }
    ));

    fs::remove_dir_all(test.tree.path("sys/class/block/nvme1n1")).unwrap();
    assert_eq!(host.troubles(&path).await.unwrap(), [Trouble::DeviceGone]);
    let error = host.stats(&path).await.unwrap_err();
    assert!(matches!(error, StatsError::Gone { .. }), "{error}");
    assert!(error.to_string().contains("has gone"), "{error}");
}

#[tokio::test]
async fn a_raw_volume_is_healthy_until_its_device_goes() {
    if skipped_without_root() {
        return;
    }
    let mut test = TestVolume::new(MIB);
    let device = test.find().await;
    let path = test.file_place("raw");
    let host = test.host();
    host.bind_block(&device, &path, false).await.unwrap();
    assert_eq!(host.troubles(&path).await.unwrap(), []);
    fs::remove_dir_all(test.tree.path("sys/class/block/nvme1n1")).unwrap();
    assert_eq!(host.troubles(&path).await.unwrap(), [Trouble::DeviceGone]);
}

#[tokio::test]
async fn an_error_that_makes_ext4_refuse_writes_is_seen() {
    if skipped_without_root() {
        return;
    }
    let (_test, host, path) = mounted(FsType::Ext4).await;
    let remount = nix::mount::MsFlags::MS_REMOUNT;
    nix::mount::mount(
        None::<&str>,
        &path,
        None::<&str>,
        remount,
        Some("errors=remount-ro"),
    )
    .unwrap();
    let seen = stats::look(&path).unwrap();
    let mount = mount::described(&seen).unwrap().unwrap();
    drop(seen);
    let name = kernel_name(mount.device).unwrap();
    let trigger = Path::new("/sys/fs/ext4")
        .join(name)
        .join("trigger_fs_error");
    fs::write(trigger, "1").unwrap();

    let error = fs::write(path.join("file"), "x").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    assert_eq!(
        host.troubles(&path).await.unwrap(),
        [Trouble::ReadOnly, Trouble::Errors { count: 1 }]
    );
}

#[tokio::test]
async fn an_ext4_whose_bytes_are_gone_is_seen_once_something_was_written() {
    if skipped_without_root() {
        return;
    }
    let (test, host, path) = mounted(FsType::Ext4).await;
    let mut file = fs::File::create(path.join("file")).unwrap();
    file.sync_all().unwrap();
    // The device has no bytes any more.
    test.grow(0);
    file.write_all(b"x").unwrap();
    file.sync_all().unwrap_err();
    drop(file);
    assert_ne!(host.troubles(&path).await.unwrap(), []);
}

#[tokio::test]
async fn an_xfs_that_has_shut_itself_down_is_seen() {
    if skipped_without_root() {
        return;
    }
    let (_test, host, path) = mounted(FsType::Xfs).await;
    #[expect(clippy::disallowed_methods, reason = "no tool of a node")]
    let shut = std::process::Command::new("xfs_io")
        .args(["-x", "-c", "shutdown"])
        .arg(&path)
        .status();
    if !shut.is_ok_and(|status| status.success()) {
        println!("skipped: xfs_io cannot shut a file system down here");
        return;
    }
    assert_eq!(host.troubles(&path).await.unwrap(), [Trouble::ShutDown]);
    let error = host.stats(&path).await.unwrap_err();
    assert!(matches!(error, StatsError::ShutDown { .. }), "{error}");
}

#[tokio::test]
async fn what_was_mounted_read_only_is_healthy_and_what_is_not_mounted_is_an_error() {
    if skipped_without_root() {
        return;
    }
    let mut test = TestVolume::new(400 * MIB);
    let device = test.formatted(FsType::Ext4).await;
    let path = test.place("mounted");
    let host = test.host();
    let error = host.troubles(&path).await.unwrap_err();
    assert!(matches!(error, StatsError::NotMounted { .. }), "{error}");
    let error = host.stats(&path).await.unwrap_err();
    assert!(matches!(error, StatsError::NotMounted { .. }), "{error}");
    let error = host.troubles(&path.join("none")).await.unwrap_err();
    assert!(matches!(error, StatsError::NotFound { .. }), "{error}");

    let writable = test.place("writable");
    let options = MountOptions::default();
    host.mount(&device, &writable, FsType::Ext4, &options)
        .await
        .unwrap();
    host.bind(&device, &writable, &path, true).await.unwrap();
    assert_eq!(host.troubles(&path).await.unwrap(), []);
}
