//! Volumes as sparse files, attached volumes as loop devices.
//!
//! Answers for: one device a volume, however many instances see it; devices that outlive the emulator. It keeps nothing
//! in memory: what is attached where is read from the instances' directories and from the kernel, so a killed emulator's
//! devices need no log to be found again.
//! Doesn't answer for: the form of files and directories (`images`, `layout`).

mod reconcile;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ebs_types::{Gibibytes, InstanceId, SnapshotId, VolumeId};
use host::loop_device::{Claim, LoopDevice, LoopDevices, Release, Writes};
use nix::sys::statvfs::{FsFlags, statvfs};

use super::images::Images;
use super::layout::{Layout, Namespace};
use super::{
    Backing, BackingError, Detach, DetachMode, InstanceDirs, Inventory, StillUsed, blocks,
};
use crate::model::{Block, BlockRange};

/// How often a volume is copied anew because the volume was written to meanwhile.
const COPIES: usize = 5;

/// Sparse files in a data directory, loop devices over them, and each instance's view of these.
#[derive(Debug)]
pub(crate) struct LoopBacking {
    images: Images,
    loops: LoopDevices,
    instances: PathBuf,
    /// Held while devices and the instances' directories are looked at and changed; not while images are copied.
    devices: Mutex<()>,
}

