//! What will happen by itself, and when.

use std::collections::BTreeSet;

use ebs_types::{InstanceId, Region, SnapshotId, VolumeId};
use serde::{Deserialize, Serialize};

use crate::model::{CreateFailure, Timestamp};

/// Something that happens by itself. Events name what they are about; where that is gone, or has moved on, they do nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Event {
    VolumeReady(VolumeId),
    CopyInitialized(VolumeId),
    VolumeFails(VolumeId, CreateFailure),
    VolumeGone(VolumeId),
    AttachDue(Link),
    DetachDue { link: Link, force: bool },
    ModificationUsable(VolumeId),
    ModificationDone(VolumeId),
    SnapshotDone(SnapshotId),
    SnapshotFails(SnapshotId, CreateFailure),
    InstanceRunning(InstanceId),
    InstanceStopped(InstanceId),
    InstanceTerminated(InstanceId),
    InstanceForgotten(InstanceId),
}

/// One attachment, told from later ones of the same two by its serial.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) volume: VolumeId,
    pub(crate) instance: InstanceId,
    pub(crate) serial: u64,
}

/// Events in the order of their time; equal times in the order of their coming.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Agenda {
    count: u64,
    entries: BTreeSet<(Timestamp, u64, Region, Event)>,
}

impl Agenda {
    /// Adds an event.
    pub(crate) fn put(&mut self, at: Timestamp, region: &Region, event: Event) {
        self.count += 1;
        self.entries.insert((at, self.count, region.clone(), event));
    }

    /// When the first event is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.entries.first().map(|entry| entry.0)
    }

    /// Takes the first event off if it is due by `now`.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<(Timestamp, Region, Event)> {
        if self.next()? > now {
            return None;
        }
        let (at, _count, region, event) = self.entries.pop_first()?;
        Some((at, region, event))
    }
}
