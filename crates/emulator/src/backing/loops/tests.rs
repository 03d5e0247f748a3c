//! Volumes with bytes and devices, as an instance and a restarted emulator see them. All need root.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::process::Command;

use super::*;
use crate::backing::{Origin, WantedInstance, WantedSnapshot, WantedVolume};

/// A data directory with two instances. Whatever is mounted or attached when the test ends, also by a panic, is let go of.
struct Bench {
    dir: tempfile::TempDir,
    backing: LoopBacking,
    mounts: Vec<PathBuf>,
}

fn volume(n: u8) -> VolumeId {
    format!("vol-{n:017x}").parse().unwrap()
}

fn snapshot(n: u8) -> SnapshotId {
    format!("snap-{n:017x}").parse().unwrap()
}

fn instance(n: u8) -> InstanceId {
    format!("i-{n:017x}").parse().unwrap()
}

fn root(n: u8) -> VolumeId {
    volume(0xf0 + n)
}

/// Runs a program that a test needs and that has to succeed.
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes and mounts file systems without the driver"
)]
fn run(program: &str, args: &[&Path]) {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

impl Bench {
    /// `None`, with a printed reason, where this process cannot make loop devices.
    fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: loop devices need root");
            return None;
        }
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let backing = LoopBacking::open(dir.path()).unwrap();
        for n in [1, 2] {
            backing.add_instance(&instance(n), &root(n)).unwrap();
        }
        Some(Self {
            dir,
            backing,
            mounts: Vec::new(),
        })
    }

    /// A volume of 1 GiB, attached to an instance.
    fn attached(&self, n: u8, to: u8) -> PathBuf {
        let one = Gibibytes(1);
        self.backing.create_volume(&volume(n), one, None).unwrap();
        self.backing.attach(&volume(n), &instance(to)).unwrap();
        self.node(n, to).unwrap()
    }

    /// The node of a volume as an instance sees it.
    fn node(&self, n: u8, on: u8) -> Option<PathBuf> {
        let layout = self.backing.layout(&instance(on));
        let slot = layout.slot_of(&volume(n)).unwrap()?;
        let name = format!("nvme{}n1", slot.number);
        Some(layout.dirs().dev.join(name))
    }

    fn mount(&mut self, node: &Path) -> PathBuf {
        let at = self.dir.path().join(format!("mnt{}", self.mounts.len()));
        fs::create_dir(&at).unwrap();
        run("mount", &[node, &at]);
        self.mounts.push(at.clone());
        at
    }

    fn unmount(&mut self) {
        run("umount", &[&self.mounts.pop().unwrap()]);
    }

    fn detach(&self, n: u8, from: u8) -> Detach {
        let mode = DetachMode::IfUnused;
        self.backing
            .detach(&volume(n), &instance(from), mode)
            .unwrap()
    }

    /// The same data directory after the emulator was killed.
    fn restart(&mut self) {
        self.backing = LoopBacking::open(self.dir.path()).unwrap();
    }

    fn inventory(&self, volumes: &[u8], attachments: &[(u8, u8)]) -> Inventory {
        Inventory {
            volumes: volumes
                .iter()
                .map(|n| WantedVolume {
                    id: volume(*n),
                    size: Gibibytes(1),
                    from: None,
                })
                .collect(),
            snapshots: Vec::new(),
            instances: [1, 2]
                .map(|n| WantedInstance {
                    id: instance(n),
                    root: root(n),
                })
                .into(),
            attachments: attachments
                .iter()
                .map(|(n, to)| (volume(*n), instance(*to)))
                .collect(),
        }
    }

    fn devices(&self) -> usize {
        self.backing.own_devices().unwrap().len()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for at in &self.mounts {
            let _ = nix::mount::umount2(at, nix::mount::MntFlags::MNT_DETACH);
        }
        let _ = self.backing.release_all();
    }
}

fn write(node: &Path, bytes: &[u8]) {
    let device = OpenOptions::new().write(true).open(node).unwrap();
    device.write_all_at(bytes, 0).unwrap();
}

fn read(node: &Path, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    File::open(node)
        .unwrap()
        .read_exact_at(&mut bytes, 0)
        .unwrap();
    bytes
}

#[test]
fn a_volume_moves_between_instances_with_its_bytes() {
    let Some(bench) = Bench::new() else { return };
    let node = bench.attached(1, 1);
    write(&node, b"carried");
    // A second time changes nothing.
    bench.backing.attach(&volume(1), &instance(1)).unwrap();
    assert_eq!((bench.node(1, 1).unwrap(), bench.devices()), (node, 1));

    assert_eq!(bench.detach(1, 1), Detach::Released);
    assert_eq!(bench.detach(1, 1), Detach::Released);
    assert_eq!((bench.node(1, 1), bench.devices()), (None, 0));
    bench.backing.attach(&volume(1), &instance(2)).unwrap();
    assert_eq!(read(&bench.node(1, 2).unwrap(), 7), b"carried");
}

