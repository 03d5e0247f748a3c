//! The device of a volume, found by what the device says about itself.
//!
//! Answers for: which device is the volume, proven by sysfs and the opened node together, and for waiting until it is there.
//! Doesn't answer for: what is on it.
//!
//! On a Nitro instance each volume is an NVMe controller whose model is `Amazon Elastic Block Store` and whose serial number is the
//! volume's id without hyphen (EBS user guide, "Map NVMe volumes"). The order of nvme0, nvme1, … is arbitrary, and links made
//! by udev can be stale, so that names count only on a machine that shows no NVMe at all ([`names`]).

mod events;
mod names;
mod sysfs;
mod volumes;
mod wanted;

use std::path::{Path, PathBuf};
use std::time::Duration;

use ebs_types::{VolumeHandle, VolumeId};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::device::Origin;
use crate::tasks::blocking;
use crate::{Device, DeviceNumber, FindError, Mount};
pub(crate) use events::Events;
use sysfs::{Disk, Partition, Sysfs};
pub(crate) use volumes::VolumeDisk;
pub use wanted::{Part, Wanted};

/// How long the first and the longest pause between two looks are where no event asks for one.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Where devices are looked for, and which are taken for EBS volumes.
#[derive(Clone, Debug)]
pub(crate) struct Finder {
    pub(crate) dev_dir: PathBuf,
    pub(crate) sys_dir: PathBuf,
    pub(crate) models: Vec<String>,
    /// How long the first pause between two looks is where no event asks for one.
    pub(crate) first_pause: Duration,
    pub(crate) events: Events,
}

/// A disk, and what led to it where that was a name: its node or a link.
struct Found {
    disk: Disk,
    name: Option<PathBuf>,
}

