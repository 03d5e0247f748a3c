//! Every EBS volume that sysfs shows, for those who ask about all of them.

use std::io;
use std::path::{Path, PathBuf};

use ebs_types::VolumeId;

use super::sysfs::{Disk, Sysfs};
use super::{Finder, Found, Wanted, io as failed};
use crate::{Device, DeviceNumber, FindError};

/// A volume's disk as sysfs shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VolumeDisk {
    pub(crate) volume: VolumeId,
    /// Its kernel name, e.g. `nvme1n1`.
    pub(crate) name: String,
    /// Its directory in sysfs.
    pub(crate) dir: PathBuf,
    /// The numbers of the disk and of its partitions.
    pub(crate) numbers: Vec<DeviceNumber>,
}

impl Finder {
    /// All of them; one that two disks claim to be is left out, as [`Finder::find`] refuses it.
    pub(crate) fn volumes(&self) -> Result<Vec<VolumeDisk>, (PathBuf, io::Error)> {
        let disks = Sysfs::list(&self.sys_dir)?.disks();
        let mut volumes: Vec<_> = disks.iter().filter_map(|disk| self.volume(disk)).collect();
        volumes.sort_by(|a, b| a.volume.cmp(&b.volume));
        let once = volumes.chunk_by(|a, b| a.volume == b.volume);
        let once = once.filter(|disks| disks.len() == 1).flatten().cloned();
        Ok(once.collect())
    }

    /// Opens a disk that was seen, and makes sure that it still is this volume.
    pub(crate) fn open_seen(&self, volume: &VolumeId, dir: &Path) -> Result<Device, FindError> {
        let wanted = Wanted::from(volume.clone());
        match Disk::read(dir) {
            Some(disk) => self.open(Found { disk, name: None }, &wanted),
            None => Err(failed(
                &wanted.volume,
                "read",
                dir.to_owned(),
                io::ErrorKind::NotFound.into(),
            )),
        }
    }

    fn volume(&self, disk: &Disk) -> Option<VolumeDisk> {
        let serial = disk.serial.as_deref().ok()?;
        let volume = VolumeId::from_nvme_serial(serial).ok()?;
        if !self.is_volume(disk, &volume) {
            return None;
        }
        let partitions = disk.partitions();
        let partitions = partitions.iter().filter_map(|partition| partition.number);
        Some(VolumeDisk {
            volume,
            name: disk.name.clone(),
            dir: disk.dir.clone(),
            numbers: disk.number.into_iter().chain(partitions).collect(),
        })
    }
}
