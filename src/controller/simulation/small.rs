//! The scenarios with a hundredth of the volumes, as tests: what must hold, holds at any size.

use std::time::Duration;

use super::super::testing::paused;
use super::account::{TWENTY, USUAL};
use super::cloud::Size;
use super::plans::{burst, failover};
use super::report::{Report, Scenario};

const SIZE: Size = Size {
    instances: 20,
    volumes_each: 5,
};

fn play(scenario: &Scenario) -> Report {
    paused(scenario.play())
}

#[test]
fn a_burst_ends_with_every_volume_where_its_pod_is() {
    let report = play(&Scenario {
        name: "burst",
        account: USUAL,
        size: SIZE,
        workers: 100,
        plan: |cloud, _| burst(cloud, 150),
        killed_after: None,
    });
    assert_eq!(report.changes(), 300, "no call twice");
}

#[test]
fn an_account_that_has_less_in_all_than_for_each_action_is_found_out() {
    let report = play(&Scenario {
        name: "20 changes a second in all",
        account: TWENTY,
        size: SIZE,
        workers: 100,
        plan: |cloud, _| burst(cloud, 150),
        killed_after: None,
    });
    assert_eq!(report.changes(), 300, "no call twice");
}

#[test]
fn a_driver_that_is_killed_in_a_burst_loses_and_doubles_nothing() {
    play(&Scenario {
        name: "killed",
        account: USUAL,
        size: SIZE,
        workers: 100,
        plan: |cloud, _| burst(cloud, 150),
        killed_after: Some(Duration::from_secs(8)),
    });
}

#[test]
fn volumes_that_move_are_not_held_up_by_those_that_go() {
    let report = play(&Scenario {
        name: "failover",
        account: USUAL,
        size: Size {
            instances: 60,
            volumes_each: 5,
        },
        workers: 100,
        plan: |cloud, old| failover(cloud, old, 75, 20, Duration::from_millis(100)),
        killed_after: None,
    });
    assert_eq!(report.latencies("publish").len(), 95);
    assert_eq!(report.changes(), 2 * 95 + 2 * 20, "no call twice");
}
