//! What came of a scenario: figures, and how they are printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use super::account::{Account, changes};
use super::cloud::{Count, Ec2Side, Old, Size};
use super::driver::Driver;
use super::errands::{Planned, UnderWay};
use super::sidecars::{Notes, Sidecars};

/// How long a killed process stays away.
const AWAY: Duration = Duration::from_secs(5);

/// What is simulated.
pub(super) struct Scenario {
    /// In words.
    pub(super) name: &'static str,
    pub(super) account: Account,
    /// The driver's `--ec2-mutations-per-second`.
    pub(super) mutations_per_second: Option<NonZeroU32>,
    /// What is there before.
    pub(super) size: Size,
    /// How many calls each sidecar makes at once.
    pub(super) workers: usize,
    /// What is wanted.
    pub(super) plan: fn(&Ec2Side, &[Old]) -> Vec<Planned>,
    /// When the driver is killed, if it is.
    pub(super) killed_after: Option<Duration>,
}

/// What came of it.
pub(super) struct Report {
    name: &'static str,
    pub(super) volumes: usize,
    /// From the first call of a sidecar to the last answer.
    pub(super) wall: Duration,
    /// What the account's buckets and EC2's own time allow.
    pub(super) floor: Duration,
    pub(super) calls: BTreeMap<String, Count>,
    pub(super) notes: Notes,
    /// What the driver had allocated when all was done, in bytes.
    at_rest: usize,
    /// What it had allocated when it was killed, and how many calls it was serving.
    in_flight: Option<(usize, usize)>,
    /// How long the simulation took.
    real: Duration,
}

impl Scenario {
    /// Plays it. Panics where something is lost, doubled or elsewhere in the end.
    pub(super) async fn play(&self) -> Report {
        let began = SystemTime::now();
        let (cloud, old) = Ec2Side::start(self.account, self.size).await;
        let plan = (self.plan)(&cloud, &old);
        let floor = self.floor(&plan);
        let volumes = plan.len();
        let driver = Driver::start(&cloud, self.mutations_per_second).await;
        let sidecars = Sidecars::new(&driver, self.workers);
        let under_way = UnderWay::begin(&cloud, &sidecars, plan);
        let mut in_flight = None;
        if let Some(after) = self.killed_after {
            sleep(after).await;
            let calls = sidecars.under_way();
            in_flight = Some((freed_by_killing(&driver).await, calls));
            sleep(AWAY).await;
            driver.begin().await;
        }
        let wall = under_way.end(&cloud).await;
        let at_rest = freed_by_killing(&driver).await;
        Report {
            name: self.name,
            volumes,
            wall,
            floor,
            calls: cloud.calls(),
            notes: sidecars.notes().clone(),
            at_rest,
            in_flight,
            real: began.elapsed().unwrap(),
        }
    }

    /// The buckets' time for the calls that cannot be done without, or the time of the last errand.
    fn floor(&self, plan: &[Planned]) -> Duration {
        let mut calls = BTreeMap::new();
        for (_, errand) in plan {
            for call in errand.calls() {
                *calls.entry(call).or_default() += 1;
            }
        }
        let last = plan.iter().map(|(after, _)| *after).max();
        self.account.floor(&calls).max(last.unwrap_or_default())
    }
}

/// Kills the driver, and tells how many bytes it had allocated.
async fn freed_by_killing(driver: &Arc<Driver>) -> usize {
    let before = super::allocated();
    driver.kill();
    // Its calls are dropped, its own tasks end.
    sleep(Duration::from_millis(1)).await;
    before.saturating_sub(super::allocated())
}

impl Report {
    /// The calls of all actions.
    pub(super) fn all_calls(&self) -> Count {
        let mut all = Count::default();
        for count in self.calls.values() {
            all.calls += count.calls;
            all.throttled += count.throttled;
        }
        all
    }

    /// How many calls that change something EC2 let through.
    pub(super) fn changes(&self) -> usize {
        let counts = self.calls.iter().filter(|(action, _)| changes(action));
        counts.map(|(_, count)| count.calls - count.throttled).sum()
    }

    /// How many calls of sidecars failed.
    pub(super) fn errors(&self) -> usize {
        self.notes.errors.values().sum()
    }

    /// The latencies of a kind of operation, shortest first.
    pub(super) fn latencies(&self, kind: &str) -> Vec<Duration> {
        let mut latencies = self.notes.latencies.get(kind).cloned().unwrap_or_default();
        latencies.sort();
        latencies
    }
}

/// The latency that so many hundredths of the operations stay below.
pub(super) fn percentile(sorted: &[Duration], hundredths: usize) -> Duration {
    let rank = (sorted.len() * hundredths).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// The reports as tables in Markdown.
pub(super) fn tables(reports: &[Report]) -> String {
    let mut text = String::from(
        "| scenario | wall | floor | wall / floor | changes | describes | throttled | errors | bytes a call under way | bytes a volume afterwards | computed in |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for report in reports {
        report.row(&mut text).unwrap();
    }
    text.push_str("\n| scenario | operation | number | p50 | p90 | p99 | max |\n|---|---|---|---|---|---|---|\n");
    for report in reports {
        for kind in report.notes.latencies.keys() {
            let sorted = report.latencies(kind);
            let at = |hundredths| seconds(percentile(&sorted, hundredths));
            writeln!(
                text,
                "| {} | {kind} | {} | {} | {} | {} | {} |",
                report.name,
                sorted.len(),
                at(50),
                at(90),
                at(99),
                at(100)
            )
            .unwrap();
        }
    }
    text.push_str(
        "\n| scenario | calls by action (of these throttled); errors by code |\n|---|---|\n",
    );
    for report in reports {
        let calls = report
            .calls
            .iter()
            .map(|(action, count)| format!("{action} {} ({})", count.calls, count.throttled));
        let errors = &report.notes.errors;
        let errors = errors.iter().map(|(code, count)| format!("{code} {count}"));
        let all: Vec<_> = calls.chain(errors).collect();
        writeln!(text, "| {} | {} |", report.name, all.join(", ")).unwrap();
    }
    text
}

impl Report {
    fn row(&self, to: &mut String) -> std::fmt::Result {
        let all = self.all_calls();
        let describes = all.calls - all.throttled - self.changes();
        let ratio = self.wall.as_secs_f64() / self.floor.as_secs_f64();
        let each = |bytes: usize, of: usize| bytes / of.max(1);
        let in_flight = match self.in_flight {
            Some((bytes, calls)) => each(bytes, calls).to_string(),
            None => "–".to_owned(),
        };
        writeln!(
            to,
            "| {} | {} | {} | {ratio:.3} | {} | {describes} | {} | {} | {in_flight} | {} | {} |",
            self.name,
            seconds(self.wall),
            seconds(self.floor),
            self.changes(),
            all.throttled,
            self.errors(),
            each(self.at_rest, self.volumes),
            seconds(self.real),
        )
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
