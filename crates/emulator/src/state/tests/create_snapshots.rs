//! Snapshots of several volumes at one moment.

use rstest::rstest;

use super::*;
use crate::model::{CreateFailure, CreateSnapshots, Snapshot};

/// An instance with volumes, each under the next device name.
fn with_volumes(lab: &mut Lab, count: u32) -> (InstanceId, Vec<VolumeId>) {
    let instance = lab.instances()[0].clone();
    let names = ebs_types::DeviceName::candidates();
    let attached = names.take(usize::try_from(count).unwrap()).map(|name| {
        let volume = lab.create(gp3(1));
        lab.attach_as(&volume, &instance, name.as_str()).unwrap();
        volume
    });
    let volumes = attached.collect();
    (instance, volumes)
}

fn request(instance: &InstanceId, excluded: &[VolumeId]) -> CreateSnapshots {
    CreateSnapshots {
        instance: instance.clone(),
        exclude_boot: true,
        excluded: excluded.to_vec(),
        description: String::new(),
        outpost: None,
        copy_tags: false,
        tags: Tags::new(),
    }
}

fn taken(reply: Result<Reply, ApiError>) -> Vec<Snapshot> {
    match reply.unwrap() {
        Reply::SnapshotSet(snapshots) => snapshots,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_volume_that_is_not_excluded_has_one_of_the_same_moment() {
    let mut lab = Lab::new(Delays::none());
    let (instance, volumes) = with_volumes(&mut lab, 3);
    let elsewhere = lab.create(gp3(1));
    let call = Command::CreateSnapshots(request(&instance, &volumes[1..2]));
    let snapshots = taken(lab.call(call));
    let of: Vec<_> = snapshots.iter().map(|s| s.volume.clone()).collect();
    let mut wanted = vec![volumes[0].clone(), volumes[2].clone()];
    wanted.sort();
    assert_eq!(of, wanted);
    assert!(!of.contains(&elsewhere));
    assert!(snapshots.iter().all(|s| s.started == snapshots[0].started));
}

#[test]
fn tags_of_the_volumes_come_too_if_wanted() {
    let mut lab = Lab::new(Delays::none());
    let (instance, volumes) = with_volumes(&mut lab, 1);
    let mut own = Tags::new();
    own.set("a", "volume").unwrap();
    own.set("b", "volume").unwrap();
    lab.call(Command::CreateTags(crate::model::CreateTags {
        resources: vec![crate::model::Tagged::Volume(volumes[0].clone())],
        tags: own,
    }))
    .unwrap();
    let mut tags = Tags::new();
    tags.set("a", "call").unwrap();
    let snapshots = taken(lab.call(Command::CreateSnapshots(CreateSnapshots {
        copy_tags: true,
        tags,
        ..request(&instance, &[])
    })));
    let tags: Vec<_> = snapshots[0].tags.iter().collect();
    assert_eq!(tags, [("a", "call"), ("b", "volume")]);
}

#[test]
fn where_one_fails_the_others_are_completed() {
    let mut lab = Lab::new(Delays::none());
    let (instance, _) = with_volumes(&mut lab, 2);
    let script = Script {
        failure: Some(CreateFailure::Error),
        ..Script::default()
    };
    let call = Command::CreateSnapshots(request(&instance, &[]));
    let snapshots = taken(lab.scripted(call, script));
    lab.pass(Duration::from_secs(1));
    let states: Vec<_> = snapshots
        .iter()
        .map(|taken| lab.seen(&taken.id).state.to_string())
        .collect();
    assert_eq!(states, ["error", "completed"]);
}

#[rstest]
#[case::root_volume(|r: &mut CreateSnapshots| r.exclude_boot = false, "UnsupportedOperation")]
#[case::no_instance(|r: &mut CreateSnapshots| r.instance = "i-00000000".parse().unwrap(), "InvalidInstanceID.NotFound")]
#[case::not_attached(|r: &mut CreateSnapshots| r.excluded = vec!["vol-00000000".parse().unwrap()], "InvalidParameterValue")]
#[case::too_many(|r: &mut CreateSnapshots| r.excluded = vec![r.excluded[0].clone(); 41], "InvalidParameterValue")]
#[case::outpost(|r: &mut CreateSnapshots| r.outpost = "arn:aws:outposts:r:1:outpost/op-1".parse().ok(), "InvalidParameterValue")]
fn what_cannot_be_had_is_refused(#[case] change: fn(&mut CreateSnapshots), #[case] expected: &str) {
    let mut lab = Lab::new(Delays::none());
    let (instance, volumes) = with_volumes(&mut lab, 2);
    let mut request = request(&instance, &volumes[..1]);
    change(&mut request);
    assert_eq!(code(lab.call(Command::CreateSnapshots(request))), expected);
}

#[test]
fn an_instance_without_volumes_or_terminated_has_none() {
    let mut lab = Lab::new(Delays::none());
    let (instance, volumes) = with_volumes(&mut lab, 1);
    let all = Command::CreateSnapshots(request(&instance, &volumes));
    assert_eq!(code(lab.call(all)), "InvalidParameterValue");
    lab.call(Command::TerminateInstances(vec![instance.clone()]))
        .unwrap();
    let gone = Command::CreateSnapshots(request(&instance, &[]));
    assert_eq!(code(lab.call(gone)), "IncorrectInstanceState");
}
