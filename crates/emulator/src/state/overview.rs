//! What the outside needs to know of the state as a whole: the backing after a restart (the state is replayed, the files and
//! devices are as they were left), the metadata services, and the page that shows it.

use ebs_types::{InstanceId, InstanceState, Region, VolumeId};

use super::{RegionState, World};
use crate::backing::{Inventory, Origin, WantedInstance, WantedSnapshot, WantedVolume};
use crate::model::{
    Attachment, Effect, Instance, InstanceDetails, Phase, Progress, Snapshot, Volume,
};

impl World {
    /// All that a backing stands behind.
    pub(crate) fn inventory(&self) -> Inventory {
        let mut inventory = Inventory::default();
        for state in self.regions.values() {
            for volume in state.volumes.values() {
                inventory.volumes.push(WantedVolume {
                    id: volume.id.clone(),
                    size: volume.size,
                    from: origin(volume),
                });
                let present = volume
                    .attachments
                    .iter()
                    .filter(|a| a.phase != Phase::Attaching);
                let pair = |a: &Attachment| (volume.id.clone(), a.instance.clone());
                inventory.attachments.extend(present.map(pair));
            }
            let snapshots = state.snapshots.values().map(|snapshot| WantedSnapshot {
                id: snapshot.id.clone(),
                volume: snapshot.volume.clone(),
            });
            inventory.snapshots.extend(snapshots);
        }
        let instances = self.instances().into_iter().map(|instance| WantedInstance {
            id: instance.id.clone(),
            root: instance.root.clone(),
        });
        inventory.instances.extend(instances);
        inventory
    }

    /// The work that the backing was given and may not have done, because it was cut off; all of it may be done twice.
    pub(crate) fn unfinished(&self) -> Vec<Effect> {
        self.regions
            .values()
            .flat_map(|state| state.volumes.values())
            .flat_map(|volume| links(volume).chain(growth(volume)))
            .collect()
    }

    /// An instance with its region and its zone's id.
    pub(crate) fn locate(&self, id: &InstanceId) -> Option<(Region, InstanceDetails, String)> {
        self.regions.iter().find_map(|(region, state)| {
            let details = state.details(state.instances.get(id)?);
            let zone = &details.instance.zone;
            let known = state.zones.iter().find(|known| &known.name == zone)?;
            Some((region.clone(), details, known.id.clone()))
        })
    }

    /// Every region with its name, whatever is in sight of describes.
    pub(crate) fn regions(&self) -> impl Iterator<Item = (&Region, &RegionState)> {
        self.regions.iter()
    }

    /// The instances of all regions that are not terminated, in the order of their start.
    pub(crate) fn instances(&self) -> Vec<&Instance> {
        let mut all: Vec<&Instance> = self
            .regions
            .values()
            .flat_map(|state| state.instances.values())
            .filter(|instance| instance.state != InstanceState::Terminated)
            .collect();
        all.sort_by_key(|instance| instance.number);
        all
    }
}

impl RegionState {
    /// The snapshots that were taken of a volume, in the order of their ids.
    pub(crate) fn snapshots_of(&self, volume: &VolumeId) -> impl Iterator<Item = &Snapshot> {
        let found = self
            .snapshots
            .found("volume-id", std::iter::once(volume.as_str()));
        found.unwrap_or_default().into_iter()
    }
}

fn origin(volume: &Volume) -> Option<Origin> {
    let snapshot = volume.snapshot.clone().map(Origin::Snapshot);
    snapshot.or_else(|| volume.copy_of.clone().map(Origin::Volume))
}

fn links(volume: &Volume) -> impl Iterator<Item = Effect> {
    volume.attachments.iter().filter_map(|attachment| {
        let (volume, instance) = (volume.id.clone(), attachment.instance.clone());
        match attachment.phase {
            Phase::Connecting => Some(Effect::Attach { volume, instance }),
            Phase::Releasing | Phase::Busy => Some(Effect::Detach {
                volume,
                instance,
                force: false,
            }),
            Phase::Attaching | Phase::Attached | Phase::Detaching => None,
        }
    })
}

fn growth(volume: &Volume) -> Option<Effect> {
    let modification = volume.modification.as_ref()?;
    (modification.progress == Progress::Growing).then(|| Effect::Grow {
        volume: volume.id.clone(),
        size: modification.to.size,
    })
}