#[test]
fn a_mounted_volume_is_busy_until_it_is_unmounted() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let node = bench.attached(1, 1);
    run("mkfs.ext4", &[Path::new("-q"), &node]);
    bench.mount(&node);
    assert_eq!(bench.detach(1, 1), Detach::Busy);
    assert!(node.exists());
    bench.unmount();
    assert_eq!(bench.detach(1, 1), Detach::Released);
    assert_eq!(bench.devices(), 0);
}

#[test]
fn a_device_taken_by_force_keeps_its_bytes_from_others_while_open() {
    let Some(bench) = Bench::new() else { return };
    let user = File::open(bench.attached(1, 1)).unwrap();
    let forced = DetachMode::Forced;
    let detached = bench
        .backing
        .detach(&volume(1), &instance(1), forced)
        .unwrap();
    assert_eq!((detached, bench.node(1, 1)), (Detach::Released, None));
    let refused = bench.backing.attach(&volume(1), &instance(2));
    assert!(matches!(refused, Err(BackingError::InUse { .. })));
    let refused = bench.backing.delete_volume(&volume(1));
    assert!(matches!(refused, Err(BackingError::InUse { .. })));
    drop(user);
    bench.backing.attach(&volume(1), &instance(2)).unwrap();
}

#[test]
fn two_instances_share_one_device() {
    let Some(bench) = Bench::new() else { return };
    write(&bench.attached(1, 1), b"both");
    bench.backing.attach(&volume(1), &instance(2)).unwrap();
    assert_eq!(bench.devices(), 1);
    assert_eq!(bench.detach(1, 1), Detach::Released);
    assert_eq!(read(&bench.node(1, 2).unwrap(), 4), b"both");
    assert_eq!(bench.detach(1, 2), Detach::Released);
    assert_eq!(bench.devices(), 0);
}

#[test]
fn an_attached_volume_grows() {
    let Some(bench) = Bench::new() else { return };
    let node = bench.attached(1, 1);
    for _ in 0..2 {
        bench
            .backing
            .resize_volume(&volume(1), Gibibytes(3))
            .unwrap();
    }
    let name = node.file_name().unwrap();
    let sys = bench.backing.layout(&instance(1)).dirs().sys;
    let size = fs::read_to_string(sys.join("class/block").join(name).join("size")).unwrap();
    assert_eq!(size, format!("{}\n", (3 << 30) / 512_u64));
    let end = nix::unistd::lseek(File::open(&node).unwrap(), 0, nix::unistd::Whence::SeekEnd);
    assert_eq!(end.unwrap(), 3 << 30);
}

#[test]
fn a_snapshot_holds_what_was_synced_and_nothing_later() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let node = bench.attached(1, 1);
    run("mkfs.ext4", &[Path::new("-q"), &node]);
    let at = bench.mount(&node);
    let file = File::create(at.join("file")).unwrap();
    file.write_all_at(b"synced", 0).unwrap();
    file.sync_all().unwrap();
    bench
        .backing
        .snapshots(&[(volume(1), snapshot(1))])
        .unwrap();
    file.write_all_at(b"later!", 0).unwrap();
    file.sync_all().unwrap();
    drop(file);
    // Repeating it doesn't take it anew.
    bench
        .backing
        .snapshots(&[(volume(1), snapshot(1))])
        .unwrap();

    let from = snapshot(1);
    let two = Gibibytes(2);
    bench
        .backing
        .create_volume(&volume(2), two, Some(&from))
        .unwrap();
    bench.backing.attach(&volume(2), &instance(2)).unwrap();
    let restored = bench.node(2, 2).unwrap();
    let at = bench.mount(&restored);
    assert_eq!(fs::read(at.join("file")).unwrap(), b"synced");
    bench.unmount();
    bench.unmount();
}

#[test]
fn a_copy_holds_what_was_synced_and_nothing_later() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let node = bench.attached(1, 1);
    run("mkfs.ext4", &[Path::new("-q"), &node]);
    let at = bench.mount(&node);
    let file = File::create(at.join("file")).unwrap();
    file.write_all_at(b"synced", 0).unwrap();
    file.sync_all().unwrap();
    let copy = |bench: &Bench| {
        let two = Gibibytes(2);
        bench.backing.copy_volume(&volume(2), two, &volume(1))
    };
    copy(&bench).unwrap();
    file.write_all_at(b"later!", 0).unwrap();
    file.sync_all().unwrap();
    drop(file);
    // Repeating it doesn't copy anew.
    copy(&bench).unwrap();
    bench.backing.attach(&volume(2), &instance(2)).unwrap();
    let at = bench.mount(&bench.node(2, 2).unwrap());
    assert_eq!(fs::read(at.join("file")).unwrap(), b"synced");
    bench.unmount();
    bench.unmount();
}

