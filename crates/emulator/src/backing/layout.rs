//! The directories in which an instance sees its devices, laid out as the Linux kernel and udev lay out `/sys` and `/dev`
//! on a Nitro instance: each volume is an NVMe controller with one namespace (EBS user guide, "EBS volumes and NVMe").
//!
//! Answers for: entries that a reader finds either whole or not at all. A controller shows in `class/nvme` last, when all
//! else is there, and goes from there first. Doesn't answer for: which device stands behind a namespace.
//!
//! ```text
//! sys/devices/pci0000:00/0000:00:05.0/nvme/nvme1/{model,serial,…}
//!                                               /nvme1n1/{dev,size,device → ../../nvme1,…}
//! sys/bus/pci/devices/0000:00:05.0, sys/class/nvme/nvme1, sys/class/block/nvme1n1, sys/block/nvme1n1, sys/dev/block/7:3 → there
//! dev/nvme1n1, dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol… → ../../nvme1n1
//! ```
//! That is the shape with `nvme_core.multipath=N`, which has no subsystem between controller and namespace.

mod entries;

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ebs_types::{Bytes, VolumeId};
use nix::sys::stat::{Mode, SFlag, major, makedev, minor, mknod};

use super::{BackingError, InstanceDirs};

/// The directories of one instance.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
    dev: PathBuf,
    sys: PathBuf,
}

/// A controller of the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// N of `nvmeN`.
    pub(super) number: usize,
    /// The volume that it is.
    pub(super) volume: VolumeId,
    /// The device number of its namespace; a root volume has none.
    pub(super) dev: Option<u64>,
}

/// The block device behind a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Namespace {
    pub(super) dev: u64,
    pub(super) size: Bytes,
}

impl Layout {
    /// The directories below `root`, which need not be there.
    pub(super) fn at(root: PathBuf) -> Self {
        Self {
            dev: root.join("dev"),
            sys: root.join("sys"),
            root,
        }
    }

    pub(super) fn dirs(&self) -> InstanceDirs {
        InstanceDirs {
            dev: self.dev.clone(),
            sys: self.sys.clone(),
        }
    }

    pub(super) fn exists(&self) -> bool {
        self.class_nvme().is_dir()
    }

    /// Makes the directories that a machine without NVMe devices has too.
    pub(super) fn create(&self) -> Result<(), BackingError> {
        // `class/nvme` last: with it the layout exists.
        let dirs = [
            self.by_id(),
            self.sys.join("devices"),
            self.sys.join("class/block"),
            self.sys.join("block"),
            self.sys.join("dev/block"),
            self.bus(),
        ];
        for dir in dirs {
            fs::create_dir_all(&dir).map_err(BackingError::io("make", &dir))?;
        }
        let interface = self.sys.join(entries::INTERFACE);
        entries::write_interface(&interface)?;
        self.show_on_bus(&interface)?;
        let class = self.class_nvme();
        fs::create_dir_all(&class).map_err(BackingError::io("make", &class))
    }

    /// Links a PCI device's directory from its bus, if it is not yet.
    fn show_on_bus(&self, pci: &Path) -> Result<(), BackingError> {
        let (Ok(path), Some(address)) = (pci.strip_prefix(&self.sys), pci.file_name()) else {
            return Ok(());
        };
        let at = self.bus().join(address);
        unlink(&at)?;
        link(&format!("../../../{}", path.display()), &at)
    }

    /// Removes all of it.
    pub(super) fn remove(&self) -> Result<(), BackingError> {
        ignore_absent(fs::remove_dir_all(&self.root))
            .map_err(BackingError::io("remove", &self.root))
    }

    /// The controllers that the instance sees, by number.
    pub(super) fn slots(&self) -> Result<Vec<Slot>, BackingError> {
        let class = self.class_nvme();
        let mut slots = Vec::new();
        for name in names(&class)? {
            let Some(number) = name.strip_prefix("nvme").and_then(|n| n.parse().ok()) else {
                continue;
            };
            let serial = class.join(&name).join("serial");
            let serial = fs::read_to_string(&serial).map_err(BackingError::io("read", &serial))?;
            let dev = fs::read_to_string(self.namespace_dir(number).join("dev"));
            if let Ok(volume) = VolumeId::from_nvme_serial(&serial) {
                slots.push(Slot {
                    number,
                    volume,
                    dev: dev.ok().and_then(|text| read_dev(&text)),
                });
            }
        }
        slots.sort_by_key(|slot| slot.number);
        Ok(slots)
    }

    /// The controller of this volume, if the instance sees one.
    pub(super) fn slot_of(&self, volume: &VolumeId) -> Result<Option<Slot>, BackingError> {
        let slots = self.slots()?;
        Ok(slots.into_iter().find(|slot| slot.volume == *volume))
    }

