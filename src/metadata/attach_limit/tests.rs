use ebs_types::listed_limits;
use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn told(volumes: u32, interfaces: u32) -> Known {
    Known {
        in_use: Some(InUse {
            by: Teller::Imds,
            volumes,
            interfaces,
        }),
        ..Known::default()
    }
}

fn seen(volumes: u32, interfaces: u32) -> Machine {
    Machine {
        volumes: Some(Foreign {
            least: volumes,
            most: volumes.saturating_add(5),
        }),
        interfaces,
        ..Machine::default()
    }
}

fn limit(instance_type: &str, setting: AttachLimit, known: &Known) -> Limit {
    reckon(&instance_type.parse().unwrap(), setting, known)
}

fn max(instance_type: &str, setting: AttachLimit, known: &Known) -> u32 {
    limit(instance_type, setting, known).max_volumes
}

#[rstest]
#[case("m5.large", 0, 1, 26)]
#[case("m5.large", 2, 3, 22)]
#[case("c5d.large", 0, 1, 25)]
#[case("c4.large", 1, 8, 37)]
#[case("m7i.large", 0, 4, 31)]
// Two EBS cards.
#[case("m8gn.48xlarge", 0, 16, 127)]
#[case("m8gn.metal-48xl", 2, 1, 75)]
#[case("m5.large", 40, 1, 1)]
fn what_is_in_use_is_taken_off(
    #[case] instance_type: &str,
    #[case] volumes: u32,
    #[case] interfaces: u32,
    #[case] expected: u32,
) {
    let known = told(volumes, interfaces);
    assert_eq!(max(instance_type, AttachLimit::Counted, &known), expected);
}

#[test]
fn settings_replace_the_count() {
    let known = Known {
        machine: seen(9, 1),
        ..told(3, 3)
    };
    let fixed = limit("m5.large", AttachLimit::Fixed(5), &known);
    assert_eq!(
        (fixed.max_volumes, fixed.figure, fixed.counted),
        (5, Figure::Set, Counted::Set)
    );
    let reserved = limit("m5.large", AttachLimit::Reserved(7), &known);
    assert_eq!(
        (reserved.max_volumes, reserved.figure, reserved.counted),
        (18, Figure::Table, Counted::Set)
    );
}

#[rstest]
// Instance metadata shows more volumes, the machine more interfaces.
#[case(told(2, 1), seen(2, 3), 22, Counted::Imds)]
// A volume was attached by hand since the start.
#[case(told(0, 1), seen(2, 1), 25, Counted::Imds)]
// The machine alone: the root volume, and two interfaces.
#[case(Known::default(), seen(1, 2), 25, Counted::Machine)]
#[case(Known::default(), Machine { volumes: None, ..seen(0, 2) }, 25, Counted::Assumed)]
#[case(Known::default(), seen(3, 0), 24, Counted::Assumed)]
fn the_machine_corrects_what_is_told(
    #[case] told: Known,
    #[case] machine: Machine,
    #[case] expected: u32,
    #[case] counted: Counted,
) {
    let known = Known { machine, ..told };
    let limit = limit("m5.large", AttachLimit::Counted, &known);
    assert_eq!((limit.max_volumes, limit.counted), (expected, counted));
    assert_eq!(limit.is_weak(), counted == Counted::Assumed);
}

#[test]
fn what_was_told_at_the_start_and_could_not_be_compared_is_weak() {
    let known = Known {
        unchecked: true,
        ..told(1, 1)
    };
    let limit = |setting| limit("m5.large", setting, &known);
    let counted = limit(AttachLimit::Counted);
    assert_eq!((counted.max_volumes, counted.counted), (25, Counted::Start));
    assert!(counted.is_weak());
    // The operator has counted the volumes.
    let reserved = limit(AttachLimit::Reserved(3));
    assert!(!reserved.is_weak(), "{reserved:?}");
    // With nobody who tells, there is less to compare.
    let nothing = Known {
        in_use: None,
        ..known
    };
    let assumed = super::tests::limit("m5.large", AttachLimit::Counted, &nothing);
    assert_eq!(assumed.counted, Counted::Assumed);
}

#[test]
fn volumes_of_the_start_that_are_gone_or_csis_are_not_counted() {
    let mut known = told(3, 1);
    let max = |known: &Known| max("m5.large", AttachLimit::Counted, known);
    assert_eq!(max(&known), 23);
    let range = |least, most| Some(Foreign { least, most });
    // Two of the three are CSI's.
    known.machine.volumes = range(1, 2);
    assert_eq!(max(&known), 25);
    // One of them may be.
    known.machine.volumes = range(1, 3);
    assert_eq!(max(&known), 24);
    // A root volume is always there.
    known.machine.volumes = range(0, 0);
    assert_eq!(max(&known), 26);
}

