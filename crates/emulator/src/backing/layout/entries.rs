//! What stands in the directory of one NVMe controller, and where it lies.
//!
//! Answers for: names, paths and contents as the kernel writes them (drivers/nvme/host/sysfs.c, block/genhd.c).
//! Doesn't answer for: when they appear.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use ebs_types::{Bytes, VolumeId};
use nix::sys::stat::{major, minor};

use super::{BackingError, Namespace};

/// The model that every EBS controller reports.
const MODEL: &str = "Amazon Elastic Block Store";

/// The one network interface, relative to `sys`.
pub(super) const INTERFACE: &str = "devices/pci0000:00/0000:00:03.0";

/// Slots of one PCI bus that are given to controllers: the first four are the machine's own.
const FIRST_SLOT: usize = 4;
const SLOTS: usize = 28;

/// The PCI device of controller N, relative to `sys`.
pub(super) fn pci_path(number: usize) -> String {
    format!("devices/pci0000:00/{}", pci_address(number))
}

/// Controller N, relative to `sys`.
pub(super) fn controller_path(number: usize) -> String {
    format!("{}/nvme/nvme{number}", pci_path(number))
}

/// The name of the one namespace of controller N.
pub(super) fn namespace_name(number: usize) -> String {
    format!("nvme{number}n1")
}

fn pci_address(number: usize) -> String {
    let (bus, slot) = (number / SLOTS, FIRST_SLOT + number % SLOTS);
    format!("0000:{bus:02x}:{slot:02x}.0")
}

/// Fills the directory of the network interface, an Elastic Network Adapter.
pub(super) fn write_interface(pci: &Path) -> Result<(), BackingError> {
    fs::create_dir_all(pci).map_err(BackingError::io("make", pci))?;
    write(pci, "vendor", "0x1d0f")?;
    write(pci, "device", "0xec20")?;
    write(pci, "class", "0x020000")
}

/// Fills `pci`, which is to be renamed to [`pci_path`] once it is whole.
pub(super) fn write_controller(
    pci: &Path,
    number: usize,
    volume: &VolumeId,
    namespace: Option<Namespace>,
) -> Result<(), BackingError> {
    let dir = pci.join(format!("nvme/nvme{number}"));
    fs::create_dir_all(&dir).map_err(BackingError::io("make", &dir))?;
    let address = pci_address(number);
    let serial = volume.nvme_serial();
    // Identify Controller pads these three with blanks, and the kernel shows them so.
    write(&dir, "model", &format!("{MODEL:<40}"))?;
    write(&dir, "serial", &format!("{serial:<20}"))?;
    write(&dir, "firmware_rev", &format!("{:<8}", "1.0"))?;
    write(&dir, "address", &address)?;
    write(&dir, "state", "live")?;
    write(&dir, "transport", "pcie")?;
    write(&dir, "uevent", &format!("DEVNAME=nvme{number}"))?;
    write(pci, "vendor", "0x1d0f")?;
    write(pci, "device", "0x8061")?;
    write(pci, "class", "0x010802")?;
    link(&dir, "device", &format!("../../../{address}"))?;
    link(&dir, "subsystem", "../../../../../class/nvme")?;
    match namespace {
        Some(namespace) => write_namespace(&dir, number, namespace),
        None => Ok(()),
    }
}

fn write_namespace(
    controller: &Path,
    number: usize,
    namespace: Namespace,
) -> Result<(), BackingError> {
    let name = namespace_name(number);
    let dir = controller.join(&name);
    let queue = dir.join("queue");
    fs::create_dir_all(&queue).map_err(BackingError::io("make", &queue))?;
    let (major, minor) = (major(namespace.dev), minor(namespace.dev));
    write(&dir, "dev", &format!("{major}:{minor}"))?;
    write_size(&dir, namespace.size)?;
    write(&dir, "ro", "0")?;
    write(&dir, "removable", "0")?;
    write(&dir, "nsid", "1")?;
    let uevent = format!("MAJOR={major}\nMINOR={minor}\nDEVNAME={name}\nDEVTYPE=disk");
    write(&dir, "uevent", &uevent)?;
    write(&queue, "logical_block_size", "512")?;
    write(&queue, "rotational", "0")?;
    link(&dir, "device", &format!("../../nvme{number}"))?;
    link(&dir, "subsystem", "../../../../../../class/block")
}

/// Writes a namespace's `size`, in sectors of 512 bytes, so that a reader gets the old one or the new one.
pub(super) fn write_size(namespace: &Path, size: Bytes) -> Result<(), BackingError> {
    write(namespace, ".size", &(size.0 / 512).to_string())?;
    let path = namespace.join("size");
    fs::rename(namespace.join(".size"), &path).map_err(BackingError::io("write", &path))
}

fn write(dir: &Path, name: &str, value: &str) -> Result<(), BackingError> {
    let path = dir.join(name);
    fs::write(&path, format!("{value}\n")).map_err(BackingError::io("write", &path))
}

fn link(dir: &Path, name: &str, target: &str) -> Result<(), BackingError> {
    let path = dir.join(name);
    symlink(target, &path).map_err(BackingError::io("link", &path))
}
