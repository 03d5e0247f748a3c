//! Mounting on loop devices, against what may go wrong around it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use ebs_types::GIB;
use rstest::rstest;

use super::*;
use crate::exec::{self, Program, Programs};
use crate::testing::{MIB, TestVolume, skipped_without_root, text};
use crate::{Host as _, LinuxHost};

fn options(options: &[&str]) -> MountOptions {
    MountOptions::parse(options).unwrap()
}

/// The mounts at or below a directory, as lines of the mount table.
fn mounts_below(dir: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let below = |line: &&str| Path::new(line.split(' ').nth(4).unwrap()).starts_with(dir);
    table.lines().filter(below).map(str::to_owned).collect()
}

/// Runs a program on the device, or on what its arguments name.
async fn run(device: &Device, name: &'static str, args: &[&str]) {
    let program = Program {
        name,
        package: "of the test",
    };
    let output = Programs::default()
        .write(program, args, device.file())
        .await;
    let output = output.unwrap();
    assert!(output.status.success(), "{}", output.said());
}

/// Changes an ext file system behind everybody's back.
async fn edit(device: &Device, request: &str) {
    run(device, "debugfs", &["-w", "-R", request, exec::DEVICE]).await;
}

/// About the least that the file system can live in.
fn small(fs: FsType) -> u64 {
    match fs {
        FsType::Ext3 | FsType::Ext4 => 16 * MIB,
        FsType::Xfs => 512 * MIB,
        FsType::Btrfs => 128 * MIB,
    }
}

/// A volume with what another one holds at this moment, as a snapshot of a volume in use has it.
fn copy_of(test: &TestVolume, mounted: &Path) -> TestVolume {
    nix::unistd::syncfs(fs::File::open(mounted).unwrap()).unwrap();
    let copy = TestVolume::new(0);
    fs::copy(test.tree.path("image"), copy.tree.path("image")).unwrap();
    copy.grow(fs::metadata(test.tree.path("image")).unwrap().len());
    copy
}

#[tokio::test]
async fn nothing_is_mounted_over_something_else_nor_from_another_device() {
    if skipped_without_root() {
        return;
    }
    let mut test = TestVolume::new(512 * MIB);
    let mut other = TestVolume::new(512 * MIB);
    let host = test.host();
    let (mine, theirs) = (
        test.formatted(FsType::Xfs).await,
        other.formatted(FsType::Ext4).await,
    );
    let (taken, free) = (other.place("taken"), test.place("free"));
    host.mount(&theirs, &taken, FsType::Ext4, &options(&[]))
        .await
        .unwrap();
    let error = host
        .mount(&mine, &taken, FsType::Xfs, &options(&[]))
        .await
        .unwrap_err();
    assert!(matches!(error, MountError::Occupied { .. }), "{error}");

    fs::remove_file(test.tree.path("dev/nvme1n1")).unwrap();
    test.tree.add_node("nvme1n1", theirs.number());
    let error = host
        .mount(&mine, &free, FsType::Xfs, &options(&[]))
        .await
        .unwrap_err();
    assert!(matches!(error, MountError::WrongDevice { .. }), "{error}");
    assert_eq!(host.mount_at(&free).await.unwrap(), None);
}

#[tokio::test]
async fn the_kernels_words_are_in_a_mount_error() {
    if skipped_without_root() {
        return;
    }
    let mut test = TestVolume::new(64 * MIB);
    let device = test.formatted(FsType::Ext4).await;
    let place = test.place("staging");
    let options = options(&["no-such-option"]);
    let error = test
        .host()
        .mount(&device, &place, FsType::Ext4, &options)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("Invalid argument") && error.contains("Unknown parameter 'no-such-option'"),
        "{error}"
    );
}

/// File systems explain themselves to the kernel's log alone.
#[tokio::test]
async fn the_words_of_the_kernels_log_are_in_a_mount_error() {
    if skipped_without_root() || fs::File::open("/dev/kmsg").is_err() {
        return;
    }
    let mut test = TestVolume::new(64 * MIB);
    let device = test.formatted(FsType::Ext4).await;
    let place = test.place("staging");
    // A feature that no kernel has.
    edit(&device, "set_super_value feature_incompat 0x40000242").await;
    let error = test
        .host()
        .mount(&device, &place, FsType::Ext4, &options(&[]))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("unsupported optional features"), "{error}");
    assert!(mounts_below(&place).is_empty());
}

