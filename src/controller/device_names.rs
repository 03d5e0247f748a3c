//! What an attachment gets on its instance: a device name, which serves one volume, and an EBS card where there are several.
//!
//! Answers for: names and cards in use as far as this process knows, seeded from EC2 when it first meets an instance and corrected
//! when EC2 says that a name is taken. Doesn't answer for: the device's name on the node, which is another one on Nitro instances.

mod cards;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ebs_types::{DeviceName, InstanceId, VolumeId};
use ec2::{Cloud, Instance};
use tokio::time::Instant;

use self::cards::{CardCounts, Cards};
use super::error::Error;

/// How long EC2 may take to show an attachment in an instance's description.
const ON_ITS_WAY: Duration = Duration::from_secs(120);

/// How long an instance without volumes is remembered. What somebody else attaches meanwhile, EC2's refusal of a name tells.
const IDLE: Duration = Duration::from_mins(10);

/// How long a name is left alone under which an attachment got stuck: the instance may still hold on to it.
const SUSPECT: Duration = Duration::from_hours(1);

/// The names in use on the instances that this process attaches to.
#[derive(Debug, Default)]
pub(super) struct DeviceNames {
    instances: Mutex<HashMap<InstanceId, Names>>,
    card_counts: CardCounts,
}

/// What is in use on one instance.
#[derive(Debug, Default)]
struct Names {
    by_name: HashMap<DeviceName, Holder>,
    cards: Cards,
    /// Since when there is nothing else worth remembering.
    idle_since: Option<Instant>,
}

/// Who has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holder {
    /// A volume that this process attaches, or that EC2 showed.
    Volume(Reservation),
    /// Somebody: EC2 refused the name.
    Somebody,
    /// An attachment that got stuck then.
    Stuck(Instant),
}

/// A volume's place on an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reservation {
    /// The volume.
    volume: VolumeId,
    /// Its name.
    pub(super) device: DeviceName,
    /// Its EBS card; `None` where the instance has one only.
    pub(super) card: Option<u32>,
    /// Since when this process knows of the attachment: what is stuck is counted from here, over all tries.
    pub(super) since: Instant,
    /// Whether EC2 has shown it attached, so that there is nothing to attach unless somebody took it away since.
    pub(super) attached: bool,
}