    /// Shows the volume as the controller of the lowest free number.
    pub(super) fn show(
        &self,
        volume: &VolumeId,
        namespace: Option<Namespace>,
    ) -> Result<(), BackingError> {
        let taken: Vec<usize> = self.slots()?.iter().map(|slot| slot.number).collect();
        let number = (0..)
            .find(|number| !taken.contains(number))
            .unwrap_or_default();
        // What a call that was cut short has left of that number.
        self.hide(number)?;

        let new = self.sys.join("devices/.new");
        ignore_absent(fs::remove_dir_all(&new)).map_err(BackingError::io("remove", &new))?;
        entries::write_controller(&new, number, volume, namespace)?;
        let pci = self.pci_dir(number);
        if let Some(bus) = pci.parent() {
            fs::create_dir_all(bus).map_err(BackingError::io("make", bus))?;
        }
        fs::rename(&new, &pci).map_err(BackingError::io("name", &pci))?;
        self.show_on_bus(&pci)?;
        if let Some(namespace) = namespace {
            self.show_namespace(number, volume, namespace.dev)?;
        }
        let controller = format!("../../{}", entries::controller_path(number));
        link(
            &controller,
            &self.class_nvme().join(format!("nvme{number}")),
        )
    }

    fn show_namespace(
        &self,
        number: usize,
        volume: &VolumeId,
        dev: u64,
    ) -> Result<(), BackingError> {
        let name = entries::namespace_name(number);
        let node = self.dev.join(&name);
        let mode = Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IRGRP | Mode::S_IWGRP;
        mknod(&node, SFlag::S_IFBLK, mode, dev)
            .map_err(|errno| BackingError::io("make the node", &node)(errno.into()))?;
        let by_id = format!("nvme-Amazon_Elastic_Block_Store_{}", volume.nvme_serial());
        link(&format!("../../{name}"), &self.by_id().join(by_id))?;
        let path = format!("{}/{name}", entries::controller_path(number));
        let by_dev = format!("dev/block/{}:{}", major(dev), minor(dev));
        link(&format!("../../{path}"), &self.sys.join(by_dev))?;
        link(&format!("../{path}"), &self.sys.join("block").join(&name))?;
        let class = self.sys.join("class/block").join(&name);
        link(&format!("../../{path}"), &class)
    }

    /// Takes the controller of this number away, or what is left of it.
    pub(super) fn hide(&self, number: usize) -> Result<(), BackingError> {
        let name = entries::namespace_name(number);
        let controller = self.class_nvme().join(format!("nvme{number}"));
        unlink(&controller)?;
        for dir in ["class/block", "block", "dev/block"] {
            unlink_to(&self.sys.join(dir), &name)?;
        }
        unlink_to(&self.by_id(), &name)?;
        unlink(&self.dev.join(&name))?;
        let pci = self.pci_dir(number);
        if let Some(address) = pci.file_name() {
            unlink(&self.bus().join(address))?;
        }
        ignore_absent(fs::remove_dir_all(&pci)).map_err(BackingError::io("remove", &pci))
    }

    /// Tells the instance that the namespace of this number has another size now.
    pub(super) fn resize(&self, number: usize, size: Bytes) -> Result<(), BackingError> {
        entries::write_size(&self.namespace_dir(number), size)
    }

    fn class_nvme(&self) -> PathBuf {
        self.sys.join("class/nvme")
    }

    fn bus(&self) -> PathBuf {
        self.sys.join("bus/pci/devices")
    }

    fn by_id(&self) -> PathBuf {
        self.dev.join("disk/by-id")
    }

    fn pci_dir(&self, number: usize) -> PathBuf {
        self.sys.join(entries::pci_path(number))
    }

    fn namespace_dir(&self, number: usize) -> PathBuf {
        let name = entries::namespace_name(number);
        self.sys.join(entries::controller_path(number)).join(name)
    }
}

/// Reads `MAJOR:MINOR`.
fn read_dev(text: &str) -> Option<u64> {
    let (major, minor) = text.trim_end().split_once(':')?;
    Some(makedev(major.parse().ok()?, minor.parse().ok()?))
}

/// The names in a directory; those that are no text are none of ours.
fn names(dir: &Path) -> Result<Vec<String>, BackingError> {
    let failed = || BackingError::io("list", dir);
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed())? {
        names.extend(entry.map_err(failed())?.file_name().into_string().ok());
    }
    Ok(names)
}

fn link(target: &str, at: &Path) -> Result<(), BackingError> {
    symlink(target, at).map_err(BackingError::io("link", at))
}

fn unlink(path: &Path) -> Result<(), BackingError> {
    ignore_absent(fs::remove_file(path)).map_err(BackingError::io("remove", path))
}

/// Removes the links in a directory whose targets have this last name.
fn unlink_to(dir: &Path, name: &str) -> Result<(), BackingError> {
    for entry in names(dir)? {
        let path = dir.join(entry);
        if fs::read_link(&path).is_ok_and(|target| target.ends_with(name)) {
            unlink(&path)?;
        }
    }
    Ok(())
}

fn ignore_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
