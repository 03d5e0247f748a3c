//! What a cluster wants of the driver: volumes for new pods, volumes that move, volumes that go; and whether it got it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ebs_types::{AttachmentState, VolumeState, Zone, keys};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::cloud::Ec2Side;
use super::driver::Rpc;
use super::sidecars::Sidecars;

/// One thing that is wanted.
#[derive(Clone, Debug)]
pub(super) enum Errand {
    /// A pod starts on this node and has a new volume.
    Start {
        name: String,
        zone: Zone,
        node: String,
    },
    /// A pod is moved from one node to another.
    Move {
        volume: String,
        from: String,
        to: String,
    },
    /// A pod and its claim are deleted.
    End { volume: String, node: String },
}

/// An errand, and when it comes up.
pub(super) type Planned = (Duration, Errand);

/// Where a volume is in the end: on this node, or gone.
type End = (String, Option<String>);

impl Errand {
    /// The changing calls that it takes at the least.
    pub(super) fn calls(&self) -> [&'static str; 2] {
        match self {
            Self::Start { .. } => ["CreateVolume", "AttachVolume"],
            Self::Move { .. } => ["DetachVolume", "AttachVolume"],
            Self::End { .. } => ["DetachVolume", "DeleteVolume"],
        }
    }

    async fn run(self, sidecars: &Sidecars) -> End {
        match self {
            Self::Start { name, zone, node } => {
                let volume = sidecars.see_to(Rpc::Create { name, zone }).await.unwrap();
                publish(sidecars, volume, node).await
            }
            Self::Move { volume, from, to } => {
                let node = from;
                let away = Rpc::Unpublish {
                    volume: volume.clone(),
                    node,
                };
                sidecars.see_to(away).await;
                publish(sidecars, volume, to).await
            }
            Self::End { volume, node } => {
                let away = Rpc::Unpublish {
                    volume: volume.clone(),
                    node,
                };
                sidecars.see_to(away).await;
                let gone = Rpc::Delete {
                    volume: volume.clone(),
                };
                sidecars.see_to(gone).await;
                (volume, None)
            }
        }
    }
}

async fn publish(sidecars: &Sidecars, volume: String, node: String) -> End {
    let there = Rpc::Publish {
        volume: volume.clone(),
        node: node.clone(),
    };
    sidecars.see_to(there).await;
    (volume, Some(node))
}

/// Errands under way.
pub(super) struct UnderWay {
    began: Instant,
    all: JoinSet<(Instant, End)>,
    /// How many volumes there will be in the end.
    volumes: usize,
}

impl UnderWay {
    /// Sets out on all of them.
    pub(super) fn begin(cloud: &Ec2Side, sidecars: &Arc<Sidecars>, plan: Vec<Planned>) -> Self {
        let mut volumes = cloud.emulator.volumes().len();
        let mut all = JoinSet::new();
        for (after, errand) in plan {
            match errand {
                Errand::Start { .. } => volumes += 1,
                Errand::Move { .. } => {}
                Errand::End { .. } => volumes -= 1,
            }
            let sidecars = Arc::clone(sidecars);
            all.spawn(async move {
                sleep(after).await;
                let end = errand.run(&sidecars).await;
                (Instant::now(), end)
            });
        }
        Self {
            began: Instant::now(),
            all,
            volumes,
        }
    }

    /// Waits for all of them, sees whether EC2 is as they should have left it, and tells how long they took.
    pub(super) async fn end(mut self, cloud: &Ec2Side) -> Duration {
        let mut ends = BTreeMap::new();
        let mut last = self.began;
        while let Some(done) = self.all.join_next().await {
            let (at, (volume, node)) = done.unwrap();
            last = last.max(at);
            let before = ends.insert(volume, node);
            assert_eq!(before, None, "one volume for two errands");
        }
        // What was deleted is on its way out still.
        sleep(Duration::from_secs(10)).await;
        check(cloud, &ends, self.volumes);
        last - self.began
    }
}

/// Nothing is lost, doubled or elsewhere.
fn check(cloud: &Ec2Side, ends: &BTreeMap<String, Option<String>>, expected: usize) {
    let volumes = cloud.emulator.volumes();
    assert_eq!(volumes.len(), expected, "volumes in EC2");
    let mut names = BTreeMap::new();
    let mut left = ends.clone();
    for volume in volumes {
        let name = volume.tags.get(keys::VOLUME_NAME).unwrap().to_owned();
        let other = names.insert(name, volume.id.clone());
        assert_eq!(other, None, "{} is a double", volume.id);
        let [(node, state)] = volume.attachments.as_slice() else {
            panic!("{volume:?} is not attached once");
        };
        assert_eq!(volume.state, VolumeState::InUse, "{volume:?}");
        assert_eq!(*state, AttachmentState::Attached, "{volume:?}");
        match left.remove(volume.id.as_str()) {
            Some(Some(wanted)) => assert_eq!(node.as_str(), wanted, "{volume:?}"),
            Some(None) => panic!("{volume:?} was to be deleted"),
            None => {}
        }
    }
    let lost = left.into_iter().find(|(_, node)| node.is_some());
    assert_eq!(lost, None, "a volume is lost");
}
