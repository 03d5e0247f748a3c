//! Which device name an attachment gets: one name serves one volume of an instance.
//!
//! Answers for: names in use as far as this process knows, seeded from EC2 when it first meets an instance and corrected when EC2
//! says that a name is taken. Doesn't answer for: the device's name on the node, which is another one on Nitro instances.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ebs_types::{DeviceName, InstanceId, VolumeId};
use ec2::{Cloud, Instance};
use tokio::time::Instant;

use super::error::Error;

/// How long EC2 may take to show an attachment in an instance's description.
const ON_ITS_WAY: Duration = Duration::from_secs(120);

/// The names in use on the instances that this process attaches to.
#[derive(Debug, Default)]
pub(super) struct DeviceNames {
    instances: Mutex<HashMap<InstanceId, Names>>,
}

/// The names in use on one instance.
#[derive(Debug, Default)]
struct Names {
    by_name: HashMap<DeviceName, Holder>,
}

/// Who has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holder {
    /// A volume that this process attaches, or that EC2 showed.
    Volume(Reservation),
    /// Somebody: EC2 refused the name.
    Somebody,
}

/// A volume's name on an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reservation {
    /// The volume.
    volume: VolumeId,
    /// Its name.
    pub(super) device: DeviceName,
    /// Since when this process knows of the attachment: what is stuck is counted from here, over all tries.
    pub(super) since: Instant,
}

impl DeviceNames {
    /// The name for this volume on this instance: the one it has, or a free one.
    ///
    /// # Errors
    /// [`Error::Ec2`], [`Error::InstanceGone`] and [`Error::NoDeviceName`].
    pub(super) async fn reserve(
        &self,
        cloud: &Cloud,
        instance: &InstanceId,
        volume: &VolumeId,
    ) -> Result<Reservation, Error> {
        if let Some(found) = self
            .lock()
            .get_mut(instance)
            .and_then(|names| names.reserve(volume))
        {
            return Ok(found);
        }
        // Never met, or full as far as is known: EC2 knows better.
        let described = cloud.instance(instance).await?;
        if described.state.is_gone() {
            self.lock().remove(instance);
            return Err(Error::InstanceGone {
                instance: instance.clone(),
                state: described.state,
            });
        }
        let mut instances = self.lock();
        let names = instances.entry(instance.clone()).or_default();
        names.learn(&described);
        names.reserve(volume).ok_or_else(|| Error::NoDeviceName {
            instance: instance.clone(),
        })
    }

    /// EC2 says that somebody else has this name.
    pub(super) fn taken(&self, instance: &InstanceId, device: &DeviceName) {
        if let Some(names) = self.lock().get_mut(instance) {
            names.by_name.insert(device.clone(), Holder::Somebody);
        }
    }

    /// The volume is not attached to this instance. An instance without volumes is forgotten.
    pub(super) fn release(&self, instance: &InstanceId, volume: &VolumeId) {
        let mut instances = self.lock();
        if let Some(names) = instances.get_mut(instance) {
            names.by_name.retain(|_, holder| !holder.is(volume));
            if names.volumes() == 0 {
                instances.remove(instance);
            }
        }
    }

    /// The map is whole after every statement, so a panic elsewhere while it was locked does not matter.
    fn lock(&self) -> MutexGuard<'_, HashMap<InstanceId, Names>> {
        self.instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holder {
    fn is(&self, volume: &VolumeId) -> bool {
        match self {
            Self::Volume(reservation) => reservation.volume == *volume,
            Self::Somebody => false,
        }
    }
}

impl Names {
    fn volumes(&self) -> usize {
        let held = |holder: &&Holder| matches!(holder, Holder::Volume(_));
        self.by_name.values().filter(held).count()
    }

    fn reserve(&mut self, volume: &VolumeId) -> Option<Reservation> {
        let held = self.by_name.values().find_map(|holder| match holder {
            Holder::Volume(reservation) if reservation.volume == *volume => Some(reservation),
            _ => None,
        });
        if let Some(held) = held {
            return Some(held.clone());
        }
        let device = DeviceName::candidates().find(|device| !self.by_name.contains_key(device))?;
        Some(self.hold(device, volume))
    }

    fn hold(&mut self, device: DeviceName, volume: &VolumeId) -> Reservation {
        let reservation = Reservation {
            volume: volume.clone(),
            device: device.clone(),
            since: Instant::now(),
        };
        self.by_name
            .insert(device, Holder::Volume(reservation.clone()));
        reservation
    }

    /// Takes over what EC2 shows. A volume that it does not show keeps its name while it may be on its way; refusals are forgotten,
    /// since a description tells better who has a name.
    fn learn(&mut self, instance: &Instance) {
        let shown: HashSet<&VolumeId> = instance.block_devices.iter().map(|d| &d.volume).collect();
        self.by_name.retain(|_, holder| match holder {
            Holder::Volume(held) => {
                shown.contains(&held.volume) || held.since.elapsed() < ON_ITS_WAY
            }
            Holder::Somebody => false,
        });
        for shown in &instance.block_devices {
            // Names of another form, such as the root's, are none that this driver hands out.
            if let Ok(device) = shown.name.parse::<DeviceName>()
                && !self
                    .by_name
                    .get(&device)
                    .is_some_and(|holder| holder.is(&shown.volume))
            {
                self.hold(device, &shown.volume);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(n: usize) -> VolumeId {
        format!("vol-{n:08x}").parse().unwrap()
    }

    #[test]
    fn a_volume_keeps_its_name_and_others_get_others() {
        let mut names = Names::default();
        let first = names.reserve(&volume(1)).unwrap();
        assert_eq!(names.reserve(&volume(1)).unwrap(), first);
        assert_ne!(names.reserve(&volume(2)).unwrap().device, first.device);
    }

    #[test]
    fn a_name_that_ec2_refuses_is_not_offered_again() {
        let all = DeviceNames::default();
        let instance: InstanceId = "i-12345678".parse().unwrap();
        let first = all
            .lock()
            .entry(instance.clone())
            .or_default()
            .reserve(&volume(1))
            .unwrap();
        all.taken(&instance, &first.device);
        let second = all
            .lock()
            .get_mut(&instance)
            .unwrap()
            .reserve(&volume(1))
            .unwrap();
        assert_ne!(first.device, second.device);
    }

    #[test]
    fn an_instance_runs_out_of_names_and_gets_them_back() {
        let all = DeviceNames::default();
        let instance: InstanceId = "i-12345678".parse().unwrap();
        for n in 0..127 {
            all.lock()
                .entry(instance.clone())
                .or_default()
                .reserve(&volume(n))
                .unwrap();
        }
        assert!(
            all.lock()
                .get_mut(&instance)
                .unwrap()
                .reserve(&volume(127))
                .is_none()
        );
        all.release(&instance, &volume(5));
        assert!(
            all.lock()
                .get_mut(&instance)
                .unwrap()
                .reserve(&volume(127))
                .is_some()
        );
        for n in 0..=127 {
            all.release(&instance, &volume(n));
        }
        assert!(all.lock().is_empty());
    }
}
