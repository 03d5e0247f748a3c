//! What takes attachments of this machine: EBS volumes, instance store disks, network interfaces, accelerators.
//!
//! Answers for: counting them in sysfs as they are now. Doesn't answer for: how many the instance takes, and which volumes are
//! whose.
//!
//! Network interfaces are counted on the PCI bus: `/sys/class/net` shows only those of the network namespace that one is in,
//! and a pod has its own.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ebs_types::VolumeId;

/// The model of an instance store disk (EC2 user guide, "NVMe instance store volumes").
const STORE_MODEL: &str = "Amazon EC2 NVMe Instance Storage";

/// Amazon's own PCI vendor id.
const AMAZON: &str = "0x1d0f";

/// What is there at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hardware {
    /// The EBS volumes that are attached as NVMe controllers, the root volume included. Empty on Xen.
    pub volumes: BTreeSet<VolumeId>,
    /// EBS controllers whose serial number cannot be read as a volume's id.
    pub nameless_volumes: u32,
    /// Instance store disks.
    pub stores: u32,
    /// Elastic network interfaces, the primary one included; 0 where the PCI bus shows none.
    pub interfaces: u32,
    /// GPUs and other accelerators.
    pub accelerators: u32,
}

impl Hardware {
    /// Looks at `sys_dir`, `/sys` on a real machine; controllers of these models are EBS volumes. It blocks for as long as
    /// a few hundred small files take to read. What goes while it looks is not counted.
    ///
    /// # Errors
    /// The kernel's, with the directory that cannot be listed. One that is not there is empty.
    pub fn look(sys_dir: &Path, models: &[String]) -> io::Result<Self> {
        let mut seen = Self::default();
        for controller in entries(&sys_dir.join("class/nvme"))? {
            seen.count_controller(&controller, models);
        }
        for device in entries(&sys_dir.join("bus/pci/devices"))? {
            seen.count_pci(&device);
        }
        Ok(seen)
    }

    /// How many EBS volumes are attached.
    #[must_use]
    pub fn volume_count(&self) -> u32 {
        let named = u32::try_from(self.volumes.len()).unwrap_or(u32::MAX);
        named.saturating_add(self.nameless_volumes)
    }

    fn count_controller(&mut self, controller: &Path, models: &[String]) {
        let Some(model) = attribute(controller, "model") else {
            return;
        };
        if model == STORE_MODEL {
            self.stores += 1;
        } else if models.contains(&model) {
            let serial = attribute(controller, "serial").unwrap_or_default();
            match VolumeId::from_nvme_serial(&serial) {
                Ok(volume) => {
                    self.volumes.insert(volume);
                }
                Err(_) => self.nameless_volumes += 1,
            }
        }
    }

    fn count_pci(&mut self, device: &Path) {
        let read = |name| attribute(device, name).unwrap_or_default();
        let (vendor, class, id) = (read("vendor"), read("class"), read("device"));
        let class = |prefix| class.starts_with(prefix);
        if vendor == AMAZON && class("0x0200") {
            // An interface with an Elastic Fabric Adapter is two devices, of which the adapter is one.
            self.interfaces += u32::from(!id.starts_with("0xefa"));
        } else if (class("0x03") && vendor != AMAZON)
            || class("0x12")
            || (class("0x0880") && vendor == AMAZON)
        {
            // Display controllers but the instance's own console, processing accelerators, and Amazon's, which are system
            // peripherals.
            self.accelerators += 1;
        }
    }
}

/// The value of an attribute without its padding; `None` where it cannot be read, as of a device that has just gone.
fn attribute(dir: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(dir.join(name)).ok()?;
    Some(
        text.trim_matches(|c: char| c.is_whitespace() || c == '\0')
            .to_owned(),
    )
}

fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let listed = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.and_then(|listed| listed.map(|entry| Ok(entry?.path())).collect()),
    };
    listed.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", dir.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = "Amazon Elastic Block Store";

    /// Writes a device's attributes as the kernel does, with the padding of NVMe.
    fn device(sys: &Path, dir: &str, attributes: &[(&str, &str)]) {
        let dir = sys.join(dir);
        fs::create_dir_all(&dir).unwrap();
        for (name, value) in attributes {
            fs::write(dir.join(name), format!("{value:<20}\n")).unwrap();
        }
    }

    fn look(sys: &Path) -> Hardware {
        Hardware::look(sys, &[MODEL.to_owned()]).unwrap()
    }

    #[test]
    fn controllers_are_told_apart_by_model() {
        let sys = tempfile::tempdir().unwrap();
        let nvme = |number: u32, model, serial| {
            let dir = format!("class/nvme/nvme{number}");
            device(sys.path(), &dir, &[("model", model), ("serial", serial)]);
        };
        nvme(0, MODEL, "vol0123456789abcdef0");
        nvme(1, MODEL, "vol0123456789abcdef1");
        nvme(2, STORE_MODEL, "AWS0123456789ABCDEF0");
        nvme(3, "Some other disk", "vol0123456789abcdef2");
        nvme(4, MODEL, "?");
        device(sys.path(), "class/nvme/nvme5", &[]);
        let seen = look(sys.path());
        assert_eq!(seen.volumes.len(), 2);
        assert_eq!((seen.volume_count(), seen.stores), (3, 1));
    }

    #[test]
    fn interfaces_are_counted_on_the_bus() {
        let sys = tempfile::tempdir().unwrap();
        let pci = |slot: u32, vendor, class, id| {
            let dir = format!("bus/pci/devices/0000:00:{slot:02x}.0");
            let attributes = [("vendor", vendor), ("class", class), ("device", id)];
            device(sys.path(), &dir, &attributes);
        };
        pci(0, "0x8086", "0x060000", "0x1237");
        pci(1, AMAZON, "0x030000", "0x1111");
        pci(2, AMAZON, "0x010802", "0x8061");
        pci(3, AMAZON, "0x020000", "0xec20");
        pci(4, AMAZON, "0x020000", "0xec20");
        pci(5, AMAZON, "0x020000", "0xefa1");
        pci(6, "0x10de", "0x030200", "0x2237");
        pci(7, AMAZON, "0x088000", "0x7264");
        pci(8, "0x10ee", "0x120000", "0x9048");
        let seen = look(sys.path());
        assert_eq!((seen.interfaces, seen.accelerators), (2, 3));
    }

    #[test]
    fn a_machine_that_shows_nothing_has_nothing() {
        let sys = tempfile::tempdir().unwrap();
        assert_eq!(look(sys.path()), Hardware::default());
        fs::write(sys.path().join("class"), "").unwrap();
        let error = Hardware::look(sys.path(), &[]).unwrap_err();
        assert!(error.to_string().contains("class/nvme"), "{error}");
    }
}