#[rstest]
#[case(FsType::Ext4)]
#[case(FsType::Xfs)]
#[case(FsType::Btrfs)]
#[tokio::test]
async fn a_copy_beside_its_origin_is_itself_or_refused(#[case] fs: FsType) {
    if skipped_without_root() {
        return;
    }
    let mut origin = TestVolume::new(small(fs));
    let first = origin.formatted(fs).await;
    let at_first = origin.place("staging");
    let host = origin.host();
    host.mount(&first, &at_first, fs, &options(&[]))
        .await
        .unwrap();
    fs::write(at_first.join("file"), "both").unwrap();
    let mut copy = copy_of(&origin, &at_first);
    fs::write(at_first.join("file"), "the origin").unwrap();

    let second = copy.find().await;
    let at_second = copy.place("staging");
    match copy
        .host()
        .mount(&second, &at_second, fs, &options(&[]))
        .await
    {
        Ok(()) => {
            assert_eq!(text(&at_second, "file"), "both");
            let (found, other) = (
                host.mount_at(&at_second).await.unwrap().unwrap(),
                host.mount_at(&at_first).await.unwrap().unwrap(),
            );
            assert!(found.carries(&second) && !found.carries(&first), "{found}");
            assert!(other.carries(&first) && !other.carries(&second), "{other}");
            assert_eq!(host.mounts_of(&second).await.unwrap(), [found]);
            let taken = host
                .bind(&second, &at_first, &copy.place("pod"), false)
                .await;
            assert!(
                matches!(taken, Err(MountError::NotMounted { .. })),
                "{taken:?}"
            );
        }
        Err(MountError::Copy { .. }) if fs == FsType::Btrfs => {
            println!("this kernel does not mount a copy of a btrfs beside it");
            assert!(mounts_below(&at_second).is_empty());
        }
        Err(error) => panic!("{error}"),
    }
    assert_eq!(text(&at_first, "file"), "the origin");
}

/// A volume that was in use when it was copied has a journal to replay, which a reader must not do.
#[rstest]
#[case(FsType::Ext3)]
#[case(FsType::Ext4)]
#[case(FsType::Xfs)]
#[case(FsType::Btrfs)]
#[tokio::test]
async fn a_reader_changes_no_byte_of_the_device(#[case] fs: FsType) {
    if skipped_without_root() {
        return;
    }
    let mut origin = TestVolume::new(small(fs));
    let device = origin.formatted(fs).await;
    let at_first = origin.place("staging");
    let host = origin.host();
    host.mount(&device, &at_first, fs, &options(&[]))
        .await
        .unwrap();
    fs::write(at_first.join("file"), "kept").unwrap();
    let mut copy = {
        let file = fs::File::open(at_first.join("file")).unwrap();
        file.sync_all().unwrap();
        copy_of(&origin, &at_first)
    };
    let before = digest(&copy);
    let (device, place) = (copy.find().await, copy.place("staging"));
    let reading = options(&[]).read_only();
    for _ in 0..2 {
        copy.host()
            .mount(&device, &place, fs, &reading)
            .await
            .unwrap();
    }
    assert!(fs::write(place.join("file"), "no").is_err());
    let writing = copy.host().mount(&device, &place, fs, &options(&[])).await;
    assert!(
        matches!(writing, Err(MountError::Occupied { .. })),
        "{writing:?}"
    );
    // What is shown of it can't be written either.
    let pod = copy.place("pod");
    copy.host()
        .bind(&device, &place, &pod, false)
        .await
        .unwrap();
    assert!(fs::write(pod.join("new"), "no").is_err());
    for path in [&pod, &place] {
        copy.host().unmount(path).await.unwrap();
    }
    assert_eq!(digest(&copy), before, "the journal was replayed");
}

