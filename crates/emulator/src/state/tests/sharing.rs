//! Volumes with Multi-Attach.

use rstest::rstest;

use super::*;

/// A volume that can be shared, in the first zone.
fn io2() -> CreateVolume {
    CreateVolume {
        volume_type: VolumeType::Io2,
        iops: Some(100),
        multi_attach: true,
        ..gp3(10)
    }
}

/// So many instances of a type, all in one zone.
fn lab(instances: usize, instance_type: &str) -> Lab {
    Lab::with(Config {
        zones: 1,
        instances,
        instance_type: instance_type.parse().unwrap(),
        delays: Delays::none(),
        ..Config::default()
    })
}

fn modify(volume: &VolumeId, change: impl FnOnce(&mut ModifyVolume)) -> Command {
    let mut request = ModifyVolume {
        volume: volume.clone(),
        size: None,
        volume_type: None,
        iops: None,
        throughput: None,
        multi_attach: None,
    };
    change(&mut request);
    Command::ModifyVolume(request)
}

#[test]
fn a_shared_volume_is_on_each_of_its_instances_by_itself() {
    let mut lab = lab(3, "m7i.large");
    let instances = lab.instances();
    let volume = lab.create(io2());
    for instance in &instances[..2] {
        lab.attach(&volume, instance).unwrap();
    }
    assert_eq!(lab.volume(&volume).attachments.len(), 2);
    assert_eq!(code(lab.attach(&volume, &instances[0])), "VolumeInUse");
    assert_eq!(code(lab.detach(&volume, false)), "MissingParameter");
    let of = |instance: &InstanceId| {
        Command::DetachVolume(DetachVolume {
            volume: volume.clone(),
            instance: Some(instance.clone()),
            device: None,
            force: false,
        })
    };
    assert_eq!(
        code(lab.call(of(&instances[2]))),
        "InvalidAttachment.NotFound"
    );
    lab.call(of(&instances[0])).unwrap();
    assert_eq!(lab.state(&volume), "in-use");
    assert_eq!(
        code(lab.call(Command::DeleteVolume(volume.clone()))),
        "VolumeInUse"
    );
    lab.call(of(&instances[1])).unwrap();
    assert_eq!(lab.state(&volume), "available");
}

#[test]
fn sixteen_instances_share_a_volume_at_most() {
    let mut lab = lab(17, "m7i.large");
    let instances = lab.instances();
    let volume = lab.create(io2());
    for instance in &instances[..16] {
        lab.attach(&volume, instance).unwrap();
    }
    assert_eq!(
        code(lab.attach(&volume, &instances[16])),
        "AttachmentLimitExceeded"
    );
}

#[test]
fn instances_of_xen_have_no_part_in_it() {
    let mut lab = lab(1, "t2.micro");
    let instance = lab.instances()[0].clone();
    let volume = lab.create(io2());
    assert_eq!(code(lab.attach(&volume, &instance)), "UnsupportedOperation");
    let alone = lab.create(gp3(10));
    lab.attach(&alone, &instance).unwrap();
}

#[rstest]
#[case("eu-central-1", Some("UnsupportedOperation"))]
#[case("us-east-1", None)]
fn io1_is_shared_in_some_regions(#[case] region: &str, #[case] refusal: Option<&str>) {
    let mut lab = Lab::with(Config {
        regions: vec![region.parse().unwrap()],
        ..Config::default()
    });
    let request = CreateVolume {
        volume_type: VolumeType::Io1,
        zone: format!("{region}a").parse().unwrap(),
        ..io2()
    };
    let answer = lab.call(Command::CreateVolume(request));
    assert_eq!(answer.err().map(|error| error.code).as_deref(), refusal);
}

#[test]
fn what_is_shared_grows_and_does_not_become_another_type() {
    let mut lab = lab(1, "m7i.large");
    let instance = lab.instances()[0].clone();
    let volume = lab.create(io2());
    let to_gp3 = modify(&volume, |m| {
        m.volume_type = Some(VolumeType::Gp3);
        m.iops = Some(3_000);
        m.multi_attach = Some(false);
    });
    assert_eq!(code(lab.call(to_gp3)), "UnsupportedOperation");
    lab.attach(&volume, &instance).unwrap();
    let off = || modify(&volume, |m| m.multi_attach = Some(false));
    assert_eq!(code(lab.call(off())), "IncorrectState");
    lab.call(grow(&volume, 20)).unwrap();
    lab.detach(&volume, false).unwrap();
    lab.call(off()).unwrap();
    assert!(!lab.volume(&volume).multi_attach);
}

#[test]
fn a_shared_io1_stays_as_it_is() {
    let mut lab = Lab::with(Config {
        regions: vec!["us-east-1".parse().unwrap()],
        ..Config::default()
    });
    let volume = lab.create(CreateVolume {
        volume_type: VolumeType::Io1,
        zone: "us-east-1a".parse().unwrap(),
        ..io2()
    });
    assert_eq!(code(lab.call(grow(&volume, 20))), "UnsupportedOperation");
}