impl LoopBacking {
    /// The backing of this data directory, which is made where it is missing.
    ///
    /// # Errors
    /// [`BackingError::NoDevices`] and [`BackingError::Io`].
    pub(crate) fn open(data: &Path) -> Result<Self, BackingError> {
        fs::create_dir_all(data).map_err(BackingError::io("make", data))?;
        // The kernel tells the files behind devices by their real paths.
        let data = fs::canonicalize(data).map_err(BackingError::io("find", data))?;
        let mounted =
            statvfs(&data).map_err(|errno| BackingError::io("look at", &data)(errno.into()))?;
        if mounted.flags().contains(FsFlags::ST_NODEV) {
            return Err(BackingError::NoDevices { path: data });
        }
        let instances = data.join("instances");
        fs::create_dir_all(&instances).map_err(BackingError::io("make", &instances))?;
        Ok(Self {
            images: Images::open(&data)?,
            loops: LoopDevices::new(data.join("nodes")),
            instances,
            devices: Mutex::new(()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        // Nothing is kept behind the lock that a panic could have left half changed.
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn layout(&self, instance: &InstanceId) -> Layout {
        Layout::at(self.instances.join(instance.as_str()))
    }

    /// Where the image of a snapshot is.
    fn taken(&self, snapshot: &SnapshotId) -> Result<PathBuf, BackingError> {
        let image = self.images.snapshot(snapshot);
        if image.exists() {
            Ok(image)
        } else {
            Err(BackingError::NoSnapshot(snapshot.clone()))
        }
    }

    /// All instances that have directories.
    fn layouts(&self) -> Result<Vec<(InstanceId, Layout)>, BackingError> {
        let dir = &self.instances;
        let mut found = Vec::new();
        for entry in fs::read_dir(dir).map_err(BackingError::io("list", dir))? {
            let name = entry.map_err(BackingError::io("list", dir))?.file_name();
            let id = name
                .to_str()
                .and_then(|name| name.parse::<InstanceId>().ok());
            found.extend(id.map(|id| (id.clone(), self.layout(&id))));
        }
        Ok(found)
    }

    /// The devices of this backing's volumes, seen by an instance or not.
    fn own_devices(&self) -> Result<Vec<(VolumeId, LoopDevice)>, BackingError> {
        let devices = self.loops.configured()?;
        Ok(devices
            .into_iter()
            .filter_map(|device| Some((self.images.volume_of(device.backing())?, device)))
            .collect())
    }

    fn device_of(&self, volume: &VolumeId) -> Result<Option<LoopDevice>, BackingError> {
        let mut devices = self.own_devices()?.into_iter();
        Ok(devices
            .find(|(of, _)| of == volume)
            .map(|(_, device)| device))
    }

    /// Whether an instance sees this device.
    fn is_seen(&self, device: &LoopDevice) -> Result<bool, BackingError> {
        for (_, layout) in self.layouts()? {
            if layout.exists()
                && layout
                    .slots()?
                    .iter()
                    .any(|slot| slot.dev == Some(device.dev()))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The volume's device, made if there is none.
    fn obtain(&self, volume: &VolumeId) -> Result<LoopDevice, BackingError> {
        let image = self.images.volume(volume);
        if !image.exists() {
            return Err(BackingError::NoVolume(volume.clone()));
        }
        if let Some(device) = self.device_of(volume)? {
            if self.is_seen(&device)? {
                return Ok(device);
            }
            // Nobody sees it: taken away by force, or left by a call that was cut short.
            self.let_go(volume, &device)?;
        }
        Ok(self.loops.attach(&image)?)
    }

    /// Releases a device that nobody may use any more.
    fn let_go(&self, volume: &VolumeId, device: &LoopDevice) -> Result<(), BackingError> {
        let in_use = || BackingError::InUse {
            volume: volume.clone(),
            device: device.name(),
        };
        let claim = self.loops.claim(device)?.ok_or_else(in_use)?;
        match self.loops.release(device, Some(claim))? {
            Release::Released => Ok(()),
            Release::WhenClosed => Err(in_use()),
        }
    }

    /// Shows a device on an instance, unless it does already.
    fn show(
        &self,
        volume: &VolumeId,
        layout: &Layout,
        device: &LoopDevice,
    ) -> Result<(), BackingError> {
        if let Some(slot) = layout.slot_of(volume)? {
            if slot.dev == Some(device.dev()) {
                return Ok(());
            }
            layout.hide(slot.number)?;
        }
        layout.show(
            volume,
            Some(Namespace {
                dev: device.dev(),
                size: self.images.size(volume)?,
            }),
        )
    }

    /// Takes a volume away from an instance; its device is released once no instance sees it.
    fn take_away(
        &self,
        volume: &VolumeId,
        layout: &Layout,
        claim: Option<Claim>,
    ) -> Result<(), BackingError> {
        if let Some(slot) = layout.slot_of(volume)? {
            layout.hide(slot.number)?;
        }
        let Some(device) = self.device_of(volume)? else {
            return Ok(());
        };
        if self.is_seen(&device)? {
            return Ok(());
        }
        if self.loops.release(&device, claim)? == Release::WhenClosed {
            tracing::warn!(volume.id = %volume, device = device.name(), "device detached while open");
        }
        Ok(())
    }

    /// Takes all devices of an instance away, and its directories.
    fn remove(&self, layout: &Layout) -> Result<(), BackingError> {
        if layout.exists() {
            for slot in layout.slots()? {
                self.take_away(&slot.volume, layout, None)?;
            }
        }
        layout.remove()
    }

    /// Copies as often as the copies don't show one moment of all these volumes; gives up doubting after some.
    fn settling<'a>(
        &'a self,
        volumes: &'a [&'a VolumeId],
    ) -> Result<impl FnMut() -> Result<bool, BackingError> + 'a, BackingError> {
        let flushed = move || -> Result<Vec<_>, BackingError> {
            volumes.iter().map(|volume| self.flushed(volume)).collect()
        };
        let mut before = flushed()?;
        let mut copies = 0;
        Ok(move || {
            let now = flushed()?;
            copies += 1;
            let at_rest = now.iter().flatten().all(|writes| writes.in_flight == 0);
            let quiet = at_rest && now == before;
            before = now;
            if !quiet && copies == COPIES {
                tracing::warn!(volumes = ?volumes, "copy of what is never quiet: it mixes moments");
            }
            Ok(quiet || copies == COPIES)
        })
    }

    /// Brings what was synced to the volume's device into its image, and counts what was written so far.
    fn flushed(&self, volume: &VolumeId) -> Result<Option<Writes>, BackingError> {
        let _devices = self.lock();
        let Some(device) = self.device_of(volume)? else {
            return Ok(None);
        };
        self.loops.flush(&device)?;
        Ok(Some(device.writes()?))
    }
}

impl Backing for LoopBacking {
    fn create_volume(
        &self,
        volume: &VolumeId,
        size: Gibibytes,
        from: Option<&SnapshotId>,
    ) -> Result<(), BackingError> {
        self.images.create_volume(volume, size.bytes(), from)
    }

    fn copy_volume(
        &self,
        volume: &VolumeId,
        size: Gibibytes,
        of: &VolumeId,
    ) -> Result<(), BackingError> {
        let source = [of];
        let settled = self.settling(&source)?;
        self.images.copy_volume(volume, size.bytes(), of, settled)
    }

    fn delete_volume(&self, volume: &VolumeId) -> Result<(), BackingError> {
        let _devices = self.lock();
        if let Some(device) = self.device_of(volume)? {
            self.let_go(volume, &device)?;
        }
        self.images.delete_volume(volume)
    }

    fn resize_volume(&self, volume: &VolumeId, size: Gibibytes) -> Result<(), BackingError> {
        let _devices = self.lock();
        self.images.grow_volume(volume, size.bytes())?;
        let Some(device) = self.device_of(volume)? else {
            return Ok(());
        };
        self.loops.update_capacity(&device)?;
        let size = self.images.size(volume)?;
        for (_, layout) in self.layouts()? {
            if layout.exists()
                && let Some(slot) = layout.slot_of(volume)?
            {
                layout.resize(slot.number, size)?;
            }
        }
        Ok(())
    }

    fn snapshots(&self, of: &[(VolumeId, SnapshotId)]) -> Result<(), BackingError> {
        let volumes: Vec<_> = of.iter().map(|(volume, _)| volume).collect();
        let settled = self.settling(&volumes)?;
        self.images.take_snapshots(of, settled)
    }

    fn delete_snapshot(&self, snapshot: &SnapshotId) -> Result<(), BackingError> {
        self.images.delete_snapshot(snapshot)
    }

    fn blocks(&self, range: &BlockRange) -> Result<Vec<Block>, BackingError> {
        let image = self.taken(&range.snapshot)?;
        match &range.base {
            None => blocks::written(&image, range.from, range.most),
            Some(base) => {
                let base = self.taken(base)?;
                blocks::changed(&base, &image, range.from, range.most)
            }
        }
    }

    fn add_instance(
        &self,
        instance: &InstanceId,
        root: &VolumeId,
    ) -> Result<InstanceDirs, BackingError> {
        let _devices = self.lock();
        let layout = self.layout(instance);
        layout.create()?;
        if layout.slot_of(root)?.is_none() {
            layout.show(root, None)?;
        }
        Ok(layout.dirs())
    }

    fn remove_instance(&self, instance: &InstanceId) -> Result<(), BackingError> {
        let _devices = self.lock();
        self.remove(&self.layout(instance))
    }

    fn attach(&self, volume: &VolumeId, instance: &InstanceId) -> Result<(), BackingError> {
        let _devices = self.lock();
        let layout = self.layout(instance);
        if !layout.exists() {
            return Err(BackingError::NoInstance(instance.clone()));
        }
        let device = self.obtain(volume)?;
        self.show(volume, &layout, &device)
    }

    fn detach(
        &self,
        volume: &VolumeId,
        instance: &InstanceId,
        how: DetachMode,
    ) -> Result<Detach, BackingError> {
        let _devices = self.lock();
        let layout = self.layout(instance);
        if !layout.exists() || layout.slot_of(volume)?.is_none() {
            return Ok(Detach::Released);
        }
        let mut claim = None;
        if how == DetachMode::IfUnused
            && let Some(device) = self.device_of(volume)?
        {
            claim = self.loops.claim(&device)?;
            if claim.is_none() {
                return Ok(Detach::Busy);
            }
        }
        self.take_away(volume, &layout, claim)?;
        Ok(Detach::Released)
    }

    fn reconcile(&self, wanted: &Inventory) -> Result<(), BackingError> {
        let _devices = self.lock();
        reconcile::reconcile(self, wanted)
    }

    fn release_all(&self) -> Vec<StillUsed> {
        let _devices = self.lock();
        reconcile::release_all(self)
    }
}

#[cfg(test)]
mod tests;
