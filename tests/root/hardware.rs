//! The devices of instance 0 as the kernel shows them, changed behind the driver's back: what hardware does.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use host::loop_device::{LoopDevice, LoopDevices};
use lab::machine;
use lab::orchestrator::Claim;
use nix::sys::stat::{Mode, SFlag, major, makedev, minor, mknod};
use tokio::time::{sleep, timeout};

use crate::world::Lab;

/// Longer than anything here takes; a test that waits this long has failed.
const LONG: Duration = Duration::from_secs(30);

/// What stands for `/dev` and `/sys`.
pub(crate) struct Hardware {
    pub(crate) dev: PathBuf,
    pub(crate) sys: PathBuf,
}

impl Hardware {
    pub(crate) fn of(lab: &Lab) -> Self {
        let (dev, sys) = lab.world.device_dirs(0).unwrap();
        Self { dev, sys }
    }

    /// The volume's disk, e.g. `nvme1n1`, once it is there.
    pub(crate) async fn disk(&self, claim: &Claim) -> String {
        self.until(|| self.disk_now(claim)).await
    }

    /// Waits until the volume has no disk.
    pub(crate) async fn gone(&self, claim: &Claim) {
        self.until(|| self.disk_now(claim).is_none().then_some(()))
            .await;
    }

    async fn until<T>(&self, look: impl Fn() -> Option<T>) -> T {
        let seen = async {
            loop {
                if let Some(seen) = look() {
                    return seen;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, seen).await.unwrap()
    }

    fn disk_now(&self, claim: &Claim) -> Option<String> {
        let serial = claim.id.replace('-', "");
        let disks = fs::read_dir(self.sys.join("class/block")).unwrap();
        let mut names = disks.map(|disk| disk.unwrap().file_name().into_string().unwrap());
        names.find(|name| {
            let told = fs::read_to_string(self.attribute(name, "device/serial"));
            told.is_ok_and(|told| told.trim() == serial) && self.dev.join(name).exists()
        })
    }

    /// A file of the disk in sysfs.
    pub(crate) fn attribute(&self, disk: &str, name: &str) -> PathBuf {
        self.sys.join("class/block").join(disk).join(name)
    }

    /// Shows a device as another disk of this volume.
    pub(crate) fn add(&self, number: u32, claim: &Claim, dev: u64) {
        let controller = self.sys.join(format!("class/nvme/nvme{number}"));
        fs::create_dir_all(&controller).unwrap();
        fs::write(controller.join("model"), "Amazon Elastic Block Store\n").unwrap();
        fs::write(controller.join("serial"), claim.id.replace('-', "")).unwrap();
        let name = format!("nvme{number}n1");
        let disk = self.sys.join("class/block").join(&name);
        fs::create_dir_all(&disk).unwrap();
        fs::write(disk.join("dev"), format!("{}:{}", major(dev), minor(dev))).unwrap();
        std::os::unix::fs::symlink(controller, disk.join("device")).unwrap();
        self.node(&name, dev);
    }

    /// Takes away what [`Self::add`] shows.
    pub(crate) fn remove(&self, number: u32) {
        let name = format!("nvme{number}n1");
        fs::remove_file(self.dev.join(&name)).unwrap();
        fs::remove_dir_all(self.sys.join("class/block").join(&name)).unwrap();
        fs::remove_dir_all(self.sys.join(format!("class/nvme/nvme{number}"))).unwrap();
    }

    /// A disk as Xen shows them.
    pub(crate) fn add_xen(&self, name: &str, dev: u64) {
        let disk = self.sys.join("class/block").join(name);
        fs::create_dir_all(disk.join("device")).unwrap();
        fs::write(disk.join("dev"), format!("{}:{}", major(dev), minor(dev))).unwrap();
        self.node(name, dev);
    }

    /// Puts a partition table with one partition on the disk, and shows the partition.
    pub(crate) fn partition(&self, disk: &str) -> Partition {
        let node = self.dev.join(disk);
        let device = File::options().write(true).open(&node).unwrap();
        device.write_all_at(&one_partition(), 0).unwrap();
        device.sync_all().unwrap();
        let number = device.metadata().unwrap().rdev();
        drop(device);
        run("addpart", &[node.to_str().unwrap(), "1", "2048", "1048576"]);
        let partition = Partition {
            name: format!("{disk}p1"),
            disk: node,
        };
        let kernel = format!("/sys/dev/block/{}:{}", major(number), minor(number));
        let disk_name = fs::canonicalize(&kernel).unwrap();
        let disk_name = disk_name.file_name().unwrap().to_str().unwrap();
        let dev = fs::read_to_string(format!("{kernel}/{disk_name}p1/dev")).unwrap();
        let below = self.attribute(disk, &partition.name);
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join("partition"), "1\n").unwrap();
        fs::write(below.join("dev"), &dev).unwrap();
        let (major, minor) = dev.trim().split_once(':').unwrap();
        let dev = makedev(major.parse().unwrap(), minor.parse().unwrap());
        self.node(&partition.name, dev);
        partition
    }

    /// A device node.
    pub(crate) fn node(&self, name: &str, dev: u64) {
        let mode = Mode::from_bits_truncate(0o600);
        mknod(&self.dev.join(name), SFlag::S_IFBLK, mode, dev).unwrap();
    }

    /// Another device over the same bytes as the world's only one.
    pub(crate) fn another_over_the_same(&self, world: &Path) -> LoopDevice {
        let loops = machine::loops_below(world).unwrap();
        let backing = loops[0].backing().to_owned();
        LoopDevices::new(world.join("nodes"))
            .attach(&backing)
            .unwrap()
    }
}

/// A partition that the kernel shows; it goes with this value.
pub(crate) struct Partition {
    pub(crate) name: String,
    disk: PathBuf,
}

impl Drop for Partition {
    fn drop(&mut self) {
        run("delpart", &[self.disk.to_str().unwrap(), "1"]);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a tool of the test, not of the driver"
)]
fn run(program: &str, arguments: &[&str]) {
    let ended = std::process::Command::new(program).args(arguments).status();
    // A test that has failed is on its way out.
    assert!(ended.unwrap().success() || std::thread::panicking());
}

/// A table in the DOS form with one partition of Linux, from 1 MiB on, 512 MiB long.
fn one_partition() -> [u8; 512] {
    let mut sector = [0; 512];
    sector[450] = 0x83;
    sector[454..458].copy_from_slice(&2048_u32.to_le_bytes());
    sector[458..462].copy_from_slice(&(1_u32 << 20).to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}
