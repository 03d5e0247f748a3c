//! The scenarios at full size: `make bench` runs them. They take minutes, and print their tables.

use std::time::Duration;

use super::super::testing::paused;
use super::account::{TWENTY, USUAL};
use super::cloud::Size;
use super::plans::{burst, failover};
use super::report::{Scenario, tables};

/// Ten thousand instances, a hundred thousand volumes.
const SIZE: Size = Size {
    instances: 10_000,
    volumes_each: 10,
};

const SCENARIOS: [Scenario; 5] = [
    Scenario {
        name: "1,000 new volumes",
        account: USUAL,
        size: SIZE,
        workers: 100,
        plan: |cloud, _| burst(cloud, 1_000),
        killed_after: None,
    },
    Scenario {
        name: "1,000 new volumes, 1,000 workers",
        account: USUAL,
        size: SIZE,
        workers: 1_000,
        plan: |cloud, _| burst(cloud, 1_000),
        killed_after: None,
    },
    Scenario {
        name: "1,000 new volumes, driver killed after 60 s",
        account: USUAL,
        size: SIZE,
        workers: 1_000,
        plan: |cloud, _| burst(cloud, 1_000),
        killed_after: Some(Duration::from_mins(1)),
    },
    Scenario {
        name: "10,000 new volumes, 20 changes/s in all",
        account: TWENTY,
        size: SIZE,
        workers: 100,
        plan: |cloud, _| burst(cloud, 10_000),
        killed_after: None,
    },
    Scenario {
        name: "failover of 20,000 volumes",
        account: USUAL,
        size: SIZE,
        workers: 100,
        plan: |cloud, old| failover(cloud, old, 20_000, 800, Duration::from_secs(5)),
        killed_after: None,
    },
];

#[test]
#[ignore = "takes minutes: make bench runs it"]
fn figures() {
    let mut reports = Vec::new();
    for scenario in &SCENARIOS {
        reports.push(paused(scenario.play()));
        println!("{}", tables(&reports));
    }
}