fn digest(test: &TestVolume) -> u64 {
    use std::hash::{DefaultHasher, Hasher as _};
    let mut hasher = DefaultHasher::new();
    hasher.write(&fs::read(test.tree.path("image")).unwrap());
    hasher.finish()
}

#[rstest]
#[case("set_super_value errors 3")]
#[case("set_super_value mount_opts errors=panic")]
#[case("set_super_value mount_opts acl,errors=panic")]
#[tokio::test]
async fn a_file_system_that_asks_for_a_panic_does_not_get_its_way(#[case] asks: &str) {
    if skipped_without_root() {
        return;
    }
    let mut test = TestVolume::new(64 * MIB);
    let device = test.formatted(FsType::Ext4).await;
    edit(&device, asks).await;
    let place = test.place("staging");
    let host = test.host();
    host.mount(&device, &place, FsType::Ext4, &options(&[]))
        .await
        .unwrap();
    let shown = mounts_below(&place).concat();
    assert!(shown.contains("errors=remount-ro"), "{shown}");
}

#[tokio::test]
async fn a_context_is_left_out_where_the_kernel_has_no_selinux() {
    if skipped_without_root() || selinux::enabled() {
        return;
    }
    let mut test = TestVolume::new(64 * MIB);
    let device = test.formatted(FsType::Ext4).await;
    let place = test.place("staging");
    let wanted = options(&[r#"context="system_u:object_r:container_file_t:s0:c1,c2""#]);
    test.host()
        .mount(&device, &place, FsType::Ext4, &wanted)
        .await
        .unwrap();
    assert_eq!(mounts_below(&place).len(), 1);
}

/// A link at a part of each path on the way, to where everything is as it is here.
#[rstest]
#[case("pods")]
#[case("pods/1")]
#[case("pods/1/mount")]
#[tokio::test]
async fn a_planted_link_moves_no_mount(#[case] planted: &str) {
    if skipped_without_root() {
        return;
    }
    let mut test = TestVolume::new(64 * MIB);
    let device = test.formatted(FsType::Ext4).await;
    let host = test.host();
    let staging = test.place("plugins/staging");
    host.mount(&device, &staging, FsType::Ext4, &options(&[]))
        .await
        .unwrap();
    let target = test.place("pods/1/mount");
    let elsewhere = test.place("outside/mount").parent().unwrap().to_owned();
    fs::create_dir_all(elsewhere.join("1/mount")).unwrap();

    let link = test.tree.path(planted);
    fs::rename(&link, test.tree.path("moved")).unwrap();
    let to = if planted.ends_with("mount") {
        elsewhere.join("mount")
    } else {
        elsewhere.clone()
    };
    symlink(to, &link).unwrap();
    let answer = host.bind(&device, &staging, &target, false).await;
    assert!(answer.is_err(), "{planted}");
    let answer = host
        .mount(&device, &target, FsType::Ext4, &options(&[]))
        .await;
    assert!(answer.is_err(), "{planted}");
    assert!(mounts_below(&elsewhere).is_empty());
    // Nor is anything unmounted elsewhere.
    for place in ["mount", "1/mount"] {
        host.bind(&device, &staging, &elsewhere.join(place), false)
            .await
            .unwrap();
    }
    let _refused_or_nothing_there = host.unmount(&target).await;
    assert_eq!(mounts_below(&elsewhere).len(), 2, "{planted}");
    for place in ["mount", "1/mount"] {
        host.unmount(&elsewhere.join(place)).await.unwrap();
    }
}

/// The directory of a target changes between itself and a link to elsewhere, again and again, while the target is mounted and
/// unmounted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_swapped_in_moves_no_mount() {
    if skipped_without_root() {
        return;
    }
    let mut test = TestVolume::new(64 * MIB);
    let device = test.formatted(FsType::Ext4).await;
    let host = test.host();
    let staging = test.place("plugins/staging");
    host.mount(&device, &staging, FsType::Ext4, &options(&[]))
        .await
        .unwrap();
    let target = test.place("pods/1/mount");
    let elsewhere = test.place("outside/mount").parent().unwrap().to_owned();
    let (shown, real, link) = (
        test.tree.path("pods/1"),
        test.tree.path("real"),
        test.tree.path("link"),
    );
    symlink(&elsewhere, &link).unwrap();
    let stop = AtomicBool::new(false);
    let bound = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                fs::rename(&shown, &real).unwrap();
                fs::rename(&link, &shown).unwrap();
                fs::rename(&shown, &link).unwrap();
                fs::rename(&real, &shown).unwrap();
            }
        });
        let bound = rounds(&host, &device, [&staging, &target, &elsewhere]);
        stop.store(true, Ordering::Relaxed);
        bound
    });
    println!("mounted {bound} times");
    host.unmount(&target).await.unwrap();
    assert_eq!(
        mounts_below(test.tree.dir.path()).len(),
        1,
        "only the staging mount"
    );
}

