//! What is decided of what was seen.

use std::collections::BTreeMap;

use ebs_types::{AttachmentState, Gibibytes, VolumeState, VolumeType};
use ec2::Attachment;
use rstest::rstest;

use super::super::order::{Objects, Subject};
use super::*;

const OLD: &str = "vol-0123456789abcdef0";
const OTHER: &str = "vol-0fedcba9876543210";
const HOUR: u64 = 3600;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

fn volume(id: &str, zone: &str) -> Volume {
    Volume {
        id: id.parse().unwrap(),
        state: VolumeState::Available,
        zone: zone.parse().unwrap(),
        outpost: None,
        size: Gibibytes(10),
        volume_type: VolumeType::Gp2,
        iops: None,
        throughput: None,
        encrypted: false,
        kms_key: None,
        snapshot: None,
        copy_of: None,
        multi_attach: false,
        attachments: Vec::new(),
        tags: BTreeMap::new(),
        created: now(),
    }
}

fn snapshot(number: u8, of: Option<&str>, state: SnapshotState, seconds_ago: u64) -> Snapshot {
    Snapshot {
        id: format!("snap-0123456789abcdef{number}").parse().unwrap(),
        volume: of.map(|of| of.parse().unwrap()),
        state,
        size: Gibibytes(10),
        outpost: None,
        started: now() - Duration::from_secs(seconds_ago),
        tags: BTreeMap::new(),
    }
}

/// A volume in zone a, which is there; so is b, and c is out.
fn seen() -> Seen {
    let zone = |name: &str, available| AvailabilityZone {
        name: name.parse().unwrap(),
        id: format!("id-{name}"),
        available,
        ordinary: true,
    };
    Seen {
        volume: volume(OLD, "a"),
        zones: vec![zone("a", true), zone("b", true), zone("c", false)],
        made: None,
        taken: None,
        given: None,
        snapshots: Vec::new(),
        now: now(),
        rebinding: false,
    }
}

fn out() -> Seen {
    let mut seen = seen();
    seen.zones[0].available = false;
    seen
}

fn order(to: &str, data: Data) -> Order {
    Order {
        subject: Subject::Id(OLD.parse().unwrap()),
        to: to.parse().unwrap(),
        data,
        objects: Objects::Cluster,
        name: None,
        act: true,
        rebind: false,
        while_attached: false,
        output: None,
        patience: Duration::from_secs(1),
    }
}

fn decided(order: &Order, seen: &Seen) -> Result<Begin, String> {
    begin(order, "moved", seen).map_err(|error| error.to_string())
}

