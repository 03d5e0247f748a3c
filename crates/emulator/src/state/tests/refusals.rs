//! What EC2 refuses, by its codes.

use rstest::rstest;

use super::*;
use crate::model::{CreateTags, Filter, Tagged, ZoneState};

fn lab_with_volume() -> (Lab, VolumeId, Vec<InstanceId>) {
    let mut lab = Lab::new(Delays::none());
    let volume = lab.create(gp3(10));
    let instances = lab.instances();
    (lab, volume, instances)
}

#[test]
fn attaching_in_the_wrong_zone() {
    let (mut lab, volume, instances) = lab_with_volume();
    assert_eq!(
        code(lab.attach(&volume, &instances[1])),
        "InvalidVolume.ZoneMismatch"
    );
}

#[test]
fn tagging_what_is_not_there_and_too_much() {
    let (mut lab, volume, _) = lab_with_volume();
    let mut many = ebs_types::Tags::new();
    for n in 0..50 {
        many.set(format!("k{n}"), "v").unwrap();
    }
    let mut set = |resources: Vec<Tagged>, tags: &ebs_types::Tags| {
        let tags = tags.clone();
        lab.call(Command::CreateTags(CreateTags { resources, tags }))
    };
    let here = Tagged::Volume(volume.clone());
    let elsewhere = Tagged::Volume("vol-0000dead".parse().unwrap());
    let both = vec![here.clone(), elsewhere];
    assert_eq!(code(set(both, &many)), "InvalidVolume.NotFound");
    set(vec![here.clone()], &many).unwrap();
    let mut more = ebs_types::Tags::new();
    more.set("one more", "v").unwrap();
    assert_eq!(code(set(vec![here], &more)), "TagLimitExceeded");
    assert_eq!(lab.volume(&volume).tags, many);
}

#[test]
fn attaching_twice() {
    let (mut lab, volume, instances) = lab_with_volume();
    lab.attach(&volume, &instances[0]).unwrap();
    assert_eq!(code(lab.attach(&volume, &instances[0])), "VolumeInUse");
    assert_eq!(code(lab.attach(&volume, &instances[3])), "VolumeInUse");
    assert_eq!(code(lab.call(Command::DeleteVolume(volume))), "VolumeInUse");
}

#[rstest]
#[case("/dev/xvdba")]
#[case("/dev/xvda")]
#[case("/dev/sda1")]
fn a_device_name_that_is_taken(#[case] device: &str) {
    let (mut lab, volume, instances) = lab_with_volume();
    let first = lab.create(gp3(10));
    lab.attach(&first, &instances[0]).unwrap();
    let error = lab
        .attach_as(&volume, &instances[0], device)
        .expect_err("refused");
    assert_eq!(error.code, "InvalidParameterValue");
    assert!(error.message.contains("already in use"), "{error}");
}

// Nitro, 27 shared: beside the root and the one network interface, which is taken off already, 26.
#[rstest]
#[case("m5.large", &[26])]
// 128 on two EBS cards, of which the first has the root.
#[case("m8gn.48xlarge", &[63, 64])]
fn more_attachments_than_the_type_takes(#[case] instance_type: &str, #[case] cards: &[u32]) {
    let mut lab = Lab::with(Config {
        instance_type: instance_type.parse().unwrap(),
        ..Config::default()
    });
    let instance = lab.instances()[0].clone();
    let mut names = ebs_types::DeviceName::candidates();
    let volume = lab.create(gp3(1));
    let spare = "/dev/sdz";
    for (card, room) in (0..).zip(cards) {
        for _ in 0..*room {
            let volume = lab.create(gp3(1));
            let name = names.next().unwrap();
            lab.attach_on(card, &volume, &instance, name.as_str())
                .unwrap();
        }
        assert_eq!(
            code(lab.attach_on(card, &volume, &instance, spare)),
            "AttachmentLimitExceeded"
        );
    }
    let beyond = u32::try_from(cards.len()).unwrap();
    assert_eq!(
        code(lab.attach_on(beyond, &volume, &instance, spare)),
        "InvalidParameterValue"
    );
}

#[test]
fn using_what_is_not_there() {
    let (mut lab, volume, instances) = lab_with_volume();
    let gone: VolumeId = "vol-00000000".parse().unwrap();
    let nobody: InstanceId = "i-00000000".parse().unwrap();
    let no_snapshot: SnapshotId = "snap-00000000".parse().unwrap();
    let codes = [
        code(lab.attach(&gone, &instances[0])),
        code(lab.attach(&volume, &nobody)),
        code(lab.detach(&gone, false)),
        code(lab.detach(&volume, false)),
        code(lab.call(Command::DeleteVolume(gone.clone()))),
        code(lab.call(grow(&gone, 5))),
        code(lab.call(Command::DeleteSnapshot(no_snapshot))),
        code(lab.look(&by_ids(&[volume.clone(), gone]))),
        code(lab.look(&Query::Modifications(Selection {
            ids: vec![volume.clone()],
            filters: Vec::new(),
            paging: None,
        }))),
    ];
    assert_eq!(
        codes,
        [
            "InvalidVolume.NotFound",
            "InvalidInstanceID.NotFound",
            "InvalidVolume.NotFound",
            "IncorrectState",
            "InvalidVolume.NotFound",
            "InvalidVolume.NotFound",
            "InvalidSnapshot.NotFound",
            "InvalidVolume.NotFound",
            "InvalidVolumeModification.NotFound",
        ]
    );
}

