//! What one CreateSnapshots call has made, told from what another one has made under the same name.

use std::collections::BTreeSet;

use ebs_types::{SnapshotState, VolumeId, keys};
use ec2::Snapshot;

/// The snapshots of one call.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// Never none; the oldest first.
    pub(super) members: Vec<Snapshot>,
    /// Of how many volumes the call was to make them.
    size: usize,
}

/// The cuts that these snapshots of one group are from, in the order of their first ones. What no driver has made is left out: somebody
/// may have copied a member with its tags.
pub(super) fn of(snapshots: Vec<Snapshot>) -> Vec<Cut> {
    let mut cuts: Vec<Cut> = Vec::new();
    let made = |s: &Snapshot| s.volume.is_some() && tag(s, keys::CLUSTER_MARK) == Some("true");
    for snapshot in snapshots.into_iter().filter(made) {
        let same = |cut: &&mut Cut| cut.id() == tag(&snapshot, keys::GROUP_SNAPSHOT_CUT);
        match cuts.iter_mut().find(same) {
            Some(cut) => cut.members.push(snapshot),
            None => cuts.push(Cut::new(snapshot)),
        }
    }
    cuts
}

fn tag<'a>(snapshot: &'a Snapshot, key: &str) -> Option<&'a str> {
    snapshot.tags.get(key).map(String::as_str)
}

impl Cut {
    fn new(first: Snapshot) -> Self {
        let size = tag(&first, keys::GROUP_SNAPSHOT_SIZE).and_then(|size| size.parse().ok());
        Self {
            // Without the tag, which somebody has taken away, nothing is known to be missing.
            size: size.unwrap_or(1),
            members: vec![first],
        }
    }

    fn id(&self) -> Option<&str> {
        tag(self.members.first()?, keys::GROUP_SNAPSHOT_CUT)
    }

    /// The volumes that it shows.
    pub(super) fn volumes(&self) -> BTreeSet<&VolumeId> {
        let volumes = self.members.iter().map(|member| member.volume.as_ref());
        volumes.flatten().collect()
    }

    /// Whether all of its members are there.
    pub(super) fn is_complete(&self) -> bool {
        self.volumes().len() >= self.size
    }

    /// Whether it may be that of these volumes: some may not be shown yet or be gone, or, of a volume that was attached while it was made,
    /// be too many.
    pub(super) fn is_of(&self, wanted: &BTreeSet<&VolumeId>) -> bool {
        let shown = self.volumes();
        self.size == wanted.len() && (shown.is_subset(wanted) || shown.is_superset(wanted))
    }

    /// Whether it shows all of these volumes.
    pub(super) fn covers(&self, wanted: &BTreeSet<&VolumeId>) -> bool {
        self.volumes().is_superset(wanted)
    }

    /// Takes out the members that are of other volumes.
    pub(super) fn take_strays(&mut self, wanted: &BTreeSet<&VolumeId>) -> Vec<Snapshot> {
        let stray = |member: &mut Snapshot| {
            let volume = member.volume.as_ref();
            volume.is_none_or(|volume| !wanted.contains(volume))
        };
        self.members.extract_if(.., stray).collect()
    }

    /// A member that EC2 has given up.
    pub(super) fn failed(&self) -> Option<&Snapshot> {
        let mut members = self.members.iter();
        members.find(|member| member.state == SnapshotState::Error)
    }

    /// The members' ids, for people.
    pub(super) fn words(&self) -> String {
        let ids: Vec<_> = self.members.iter().map(|m| m.id.as_str()).collect();
        ids.join(", ")
    }
}