fn number_of(begin: Result<Begin, String>) -> u8 {
    match begin.unwrap() {
        Begin::Snapshot(snapshot) => snapshot.id.as_str().as_bytes().last().unwrap() - b'0',
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case("a", "already")]
#[case("c", "does not take requests now; zones that take volumes now: b")]
#[case("d", "no such zone; zones that take volumes now: b")]
fn where_no_volume_can_be_made_nothing_begins(#[case] to: &str, #[case] why: &str) {
    let refused = decided(&order(to, Data::Latest), &seen()).unwrap_err();
    assert!(refused.contains(why), "{refused}");
}

#[test]
fn a_snapshot_is_taken_of_a_volume_that_nobody_writes_to() {
    let mut seen = seen();
    seen.snapshots = vec![snapshot(1, Some(OLD), SnapshotState::Completed, HOUR)];
    assert_eq!(decided(&order("b", Data::Latest), &seen), Ok(Begin::New));
    seen.volume.state = VolumeState::InUse;
    seen.volume.attachments = vec![Attachment {
        volume: OLD.parse().unwrap(),
        instance: "i-0123456789abcdef0".parse().unwrap(),
        device: "/dev/xvdaa".to_owned(),
        state: AttachmentState::Attached,
        since: None,
    }];
    let refused = decided(&order("b", Data::Latest), &seen).unwrap_err();
    assert!(
        refused.contains("i-0123456789abcdef0") && refused.contains("--while-attached"),
        "{refused}"
    );
    let nevertheless = Order {
        while_attached: true,
        ..order("b", Data::Latest)
    };
    assert_eq!(decided(&nevertheless, &seen), Ok(Begin::New));
    seen.volume.state = VolumeState::Error;
    assert!(decided(&nevertheless, &seen).unwrap_err().contains("error"));
}

#[test]
fn of_a_zone_that_is_out_the_newest_completed_snapshot_is_taken() {
    let mut seen = out();
    seen.snapshots = vec![
        snapshot(1, Some(OLD), SnapshotState::Completed, 3 * HOUR),
        snapshot(2, Some(OLD), SnapshotState::Completed, 2 * HOUR),
        snapshot(3, Some(OLD), SnapshotState::Pending, HOUR),
    ];
    assert_eq!(number_of(decided(&order("b", Data::Latest), &seen)), 2);
    assert_eq!(decided(&order("b", Data::New), &seen), Ok(Begin::New));
    seen.snapshots.clear();
    let refused = decided(&order("b", Data::Latest), &seen).unwrap_err();
    assert!(
        refused.contains("a is out") && refused.contains("--new-snapshot"),
        "{refused}"
    );
    let there = Seen {
        snapshots: vec![snapshot(1, Some(OLD), SnapshotState::Completed, HOUR)],
        ..self::seen()
    };
    assert_eq!(number_of(decided(&order("b", Data::Newest), &there)), 1);
}

#[test]
fn the_snapshot_that_is_named_must_be_of_the_volume() {
    let with = |of, state| Seen {
        given: Some(snapshot(4, of, state, 90 * 24 * HOUR)),
        ..seen()
    };
    let named = order("b", Data::Of("snap-0123456789abcdef4".parse().unwrap()));
    for of in [Some(OLD), None] {
        let seen = with(of, SnapshotState::Completed);
        assert_eq!(number_of(decided(&named, &seen)), 4);
    }
    let refused = decided(&named, &with(Some(OTHER), SnapshotState::Completed)).unwrap_err();
    assert!(
        refused.contains(OTHER) && refused.contains(OLD),
        "{refused}"
    );
    let refused = decided(&named, &with(Some(OLD), SnapshotState::Error)).unwrap_err();
    assert!(refused.contains("error"), "{refused}");
}

#[test]
fn an_earlier_run_is_gone_on_with_while_its_data_are_new() {
    let taken = |ago| Seen {
        taken: Some(snapshot(5, Some(OLD), SnapshotState::Pending, ago)),
        ..seen()
    };
    assert_eq!(number_of(decided(&order("b", Data::Latest), &taken(60))), 5);
    let refused = decided(&order("b", Data::Latest), &taken(30 * HOUR)).unwrap_err();
    assert!(
        refused.contains("1 d 6 h ago") && refused.contains("--name"),
        "{refused}"
    );
    let made = |ago| Seen {
        made: Some(Volume {
            snapshot: Some("snap-0123456789abcdef5".parse().unwrap()),
            ..volume(OTHER, "b")
        }),
        ..taken(ago)
    };
    let goes_on =
        |seen: &Seen, data| matches!(decided(&order("b", data), seen), Ok(Begin::Volume(_)));
    assert!(goes_on(&made(60), Data::Latest));
    assert!(!goes_on(&made(2 * HOUR), Data::Latest));
    let it = || Data::Of("snap-0123456789abcdef5".parse().unwrap());
    assert!(goes_on(&made(2 * HOUR), it()));
    let under_way = Seen {
        rebinding: true,
        ..made(2 * HOUR)
    };
    assert!(goes_on(&under_way, Data::Latest));
    let gone = Seen {
        zones: out().zones,
        ..made(2 * HOUR)
    };
    assert!(goes_on(&gone, Data::Latest));
    let another = order("b", Data::Of("snap-0123456789abcdef6".parse().unwrap()));
    let refused = decided(&another, &made(60)).unwrap_err();
    assert!(
        refused.contains("made of snap-0123456789abcdef5"),
        "{refused}"
    );
}

#[rstest]
#[case(59, "59 s")]
#[case(60, "1 min")]
#[case(3 * HOUR + 120, "3 h 2 min")]
#[case(49 * HOUR, "2 d 1 h")]
fn times_are_said_in_two_units(#[case] seconds: u64, #[case] words: &str) {
    assert_eq!(in_words(Duration::from_secs(seconds)), words);
}
