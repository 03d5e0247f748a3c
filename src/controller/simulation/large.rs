//! The scenarios at full size: `make simulation` runs them. They take minutes, and print their tables.

use std::num::NonZeroU32;
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

/// What is the same in most of them.
const USUALLY: Scenario = Scenario {
    name: "1,000 new volumes",
    account: USUAL,
    mutations_per_second: None,
    size: SIZE,
    workers: 100,
    plan: |cloud, _| burst(cloud, 1_000),
    killed_after: None,
};

const SCENARIOS: [Scenario; 6] = [
    USUALLY,
    Scenario {
        name: "the same, 1,000 calls at once",
        workers: 1_000,
        ..USUALLY
    },
    Scenario {
        name: "the same, driver killed after 60 s",
        workers: 1_000,
        killed_after: Some(Duration::from_mins(1)),
        ..USUALLY
    },
    Scenario {
        name: "10,000 new volumes, 20 changes/s in all",
        account: TWENTY,
        plan: |cloud, _| burst(cloud, 10_000),
        ..USUALLY
    },
    Scenario {
        name: "the same, `--ec2-mutations-per-second=20`",
        account: TWENTY,
        mutations_per_second: NonZeroU32::new(20),
        plan: |cloud, _| burst(cloud, 10_000),
        ..USUALLY
    },
    Scenario {
        name: "20,000 volumes move within a zone",
        plan: |cloud, old| failover(cloud, old, 20_000, 800, Duration::from_secs(5)),
        ..USUALLY
    },
];

#[test]
#[ignore = "takes minutes: make simulation runs it"]
fn figures() {
    let mut reports = Vec::new();
    for scenario in &SCENARIOS {
        reports.push(paused(scenario.play()));
        println!("{}", tables(&reports));
    }
}
