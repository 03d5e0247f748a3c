//! The device of a volume, found by what the device says about itself.
//!
//! Answers for: which device is the volume, proven by sysfs and the opened node together, and for waiting until it is there.
//! Doesn't answer for: what is on it.
//!
//! On a Nitro instance each volume is an NVMe controller whose model is `Amazon Elastic Block Store` and whose serial number is the
//! volume's id without hyphen (EBS user guide, "Map NVMe volumes"). The order of nvme0, nvme1, … is arbitrary, and links made
//! by udev can be stale, so that names count only on a machine that shows no NVMe at all.

mod sysfs;

use std::path::PathBuf;
use std::time::Duration;

use ebs_types::VolumeId;
use tokio::time::Instant;

use crate::{Device, DeviceNumber, FindError};
use sysfs::{Disk, Sysfs};

/// How long the first and the longest pause between two looks are.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Where devices are looked for, and which are taken for EBS volumes.
#[derive(Clone, Debug)]
pub(crate) struct Finder {
    pub(crate) dev_dir: PathBuf,
    pub(crate) sys_dir: PathBuf,
    pub(crate) models: Vec<String>,
}

impl Finder {
    /// Looks until the device is there or the time is over; a device that contradicts itself may be one that is just
    /// coming or going, so that it is looked at again as well.
    pub(crate) async fn find(
        &self,
        volume: &VolumeId,
        wait: Duration,
    ) -> Result<Device, FindError> {
        let begin = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let (finder, wanted) = (self.clone(), volume.clone());
            let looked = crate::linux::blocking(move || finder.look(&wanted)).await;
            let error = match looked {
                Ok(device) => return Ok(device),
                Err(error @ (FindError::Ambiguous { .. } | FindError::Busy(_))) => {
                    return Err(error);
                }
                Err(error) => error,
            };
            let waited = begin.elapsed();
            if waited >= wait {
                return Err(after(error, waited));
            }
            tokio::time::sleep(pause.min(wait.saturating_sub(waited))).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Looks once.
    pub(crate) fn look(&self, volume: &VolumeId) -> Result<Device, FindError> {
        let sysfs = Sysfs::read(&self.sys_dir)
            .map_err(|(path, source)| io(volume, "read", path, source))?;
        let mut found = sysfs
            .disks
            .iter()
            .filter(|disk| self.is_volume(disk, volume));
        match (found.next(), found.next()) {
            (Some(disk), None) => self.open(disk, volume),
            (Some(first), Some(second)) => Err(FindError::Ambiguous {
                volume: volume.clone(),
                seen: [first, second]
                    .into_iter()
                    .chain(found)
                    .map(Disk::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
            (None, _) if sysfs.has_nvme() => Err(self.missing(volume, sysfs.to_string())),
            (None, _) => self.by_link(volume),
        }
    }

    fn is_volume(&self, disk: &Disk, volume: &VolumeId) -> bool {
        self.models.contains(&disk.model)
            && disk
                .serial
                .as_deref()
                .is_ok_and(|serial| VolumeId::from_nvme_serial(serial).as_ref() == Ok(volume))
    }

    /// Opens the disk's node and makes sure that the node, sysfs and the volume belong together while it is open.
    fn open(&self, disk: &Disk, volume: &VolumeId) -> Result<Device, FindError> {
        let path = self.dev_dir.join(&disk.name);
        let device = match Device::open(volume, &path, Some(disk.dir.clone())) {
            Ok(device) => device,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(self.missing(volume, format!("{disk}, but no node {}", path.display())));
            }
            Err(error) => return Err(io(volume, "open", path, error)),
        };
        self.verify(&device)?;
        Ok(device)
    }

    /// Asks sysfs again whose the open device is.
    pub(crate) fn verify(&self, device: &Device) -> Result<(), FindError> {
        let Some(dir) = device.serial() else {
            return Ok(());
        };
        let mismatch = |why: String| FindError::Mismatch {
            volume: device.volume().clone(),
            path: device.path().to_owned(),
            why,
        };
        let disk =
            Disk::read(dir).ok_or_else(|| mismatch(format!("{} has gone", dir.display())))?;
        if !self.is_volume(&disk, device.volume()) {
            return Err(mismatch(format!("sysfs shows {disk}")));
        }
        if disk.number != Some(device.number()) {
            return Err(mismatch(format!(
                "the node is device {}, sysfs shows {disk}",
                device.number()
            )));
        }
        Ok(())
    }

    /// The link that udev makes, on a machine without NVMe. The newer names end in the namespace's number.
    fn by_link(&self, volume: &VolumeId) -> Result<Device, FindError> {
        let link = self.dev_dir.join("disk/by-id").join(format!(
            "nvme-Amazon_Elastic_Block_Store_{}",
            volume.nvme_serial()
        ));
        let links = ["", "_1", "-ns-1"].map(|suffix| {
            let mut link = link.clone().into_os_string();
            link.push(suffix);
            PathBuf::from(link)
        });
        match links
            .iter()
            .find(|link| DeviceNumber::of_node(link).is_some())
        {
            Some(link) => Device::open(volume, link, None)
                .map_err(|source| io(volume, "open", link.clone(), source)),
            None => Err(self.missing(
                volume,
                format!("no NVMe controller at all, and no link {}", link.display()),
            )),
        }
    }

    fn missing(&self, volume: &VolumeId, seen: String) -> FindError {
        FindError::Missing {
            volume: volume.clone(),
            waited_ms: 0,
            wanted: format!(
                "an NVMe disk under {} of model {} with serial number {} and its node under {}",
                self.sys_dir.join("class/block").display(),
                self.models.join(" or "),
                volume.nvme_serial(),
                self.dev_dir.display(),
            ),
            seen,
        }
    }
}

fn after(error: FindError, waited: Duration) -> FindError {
    match error {
        FindError::Missing {
            volume,
            wanted,
            seen,
            ..
        } => FindError::Missing {
            volume,
            waited_ms: waited.as_millis(),
            wanted,
            seen,
        },
        other => other,
    }
}

fn io(volume: &VolumeId, action: &'static str, path: PathBuf, source: std::io::Error) -> FindError {
    FindError::Io {
        volume: volume.clone(),
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests;
