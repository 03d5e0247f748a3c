//! The whole host on loop devices, with real programs and mounts.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use ebs_types::{FormatOptions, GIB};
use rstest::rstest;

use super::*;
use crate::Stats;
use crate::exec::{self, Program, ProgramError};
use crate::testing::{MIB, TestVolume, skipped_without_root, text, volume};

async fn contents(test: &TestVolume) -> Contents {
    test.host().inspect(&test.find().await).await.unwrap()
}

async fn what(test: &TestVolume) -> String {
    match contents(test).await {
        Contents::Other { what } => what,
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case(FsType::Ext3)]
#[case(FsType::Ext4)]
#[case(FsType::Xfs)]
#[case(FsType::Btrfs)]
#[tokio::test]
async fn a_blank_volume_is_formatted_mounted_shared_measured_and_let_go(#[case] fs: FsType) {
    if skipped_without_root() {
        return;
    }
    let mut test = TestVolume::new(GIB);
    let host = test.host();
    let device = test.formatted(fs).await;
    match contents(&test).await {
        Contents::Filesystem(found) => assert_eq!((found.fs, found.size.0), (fs, GIB - MIB)),
        other => panic!("{other:?}"),
    }
    host.check(&device, fs).await.unwrap();
    assert!(!host.grow_before_mount(&device, fs).await.unwrap().changed());

    let (staging, target) = (test.place("staging dir"), test.place("target"));
    let options = MountOptions::parse(&["noatime", "nosuid"]).unwrap();
    for _ in 0..2 {
        host.mount(&device, &staging, fs, &options).await.unwrap();
        fs::write(staging.join("file"), "written").unwrap();
        host.bind(&device, &staging, &target, true).await.unwrap();
    }
    let staged = host.mount_at(&staging).await.unwrap().unwrap();
    assert!(staged.carries(&device) && !staged.read_only && staged.fs_type == fs.as_str());
    assert_eq!(text(&target, "file"), "written");
    assert!(fs::write(target.join("file"), "no").is_err());
    let shown = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = shown
        .lines()
        .find(|line| line.contains(target.to_str().unwrap()))
        .unwrap();
    assert!(
        line.contains("nosuid") && line.contains("noatime"),
        "{line}"
    );

    assert_eq!(host.mounts_of(&device).await.unwrap().len(), 2);
    match host.stats(&target).await.unwrap() {
        Stats::Filesystem { bytes, inodes } => {
            assert!(bytes.total > GIB * 8 / 10 && bytes.used < bytes.total);
            // btrfs counts no inodes.
            assert!(inodes.used >= 1 || fs == FsType::Btrfs);
        }
        other => panic!("{other:?}"),
    }
    let mounted_twice = host
        .bind(&device, &staging, &target, false)
        .await
        .unwrap_err();
    assert!(
        matches!(mounted_twice, MountError::Occupied { .. }),
        "{mounted_twice}"
    );
    for _ in 0..2 {
        host.unmount(&target).await.unwrap();
        host.unmount(&staging).await.unwrap();
    }
    assert_eq!(host.mount_at(&staging).await.unwrap(), None);
    host.unmount(&test.tree.path("never/was")).await.unwrap();
}

#[tokio::test]
async fn what_holds_anything_is_never_blank() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(64 * MIB);
    assert!(matches!(contents(&test).await, Contents::Blank(_)));
    // A partition table in the first sector.
    let mut mbr = [0; 66];
    mbr[4] = 0x83;
    mbr[8] = 8;
    mbr[12] = 100;
    mbr[64..].copy_from_slice(&[0x55, 0xAA]);
    test.write(446, &mbr);
    assert!(what(&test).await.contains("partition table (dos)"));
    test.write(446, &[0; 66]);
    // LVM's label.
    let mut label = [0; 512];
    label[..8].copy_from_slice(b"LABELONE");
    label[8] = 1;
    label[20] = 32;
    label[24..32].copy_from_slice(b"LVM2 001");
    test.write(512, &label);
    assert!(what(&test).await.len() > 3);
    test.write(512, &[0; 512]);
    // btrfs, beyond what our own recognition looks at.
    test.write(65_536 + 64, b"_BHRfS_M");
    assert!(what(&test).await.len() > 3);
    test.write(65_536 + 64, &[0; 8]);
    test.write(64 * MIB - 1, &[1]);
    assert_eq!(
        what(&test).await,
        format!("unknown data at byte {}", 64 * MIB - 1)
    );
    test.write(64 * MIB - 1, &[0]);
    assert!(matches!(contents(&test).await, Contents::Blank(_)));
}

