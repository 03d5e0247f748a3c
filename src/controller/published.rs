//! Where ControllerPublishVolume succeeded, whether for readers alone, and how the volume's handle was written then.
//!
//! external-attacher compares handles letter by letter: a volume that ListVolumes shows under its id, while its PV says
//! `aws://zone/vol-…`, counts as detached and is attached anew every minute. EC2 knows ids only, so the other ways to write them are
//! remembered here. A process that has just started does not know them: then external-attacher publishes such a volume once more, which
//! finds it attached and tells how it is written.
//!
//! EC2's attachments have no mode, so that whether one was published read-only is remembered here as well. That is for the answer to a request that
//! contradicts an earlier one; what counts is what the node mounts, which looks at its mounts. A process that has just started believes the
//! first request.
//!
//! Doesn't answer for: whether a volume is attached (EC2), except for node-local ones, of which EC2 knows nothing.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ebs_types::{InstanceId, VolumeHandle, VolumeId};

/// What ControllerPublishVolume has seen and ControllerUnpublishVolume has not undone.
#[derive(Debug, Default)]
pub(super) struct Published {
    volumes: Mutex<BTreeMap<VolumeHandle, Publication>>,
}

/// One volume. There may be a hundred thousand, so nothing is kept that most of them don't need.
#[derive(Debug, Default)]
struct Publication {
    /// Its handle as the last request wrote it, where that is not as the driver writes it.
    written: Option<Box<str>>,
    /// Where it is; nearly always one place.
    places: Vec<Place>,
}

/// A node that has the volume.
#[derive(Debug)]
struct Place {
    node: InstanceId,
    read_only: bool,
}

/// What is known of one volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Its handle as the last request wrote it.
    pub(super) handle: String,
    /// Where to, in order.
    pub(super) nodes: Vec<String>,
}

impl Published {
    /// The volume was published to `node`, to be written there or not.
    pub(super) fn note(
        &self,
        volume: VolumeHandle,
        written: &str,
        node: &InstanceId,
        read_only: bool,
    ) {
        let usual = volume.to_string() == written;
        let mut volumes = self.lock();
        let publication = volumes.entry(volume).or_default();
        publication.written = (!usual).then(|| written.into());
        publication.note(node, read_only);
    }

    /// Whether the volume was published to `node` for readers alone; `None` where this process did not publish it there.
    pub(super) fn is_read_only(&self, volume: &VolumeHandle, node: &InstanceId) -> Option<bool> {
        let volumes = self.lock();
        let places = &volumes.get(volume)?.places;
        let there = places.iter().find(|place| place.node == *node)?;
        Some(there.read_only)
    }

    /// The volume was unpublished from `node`, or from all nodes.
    pub(super) fn forget(&self, volume: &VolumeHandle, node: Option<&InstanceId>) {
        let mut volumes = self.lock();
        let Some(publication) = volumes.get_mut(volume) else {
            return;
        };
        let places = &mut publication.places;
        places.retain(|place| node.is_some_and(|node| place.node != *node));
        if places.is_empty() {
            volumes.remove(volume);
        }
    }

    /// The handle under which this volume is known to whoever published it; its id where nobody did.
    pub(super) fn handle(&self, volume: &VolumeId) -> String {
        match self.get(&VolumeHandle::Ebs(volume.clone())) {
            Some(known) => known.handle,
            None => volume.to_string(),
        }
    }

    /// What is known of this volume.
    pub(super) fn get(&self, volume: &VolumeHandle) -> Option<Known> {
        self.lock().get(volume).map(|found| found.known(volume))
    }

    /// Up to `max` of the volumes that are `wanted`, in their order, after `last`.
    pub(super) fn after(
        &self,
        last: Option<&VolumeHandle>,
        max: usize,
        wanted: impl Fn(&VolumeHandle) -> bool,
    ) -> Vec<(VolumeHandle, Known)> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let volumes = self.lock();
        let found = volumes
            .range((from, Bound::Unbounded))
            .filter(|(volume, _)| wanted(volume))
            .take(max);
        found.map(|(v, p)| (v.clone(), p.known(v))).collect()
    }

    /// The map is whole after every statement, so a panic elsewhere while it was locked does not matter.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<VolumeHandle, Publication>> {
        self.volumes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Publication {
    fn note(&mut self, node: &InstanceId, read_only: bool) {
        match self.places.iter_mut().find(|place| place.node == *node) {
            Some(place) => place.read_only = read_only,
            None => {
                self.places.reserve_exact(1);
                self.places.push(Place {
                    node: node.clone(),
                    read_only,
                });
            }
        }
    }

    fn known(&self, volume: &VolumeHandle) -> Known {
        let written = self.written.as_deref();
        let nodes = self.places.iter().map(|place| place.node.to_string());
        let mut nodes: Vec<String> = nodes.collect();
        nodes.sort();
        Known {
            handle: written.map_or_else(|| volume.to_string(), str::to_owned),
            nodes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u8) -> InstanceId {
        format!("i-{number:08x}").parse().unwrap()
    }

    #[test]
    fn the_last_way_to_write_a_handle_counts_until_the_last_node_lets_go() {
        let published = Published::default();
        let id: VolumeId = "vol-0000000a".parse().unwrap();
        let volume = VolumeHandle::Ebs(id.clone());
        assert_eq!(published.handle(&id), "vol-0000000a");
        published.note(volume.clone(), "vol-0000000a", &node(1), false);
        published.note(volume.clone(), "aws://z/vol-0000000a", &node(2), true);
        let modes = [1, 2, 3].map(|number| published.is_read_only(&volume, &node(number)));
        assert_eq!(modes, [Some(false), Some(true), None]);
        published.forget(&volume, Some(&node(2)));
        assert_eq!(published.handle(&id), "aws://z/vol-0000000a");
        published.forget(&volume, Some(&node(3)));
        published.forget(&volume, Some(&node(1)));
        assert_eq!(published.handle(&id), "vol-0000000a");
        assert_eq!(published.get(&volume), None);
    }

    #[test]
    fn what_is_remembered_is_given_out_in_order_and_in_parts() {
        let published = Published::default();
        let handles = ["local-ebs://dev/xvdba", "vol-0000000a", "vol-0000000b"];
        for handle in handles {
            published.note(handle.parse().unwrap(), handle, &node(1), false);
        }
        let ebs = |volume: &VolumeHandle| volume.id().is_some();
        let names = |found: Vec<(VolumeHandle, Known)>| {
            found
                .into_iter()
                .map(|(_, known)| known.handle)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(published.after(None, 9, ebs)), handles[1..]);
        assert_eq!(names(published.after(None, 1, ebs)), handles[1..2]);
        let first = handles[1].parse().unwrap();
        assert_eq!(names(published.after(Some(&first), 9, ebs)), handles[2..]);
        let local = |volume: &VolumeHandle| volume.id().is_none();
        assert_eq!(names(published.after(None, 9, local)), handles[..1]);
        published.forget(&first, None);
        assert_eq!(names(published.after(None, 9, ebs)), handles[2..]);
    }
}
