//! What is wanted, what the sidecars know, and the laws.

use std::sync::Arc;
use std::time::Duration;

use ebs_types::{
    InstanceId, ModificationState, SnapshotId, SnapshotState, VolumeId, VolumeState, keys,
};
use ec2::{Snapshot, Volume};

use super::super::ControllerService;
use super::super::testing::{FakeEc2, service};
use super::sidecars::Call;
use super::{CLAIMS, CLASSES, NODES, Wish};

/// The size of every claim at first, in GiB.
const SIZE: i64 = 10;

/// Two nodes in one zone, and an EC2 that shows what is new after `lag`.
pub(super) fn prepare(fake: &FakeEc2, lag: Duration) {
    let mut state = fake.state();
    state.lag = lag;
    let [first, second] = NODES.map(|id| id.parse::<InstanceId>().unwrap());
    let mut instance = state.instances[&first].clone();
    instance.id = second.clone();
    state.instances.insert(second, instance);
}

/// What a claim's volume is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Nothing,
    /// The volume of the claim of this number.
    Volume(usize, String),
    /// The snapshot of the claim of this number.
    Snapshot(usize, String),
}

impl Origin {
    fn is_that_of(&self, volume: &Volume) -> bool {
        let copied = volume.copy_of.as_ref().map(VolumeId::as_str);
        let restored = volume.snapshot.as_ref().map(SnapshotId::as_str);
        match self {
            Self::Nothing => copied.is_none() && restored.is_none(),
            Self::Volume(_, id) => copied == Some(id),
            Self::Snapshot(_, id) => restored == Some(id),
        }
    }
}

/// Whether a class was applied to a volume.
pub(super) fn has_class(volume: &Volume, class: usize) -> bool {
    let (volume_type, iops, tag) = CLASSES[class];
    let tagged = volume.tags.get("class").map(String::as_str) == Some(tag);
    let iops = iops.parse().ok();
    tagged && volume.volume_type.as_str() == volume_type && volume.iops == iops
}

/// A claim as the user wants it and as the sidecars know it.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) name: String,
    pub(super) wanted: bool,
    pub(super) origin: Origin,
    /// The volume, once a creation has succeeded.
    pub(super) volume: Option<String>,
    /// Whether a creation may still come to something: external-provisioner goes on with it though nobody wants it any more.
    pub(super) in_background: bool,
    /// Whether its deletion has begun, from which there is no way back.
    pub(super) is_deleting: bool,
    pub(super) node_wanted: Option<usize>,
    /// The node of the VolumeAttachment, which is there until a detach has succeeded.
    pub(super) node: Option<usize>,
    pub(super) is_attached: bool,
    /// Whether that is on its way out, from which there is no way back either.
    pub(super) is_detaching: bool,
    /// The size that its volume is made with.
    pub(super) size_made: i64,
    pub(super) size_wanted: i64,
    pub(super) size: i64,
    /// The class that the user wants, and the one that was applied last; `None` for none.
    pub(super) class_wanted: Option<usize>,
    pub(super) class: Option<usize>,
    /// The class that is being applied: external-resizer keeps to it until it is told that it cannot be had.
    pub(super) class_begun: Option<usize>,
    pub(super) snapshot_wanted: bool,
    pub(super) snapshot: Option<String>,
    /// The same of a snapshot, with external-snapshotter.
    pub(super) snapshot_in_background: bool,
}

impl Claim {
    fn new(name: String) -> Self {
        Self {
            name,
            wanted: false,
            origin: Origin::Nothing,
            volume: None,
            in_background: false,
            is_deleting: false,
            node_wanted: None,
            node: None,
            is_attached: false,
            is_detaching: false,
            size_made: SIZE,
            size_wanted: SIZE,
            size: SIZE,
            class_wanted: None,
            class: None,
            class_begun: None,
            snapshot_wanted: false,
            snapshot: None,
            snapshot_in_background: false,
        }
    }