#[test]
fn a_mounted_file_system_survives_a_kill_of_the_emulator() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let node = bench.attached(1, 1);
    run("mkfs.ext4", &[Path::new("-q"), &node]);
    let at = bench.mount(&node);
    bench.attached(2, 1);
    bench.attached(3, 2);
    bench.restart();
    // The state kept the first attachment, lost the second one and never heard of the third volume.
    let wanted = bench.inventory(&[1, 2], &[(1, 1)]);
    bench.backing.reconcile(&wanted).unwrap();
    fs::write(at.join("file"), "goes on").unwrap();
    assert_eq!(bench.node(1, 1), Some(node));
    assert_eq!((bench.node(2, 1), bench.node(3, 2)), (None, None));
    assert_eq!(bench.devices(), 1);
    assert!(bench.backing.images.size(&volume(2)).is_ok());
    assert!(bench.backing.images.size(&volume(3)).is_err());
    assert_eq!(bench.detach(1, 1), Detach::Busy);
    bench.unmount();
    assert_eq!(bench.detach(1, 1), Detach::Released);
}

#[test]
fn what_a_cut_attach_or_a_reboot_left_is_put_right() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let node = bench.attached(1, 1);
    write(&node, b"here");
    // A device that no instance sees, and an entry whose device has gone.
    let sys = bench.backing.layout(&instance(1)).dirs().sys;
    fs::remove_file(sys.join("class/nvme/nvme1")).unwrap();
    bench.attached(2, 2);
    let gone = bench.backing.device_of(&volume(2)).unwrap().unwrap();
    let _ = bench.backing.loops.release(&gone, None).unwrap();
    bench.restart();
    let wanted = bench.inventory(&[1, 2], &[(1, 1), (2, 2)]);
    for _ in 0..2 {
        bench.backing.reconcile(&wanted).unwrap();
    }
    assert_eq!(bench.devices(), 2);
    assert_eq!(read(&bench.node(1, 1).unwrap(), 4), b"here");
    assert_eq!(read(&bench.node(2, 2).unwrap(), 4), [0; 4]);
}

#[test]
fn images_that_a_kill_cut_short_are_made_of_what_was_to_go_next() {
    let Some(bench) = Bench::new() else {
        return;
    };
    let one = Gibibytes(1);
    bench.backing.create_volume(&volume(1), one, None).unwrap();
    write(&bench.backing.images.volume(&volume(1)), b"here");
    // What the state knows and the kill kept from being done: a snapshot of volume 1, volume 2 of that, a snapshot of that;
    // then volume 1 was deleted. Volume 9 and its snapshot never were more than a promise.
    let mut wanted = bench.inventory(&[2, 3], &[]);
    wanted.volumes[0].from = Some(Origin::Snapshot(snapshot(1)));
    // Volume 3 is a copy of volume 2.
    wanted.volumes[1].from = Some(Origin::Volume(volume(2)));
    let of = |id, n| WantedSnapshot {
        id: snapshot(id),
        volume: volume(n),
    };
    wanted.snapshots = vec![of(2, 2), of(1, 1), of(9, 9)];
    for _ in 0..2 {
        bench.backing.reconcile(&wanted).unwrap();
    }
    assert!(!bench.backing.images.volume(&volume(1)).exists());
    assert!(!bench.backing.images.snapshot(&snapshot(9)).exists());
    for image in [
        bench.backing.images.volume(&volume(2)),
        bench.backing.images.volume(&volume(3)),
        bench.backing.images.snapshot(&snapshot(2)),
    ] {
        assert_eq!(read(&image, 4), b"here");
    }
}

#[test]
fn the_end_releases_all_and_reports_what_is_mounted() {
    let Some(mut bench) = Bench::new() else {
        return;
    };
    let node = bench.attached(1, 1);
    run("mkfs.ext4", &[Path::new("-q"), &node]);
    bench.mount(&node);
    bench.attached(2, 1);
    let still_used = bench.backing.release_all();
    assert_eq!(still_used.len(), 1);
    assert_eq!(still_used[0].volume, volume(1));
    assert!(!node.exists());

    // A start before the unmounting takes the device back.
    bench.restart();
    let wanted = bench.inventory(&[1, 2], &[(1, 1)]);
    bench.backing.reconcile(&wanted).unwrap();
    assert_eq!(bench.detach(1, 1), Detach::Busy);
    bench.unmount();
    assert_eq!(bench.devices(), 1);
    assert_eq!(bench.backing.release_all(), []);
    assert_eq!(bench.devices(), 0);
}

#[test]
fn a_removed_instance_leaves_nothing() {
    let Some(bench) = Bench::new() else { return };
    let node = bench.attached(1, 1);
    for _ in 0..2 {
        bench.backing.remove_instance(&instance(1)).unwrap();
    }
    assert!(!node.exists());
    assert_eq!(bench.devices(), 0);
    let refused = bench.backing.attach(&volume(1), &instance(1));
    assert!(matches!(refused, Err(BackingError::NoInstance(_))));
}
