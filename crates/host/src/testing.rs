//! Volumes for tests: a fake sysfs tree, and for tests that need root a loop device in it and mounts that end with the test.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ebs_types::{FormatOptions, FsType, VolumeId};
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::{Mode, SFlag, mknod};
use nix::unistd::Uid;
use tempfile::TempDir;

use crate::find::{Events, FIRST_PAUSE, Finder};
use crate::loop_device::{LoopDevice, LoopDevices, Release};
use crate::{Contents, Device, DeviceNumber, Host, HostSettings, LinuxHost};

pub(crate) const MIB: u64 = 1 << 20;

/// Says that a test is left out where it can't run; `true` if so.
pub(crate) fn skipped_without_root() -> bool {
    let skipped = !Uid::effective().is_root();
    if skipped {
        println!("skipped: needs root (loop devices and mounts)");
    }
    skipped
}

pub(crate) fn volume() -> VolumeId {
    "vol-0123456789abcdef0".parse().unwrap()
}

/// An instance's dev and sys directories.
pub(crate) struct Tree {
    pub(crate) dir: TempDir,
}

impl Tree {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for sub in ["dev", "sys/class/nvme", "sys/class/block"] {
            fs::create_dir_all(dir.path().join(sub)).unwrap();
        }
        Self { dir }
    }

    pub(crate) fn settings(&self) -> HostSettings {
        HostSettings {
            dev_dir: self.dir.path().join("dev"),
            sys_dir: self.dir.path().join("sys"),
            ..HostSettings::default()
        }
    }

    pub(crate) fn finder(&self) -> Finder {
        let settings = self.settings();
        Finder {
            dev_dir: settings.dev_dir,
            sys_dir: settings.sys_dir,
            models: settings.models,
            first_pause: FIRST_PAUSE,
            events: Events::default(),
        }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub(crate) fn put(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// An NVMe controller `nvmeN` and its namespace's disk.
    pub(crate) fn add_nvme(&self, number: u32, model: &str, serial: &str, dev: &str) {
        let controller = format!("sys/class/nvme/nvme{number}");
        self.put(&format!("{controller}/model"), &format!("{model:<40}\n"));
        self.put(&format!("{controller}/serial"), &format!("{serial:<20}\n"));
        self.add_namespace(number, 1, dev);
    }

    /// Another disk of the controller.
    pub(crate) fn add_namespace(&self, controller: u32, namespace: u32, dev: &str) {
        let disk = format!("sys/class/block/nvme{controller}n{namespace}");
        self.put(&format!("{disk}/dev"), &format!("{dev}\n"));
        self.link(
            &format!("../../nvme/nvme{controller}"),
            &format!("{disk}/device"),
        );
    }

    /// Takes the controller `nvmeN` and its first disk away.
    pub(crate) fn remove_nvme(&self, number: u32) {
        fs::remove_dir_all(self.path(&format!("sys/class/nvme/nvme{number}"))).unwrap();
        fs::remove_dir_all(self.path(&format!("sys/class/block/nvme{number}n1"))).unwrap();
        let _ = fs::remove_file(self.path(&format!("dev/nvme{number}n1")));
    }

    /// A disk as Xen shows them: without a model or serial number.
    pub(crate) fn add_xen(&self, name: &str, number: DeviceNumber) {
        let disk = format!("sys/class/block/{name}");
        self.put(&format!("{disk}/dev"), &format!("{number}\n"));
        self.put(&format!("{disk}/device/devtype"), "vbd\n");
        self.add_node(name, number);
    }

    /// A partition of the disk, in sysfs alone.
    pub(crate) fn add_partition(&self, disk: &str, name: &str, index: &str, dev: &str) {
        for dir in [format!("{disk}/{name}"), name.to_owned()] {
            self.put(&format!("sys/class/block/{dir}/partition"), index);
            self.put(&format!("sys/class/block/{dir}/dev"), dev);
        }
    }

    /// A symbolic link at `below`.
    pub(crate) fn link(&self, to: &str, below: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(to, path).unwrap();
    }

    pub(crate) fn add_node(&self, name: &str, number: DeviceNumber) {
        mknod(
            &self.path("dev").join(name),
            SFlag::S_IFBLK,
            Mode::from_bits_truncate(0o600),
            number.dev_t(),
        )
        .unwrap();
    }
}

/// A volume of this machine: a sparse file behind a loop device that looks like an NVMe disk.
pub(crate) struct TestVolume {
    pub(crate) tree: Tree,
    loops: LoopDevices,
    device: LoopDevice,
    mounted: Vec<PathBuf>,
}

impl TestVolume {
    pub(crate) fn new(size: u64) -> Self {
        Self::holding(size, |_| {})
    }

    /// A volume that holds something from the beginning.
    pub(crate) fn holding(size: u64, fill: impl FnOnce(&File)) -> Self {
        let test = Self::on_image(size, fill);
        let number = test.number();
        test.tree.add_nvme(
            1,
            "Amazon Elastic Block Store",
            &volume().nvme_serial(),
            &number.to_string(),
        );
        test.tree.add_node("nvme1n1", number);
        test
    }

    /// A loop device that its tree does not show.
    pub(crate) fn unplugged(size: u64) -> Self {
        Self::on_image(size, |_| {})
    }

    fn on_image(size: u64, fill: impl FnOnce(&File)) -> Self {
        let tree = Tree::new();
        let file = tree.path("image");
        let image = File::create(&file).unwrap();
        image.set_len(size).unwrap();
        fill(&image);
        let loops = LoopDevices::new(tree.path("nodes"));
        let device = loops.attach(&file).unwrap();
        Self {
            tree,
            loops,
            device,
            mounted: Vec::new(),
        }
    }

    /// The loop device's number.
    pub(crate) fn number(&self) -> DeviceNumber {
        DeviceNumber::from_dev_t(self.device.dev())
    }

    pub(crate) fn host(&self) -> LinuxHost {
        LinuxHost::new(self.tree.settings())
    }

    pub(crate) async fn find(&self) -> Device {
        self.host()
            .find(&volume().into(), Duration::ZERO)
            .await
            .unwrap()
    }

    /// Writes to the device behind everybody's back.
    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) {
        let node = File::options()
            .write(true)
            .open(self.tree.path("dev/nvme1n1"))
            .unwrap();
        node.write_all_at(bytes, offset).unwrap();
        node.sync_all().unwrap();
    }

    /// Sees everything to the disk.
    pub(crate) fn sync(&self) {
        let node = File::open(self.tree.path("dev/nvme1n1")).unwrap();
        node.sync_all().unwrap();
    }

    /// Sets the file's size; the device follows if told to.
    pub(crate) fn set_file_size(&self, size: u64) {
        File::options()
            .write(true)
            .open(self.tree.path("image"))
            .unwrap()
            .set_len(size)
            .unwrap();
    }

    pub(crate) fn grow(&self, size: u64) {
        self.set_file_size(size);
        self.loops.update_capacity(&self.device).unwrap();
    }

    pub(crate) async fn formatted(&self, fs: FsType) -> Device {
        let device = self.find().await;
        let Contents::Blank(blank) = self.host().inspect(&device).await.unwrap() else {
            panic!("a new volume is not blank");
        };
        self.host()
            .format(blank, FormatOptions::defaults(fs))
            .await
            .unwrap();
        device
    }

    /// An empty directory, at which anything is unmounted when the test ends.
    pub(crate) fn place(&mut self, name: &str) -> PathBuf {
        let path = self.tree.path(name);
        fs::create_dir_all(&path).unwrap();
        self.mounted.push(path.clone());
        path
    }

    /// An empty file, likewise.
    pub(crate) fn file_place(&mut self, name: &str) -> PathBuf {
        let path = self.tree.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        self.mounted.push(path.clone());
        path
    }
}

impl Drop for TestVolume {
    fn drop(&mut self) {
        for path in self.mounted.iter().rev() {
            while umount2(path, MntFlags::MNT_DETACH).is_ok() {}
        }
        match self.loops.release(&self.device, None) {
            Ok(Release::Released | Release::WhenClosed) => {}
            Err(error) => println!("a loop device stays behind: {error}"),
        }
    }
}

/// Reads a small file of a mounted volume.
pub(crate) fn text(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap()
}