/// Binds and unmounts many times: how often it came off.
fn rounds(host: &LinuxHost, device: &Device, [staging, target, elsewhere]: [&PathBuf; 3]) -> usize {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let mut bound = 0;
        for _ in 0..500 {
            bound += usize::from(
                runtime
                    .block_on(host.bind(device, staging, target, false))
                    .is_ok(),
            );
            assert!(mounts_below(elsewhere).is_empty(), "mounted elsewhere");
            let _refused_or_nothing_there = runtime.block_on(host.unmount(target));
        }
        bound
    })
}

/// A file system that has shut down answers nothing any more, and is unmounted all the same.
#[tokio::test]
async fn what_cannot_answer_any_more_is_known_and_unmounted() {
    if skipped_without_root() {
        return;
    }
    let mut test = TestVolume::new(512 * MIB);
    let device = test.formatted(FsType::Xfs).await;
    let (host, place) = (test.host(), test.place("staging"));
    host.mount(&device, &place, FsType::Xfs, &options(&[]))
        .await
        .unwrap();
    run(
        &device,
        "xfs_io",
        &["-x", "-c", "shutdown", place.to_str().unwrap()],
    )
    .await;
    assert!(place.metadata().is_err());
    let mount = host.mount_at(&place).await.unwrap().unwrap();
    assert!(mount.carries(&device), "{mount}");
    for _ in 0..2 {
        host.unmount(&place).await.unwrap();
    }
    assert_eq!(host.mount_at(&place).await.unwrap(), None);
}

#[tokio::test]
async fn a_mount_that_is_in_use_stays() {
    if skipped_without_root() {
        return;
    }
    let mut test = TestVolume::new(64 * MIB);
    let device = test.formatted(FsType::Ext4).await;
    let (host, place) = (test.host(), test.place("staging"));
    host.mount(&device, &place, FsType::Ext4, &options(&[]))
        .await
        .unwrap();
    let file = fs::File::create(place.join("file")).unwrap();
    let error = host.unmount(&place).await.unwrap_err().to_string();
    assert!(error.contains("a process uses it"), "{error}");
    drop(file);
    host.unmount(&place).await.unwrap();
}

/// fsck that needs more memory than it may have says so; nothing is mounted unchecked.
#[tokio::test]
async fn fsck_takes_no_more_memory_than_it_may() {
    if skipped_without_root() {
        return;
    }
    let test = TestVolume::new(8 * GIB);
    let device = test.formatted(FsType::Ext4).await;
    // Not unmounted well: all of it is looked at.
    edit(&device, "set_super_value state 0").await;
    let host = |bound| {
        let programs = Programs::default().with_fsck_memory(ebs_types::Bytes(bound));
        LinuxHost::new(crate::HostSettings {
            programs,
            ..test.tree.settings()
        })
    };
    let error = host(MIB).check(&device, FsType::Ext4).await.unwrap_err();
    let words = error.to_string();
    assert!(
        matches!(error, crate::CheckError::OutOfMemory { .. }),
        "{words}"
    );
    assert!(
        words.contains("--fsck-memory-limit") && words.contains("fsck said: "),
        "{words}"
    );
    host(256 * MIB).check(&device, FsType::Ext4).await.unwrap();
}