#[tokio::test]
async fn a_device_that_cannot_be_read_is_not_blank() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(64 * MIB);
    let device = test.find().await;
    test.set_file_size(32 * MIB);
    let error = test.host().inspect(&device).await.unwrap_err();
    assert!(matches!(error, InspectError::Unreadable { .. }), "{error}");
    assert!(
        error.to_string().contains("never taken as blank"),
        "{error}"
    );
}

#[tokio::test]
async fn a_device_that_was_blank_is_looked_at_again_before_mkfs() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(64 * MIB);
    let blank = || async {
        match contents(&test).await {
            Contents::Blank(blank) => blank,
            other => panic!("{other:?}"),
        }
    };
    let seen = blank().await;
    test.write(4096, b"data");
    let error = test
        .host()
        .format(seen, FormatOptions::defaults(FsType::Ext4))
        .await
        .unwrap_err();
    assert!(matches!(error, FormatError::NotBlank { .. }), "{error}");
    test.write(4096, &[0; 4]);

    let seen = blank().await;
    let serial = "sys/class/nvme/nvme1/serial";
    test.tree.put(serial, "vol00000000000000000");
    let error = test
        .host()
        .format(seen, FormatOptions::defaults(FsType::Ext4))
        .await
        .unwrap_err();
    assert!(matches!(error, FormatError::Identity(_)), "{error}");
    test.tree.put(serial, &volume().nvme_serial());

    // Another process holds the device.
    use std::os::unix::fs::OpenOptionsExt;
    let seen = blank().await;
    let node = test.tree.path("dev/nvme1n1");
    let held = fs::File::options()
        .read(true)
        .custom_flags(nix::libc::O_EXCL)
        .open(node)
        .unwrap();
    let error = test
        .host()
        .format(seen, FormatOptions::defaults(FsType::Xfs))
        .await
        .unwrap_err();
    assert!(matches!(error, FormatError::InUse { .. }), "{error}");
    drop(held);
    assert!(matches!(contents(&test).await, Contents::Blank(_)));
}

#[tokio::test]
async fn a_missing_or_failing_mkfs_is_named_with_its_words() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(64 * MIB);
    let bin = test.tree.path("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink("/usr/sbin/blkid", bin.join("blkid")).unwrap();
    let programs = Programs::from_path(bin.as_os_str());
    let host = LinuxHost::new(HostSettings {
        programs,
        ..test.tree.settings()
    });
    let format = || async {
        match contents(&test).await {
            Contents::Blank(blank) => host
                .format(blank, FormatOptions::defaults(FsType::Ext4))
                .await
                .unwrap_err(),
            other => panic!("{other:?}"),
        }
    };
    let missing = format().await;
    assert!(
        matches!(
            missing,
            FormatError::Program {
                source: ProgramError::Missing {
                    program: "mkfs.ext4",
                    ..
                },
                ..
            }
        ),
        "{missing}"
    );
    with_script(&test, "mkfs.ext4", "echo the disk says no >&2; exit 1", "");
    let failing = format().await.to_string();
    assert!(failing.contains("the disk says no"), "{failing}");
}

