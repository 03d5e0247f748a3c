//! Names as evidence: device names given at attach, and links made by udev.
//!
//! Answers for: when a name may count at all. Doesn't answer for: serial numbers, which go before any name.
//!
//! A name counts in two cases. On a machine whose kernel shows no NVMe at all (Xen), where devices are named after the
//! device name given at attach and tell nothing else of themselves. And for a node-local volume, which is known by such a name
//! alone: there EBS controllers are asked for the name that they were attached under, and a link counts only for one that can't
//! be asked. The disk that this node itself runs from is never taken for a volume by its name.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use ebs_types::{DeviceName, VolumeHandle};

use super::sysfs::{Disk, Sysfs};
use super::{Finder, Found, Part, Wanted, mismatch, only};
use crate::device::{self, nvme};
use crate::{DeviceNumber, FindError};

/// Files of this node itself. In a container `/` is no disk's, but Kubernetes puts the others there from the node's disk.
const OWN_FILES: [&str; 4] = ["/", "/etc/hosts", "/etc/resolv.conf", "/var/lib/kubelet"];

impl Finder {
    /// The disk that names lead to, on a machine without NVMe: all that exist have to lead to the same.
    pub(super) fn by_name(&self, sysfs: &Sysfs, wanted: &Wanted) -> Result<Found, FindError> {
        let disks = sysfs.disks();
        let tried = self.names(wanted);
        let mut found: Vec<Found> = Vec::new();
        for name in &tried {
            let Some(number) = DeviceNumber::of_node(name) else {
                continue;
            };
            let refuse = |why: String| mismatch(&wanted.volume, name, why);
            let disk = disk_of(&disks, Some(number))
                .ok_or_else(|| refuse(format!("device {number} is no disk; {sysfs}")))?;
            not_our_own(&disk).map_err(refuse)?;
            found.push(Found::by_name(disk, name.clone()));
        }
        if let Part::Numbered(number) = wanted.part
            && let Some(disk) = disks.iter().find(|disk| disk.has(number))
            && let Some(disk) = Disk::read(&disk.dir)
        {
            let node = self.dev_dir.join(&disk.name);
            not_our_own(&disk).map_err(|why| mismatch(&wanted.volume, &node, why))?;
            found.push(Found::by_name(disk, node));
        }
        found.dedup_by_key(|found| found.disk.number);
        one(found, wanted)?.ok_or_else(|| {
            let tried: Vec<_> = tried
                .iter()
                .map(|name| name.display().to_string())
                .collect();
            self.missing(
                wanted,
                format!("no NVMe at all; none of {}; {sysfs}", tried.join(", ")),
            )
        })
    }

    /// Where the volume's device may be on a machine without NVMe: the name that it was attached under, or what udev calls it.
    fn names(&self, wanted: &Wanted) -> Vec<PathBuf> {
        let links = match &wanted.volume {
            VolumeHandle::Local(name) => self.nodes(name),
            VolumeHandle::Ebs(id) => {
                let base = format!("nvme-Amazon_Elastic_Block_Store_{}", id.nvme_serial());
                let by_id = self.dev_dir.join("disk/by-id");
                // The newer names end in the namespace's number.
                ["", "_1", "-ns-1"]
                    .map(|suffix| by_id.join(format!("{base}{suffix}")))
                    .into()
            }
        };
        let attached = wanted.attached_as.iter().flat_map(|name| self.nodes(name));
        attached.chain(links).collect()
    }

    /// What Xen's driver calls a device that was attached under this name: `/dev/sdf` turns up as `xvdf` (EC2 user guide,
    /// "Device name considerations").
    fn nodes(&self, name: &DeviceName) -> Vec<PathBuf> {
        let name = bare(name.as_str());
        let xen = name.strip_prefix("sd").map(|rest| format!("xvd{rest}"));
        let names = std::iter::once(name.to_owned()).chain(xen);
        names.map(|name| self.dev_dir.join(name)).collect()
    }