#[test]
fn detaching_from_where_it_is_not() {
    let (mut lab, volume, instances) = lab_with_volume();
    lab.attach(&volume, &instances[0]).unwrap();
    let elsewhere = Command::DetachVolume(DetachVolume {
        volume,
        instance: Some(instances[3].clone()),
        device: None,
        force: false,
    });
    assert_eq!(code(lab.call(elsewhere)), "InvalidAttachment.NotFound");
}

#[test]
fn shrinking() {
    let (mut lab, volume, _) = lab_with_volume();
    let error = lab.call(grow(&volume, 9)).expect_err("refused");
    assert_eq!(error.code, "InvalidParameterValue");
    assert!(error.message.contains("cannot be smaller"), "{error}");
}

#[test]
fn zones_and_keys_that_cannot_be() {
    let mut lab = Lab::new(Delays::none());
    let elsewhere = CreateVolume {
        zone: "eu-central-1z".parse().unwrap(),
        ..gp3(1)
    };
    assert_eq!(
        code(lab.call(Command::CreateVolume(elsewhere))),
        "InvalidZone.NotFound"
    );
    let key_alone = CreateVolume {
        kms_key: Some("alias/a".to_owned()),
        ..gp3(1)
    };
    assert_eq!(
        code(lab.call(Command::CreateVolume(key_alone))),
        "InvalidParameterDependency"
    );
}

#[test]
fn a_dry_run_changes_nothing_and_says_what_the_call_would() {
    let (lab, volume, instances) = lab_with_volume();
    let before = lab.world.clone();
    let attach = |instance: &InstanceId| {
        Command::AttachVolume(AttachVolume {
            volume: volume.clone(),
            instance: instance.clone(),
            device: "/dev/xvdba".parse().unwrap(),
            card: 0,
        })
    };
    let rehearse = |instance| lab.world.rehearse(&lab.region, &attach(instance));
    rehearse(&instances[0]).unwrap();
    let refused = rehearse(&instances[1]).unwrap_err();
    assert_eq!(refused.code, "InvalidVolume.ZoneMismatch");
    assert_eq!(lab.world, before);
}

#[test]
fn filters_that_do_not_exist_or_are_too_many() {
    let (mut lab, _, _) = lab_with_volume();
    let mut filtered = |name: &str, count: usize| {
        lab.look(&Query::Volumes(Selection {
            ids: Vec::new(),
            filters: vec![Filter {
                name: name.to_owned(),
                values: vec!["x".to_owned(); count],
            }],
            paging: None,
        }))
    };
    assert_eq!(code(filtered("colour", 1)), "InvalidParameterValue");
    assert_eq!(code(filtered("size", 201)), "FilterLimitExceeded");
    filtered("tag:any", 200).unwrap();
}

#[test]
fn regions_that_are_not_served() {
    let lab = Lab::new(Delays::none());
    let other: Region = "us-east-1".parse().unwrap();
    let error = lab.world.answer(&other, &by_ids(&[])).unwrap_err();
    assert_eq!((error.code.as_str(), error.status), ("AuthFailure", 401));
}

#[test]
fn a_zone_takes_no_more_than_it_has_room_for_and_nothing_when_it_is_out() {
    let (mut lab, volume, _) = lab_with_volume();
    let zone = lab.volume(&volume).zone.clone();
    let used = lab.volume(&volume).size;
    let change = |state, room: u32| Input::Zone {
        zone: zone.clone(),
        state,
        capacity: Some(Gibibytes(used.0 + room)),
    };
    let create = |gib| Command::CreateVolume(gp3(gib));
    lab.input(change(ZoneState::Available, 3)).unwrap();
    lab.call(create(2)).unwrap();
    let full = lab.call(create(2)).expect_err("refused");
    assert_eq!(
        (full.code.as_str(), full.status),
        ("InsufficientVolumeCapacity", 500)
    );
    lab.call(create(1)).unwrap();

    lab.input(change(ZoneState::Unavailable, 100)).unwrap();
    assert_eq!(code(lab.call(create(1))), "InvalidParameterValue");
    lab.input(change(ZoneState::Available, 100)).unwrap();
    lab.call(create(1)).unwrap();
}
