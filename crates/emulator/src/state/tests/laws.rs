//! What holds whatever is called in whatever order.

use proptest::prelude::*;

use super::*;
use crate::model::{CopyVolumes, CreateFailure, Progress};

/// A step of a random story; numbers pick among what there is.
#[derive(Clone, Debug)]
enum Step {
    Create {
        io2: bool,
        token: Option<u8>,
        snapshot: bool,
    },
    Copy(usize, Option<u8>),
    Delete(usize),
    Attach(usize, usize, u8),
    Detach(usize, bool),
    Grow(usize, u32),
    Snapshot(usize),
    Stop(usize),
    Start(usize),
    Terminate(usize),
    Busy(bool),
    Pass(u64),
}

fn step() -> impl Strategy<Value = (Step, Script)> {
    let n = 0..6usize;
    let step = prop_oneof![
        (any::<bool>(), proptest::option::of(0..3u8), any::<bool>()).prop_map(
            |(io2, token, snapshot)| Step::Create {
                io2,
                token,
                snapshot
            }
        ),
        (n.clone(), proptest::option::of(0..3u8)).prop_map(|(v, token)| Step::Copy(v, token)),
        n.clone().prop_map(Step::Delete),
        (n.clone(), n.clone(), 0..3u8).prop_map(|(v, i, d)| Step::Attach(v, i, d)),
        (n.clone(), any::<bool>()).prop_map(|(v, force)| Step::Detach(v, force)),
        (n.clone(), 0..40u32).prop_map(|(v, size)| Step::Grow(v, size)),
        n.clone().prop_map(Step::Snapshot),
        n.clone().prop_map(Step::Stop),
        n.clone().prop_map(Step::Start),
        n.prop_map(Step::Terminate),
        any::<bool>().prop_map(Step::Busy),
        (0..20_000u64).prop_map(Step::Pass),
    ];
    let failure = prop_oneof![
        8 => Just(None),
        1 => Just(Some(CreateFailure::Error)),
        1 => Just(Some(CreateFailure::Vanish)),
    ];
    let script = (proptest::bool::weighted(0.1), failure)
        .prop_map(|(stuck, failure)| Script { stuck, failure });
    (step, script)
}

/// The `n`th of what there is, counted round.
fn pick<T: Clone>(all: &[T], n: usize) -> Option<T> {
    (!all.is_empty()).then(|| all[n % all.len()].clone())
}

fn command(lab: &Lab, step: &Step) -> Option<Command> {
    let state = &lab.world.regions[&lab.region];
    let volumes: Vec<VolumeId> = state.volumes.values().map(|v| v.id.clone()).collect();
    let snapshots: Vec<SnapshotId> = state.snapshots.values().map(|s| s.id.clone()).collect();
    let instances = lab.instances();
    Some(match step {
        Step::Create {
            io2,
            token,
            snapshot,
        } => Command::CreateVolume(CreateVolume {
            token: token.map(|t| t.to_string()),
            volume_type: if *io2 {
                VolumeType::Io2
            } else {
                VolumeType::Gp3
            },
            iops: io2.then_some(100),
            multi_attach: *io2,
            snapshot: pick(&snapshots, 0).filter(|_| *snapshot),
            ..gp3(20)
        }),
        Step::Copy(v, token) => copies(&pick(&volumes, *v)?, *token),
        Step::Delete(v) => Command::DeleteVolume(pick(&volumes, *v)?),
        Step::Attach(v, i, d) => Command::AttachVolume(AttachVolume {
            volume: pick(&volumes, *v)?,
            instance: pick(&instances, *i)?,
            card: 0,
            device: format!("/dev/xvdb{}", char::from(b'a' + d))
                .parse()
                .unwrap(),
        }),
        Step::Detach(v, force) => Command::DetachVolume(DetachVolume {
            volume: pick(&volumes, *v)?,
            instance: None,
            device: None,
            force: *force,
        }),
        Step::Grow(v, size) => grow(&pick(&volumes, *v)?, *size),
        Step::Snapshot(v) => Command::CreateSnapshot(CreateSnapshot {
            volume: pick(&volumes, *v)?,
            description: String::new(),
            outpost: None,
            tags: Tags::new(),
        }),
        Step::Stop(i) => Command::StopInstances(vec![pick(&instances, *i)?]),
        Step::Start(i) => Command::StartInstances(vec![pick(&instances, *i)?]),
        Step::Terminate(i) => Command::TerminateInstances(vec![pick(&instances, *i)?]),
        Step::Busy(_) | Step::Pass(_) => return None,
    })
}

fn copies(volume: &VolumeId, token: Option<u8>) -> Command {
    Command::CopyVolumes(CopyVolumes {
        token: token.map(|t| t.to_string()),
        ..copy(volume)
    })
}

fn check(lab: &Lab) {
    let state = &lab.world.regions[&lab.region];
    for volume in state.volumes.values() {
        let count = volume.attachments.len();
        assert!(count <= 1 || volume.multi_attach, "{volume:?}");
        for attachment in &volume.attachments {
            if let Some(instance) = state.instances.get(&attachment.instance) {
                assert_eq!(instance.zone, volume.zone);
            }
        }
        if let Some(m) = &volume.modification
            && matches!(m.progress, Progress::Optimizing | Progress::Completed)
        {
            assert_eq!(m.to.size, volume.size);
        }
    }
    let copies = state.volumes.values().filter(|v| v.initializing);
    let mut sources: Vec<_> = copies.map(|v| &v.copy_of).collect();
    assert!(sources.len() <= 5);
    let count = sources.len();
    sources.sort();
    sources.dedup();
    assert_eq!(sources.len(), count, "a volume is copied once at a time");
    for instance in state.instances.keys() {
        let mut names: Vec<_> = state
            .volumes
            .values()
            .filter_map(|v| v.attachment_to(instance))
            .map(|a| &a.device)
            .collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "a device name serves one volume");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_story_breaks_the_rules(steps in proptest::collection::vec(step(), 1..60)) {
        let mut lab = Lab::new(Delays::realistic());
        for (step, script) in steps {
            match step {
                Step::Busy(busy) => lab.busy = busy,
                Step::Pass(ms) => lab.pass(Duration::from_millis(ms)),
                _ => if let Some(command) = command(&lab, &step) {
                    let _ = lab.scripted(command, script);
                },
            }
            check(&lab);
        }
        // Replaying the inputs alone, through their serialised form, gives the same state.
        let mut again = World::new(0, Settings::from(&Config { delays: Delays::realistic(), ..Config::default() }));
        for (now, input) in &lab.inputs {
            let text = serde_json::to_string(input).unwrap();
            let _ = again.apply(*now, &serde_json::from_str(&text).unwrap());
        }
        again.advance(lab.now);
        lab.world.advance(lab.now);
        prop_assert_eq!(&again, &lab.world);
        // And so does saving the state whole.
        let saved = serde_json::to_string(&lab.world).unwrap();
        prop_assert_eq!(serde_json::from_str::<World>(&saved).unwrap(), again);
    }
}