impl DeviceNames {
    /// The place for this volume on this instance: the one it has, or a free one.
    ///
    /// # Errors
    /// [`Error::Ec2`], [`Error::InstanceGone`] and [`Error::NoDeviceName`].
    pub(super) async fn reserve(
        &self,
        cloud: &Cloud,
        instance: &InstanceId,
        volume: &VolumeId,
    ) -> Result<Reservation, Error> {
        if let Some(found) = self.known(instance, volume) {
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
        let cards = self.card_counts.of(cloud, &described.instance_type).await;
        let mut instances = self.lock();
        instances.retain(|_, names| !names.is_stale());
        let names = instances.entry(instance.clone()).or_default();
        names.learn(&described, cards);
        names.reserve(volume).ok_or_else(|| Error::NoDeviceName {
            instance: instance.clone(),
            used: described.block_devices.len(),
        })
    }

    /// The place on an instance that was met lately.
    fn known(&self, instance: &InstanceId, volume: &VolumeId) -> Option<Reservation> {
        let mut instances = self.lock();
        let names = instances.get_mut(instance)?;
        if names.is_stale() {
            instances.remove(instance);
            return None;
        }
        names.reserve(volume)
    }

    /// EC2 says that somebody else has this name.
    pub(super) fn taken(&self, instance: &InstanceId, device: &DeviceName) {
        if let Some(names) = self.lock().get_mut(instance) {
            names.by_name.insert(device.clone(), Holder::Somebody);
        }
    }

    /// EC2 says that the instance has no room, on the card if one was named. Whether another one may have room: then the volume is to
    /// be given a new place.
    pub(super) fn full(&self, instance: &InstanceId, place: &Reservation) -> bool {
        let mut instances = self.lock();
        match (instances.get_mut(instance), place.card) {
            (Some(names), Some(card)) => {
                names.by_name.remove(&place.device);
                names.cards.fill(card);
                names.cards.has_room()
            }
            _ => false,
        }
    }

    /// EC2 shows the volume attached.
    pub(super) fn attached(&self, instance: &InstanceId, volume: &VolumeId) {
        if let Some(names) = self.lock().get_mut(instance)
            && let Some(held) = names.held(volume)
        {
            held.attached = true;
        }
    }

    /// What this process knew to be attached was taken away, and somebody attaches it again: it counts as on its way from now on.
    pub(super) fn on_its_way(&self, instance: &InstanceId, volume: &VolumeId) {
        if let Some(names) = self.lock().get_mut(instance)
            && let Some(held) = names.held(volume)
        {
            held.attached = false;
            held.since = Instant::now();
        }
    }

    /// The attachment hangs: its name is not offered for a while, and the volume gets another one.
    pub(super) fn stuck(&self, instance: &InstanceId, volume: &VolumeId) {
        if let Some(names) = self.lock().get_mut(instance) {
            let holders = names.by_name.values_mut();
            for holder in holders.filter(|holder| holder.is(volume)) {
                *holder = Holder::Stuck(Instant::now());
            }
        }
    }

    /// The volume is not attached to this instance. An instance without volumes is forgotten after a while.
    pub(super) fn release(&self, instance: &InstanceId, volume: &VolumeId) {
        let mut instances = self.lock();
        if let Some(names) = instances.get_mut(instance) {
            names.by_name.retain(|_, holder| !holder.is(volume));
            names.cards.some_left();
            if names.is_idle() {
                names.idle_since.get_or_insert_with(Instant::now);
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
            Self::Somebody | Self::Stuck(_) => false,
        }
    }

    fn is_suspect(&self) -> bool {
        match self {
            Self::Stuck(since) => since.elapsed() < SUSPECT,
            Self::Volume(_) | Self::Somebody => false,
        }
    }
}

impl Names {
    /// Whether there is nothing here worth remembering.
    fn is_idle(&self) -> bool {
        let kept = |holder: &Holder| matches!(holder, Holder::Volume(_)) || holder.is_suspect();
        !self.by_name.values().any(kept)
    }

    /// Whether nothing has been worth remembering here for a while.
    fn is_stale(&self) -> bool {
        self.idle_since.is_some_and(|since| since.elapsed() >= IDLE)
    }

    fn held(&mut self, volume: &VolumeId) -> Option<&mut Reservation> {
        self.by_name.values_mut().find_map(|holder| match holder {
            Holder::Volume(reservation) if reservation.volume == *volume => Some(reservation),
            _ => None,
        })
    }

    fn reserve(&mut self, volume: &VolumeId) -> Option<Reservation> {
        if let Some(held) = self.held(volume) {
            return Some(held.clone());
        }
        let device = self.free()?;
        let card = self.cards.least_used(self.on_cards());
        Some(self.hold(device, volume, card, false))
    }

    /// A name that nobody has; where there is none, one under which an attachment was once stuck.
    fn free(&self) -> Option<DeviceName> {
        let holder = |device: &DeviceName| self.by_name.get(device);
        DeviceName::candidates()
            .find(|device| holder(device).is_none())
            .or_else(|| {
                DeviceName::candidates()
                    .find(|device| matches!(holder(device), Some(Holder::Stuck(_))))
            })
    }

    /// The cards of the volumes here.
    fn on_cards(&self) -> impl Iterator<Item = u32> {
        self.by_name.values().filter_map(|holder| match holder {
            Holder::Volume(reservation) => reservation.card,
            Holder::Somebody | Holder::Stuck(_) => None,
        })
    }

    fn hold(
        &mut self,
        device: DeviceName,
        volume: &VolumeId,
        card: Option<u32>,
        attached: bool,
    ) -> Reservation {
        let reservation = Reservation {
            volume: volume.clone(),
            device: device.clone(),
            card,
            since: Instant::now(),
            attached,
        };
        self.idle_since = None;
        self.by_name
            .insert(device, Holder::Volume(reservation.clone()));
        reservation
    }

    /// Takes over what EC2 shows. A volume that it does not show keeps its name while it may be on its way; refusals are forgotten,
    /// since a description tells better who has a name.
    fn learn(&mut self, instance: &Instance, cards: u32) {
        let shown: HashSet<&VolumeId> = instance.block_devices.iter().map(|d| &d.volume).collect();
        self.by_name.retain(|_, holder| match holder {
            Holder::Volume(held) => {
                shown.contains(&held.volume) || held.since.elapsed() < ON_ITS_WAY
            }
            Holder::Somebody => false,
            Holder::Stuck(_) => holder.is_suspect(),
        });
        self.cards = Cards::new(cards);
        for shown in &instance.block_devices {
            let card = (cards > 1).then_some(shown.card);
            // The root, which is never detached, and names of a form that this driver does not hand out.
            let device = shown.name.parse::<DeviceName>().ok();
            let Some(device) = device.filter(|name| !name.is_root()) else {
                self.cards.taken_by_other(shown.card);
                continue;
            };
            let holder = self.by_name.get(&device);
            if !holder.is_some_and(|holder| holder.is(&shown.volume)) {
                let attached = shown.state == ebs_types::AttachmentState::Attached;
                self.hold(device, &shown.volume, card, attached);
            }
        }
    }
}

#[cfg(test)]
mod tests;