    pub(super) fn wish(&mut self, wish: Wish) {
        let is_there = self.volume.is_some() && self.wanted && !self.is_deleting;
        match wish {
            Wish::Claim if self.is_nothing() => self.is_of(Origin::Nothing, SIZE),
            Wish::Claim => self.wanted = true,
            Wish::Unclaim => {
                self.wanted = false;
                self.node_wanted = None;
            }
            Wish::Node(node) if self.wanted => self.node_wanted = Some(node),
            Wish::NoNode => self.node_wanted = None,
            Wish::Grow if is_there => self.size_wanted = self.size + SIZE,
            Wish::Class(class) if is_there => self.class_wanted = Some(class),
            Wish::Snapshot if is_there => self.snapshot_wanted = true,
            Wish::NoSnapshot => self.snapshot_wanted = false,
            Wish::Node(_) | Wish::Grow | Wish::Class(_) | Wish::Snapshot => {}
            // Those that take another claim, too.
            Wish::Clone(_) | Wish::Restore(_) => {}
        }
    }

    /// Whether nothing is there of it, and nothing can come of it: it can be another one.
    fn is_nothing(&self) -> bool {
        !self.wanted && !self.in_background && self.volume.is_none()
    }

    /// From now on a claim for a volume of at least this size that is made of this.
    fn is_of(&mut self, origin: Origin, size: i64) {
        self.wanted = true;
        self.origin = origin;
        self.size_made = size;
        self.size = size;
        self.size_wanted = size;
    }

    /// Whether its volume is still to be made.
    pub(super) fn is_pending(&self) -> bool {
        (self.wanted || self.in_background) && self.volume.is_none()
    }

    /// The name of its volume: another one for a claim of something else, as each of Kubernetes' claims has one of its own.
    pub(super) fn volume_name(&self) -> String {
        let (name, size) = (&self.name, self.size_made);
        match &self.origin {
            Origin::Nothing => name.clone(),
            Origin::Volume(_, id) | Origin::Snapshot(_, id) => format!("{name}-{size}-of-{id}"),
        }
    }

    /// Nobody wants anything of it any more.
    pub(super) fn give_up(&mut self) {
        self.wish(Wish::Unclaim);
        self.wish(Wish::NoSnapshot);
    }

    /// A claim that is gone is a new one under the same name: the hardest for whoever remembers the old one.
    pub(super) fn forget_volume(&mut self) {
        self.volume = None;
        self.is_deleting = false;
        self.origin = Origin::Nothing;
        self.size = SIZE;
        self.size_wanted = SIZE;
        self.size_made = SIZE;
        self.class_wanted = None;
        self.class = None;
        self.class_begun = None;
        // Of what is gone no snapshot can be taken any more.
        self.snapshot_wanted &= self.snapshot.is_some();
    }

    pub(super) fn snapshot_name(&self) -> String {
        format!("snapshot-{}", self.name)
    }
}

/// EC2, the driver and the sidecars.
pub(super) struct World {
    pub(super) fake: Arc<FakeEc2>,
    pub(super) process: ControllerService,
    pub(super) claims: Vec<Claim>,
}

impl World {
    pub(super) fn new(fake: Arc<FakeEc2>) -> Self {
        Self {
            process: service(&fake),
            fake,
            claims: (0..CLAIMS)
                .map(|number| Claim::new(format!("pvc-{number}")))
                .collect(),
        }
    }

    /// A user's wish.
    pub(super) fn wish(&mut self, number: usize, wish: Wish) {
        let origin = match wish {
            Wish::Clone(of) => self.volume_of(of),
            Wish::Restore(of) => self.snapshot_of(of),
            // What is being copied stays as large as it is, or the copy could be too small for it.
            Wish::Grow if self.is_being_copied(number) => None,
            wish => {
                self.claims[number].wish(wish);
                None
            }
        };
        if let Some((origin, size)) = origin
            && self.claims[number].is_nothing()
        {
            self.claims[number].is_of(origin, size);
        }
    }

    /// The volume of a claim as another one's origin, and the size that this one has to have.
    fn volume_of(&self, number: usize) -> Option<(Origin, i64)> {
        let of = &self.claims[number];
        let volume = of.volume.as_ref().filter(|_| of.wanted && !of.is_deleting);
        Some((Origin::Volume(number, volume?.clone()), of.size_wanted))
    }

    fn snapshot_of(&self, number: usize) -> Option<(Origin, i64)> {
        let of = &self.claims[number];
        let id = of.snapshot.as_ref().filter(|_| of.snapshot_wanted)?;
        let state = self.fake.state();
        let size = state.snapshots.get(&id.parse().ok()?)?.size;
        Some((Origin::Snapshot(number, id.clone()), size.0.into()))
    }