    /// The EBS disk that was attached under this name, on a machine with NVMe.
    pub(super) fn by_device_name(
        &self,
        sysfs: &Sysfs,
        name: &DeviceName,
        wanted: &Wanted,
    ) -> Result<Found, FindError> {
        let mut disks = sysfs.disks();
        disks.retain(|disk| disk.is_one_of(&self.models) && disk.dying.is_none());
        let (mut right, mut silent, mut seen) = (Vec::new(), Vec::new(), Vec::new());
        for disk in disks {
            match self.told_name(&disk) {
                Ok(told) if told == bare(name.as_str()) => right.push(disk),
                Ok(told) => seen.push(format!("{disk} attached as {told}")),
                Err(error) => {
                    seen.push(format!("{disk}, whose device name can't be had: {error}"));
                    silent.push(disk);
                }
            }
        }
        let found = match only(right, wanted)? {
            Some(disk) => Some(Found { disk, name: None }),
            None => self.by_udev_link(name, &silent, wanted)?,
        };
        let found = found.ok_or_else(|| self.missing(wanted, format!("[{}]", seen.join("; "))))?;
        not_our_own(&found.disk)
            .map_err(|why| mismatch(&wanted.volume, &self.dev_dir.join(&found.disk.name), why))?;
        Ok(found)
    }

    /// The link that the instance's udev rules make: only if it leads to an EBS disk that can't be asked itself.
    fn by_udev_link(
        &self,
        name: &DeviceName,
        silent: &[Disk],
        wanted: &Wanted,
    ) -> Result<Option<Found>, FindError> {
        let link = self.dev_dir.join(bare(name.as_str()));
        let Some(number) = DeviceNumber::of_node(&link) else {
            return Ok(None);
        };
        match disk_of(silent, Some(number)) {
            Some(disk) => Ok(Some(Found::by_name(disk, link))),
            None => Err(mismatch(
                &wanted.volume,
                &link,
                format!(
                    "it leads to device {number}, which is no EBS volume or one that says it was attached under another name"
                ),
            )),
        }
    }

    /// The device name that an EBS controller tells it was attached under, without `/dev/`.
    fn told_name(&self, disk: &Disk) -> Result<String, String> {
        let path = self.dev_dir.join(&disk.name);
        let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let node = device::open(&path).map_err(|error| said(&error))?;
        let identity = nvme::identify_controller(&node).map_err(|error| said(&error))?;
        if disk.number != Some(number_of(&node)?) || disk.serial.as_ref() != Ok(&identity.serial) {
            return Err(said(&format!(
                "its controller calls itself {:?}, sysfs shows {disk}",
                identity.serial
            )));
        }
        Ok(bare(&identity.device_name).to_owned())
    }

    /// Whether the disk is still the one that was attached under this name; why not.
    pub(super) fn still_named(&self, disk: &Disk, name: &DeviceName) -> Result<(), String> {
        let told = self.told_name(disk)?;
        if disk.is_one_of(&self.models) && disk.dying.is_none() && told == bare(name.as_str()) {
            return Ok(());
        }
        Err(format!("sysfs shows {disk}, attached as {told}"))
    }
}

impl Found {
    fn by_name(disk: Disk, name: PathBuf) -> Self {
        Self {
            disk,
            name: Some(name),
        }
    }
}

/// EBS tells device names with or without `/dev/`, as they were given at attach (EBS user guide, "Map NVMe volumes").
fn bare(name: &str) -> &str {
    name.strip_prefix("/dev/").unwrap_or(name)
}

fn number_of(node: &File) -> Result<DeviceNumber, String> {
    let found = node.metadata().map_err(|error| error.to_string())?;
    Ok(DeviceNumber::from_dev_t(found.rdev()))
}

fn disk_of(disks: &[Disk], number: Option<DeviceNumber>) -> Option<Disk> {
    let disk = disks.iter().find(|disk| disk.number == number)?;
    Disk::read(&disk.dir)
}

fn one(mut found: Vec<Found>, wanted: &Wanted) -> Result<Option<Found>, FindError> {
    let last = found.pop();
    if found.is_empty() {
        return Ok(last);
    }
    let disks = found.into_iter().chain(last).map(|found| found.disk);
    only(disks.collect(), wanted).map(|_| None)
}

/// Refuses the disk that this node's own files are on.
fn not_our_own(disk: &Disk) -> Result<(), String> {
    let on = |file: &&&str| {
        let found = std::fs::metadata(file);
        found.is_ok_and(|found| disk.has(DeviceNumber::from_dev_t(found.dev())))
    };
    match OWN_FILES.iter().find(on) {
        None => Ok(()),
        Some(file) => Err(format!("{disk} is this node's own disk, which has {file}")),
    }
}

#[cfg(test)]
mod tests;
