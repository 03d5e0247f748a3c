//! The reference model: what sidecars do with a few claims, whatever happens, against what EC2 has in the end.
//!
//! A sequence is a list of steps. A step changes wishes (claims, empty ones, clones and restored ones, nodes, sizes, classes, snapshots), sets faults, perhaps restarts the driver; then
//! each sidecar makes the next call that it would make, all at once, some of them twice, each cut short at a deadline. After the last
//! step nothing fails any more, and the sidecars go on until they have nothing to do.
//!
//! The laws: no volume or snapshot is doubled, lost or left behind; nothing is attached twice; an answer that a sidecar takes for the end
//! of a creation means that nothing was created; success means that what was asked for is so; every code is one that its RPC may answer.
//!
//! `EBS_CSI_LIVES` says how many sequences are played. What failed is kept, shrunk, in `proptest-regressions/`.

mod model;
mod sidecars;

use std::time::Duration;

use ec2::{Action, ErrorKind};
use proptest::prelude::*;
use tokio::time::{sleep, timeout};

use self::model::{Claim, World};
use super::testing::{FakeEc2, Fault, paused, service};

/// Names of claims.
const CLAIMS: usize = 3;
/// Nodes in the zone of all volumes.
const NODES: [&str; 2] = ["i-0000000a", "i-0000000c"];
/// VolumeAttributesClasses: type, IOPS and the value of a tag.
const CLASSES: [(&str, &str, &str); 2] = [("gp3", "4000", "fast"), ("io2", "5000", "faster")];
/// So many rounds without faults are enough for everything that may be left to do.
const ROUNDS: usize = 30;

/// A change of what a claim is to be.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Claim,
    /// A claim for a copy of another claim's volume.
    Clone(usize),
    /// A claim for what another claim's snapshot holds.
    Restore(usize),
    Unclaim,
    Node(usize),
    NoNode,
    Grow,
    /// Another VolumeAttributesClass.
    Class(usize),
    Snapshot,
    NoSnapshot,
}

#[derive(Clone, Debug)]
struct Step {
    wishes: Vec<(usize, Wish)>,
    faults: Vec<(Action, Fault)>,
    restart: bool,
    twice: bool,
    /// How long a sidecar waits for an answer, in milliseconds.
    deadline: u64,
    /// How long until the next step, in milliseconds.
    pause: u64,
}

fn fault() -> impl Strategy<Value = (Action, Fault)> {
    let refused = prop_oneof![
        2 => Just(ErrorKind::Throttled),
        2 => Just(ErrorKind::Unreachable),
        1 => Just(ErrorKind::Unauthorized),
        1 => Just(ErrorKind::QuotaExceeded),
        1 => Just(ErrorKind::Other),
    ];
    let fault = prop_oneof![
        4 => Just(Fault::LoseReply),
        2 => Just(Fault::Hang),
        3 => refused.prop_map(Fault::Refuse),
    ];
    let any_action = prop_oneof![
        Just(Action::CreateVolume),
        Just(Action::CopyVolumes),
        Just(Action::DeleteVolume),
        Just(Action::AttachVolume),
        Just(Action::DetachVolume),
        Just(Action::ModifyVolume),
        Just(Action::CreateTags),
        Just(Action::CreateSnapshot),
        Just(Action::DeleteSnapshot),
        Just(Action::DescribeVolumes),
        Just(Action::DescribeSnapshots),
        Just(Action::DescribeVolumesModifications),
    ];
    let stuck = prop_oneof![
        Just((Action::CreateVolume, Fault::Stick)),
        Just((Action::CreateVolume, Fault::Vanish)),
        Just((Action::CopyVolumes, Fault::Stick)),
        Just((Action::CopyVolumes, Fault::Vanish)),
        Just((Action::AttachVolume, Fault::Stick)),
        Just((Action::DetachVolume, Fault::Stick)),
    ];
    prop_oneof![5 => (any_action, fault), 1 => stuck]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wish = prop_oneof![
        6 => Just(Wish::Claim),
        2 => (0..CLAIMS).prop_map(Wish::Clone),
        2 => (0..CLAIMS).prop_map(Wish::Restore),
        2 => Just(Wish::Unclaim),
        3 => (0..NODES.len()).prop_map(Wish::Node),
        2 => Just(Wish::NoNode),
        1 => Just(Wish::Grow),
        2 => (0..CLASSES.len()).prop_map(Wish::Class),
        2 => Just(Wish::Snapshot),
        1 => Just(Wish::NoSnapshot),
    ];
    let step = (
        proptest::collection::vec((0..CLAIMS, wish), 1..4),
        proptest::collection::vec(fault(), 0..4),
        proptest::bool::weighted(0.3),
        proptest::bool::weighted(0.3),
        prop_oneof![50_u64..3_000, 5_000_u64..60_000],
        prop_oneof![0_u64..1_500, 5_000_u64..30_000],
    );
    let step = step.prop_map(|(wishes, faults, restart, twice, deadline, pause)| Step {
        wishes,
        faults,
        restart,
        twice,
        deadline,
        pause,
    });
    proptest::collection::vec(step, 1..10)
}

async fn play(steps: &[Step], lag: u64) {
    let fake = FakeEc2::new();
    model::prepare(&fake, Duration::from_millis(lag));
    let mut world = World::new(fake);
    for step in steps {
        for (claim, wish) in &step.wishes {
            world.wish(*claim, *wish);
        }
        if step.restart {
            world.process = service(&world.fake);
        }
        for (action, fault) in &step.faults {
            world.fake.fault(*action, *fault);
        }
        world
            .round(Duration::from_millis(step.deadline), step.twice)
            .await;
        sleep(Duration::from_millis(step.pause)).await;
        world.fake.forget_faults();
        world.completed();
    }
    settle(&mut world).await;
    world.claims.iter_mut().for_each(Claim::give_up);
    settle(&mut world).await;
    world.nothing_is_left();
}

/// Without faults all sidecars come to rest, and everything is as it is wanted.
async fn settle(world: &mut World) {
    for _ in 0..ROUNDS {
        if world.calls().is_empty() {
            return world.all_is_as_wanted();
        }
        world.round(Duration::from_secs(300), false).await;
        sleep(Duration::from_secs(30)).await;
        world.completed();
    }
    panic!("still to do: {:?}", world.calls());
}

/// How many sequences: a person, or `make soak`, asks for more.
#[expect(
    clippy::disallowed_methods,
    reason = "a test's own settings, which only a person gives"
)]
fn sequences() -> u32 {
    let text = std::env::var("EBS_CSI_LIVES");
    text.map_or(500, |text| text.parse().expect("EBS_CSI_LIVES is a number"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(sequences()))]

    #[test]
    fn nothing_is_lost_doubled_or_left_behind(steps in steps(), lag in 0_u64..5_000) {
        paused(async {
            timeout(Duration::from_secs(86_400), play(&steps, lag)).await.expect("it ends");
        });
    }
}
