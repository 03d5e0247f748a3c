//! What happens when all goes well, and by itself.

use super::*;
use crate::model::{CreateFailure, Filter, Health, RunInstances};

fn slow() -> Delays {
    Delays::realistic()
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn states_follow_their_delays() {
    let mut lab = Lab::new(slow());
    let instance = lab.instances()[0].clone();
    let volume = lab.create(gp3(10));
    assert_eq!(lab.state(&volume), "creating");
    lab.pass(Duration::from_millis(1_499));
    assert_eq!(lab.state(&volume), "creating");
    lab.pass(Duration::from_millis(1));
    assert_eq!(lab.state(&volume), "available");

    lab.attach(&volume, &instance).unwrap();
    assert_eq!(lab.state(&volume), "in-use");
    assert_eq!(lab.attachment_state(&volume), "attaching");
    lab.pass(LONG);
    assert_eq!(lab.attachment_state(&volume), "attached");

    lab.detach(&volume, false).unwrap();
    assert_eq!(lab.attachment_state(&volume), "detaching");
    lab.pass(LONG);
    assert_eq!(lab.state(&volume), "available");

    lab.call(Command::DeleteVolume(volume.clone())).unwrap();
    assert_eq!(lab.state(&volume), "deleting");
    lab.pass(LONG);
    assert_eq!(code(lab.look(&by_ids(&[volume]))), "InvalidVolume.NotFound");
}

#[test]
fn a_device_in_use_is_busy_until_it_is_let_go_of() {
    let mut lab = Lab::new(Delays::none());
    let instance = lab.instances()[0].clone();
    let volume = lab.create(gp3(10));
    lab.attach(&volume, &instance).unwrap();
    lab.busy = true;
    lab.detach(&volume, false).unwrap();
    assert_eq!(lab.attachment_state(&volume), "busy");
    lab.pass(LONG);
    assert_eq!(lab.attachment_state(&volume), "busy");
    lab.busy = false;
    lab.pass(LONG);
    assert_eq!(lab.state(&volume), "available");
}

#[test]
fn a_device_that_cannot_be_shown_yet_is_tried_again() {
    let mut lab = Lab::new(Delays::none());
    let instance = lab.instances()[0].clone();
    let volume = lab.create(gp3(10));
    lab.busy = true;
    lab.attach(&volume, &instance).unwrap();
    lab.pass(LONG);
    assert_eq!(lab.attachment_state(&volume), "attaching");
    lab.busy = false;
    lab.pass(LONG);
    assert_eq!(lab.attachment_state(&volume), "attached");
}

#[test]
fn force_takes_a_busy_device_away() {
    let mut lab = Lab::new(Delays::none());
    let instance = lab.instances()[0].clone();
    let volume = lab.create(gp3(10));
    lab.attach(&volume, &instance).unwrap();
    lab.busy = true;
    lab.detach(&volume, false).unwrap();
    lab.detach(&volume, true).unwrap();
    assert_eq!(lab.state(&volume), "available");
}

#[test]
fn a_stuck_attachment_can_be_detached_and_made_anew() {
    let mut lab = Lab::new(slow());
    let instance = lab.instances()[0].clone();
    let volume = lab.create(gp3(10));
    lab.pass(LONG);
    let request = AttachVolume {
        volume: volume.clone(),
        instance: instance.clone(),
        device: "/dev/xvdba".parse().unwrap(),
        card: 0,
    };
    let stuck = Script {
        stuck: true,
        failure: None,
    };
    lab.scripted(Command::AttachVolume(request), stuck).unwrap();
    lab.pass(Duration::from_hours(3));
    assert_eq!(lab.attachment_state(&volume), "attaching");
    lab.detach(&volume, false).unwrap();
    lab.pass(LONG);
    lab.attach(&volume, &instance).unwrap();
    lab.pass(LONG);
    assert_eq!(lab.attachment_state(&volume), "attached");
}

#[test]
fn a_volume_grows_from_optimizing_on() {
    let mut lab = Lab::new(slow());
    let volume = lab.create(gp3(10));
    lab.pass(LONG);
    lab.call(grow(&volume, 20)).unwrap();
    assert_eq!(lab.volume(&volume).size, Gibibytes(10));
    lab.pass(Duration::from_secs(2));
    let modification = |lab: &Lab| lab.volume(&volume).modification.as_ref().unwrap().state();
    assert_eq!(modification(&lab).to_string(), "optimizing");
    assert_eq!(lab.volume(&volume).size, Gibibytes(20));
    assert_eq!(
        code(lab.call(grow(&volume, 30))),
        "IncorrectModificationState"
    );
    lab.pass(LONG);
    assert_eq!(modification(&lab).to_string(), "completed");
    lab.call(grow(&volume, 30)).unwrap();
}

/// EC2 API reference, "ModifyVolume": what is left out stays with the type, and is the new type's default otherwise.
#[test]
fn a_volume_changes_its_type() {
    let mut lab = Lab::new(Delays::none());
    let volume = lab.create(CreateVolume {
        volume_type: VolumeType::Gp2,
        ..gp3(1_000)
    });
    for (to, throughput, expected) in [
        (VolumeType::Gp3, Some(250), (Some(3_000), Some(250))),
        (VolumeType::Io2, None, (Some(3_000), None)),
        (VolumeType::Gp2, None, (Some(3_000), None)),
    ] {
        let request = ModifyVolume {
            volume: volume.clone(),
            size: None,
            volume_type: Some(to),
            iops: None,
            throughput,
            multi_attach: None,
        };
        lab.call(Command::ModifyVolume(request)).unwrap();
        let is = lab.volume(&volume);
        assert_eq!((is.volume_type, (is.iops, is.throughput)), (to, expected));
    }
}

#[test]
fn modifications_are_limited_by_the_day() {
    let mut lab = Lab::new(Delays::none());
    let volume = lab.create(gp3(10));
    for size in 11..15 {
        lab.call(grow(&volume, size)).unwrap();
    }
    assert_eq!(
        code(lab.call(grow(&volume, 15))),
        "VolumeModificationRateExceeded"
    );
    lab.pass(Duration::from_hours(24));
    lab.call(grow(&volume, 15)).unwrap();
}

#[test]
fn a_token_answers_with_the_same_volume_even_when_it_is_dead() {
    let mut lab = Lab::new(Delays::none());
    let request = CreateVolume {
        token: Some("t".to_owned()),
        ..gp3(10)
    };
    let volume = lab.create(request.clone());
    assert_eq!(lab.create(request.clone()), volume);
    let other = CreateVolume {
        size: Some(Gibibytes(11)),
        ..request.clone()
    };
    assert_eq!(
        code(lab.call(Command::CreateVolume(other))),
        "IdempotentParameterMismatch"
    );
    lab.call(Command::DeleteVolume(volume.clone())).unwrap();
    assert_eq!(lab.create(request.clone()), volume);
    assert!(lab.world.volume(&volume).is_none());
    lab.pass(Duration::from_hours(24));
    assert_ne!(lab.create(request), volume);
}

#[test]
fn a_create_that_fails_later_burns_its_token() {
    let mut lab = Lab::new(slow());
    for how in [CreateFailure::Error, CreateFailure::Vanish] {
        let request = CreateVolume {
            token: Some(format!("{how:?}")),
            ..gp3(10)
        };
        let script = Script {
            stuck: false,
            failure: Some(how),
        };
        let reply = lab.scripted(Command::CreateVolume(request.clone()), script);
        let Ok(Reply::Volume(made)) = reply else {
            panic!("{reply:?}")
        };
        lab.pass(LONG);
        let state = lab.world.volume(&made.id).map(|v| v.state().to_string());
        let expected = (how == CreateFailure::Error).then(|| "error".to_owned());
        assert_eq!(state, expected);
        assert_eq!(lab.create(request), made.id);
    }
}

#[test]
fn new_volumes_come_into_sight_by_id_and_then_by_filter() {
    let mut lab = Lab::with(Config {
        consistency: Duration::from_secs(3),
        ..Config::default()
    });
    let volume = lab.create(gp3(10));
    let by_filter = Query::Volumes(Selection {
        ids: Vec::new(),
        filters: vec![Filter {
            name: "size".to_owned(),
            values: vec!["10".to_owned()],
        }],
        paging: None,
    });
    let seen = |lab: &mut Lab| match lab.look(&by_filter) {
        Ok(Reply::Volumes(page)) => page.items.len(),
        other => panic!("{other:?}"),
    };
    let ids = by_ids(&[volume]);
    assert_eq!(code(lab.look(&ids)), "InvalidVolume.NotFound");
    lab.pass(Duration::from_secs(3));
    lab.look(&ids).unwrap();
    assert_eq!(seen(&mut lab), 0);
    lab.pass(Duration::from_secs(3));
    assert_eq!(seen(&mut lab), 1);
}

#[test]
fn pages_are_gone_through_to_the_end() {
    let mut lab = Lab::new(Delays::none());
    let mut made: Vec<VolumeId> = (0..12).map(|_| lab.create(gp3(1))).collect();
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let paging = Paging { max: 5, token };
        let query = Query::Volumes(Selection {
            ids: Vec::new(),
            filters: Vec::new(),
            paging: Some(paging),
        });
        let Ok(Reply::Volumes(page)) = lab.look(&query) else {
            panic!("a page")
        };
        found.extend(page.items.into_iter().map(|volume| volume.id));
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    made.sort();
    assert_eq!(found, made);
}

#[test]
fn a_restored_volume_holds_the_snapshots_size() {
    let mut lab = Lab::new(slow());
    let instance = lab.instances()[0].clone();
    let volume = lab.create(gp3(10));
    lab.pass(LONG);
    lab.attach(&volume, &instance).unwrap();
    lab.pass(LONG);
    let snapshot = lab.snapshot(&volume).unwrap();
    let restore = |size: Option<u32>| {
        Command::CreateVolume(CreateVolume {
            size: size.map(Gibibytes),
            snapshot: Some(snapshot.clone()),
            ..gp3(1)
        })
    };
    assert_eq!(code(lab.call(restore(None))), "IncorrectState");
    lab.pass(LONG);
    assert_eq!(code(lab.call(restore(Some(9)))), "InvalidParameterValue");
    let Ok(Reply::Volume(restored)) = lab.call(restore(None)) else {
        panic!("a volume")
    };
    assert_eq!(restored.size, Gibibytes(10));
    lab.call(Command::DeleteSnapshot(snapshot)).unwrap();
}

#[test]
fn stopping_keeps_attachments_and_terminating_lets_go() {
    let mut lab = Lab::new(slow());
    let instance = lab.instances()[0].clone();
    let volume = lab.create(gp3(10));
    lab.pass(LONG);
    lab.attach(&volume, &instance).unwrap();
    lab.pass(LONG);
    lab.call(Command::StopInstances(vec![instance.clone()]))
        .unwrap();
    lab.pass(LONG);
    assert_eq!(lab.attachment_state(&volume), "attached");
    lab.detach(&volume, false).unwrap();
    assert_eq!(lab.state(&volume), "available");

    lab.attach(&volume, &instance).unwrap();
    lab.pass(LONG);
    lab.busy = true;
    lab.call(Command::TerminateInstances(vec![instance.clone()]))
        .unwrap();
    lab.pass(LONG);
    assert_eq!(lab.state(&volume), "available");
    assert!(!lab.instances().contains(&instance));
}

#[test]
fn instances_start_in_the_zone_asked_for() {
    let mut lab = Lab::new(Delays::none());
    let request = RunInstances {
        token: Some("t".to_owned()),
        count: 2,
        image: "ami-1".to_owned(),
        instance_type: default_instance_type(),
        zone: Some("eu-central-1b".parse().unwrap()),
        groups: vec!["nodes.lab".to_owned()],
        tags: Tags::new(),
    };
    lab.call(Command::RunInstances(request.clone())).unwrap();
    lab.call(Command::RunInstances(request)).unwrap();
    assert_eq!(lab.instances().len(), 6);
    let last = lab.world.instances()[5].clone();
    assert_eq!(last.zone.as_str(), "eu-central-1b");
    assert_eq!(last.state.to_string(), "running");
}

#[test]
fn a_region_stays_as_it_was_made_and_says_so() {
    let mut lab = Lab::new(Delays::none());
    let Some((_, Input::SetUp(made))) = lab.inputs.first().cloned() else {
        panic!("a lab begins with its region")
    };
    assert_eq!(lab.world.made_otherwise(&made), None);
    let instance = lab.instances().remove(0);
    lab.call(Command::TerminateInstances(vec![instance]))
        .unwrap();
    assert_eq!(lab.world.made_otherwise(&made), None);
    let asked = SetUp {
        zones: made.zones + 1,
        ..made.clone()
    };
    assert_eq!(lab.world.made_otherwise(&asked), Some(&made));
    lab.input(Input::SetUp(asked)).unwrap();
    assert_eq!(lab.instances().len(), made.instances - 1);
    let new = SetUp {
        region: "us-east-1".parse().unwrap(),
        ..made
    };
    assert_eq!(lab.world.made_otherwise(&new), None);
}

#[test]
fn a_named_type_that_the_table_does_not_have_is_described() {
    let mut lab = Lab::new(Delays::none());
    let mut names = |ids: &[&str]| {
        let query = Query::InstanceTypes(Selection {
            ids: ids.iter().map(|id| id.parse().unwrap()).collect(),
            filters: Vec::new(),
            paging: None,
        });
        match lab.look(&query).unwrap() {
            Reply::InstanceTypes(page) => page
                .items
                .into_iter()
                .map(|info| (info.name, info.limit.volumes))
                .collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    let both = names(&["zz99.large", "m7i.large", "zz99.large"]);
    assert_eq!(both[0].0, "m7i.large");
    assert_eq!(both[1..], [("zz99.large".to_owned(), 40)]);
    assert!(names(&[]).len() > 1_000);
}

/// How many volumes have one of these statuses, on one page, and the next one's token.
fn with_status(lab: &mut Lab, words: &[&str], paging: Option<Paging>) -> (usize, Option<String>) {
    let filter = Filter {
        name: "volume-status.status".to_owned(),
        values: words.iter().map(|word| (*word).to_owned()).collect(),
    };
    let query = Query::Statuses(Selection {
        ids: Vec::new(),
        filters: vec![filter],
        paging,
    });
    match lab.look(&query).unwrap() {
        Reply::Statuses(page) => (page.items.len(), page.next),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_status_is_what_the_checks_find_and_can_be_filtered_by() {
    let mut lab = Lab::new(slow());
    let volumes: Vec<VolumeId> = (0..7).map(|_| lab.create(gp3(1))).collect();
    assert_eq!(with_status(&mut lab, &["insufficient-data"], None).0, 7);
    lab.pass(LONG);
    assert_eq!(with_status(&mut lab, &["ok"], None).0, 7);
    let found = [
        Health::Degraded,
        Health::SeverelyDegraded,
        Health::Stalled,
        Health::IoDisabled,
        Health::InsufficientData,
    ];
    let find = |lab: &mut Lab, volume: VolumeId, health| {
        let input = Input::Health { volume, health };
        lab.world.apply(lab.now, &input).0
    };
    for (volume, health) in volumes.into_iter().zip(found) {
        find(&mut lab, volume, health).unwrap();
    }
    assert_eq!(with_status(&mut lab, &["warning"], None).0, 2);
    assert_eq!(with_status(&mut lab, &["impaired"], None).0, 2);
    let most = ["warning", "impaired", "ok"];
    let paging = |token| Some(Paging { max: 5, token });
    let (count, next) = with_status(&mut lab, &most, paging(None));
    assert_eq!(count, 5);
    assert_eq!(with_status(&mut lab, &most, paging(next)), (1, None));
    let gone = "vol-0000dead".parse().unwrap();
    let refusal = find(&mut lab, gone, Health::Ok);
    assert_eq!(code(refusal), "InvalidVolume.NotFound");
}