    /// Whether a volume is still to be made of this claim's: external-provisioner keeps that one until then.
    pub(super) fn is_being_copied(&self, number: usize) -> bool {
        let of = |claim: &Claim| matches!(claim.origin, Origin::Volume(of, _) if of == number);
        self.claims
            .iter()
            .any(|claim| claim.is_pending() && of(claim))
    }

    /// The same of this claim's snapshot, which external-snapshotter keeps.
    pub(super) fn is_being_restored(&self, number: usize) -> bool {
        let of = |claim: &Claim| matches!(claim.origin, Origin::Snapshot(of, _) if of == number);
        self.claims
            .iter()
            .any(|claim| claim.is_pending() && of(claim))
    }

    /// What EC2 finishes by itself: snapshots and modifications.
    pub(super) fn completed(&self) {
        let mut state = self.fake.state();
        state.settle();
        for snapshot in state.snapshots.values_mut() {
            snapshot.state = SnapshotState::Completed;
        }
        for modification in state.modifications.values_mut() {
            if modification.state == ModificationState::Optimizing {
                modification.state = ModificationState::Completed;
            }
        }
    }

    /// What each sidecar would ask for next.
    pub(super) fn calls(&self) -> Vec<(usize, Call)> {
        let due = |number| {
            Call::due(self, number)
                .into_iter()
                .map(move |call| (number, call))
        };
        (0..self.claims.len()).flat_map(due).collect()
    }

    /// Volumes of a name that can be used, or will be.
    pub(super) fn volumes(&self, name: &str) -> Vec<Volume> {
        let state = self.fake.state();
        let volumes = state.volumes.values();
        let own =
            |volume: &&Volume| volume.name() == Some(name) && volume.state != VolumeState::Error;
        volumes.filter(own).cloned().collect()
    }

    pub(super) fn snapshots(&self, name: &str) -> Vec<Snapshot> {
        let state = self.fake.state();
        let snapshots = state.snapshots.values();
        let own = |snapshot: &&Snapshot| {
            snapshot.tags.get(keys::SNAPSHOT_NAME).map(String::as_str) == Some(name)
        };
        snapshots.filter(own).cloned().collect()
    }

    /// What must hold at any moment.
    pub(super) fn laws_hold(&self) {
        for claim in &self.claims {
            let volumes = self.volumes(&claim.volume_name());
            assert!(volumes.len() <= 1, "doubled: {volumes:?}");
            if let (Some(id), false) = (&claim.volume, claim.is_deleting) {
                assert!(
                    volumes.iter().any(|volume| volume.id.as_str() == id),
                    "{id} of {} is lost: {volumes:?}",
                    claim.name
                );
            }
            for volume in volumes {
                assert!(volume.attachments.len() <= 1, "attached twice: {volume:?}");
            }
        }
    }

    pub(super) fn all_is_as_wanted(&self) {
        self.laws_hold();
        for claim in &self.claims {
            let volumes = self.volumes(&claim.volume_name());
            assert_eq!(
                volumes.len(),
                usize::from(claim.wanted),
                "{claim:?}: {volumes:?}"
            );
            for volume in &volumes {
                let nodes: Vec<_> = volume
                    .attachments
                    .iter()
                    .map(|a| a.instance.as_str())
                    .collect();
                let wanted: Vec<_> = claim.node_wanted.iter().map(|node| NODES[*node]).collect();
                assert_eq!(nodes, wanted, "{claim:?}: {volume:?}");
                assert_eq!(i64::from(volume.size.0), claim.size_wanted, "{claim:?}");
                assert!(claim.origin.is_that_of(volume), "{claim:?}: {volume:?}");
                let class = claim.class_wanted;
                assert!(
                    class.is_none_or(|class| has_class(volume, class)),
                    "{claim:?}: {volume:?}"
                );
            }
            let snapshots = self.snapshots(&claim.snapshot_name());
            assert_eq!(
                snapshots.len(),
                usize::from(claim.snapshot_wanted),
                "{claim:?}: {snapshots:?}"
            );
        }
    }

    /// Every volume that can be used is gone, and every snapshot, whatever its name.
    pub(super) fn nothing_is_left(&self) {
        let state = self.fake.state();
        let usable = |volume: &&Volume| volume.state != VolumeState::Error;
        let volumes: Vec<_> = state.volumes.values().filter(usable).collect();
        assert!(volumes.is_empty(), "left behind: {volumes:?}");
        assert!(
            state.snapshots.is_empty(),
            "left behind: {:?}",
            state.snapshots
        );
    }
}
