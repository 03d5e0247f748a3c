//! Every EBS volume that sysfs shows, for those who ask about all of them.

use std::fs;
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

    /// EBS controllers in another state than `live`, with serial number and state.
    pub(crate) fn unsteady_controllers(&self) -> Result<Vec<String>, (PathBuf, io::Error)> {
        let class = self.sys_dir.join("class/nvme");
        let listed = match fs::read_dir(&class) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed.map_err(|error| (class, error))?,
        };
        let unsteady = |dir: PathBuf| {
            let read = |name: &str| {
                let text = fs::read_to_string(dir.join(name)).ok()?;
                Some(text.trim().to_owned())
            };
            let (model, state) = (read("model")?, read("state")?);
            let serial = read("serial").unwrap_or_default();
            let name = dir.file_name()?.to_string_lossy().into_owned();
            let counts = self.models.contains(&model) && state != "live";
            counts.then(|| format!("{name} ({serial}) is {state}"))
        };
        let dirs = listed.filter_map(|entry| Some(entry.ok()?.path()));
        let mut found: Vec<String> = dirs.filter_map(unsteady).collect();
        found.sort();
        Ok(found)
    }

    /// Whether sysfs shows a device of this number, by the index that the kernel keeps; `false` also where there is no index.
    pub(crate) fn knows(&self, number: DeviceNumber) -> bool {
        let index = self.sys_dir.join("dev/block").join(number.to_string());
        index.symlink_metadata().is_ok()
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