#[test]
fn what_is_not_known_is_not_taken_off() {
    let nothing = Known::default();
    let limit = |setting| limit("m5.large", setting, &nothing);
    // 27, less the root volume.
    assert_eq!(limit(AttachLimit::Counted).max_volumes, 26);
    assert_eq!(limit(AttachLimit::Reserved(3)).max_volumes, 24);
    assert_eq!(limit(AttachLimit::Fixed(5)).max_volumes, 5);
    assert!(limit(AttachLimit::Counted).is_weak());
    assert!(limit(AttachLimit::Reserved(3)).is_weak());
    assert!(!limit(AttachLimit::Fixed(5)).is_weak());
    // Interfaces don't count there.
    assert!(!super::tests::limit("m7i.large", AttachLimit::Reserved(3), &nothing).is_weak());
}

#[test]
fn a_type_that_the_table_lacks_is_guessed_until_ec2_tells() {
    let mut known = Known {
        machine: Machine {
            stores: 2,
            accelerators: 1,
            ..seen(1, 2)
        },
        ..told(0, 2)
    };
    let guess = limit("zz9.large", AttachLimit::Counted, &known);
    // 27 less root, a second interface, two disks, an accelerator.
    assert_eq!((guess.max_volumes, guess.figure), (22, Figure::Guess));
    assert!(guess.is_weak());
    let annotated = AttachmentLimit {
        volumes: 40,
        shared: false,
        ..AttachmentLimit::COMMON_NITRO
    };
    known.annotated = Some(AttachmentLimit {
        ebs_cards: 2,
        ..annotated
    });
    assert_eq!(max("zz9.large", AttachLimit::Counted, &known), 39);
    known.annotated = Some(annotated);
    let told = limit("zz9.large", AttachLimit::Counted, &known);
    assert_eq!((told.max_volumes, told.figure), (39, Figure::Ec2));
    assert!(!told.is_weak());
    // The table is not overruled.
    let listed = limit("m5.large", AttachLimit::Counted, &known);
    assert_eq!((listed.max_volumes, listed.figure), (25, Figure::Table));
}

fn a_known() -> impl Strategy<Value = Known> {
    let in_use = proptest::option::of((any::<u32>(), any::<u32>()));
    let machine = (
        proptest::option::of((any::<u32>(), any::<u32>())),
        any::<u32>(),
        any::<u32>(),
        any::<u32>(),
    );
    let annotated = proptest::option::of((any::<u32>(), any::<bool>()));
    let all = (in_use, machine, annotated, any::<bool>());
    all.prop_map(|(in_use, machine, annotated, unchecked)| Known {
        unchecked,
        annotated: annotated.map(|(volumes, shared)| AttachmentLimit {
            volumes,
            shared,
            ..AttachmentLimit::COMMON_NITRO
        }),
        in_use: in_use.map(|(volumes, interfaces)| InUse {
            by: Teller::Labels,
            volumes,
            interfaces,
        }),
        machine: Machine {
            volumes: machine.0.map(|(least, more)| Foreign {
                least,
                most: least.saturating_add(more),
            }),
            interfaces: machine.1,
            stores: machine.2,
            accelerators: machine.3,
        },
    })
}

/// A type of the table, or one that it lacks.
fn a_type() -> impl Strategy<Value = InstanceType> {
    let mut names: Vec<&str> = listed_limits().map(|(name, _)| name).collect();
    names.sort_unstable();
    names.push("zz9.large");
    proptest::sample::select(names).prop_map(|name| name.parse().unwrap())
}

proptest! {
    #[test]
    fn there_is_room_for_one_and_never_for_more_than_the_type_has(
        instance_type in a_type(),
        known in a_known(),
        reserved in proptest::option::of(any::<u32>()),
    ) {
        let setting = reserved.map_or(AttachLimit::Counted, AttachLimit::Reserved);
        let (offered, _) = offered(&instance_type, &known);
        let limit = reckon(&instance_type, setting, &known);
        prop_assert!(limit.max_volumes >= 1);
        prop_assert!(limit.max_volumes <= offered.volumes.max(1));
        // A root volume is there.
        if setting == AttachLimit::Counted {
            prop_assert!(limit.max_volumes < offered.volumes.max(2));
        }
    }

    #[test]
    fn more_in_use_never_leaves_more_room(instance_type in a_type(), known in a_known(), more in 0..100_u32) {
        let max = |known: &Known| reckon(&instance_type, AttachLimit::Counted, known).max_volumes;
        let mut other = known;
        if let Some(Foreign { least, most }) = &mut other.machine.volumes {
            *least = least.saturating_add(more);
            *most = most.saturating_add(more);
        }
        prop_assert!(max(&other) <= max(&known));
        other.machine.interfaces = other.machine.interfaces.saturating_add(more);
        other.machine.stores = other.machine.stores.saturating_add(more);
        prop_assert!(max(&other) <= max(&known));
    }
}
