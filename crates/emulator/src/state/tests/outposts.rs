//! Volumes, snapshots and instances on Outposts.

use ebs_types::{Outpost, SnapshotState};
use rstest::rstest;

use super::*;
use crate::model::{EnableFastRestores, Snapshot};

/// An Outpost of the first generation in the first zone, and one of the second in the second, with an instance each after those of
/// the zones.
fn lab() -> Lab {
    Lab::with(Config {
        instances: 2,
        outposts: ["eu-central-1a:1:gp2", "eu-central-1b:1:gp2,gp3"]
            .map(|text| text.parse().unwrap())
            .to_vec(),
        ..Config::default()
    })
}

fn rack(number: usize) -> Outpost {
    let arn = format!("arn:aws:outposts:eu-central-1:000000000000:outpost/op-{number:017x}");
    arn.parse().unwrap()
}

/// A volume of gp2 on the first Outpost.
fn gp2() -> CreateVolume {
    CreateVolume {
        outpost: Some(rack(1)),
        volume_type: VolumeType::Gp2,
        ..gp3(1)
    }
}

fn snapshot_on(volume: &VolumeId, outpost: Option<Outpost>) -> Command {
    Command::CreateSnapshot(CreateSnapshot {
        volume: volume.clone(),
        description: String::new(),
        outpost,
        tags: Tags::new(),
    })
}

fn taken(lab: &mut Lab, volume: &VolumeId, outpost: Option<Outpost>) -> Snapshot {
    match lab.call(snapshot_on(volume, outpost)).unwrap() {
        Reply::Snapshot(snapshot) => snapshot,
        other => panic!("{other:?}"),
    }
}

#[test]
fn instances_are_on_outposts_after_those_of_the_zones() {
    let lab = lab();
    let places: Vec<_> = lab
        .world
        .instances()
        .iter()
        .map(|i| (i.zone.to_string(), i.outpost.clone()))
        .collect();
    let expected = [
        ("eu-central-1a", None),
        ("eu-central-1b", None),
        ("eu-central-1a", Some(rack(1))),
        ("eu-central-1b", Some(rack(2))),
    ];
    assert_eq!(places, expected.map(|(zone, on)| (zone.to_owned(), on)));
}

#[test]
fn a_volume_is_attached_on_its_outpost_alone() {
    let mut lab = lab();
    let instances = lab.instances();
    let there = lab.create(gp2());
    assert_eq!(lab.volume(&there).outpost, Some(rack(1)));
    let refused = lab.attach(&there, &instances[0]);
    assert_eq!(code(refused), "InvalidVolume.ZoneMismatch");
    lab.attach(&there, &instances[2]).unwrap();
    let in_the_region = lab.create(gp3(1));
    let refused = lab.attach_as(&in_the_region, &instances[2], "/dev/xvdbb");
    assert_eq!(code(refused), "InvalidVolume.ZoneMismatch");
}

#[rstest]
#[case::of_another_zone(CreateVolume { outpost: Some(rack(2)), ..gp2() })]
#[case::that_does_not_exist(CreateVolume { outpost: Some(rack(3)), ..gp2() })]
#[case::of_a_type_that_is_not_offered(CreateVolume { volume_type: VolumeType::Gp3, ..gp2() })]
fn an_outpost_takes_no_volume(#[case] request: CreateVolume) {
    let mut lab = lab();
    let refused = lab.call(Command::CreateVolume(request));
    assert_eq!(code(refused), "InvalidParameterValue");
}

#[test]
fn a_type_that_is_not_offered_is_no_modification_either() {
    let mut lab = lab();
    let volume = lab.create(gp2());
    lab.call(grow(&volume, 2)).unwrap();
    let request = ModifyVolume {
        volume,
        size: None,
        volume_type: Some(VolumeType::Gp3),
        iops: None,
        throughput: None,
        multi_attach: None,
    };
    let refused = lab.call(Command::ModifyVolume(request));
    assert_eq!(code(refused), "InvalidParameterValue");
}

#[test]
fn a_local_snapshot_is_encrypted_and_of_use_on_its_outpost_alone() {
    let mut lab = lab();
    let volume = lab.create(gp2());
    let snapshot = taken(&mut lab, &volume, Some(rack(1)));
    assert_eq!(snapshot.outpost, Some(rack(1)));
    assert!(snapshot.encrypted && snapshot.kms_key.is_some());
    lab.pass(Duration::from_secs(1));
    let of_it = CreateVolume {
        snapshot: Some(snapshot.id.clone()),
        ..gp2()
    };
    for elsewhere in [None, Some(rack(2))] {
        let zone = if elsewhere.is_some() { "b" } else { "a" };
        let request = CreateVolume {
            outpost: elsewhere,
            zone: format!("eu-central-1{zone}").parse().unwrap(),
            ..of_it.clone()
        };
        let refused = lab.call(Command::CreateVolume(request));
        assert_eq!(code(refused), "InvalidParameterValue");
    }
    let other_key = CreateVolume {
        encrypted: Some(true),
        kms_key: Some("alias/other".to_owned()),
        ..of_it.clone()
    };
    let refused = lab.call(Command::CreateVolume(other_key));
    assert_eq!(code(refused), "InvalidParameterValue");
    let restored = lab.create(of_it);
    assert_eq!(lab.volume(&restored).kms_key, snapshot.kms_key);
    let fast = Command::EnableFastRestores(EnableFastRestores {
        snapshots: vec![snapshot.id],
        zones: vec!["eu-central-1a".parse().unwrap()],
    });
    match lab.call(fast).unwrap() {
        Reply::FastRestoresAsked(asked) => assert_eq!(asked.unsuccessful.len(), 1),
        other => panic!("{other:?}"),
    }
}

#[test]
fn snapshots_of_a_volume_stay_where_the_first_one_is() {
    let mut lab = lab();
    let (local, regional) = (lab.create(gp2()), lab.create(gp2()));
    let kept_locally = taken(&mut lab, &local, Some(rack(1)));
    let kept_in_the_region = taken(&mut lab, &regional, None);
    assert_eq!(kept_in_the_region.state, SnapshotState::Pending);
    lab.pass(Duration::from_secs(1));
    for (volume, there, source) in [
        (local, Some(rack(1)), kept_locally),
        (regional, None, kept_in_the_region),
    ] {
        let restored = lab.create(CreateVolume {
            snapshot: Some(source.id),
            ..gp2()
        });
        for volume in [volume, restored] {
            let elsewhere = if there.is_none() { Some(rack(1)) } else { None };
            let refused = lab.call(snapshot_on(&volume, elsewhere));
            assert_eq!(code(refused), "InvalidParameterValue");
            taken(&mut lab, &volume, there.clone());
        }
    }
    let in_the_region = lab.create(gp3(1));
    let refused = lab.call(snapshot_on(&in_the_region, Some(rack(1))));
    assert_eq!(code(refused), "InvalidParameterValue");
}

#[test]
fn volumes_on_outposts_are_not_copied_and_take_nothing_of_the_zones_room() {
    let mut lab = lab();
    lab.input(Input::Zone {
        zone: "eu-central-1a".parse().unwrap(),
        state: crate::model::ZoneState::Available,
        capacity: Some(Gibibytes(1)),
    })
    .unwrap();
    let volume = lab.create(gp2());
    lab.create(gp2());
    lab.create(gp3(1));
    let refused = lab.call(Command::CreateVolume(gp3(1)));
    assert_eq!(code(refused), "InsufficientVolumeCapacity");
    let refused = lab.call(Command::CopyVolumes(copy(&volume)));
    assert_eq!(code(refused), "UnsupportedOperation");
}