#[tokio::test]
async fn damage_is_repaired_or_reported() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(64 * MIB);
    let device = test.formatted(FsType::Ext4).await;
    // Not unmounted well, with a wrong count of free blocks: repaired without asking.
    edit(
        &device,
        &[
            "set_super_value state 2",
            "set_super_value free_blocks_count 5",
        ],
    )
    .await;
    test.host().check(&device, FsType::Ext4).await.unwrap();
    // Without a root directory a person has to decide.
    edit(&device, &["set_super_value state 2", "clri <2>"]).await;
    let error = test.host().check(&device, FsType::Ext4).await.unwrap_err();
    assert!(matches!(error, CheckError::Damaged { .. }), "{error}");
    assert!(
        error.to_string().contains("UNEXPECTED INCONSISTENCY"),
        "{error}"
    );
}

/// Changes an ext file system behind everybody's back.
async fn edit(device: &Device, requests: &[&str]) {
    let debugfs = Program {
        name: "debugfs",
        package: "e2fsprogs",
    };
    for request in requests {
        let args = ["-w", "-R", request, exec::DEVICE];
        let output = Programs::default()
            .write(debugfs, &args, device.file())
            .await
            .unwrap();
        assert!(output.status.success(), "{}", output.said());
    }
}

#[tokio::test]
async fn mkfs_outlives_its_caller_and_nothing_else_begins_meanwhile() {
    if skipped_without_root() {
        return;
    }
    let mut test = TestVolume::new(64 * MIB);
    let (go_on, begun) = (test.tree.path("go-on"), test.tree.path("begun"));
    let script = format!(
        "touch {}; while ! [ -e {} ]; do sleep 0.01; done; exec /usr/sbin/mkfs.ext4 \"$@\"",
        begun.display(),
        go_on.display()
    );
    let programs = with_script(&test, "mkfs.ext4", &script, "/bin:/usr/bin:/usr/sbin");
    let host = LinuxHost::new(HostSettings {
        programs,
        ..test.tree.settings()
    });
    let device = test.find().await;
    let Contents::Blank(blank) = host.inspect(&device).await.unwrap() else {
        panic!("not blank");
    };
    tokio::select! {
        result = host.format(blank, FormatOptions::defaults(FsType::Ext4)) => panic!("{result:?}"),
        () = until(|| begun.exists()) => {}
    }
    let busy = host.inspect(&device).await.unwrap_err().to_string();
    assert!(
        busy.contains("mkfs.ext4 is still running on volume vol-0123456789abcdef0"),
        "{busy}"
    );
    assert!(matches!(
        host.find(&volume().into(), Duration::ZERO).await,
        Err(FindError::Busy(_))
    ));
    let place = test.place("staging");
    let mount = host
        .mount(&device, &place, FsType::Ext4, &MountOptions::default())
        .await;
    assert!(matches!(mount, Err(MountError::Busy(_))));

    fs::write(go_on, "").unwrap();
    until(|| host.idle(&volume().into()).is_ok()).await;
    host.mount(&device, &place, FsType::Ext4, &MountOptions::default())
        .await
        .unwrap();
}

async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Programs among which one is a shell script.
fn with_script(test: &TestVolume, name: &str, script: &str, path: &str) -> Programs {
    let bin = test.tree.path("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(bin.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    Programs::from_path(OsStr::new(&format!("{}:{path}", bin.display())))
}

#[tokio::test]
async fn a_raw_device_is_shown_at_a_file() {
    if skipped_without_root() {
        return;
    }
    let mut test = TestVolume::new(8 * MIB);
    let host = test.host();
    let device = test.find().await;
    let target = test.file_place("target");
    for _ in 0..2 {
        host.bind_block(&device, &target, true).await.unwrap();
    }
    let places = host.mounts_of(&device).await.unwrap();
    assert_eq!(places.len(), 1);
    assert_eq!(places[0].target, target);
    let shown = host.mount_at(&target).await.unwrap().unwrap();
    assert!(shown.carries(&device) && shown.read_only);
    assert_eq!(
        host.stats(&target).await.unwrap(),
        Stats::Block {
            size: ebs_types::Bytes(8 * MIB)
        }
    );
    host.unmount(&target).await.unwrap();
    assert_eq!(host.mount_at(&target).await.unwrap(), None);
}