impl Finder {
    /// Looks until the device is there or the time is over, whenever something has happened to devices; a device that contradicts
    /// itself may be one that is just coming or going, so that it is looked at again as well.
    pub(crate) async fn find(&self, wanted: &Wanted, wait: Duration) -> Result<Device, FindError> {
        let begin = Instant::now();
        let mut events = None;
        let mut pause = self.first_pause;
        loop {
            let (finder, owned) = (self.clone(), wanted.clone());
            let looked = blocking(move || finder.look(&owned)).await;
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
            let Some(events) = &mut events else {
                // What happens from now on is heard of; what has happened since the look is seen by another.
                events = Some(self.events.listen(|| self.places()));
                continue;
            };
            heard(events, pause.min(wait.saturating_sub(waited))).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The directories that change when a device comes.
    fn places(&self) -> Vec<PathBuf> {
        let classes = ["block", "nvme", "nvme-subsystem"];
        let classes = classes.map(|class| self.sys_dir.join("class").join(class));
        let by_id = self.dev_dir.join("disk/by-id");
        [self.dev_dir.clone(), by_id]
            .into_iter()
            .chain(classes)
            .collect()
    }

    /// Looks once.
    pub(crate) fn look(&self, wanted: &Wanted) -> Result<Device, FindError> {
        let unlisted = |(path, source)| io(&wanted.volume, "read", path, source);
        let sysfs = Sysfs::list(&self.sys_dir).map_err(unlisted)?;
        let found = match &wanted.volume {
            _ if !sysfs.has_nvme().map_err(unlisted)? => self.by_name(&sysfs, wanted)?,
            VolumeHandle::Ebs(id) => self.by_serial(&sysfs, id, wanted)?,
            VolumeHandle::Local(name) => self.by_device_name(&sysfs, name, wanted)?,
        };
        self.open(found, wanted)
    }

    /// The one disk whose controller says that it is the volume.
    fn by_serial(&self, sysfs: &Sysfs, id: &VolumeId, wanted: &Wanted) -> Result<Found, FindError> {
        let mut disks = sysfs.disks_with_serial(&id.nvme_serial());
        disks.retain(|disk| self.is_volume(disk, id));
        match only(disks, wanted)? {
            Some(disk) => Ok(Found { disk, name: None }),
            None => Err(self.none_of(sysfs, wanted)),
        }
    }

    /// Whether model and serial number say that the disk is the volume, and its controller is not one that is going away.
    fn is_volume(&self, disk: &Disk, id: &VolumeId) -> bool {
        let serial = disk.serial.as_deref();
        let right =
            serial.is_ok_and(|serial| VolumeId::from_nvme_serial(serial).as_ref() == Ok(id));
        let sound = disk.dying.is_none() && disk.unreadable.is_none();
        right && disk.is_one_of(&self.models) && sound
    }

    /// No disk says that it is the volume. One of the right model that does not say what it is might be.
    fn none_of(&self, sysfs: &Sysfs, wanted: &Wanted) -> FindError {
        let silent = |disk: &Disk| {
            disk.is_one_of(&self.models) && disk.serial.as_deref().unwrap_or_default().is_empty()
        };
        let disks = sysfs.disks();
        let mut silent: Vec<String> = disks
            .iter()
            .filter(|disk| silent(disk))
            .map(Disk::to_string)
            .collect();
        silent.extend(sysfs.silent_controllers(&self.models));
        if silent.is_empty() {
            return self.missing(wanted, sysfs.to_string());
        }
        FindError::Unproven {
            volume: wanted.volume.clone(),
            seen: silent.join(", "),
        }
    }

    /// Opens the node and makes sure that the node, sysfs and the volume belong together while it is open.
    fn open(&self, found: Found, wanted: &Wanted) -> Result<Device, FindError> {
        let Found { disk, name } = found;
        let partition = self.part(&disk, wanted)?;
        let node = partition.as_ref().map_or(&disk.name, |part| &part.name);
        let path = self.dev_dir.join(node);
        let origin = Origin {
            disk: disk.dir.clone(),
            partition: partition.as_ref().map(|partition| partition.index),
            name,
        };
        let device = match Device::open(&wanted.volume, &path, origin) {
            Ok(device) => device,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(self.missing(wanted, format!("{disk}, but no node {}", path.display())));
            }
            Err(error) => return Err(io(&wanted.volume, "open", path, error)),
        };
        self.verify(&device)?;
        Ok(device)
    }

    /// The partition that is wanted, `None` for the whole disk.
    fn part(&self, disk: &Disk, wanted: &Wanted) -> Result<Option<Partition>, FindError> {
        let index = match wanted.part {
            Part::Disk => return Ok(None),
            Part::Numbered(number) => {
                let mut partitions = disk.partitions().into_iter();
                return Ok(partitions.find(|partition| partition.number == Some(number)));
            }
            Part::Partition(index) => index,
        };
        let partitions = disk.partitions();
        let there: Vec<&str> = partitions.iter().map(|part| part.name.as_str()).collect();
        let seen = format!("{disk} with the partitions [{}]", there.join(", "));
        let mut right = partitions.into_iter().filter(|part| part.index == index);
        match (right.next(), right.next()) {
            (Some(partition), None) => Ok(Some(partition)),
            (None, _) => Err(self.missing(wanted, seen)),
            (Some(_), Some(_)) => Err(FindError::Ambiguous {
                volume: wanted.volume.clone(),
                seen,
            }),
        }
    }

    /// Asks sysfs again whose the open device is.
    pub(crate) fn verify(&self, device: &Device) -> Result<(), FindError> {
        let Some(origin) = device.origin() else {
            return Ok(());
        };
        let contradiction = |why: String| mismatch(device.volume(), device.path(), why);
        let disk = Disk::read(&origin.disk)
            .ok_or_else(|| contradiction(format!("{} has gone", origin.disk.display())))?;
        self.same_volume(&disk, device.volume(), origin)
            .map_err(contradiction)?;
        if let Some(number) = device.disk_number()
            && number.ok() != disk.number
        {
            return Err(contradiction(format!(
                "the node of its disk is another device than {disk}"
            )));
        }
        let (shown, number) = match origin.partition {
            None => (disk.to_string(), disk.number),
            Some(index) => {
                let mut partitions = disk.partitions().into_iter();
                let number = partitions
                    .find(|part| part.index == index)
                    .and_then(|part| part.number);
                let known = number.map_or_else(|| "none".to_owned(), |number| number.to_string());
                (format!("{disk}, partition {index} device {known}"), number)
            }
        };
        if number != Some(device.number()) {
            return Err(contradiction(format!(
                "the node is device {}, sysfs shows {shown}",
                device.number()
            )));
        }
        Ok(())
    }

    /// Whether the disk is still what tells that it is the volume; why not.
    fn same_volume(
        &self,
        disk: &Disk,
        volume: &VolumeHandle,
        origin: &Origin,
    ) -> Result<(), String> {
        let other_model = disk.model.is_some() && !disk.is_one_of(&self.models);
        match (volume, &origin.name) {
            _ if other_model || disk.dying.is_some() || disk.unreadable.is_some() => {
                Err(format!("sysfs shows {disk}"))
            }
            (_, Some(name)) => match DeviceNumber::of_node(name) {
                number if number.is_some() && number == disk.number => Ok(()),
                number => Err(format!(
                    "{} leads to {}, sysfs shows {disk}",
                    name.display(),
                    number.map_or_else(|| "no device".to_owned(), |number| number.to_string())
                )),
            },
            (VolumeHandle::Ebs(id), None) if self.is_volume(disk, id) => Ok(()),
            (VolumeHandle::Ebs(_), None) => Err(format!("sysfs shows {disk}")),
            (VolumeHandle::Local(wanted), None) => self.still_named(disk, wanted),
        }
    }

    /// Whether the mount's device has gone from this machine, so that nothing can be read or written there any more.
    pub(crate) fn lost(&self, mount: &Mount) -> Result<bool, (PathBuf, std::io::Error)> {
        // Only what was mounted from this machine's device directory is judged: that alone sysfs can know.
        let ours = mount.node.is_some() || Path::new(&mount.source).starts_with(&self.dev_dir);
        if !ours {
            return Ok(false);
        }
        let sysfs = Sysfs::list(&self.sys_dir)?;
        let number = mount.node.unwrap_or(mount.device);
        if !number.is_anonymous() {
            return Ok(!sysfs.shows(number)?);
        }
        // A btrfs has a number of its own: its source's name tells. Of others that have (FUSE) nothing is known.
        if mount.fs_type != "btrfs" {
            return Ok(false);
        }
        let name = Path::new(&mount.source).file_name();
        Ok(name.is_some_and(|name| !sysfs.names(&name.to_string_lossy())))
    }

    fn missing(&self, wanted: &Wanted, seen: String) -> FindError {
        let what = match &wanted.volume {
            VolumeHandle::Ebs(id) => format!("serial number {}", id.nvme_serial()),
            VolumeHandle::Local(name) => format!("device name {name}"),
        };
        FindError::Missing {
            volume: wanted.volume.clone(),
            waited_ms: 0,
            wanted: format!(
                "{} of an NVMe disk under {} of model {} with {what} and its node under {}",
                wanted.part,
                self.sys_dir.join("class/block").display(),
                self.models.join(" or "),
                self.dev_dir.display(),
            ),
            seen,
        }
    }
}

/// Waits for an event, at most so long.
async fn heard(events: &mut watch::Receiver<()>, at_most: Duration) {
    let event = async {
        if events.changed().await.is_err() {
            // The watcher has ended: there are no events.
            std::future::pending::<()>().await;
        }
    };
    let _ = tokio::time::timeout(at_most, event).await;
}

/// The one candidate; an error if there are several.
fn only(candidates: Vec<Disk>, wanted: &Wanted) -> Result<Option<Disk>, FindError> {
    if candidates.len() > 1 {
        let seen: Vec<String> = candidates.iter().map(Disk::to_string).collect();
        return Err(FindError::Ambiguous {
            volume: wanted.volume.clone(),
            seen: seen.join(", "),
        });
    }
    Ok(candidates.into_iter().next())
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

fn mismatch(volume: &VolumeHandle, path: &Path, why: String) -> FindError {
    FindError::Mismatch {
        volume: volume.clone(),
        path: path.to_owned(),
        why,
    }
}

fn io(
    volume: &VolumeHandle,
    action: &'static str,
    path: PathBuf,
    source: std::io::Error,
) -> FindError {
    FindError::Io {
        volume: volume.clone(),
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests;
