//! What is wanted, what the sidecars know, and the laws.

use std::sync::Arc;
use std::time::Duration;

use ebs_types::{InstanceId, ModificationState, SnapshotState, VolumeState, keys};
use ec2::{Snapshot, Volume};

use super::super::ControllerService;
use super::super::testing::{FakeEc2, service};
use super::sidecars::Call;
use super::{CLAIMS, NODES, Wish};

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

/// A claim as the user wants it and as the sidecars know it.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) name: String,
    pub(super) wanted: bool,
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
    pub(super) size_wanted: i64,
    pub(super) size: i64,
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
            volume: None,
            in_background: false,
            is_deleting: false,
            node_wanted: None,
            node: None,
            is_attached: false,
            is_detaching: false,
            size_wanted: SIZE,
            size: SIZE,
            snapshot_wanted: false,
            snapshot: None,
            snapshot_in_background: false,
        }
    }

    pub(super) fn wish(&mut self, wish: Wish) {
        let is_there = self.volume.is_some() && self.wanted && !self.is_deleting;
        match wish {
            Wish::Claim => self.wanted = true,
            Wish::Unclaim => {
                self.wanted = false;
                self.node_wanted = None;
            }
            Wish::Node(node) if self.wanted => self.node_wanted = Some(node),
            Wish::NoNode => self.node_wanted = None,
            Wish::Grow if is_there => self.size_wanted = self.size + SIZE,
            Wish::Snapshot if is_there => self.snapshot_wanted = true,
            Wish::NoSnapshot => self.snapshot_wanted = false,
            Wish::Node(_) | Wish::Grow | Wish::Snapshot => {}
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
        self.size = SIZE;
        self.size_wanted = SIZE;
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
        let claims = self.claims.iter().enumerate();
        claims
            .flat_map(|(number, claim)| {
                Call::due(claim).into_iter().map(move |call| (number, call))
            })
            .collect()
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
            let volumes = self.volumes(&claim.name);
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
            let volumes = self.volumes(&claim.name);
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
