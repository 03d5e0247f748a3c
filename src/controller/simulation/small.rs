//! The scenarios with a hundredth of the volumes, as tests: what must hold, holds at any size.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use super::super::testing::paused;
use super::account::{TWENTY, USUAL};
use super::cloud::Size;
use super::plans::{burst, failover};
use super::report::{self, Report, Scenario, percentile};

const SIZE: Size = Size {
    instances: 20,
    volumes_each: 5,
};

/// How many calls EC2 may refuse while the driver finds out what there is.
const REFUSALS: usize = 20;

/// What is the same in most of them.
const USUALLY: Scenario = Scenario {
    name: "small",
    account: USUAL,
    mutations_per_second: None,
    size: SIZE,
    workers: 100,
    plan: |cloud, _| burst(cloud, 150),
    killed_after: None,
};

/// Plays it, and sees that it took hardly longer than EC2 lets it, and that hardly a call was refused.
fn play(scenario: &Scenario) -> Report {
    let report = paused(scenario.play());
    let all = || report::tables(std::slice::from_ref(&report));
    let refused = report.all_calls().throttled;
    assert!(refused <= REFUSALS, "{refused} refusals: {}", all());
    let slack = Duration::from_secs(10);
    assert!(report.wall <= report.floor * 5 / 4 + slack, "{}", all());
    report
}

#[test]
fn a_burst_ends_with_every_volume_where_its_pod_is() {
    let report = play(&USUALLY);
    assert_eq!(report.changes(), 300, "no call twice");
    assert_eq!(report.notes.errors, BTreeMap::new());
}

#[test]
fn more_calls_than_can_be_served_in_time_are_told_so_early() {
    let report = play(&Scenario {
        workers: 500,
        plan: |cloud, _| burst(cloud, 500),
        ..USUALLY
    });
    let errors = report.notes.errors.iter();
    let late = errors.filter(|(code, _)| code.ends_with("DeadlineExceeded"));
    let late: usize = late.map(|(_, calls)| calls).sum();
    assert!(late <= 20, "{late} of 500 waited in vain");
    assert!(report.changes() <= 1_000 + late, "no call twice");
}

#[test]
fn an_account_that_has_less_in_all_than_for_each_action_is_lived_with() {
    let report = play(&Scenario {
        account: TWENTY,
        mutations_per_second: NonZeroU32::new(20),
        ..USUALLY
    });
    assert_eq!(report.changes(), 300, "no call twice");
    assert_eq!(report.notes.errors, BTreeMap::new());
}

#[test]
fn a_driver_that_is_killed_in_a_burst_loses_and_doubles_nothing() {
    play(&Scenario {
        killed_after: Some(Duration::from_secs(8)),
        ..USUALLY
    });
}

#[test]
fn volumes_that_move_are_not_held_up_by_those_that_go() {
    let report = play(&Scenario {
        account: TWENTY,
        mutations_per_second: NonZeroU32::new(20),
        size: Size {
            instances: 60,
            volumes_each: 10,
        },
        plan: |cloud, old| failover(cloud, old, 100, 60, Duration::from_millis(50)),
        ..USUALLY
    });
    assert_eq!(report.changes(), 2 * 100 + 4 * 60, "no call twice");
    assert_eq!(report.notes.errors, BTreeMap::new());
    let median = |kind| percentile(&report.latencies(kind), 50);
    let (publish, delete) = (median("publish"), median("delete"));
    assert!(publish < delete, "{publish:?}, {delete:?}");
}
