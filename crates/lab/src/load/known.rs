//! What a profile's figures should be, and what they are with the Go driver.
//!
//! The Go driver's are those of aws-ebs-csi-driver v1.64.0 with `--batching=true`, measured on a machine of two cores with the
//! profile's settings against this emulator, the throttled ones with 1000 volumes. Where a range was measured, its better end.

use super::figures::Figures;
use super::phase::Phase;
use super::profile::Profile;
use crate::measures::{Limit, MIB, Row, Table, float, ratio};

/// So many volumes were throttled when the Go driver was measured.
const THROTTLED: u32 = 1_000;

/// A figure's limit and the Go driver's figure, of a phase.
type Known = (Phase, Option<f64>, Option<f64>);

/// Operations in a second.
const RATE: [Known; 4] = [
    (Phase::Create, Some(1_500.0), Some(54.0)),
    (Phase::Publish, Some(1_500.0), Some(95.0)),
    (Phase::Unpublish, Some(1_500.0), Some(96.0)),
    (Phase::Delete, None, Some(3_100.0)),
];

/// The driver's processor time for each RPC, in milliseconds.
const CPU: [Known; 4] = [
    (Phase::Create, Some(0.225), Some(0.45)),
    (Phase::Publish, Some(0.25), Some(0.5)),
    (Phase::Unpublish, Some(0.2), Some(0.4)),
    (Phase::Delete, Some(0.125), Some(0.25)),
];

/// EC2 calls of each of 1000 operations at once. The Go driver's snapshots all fail: it names more values than a filter takes.
const AT_ONCE: [Known; 4] = [
    (Phase::Create, Some(1.05), Some(1.1)),
    (Phase::Snapshot, Some(1.02), None),
    (Phase::Publish, Some(1.05), Some(1.9)),
    (Phase::Unpublish, Some(1.02), Some(1.0)),
];

/// EC2 calls of an operation that is alone and not the first.
const ALONE: [Known; 6] = [
    (Phase::Create, Some(2.0), Some(3.0)),
    (Phase::Expand, Some(3.0), Some(5.0)),
    (Phase::Snapshot, Some(2.0), Some(2.0)),
    (Phase::Publish, Some(2.0), Some(4.0)),
    (Phase::Unpublish, Some(2.0), Some(3.0)),
    (Phase::Delete, Some(1.0), Some(1.0)),
];

/// Of the first operation, where that may be more.
const FIRST: [Known; 1] = [(Phase::Publish, Some(3.0), Some(4.0))];

/// Milliseconds above EC2's own time, alone.
const ABOVE: [Known; 5] = [
    (Phase::Create, Some(100.0), Some(760.0)),
    (Phase::Expand, Some(200.0), Some(4_000.0)),
    (Phase::Snapshot, Some(20.0), Some(510.0)),
    (Phase::Publish, Some(150.0), Some(510.0)),
    (Phase::Unpublish, Some(150.0), Some(550.0)),
];

/// The rows of a profile.
pub(super) fn table(profile: Profile, phases: &[Figures]) -> Table {
    let mut table = Table::default();
    let mut all = Rows {
        phases,
        table: &mut table,
    };
    match profile {
        Profile::Rate => {
            all.each(&RATE, "", "/s", Limit::AtLeast, |f| Some(f.per_second));
            all.each(
                &CPU,
                "CPU per RPC",
                "ms",
                Limit::AtMost,
                Figures::cpu_per_rpc,
            );
        }
        Profile::Burst => all.burst(),
        Profile::Alone => {
            let most = |f: &Figures| f.ec2_calls_each.map(|each| float(each.most));
            let first = |f: &Figures| f.ec2_calls_each.map(|each| float(each.first));
            all.each(&ALONE, "EC2 calls, at most", "", Limit::AtMost, most);
            all.each(&FIRST, "EC2 calls, the first", "", Limit::AtMost, first);
        }
        Profile::Latency => {
            let above = |f: &Figures| Some(f.latency_ms.p50 - f.own_ms);
            all.each(&ABOVE, "above EC2's own time", "ms", Limit::AtMost, above);
        }
        Profile::Throttled => all.throttled(),
    }
    table.note("Go driver: aws-ebs-csi-driver v1.64.0, measured elsewhere: 2 cores, this emulator, the profile's settings");
    table
}

/// Where rows go.
struct Rows<'a> {
    phases: &'a [Figures],
    table: &'a mut Table,
}

impl Rows<'_> {
    /// A figure of several phases; of those that were gone through.
    fn each(
        &mut self,
        known: &[Known],
        name: &str,
        unit: &'static str,
        limit: impl Fn(f64) -> Limit,
        value: impl Fn(&Figures) -> Option<f64>,
    ) {
        for (phase, wanted, go_driver) in known {
            let Some(figures) = self.phases.iter().find(|f| f.phase == *phase) else {
                continue;
            };
            let name = match name {
                "" => phase.name().to_owned(),
                name => format!("{}: {name}", phase.name()),
            };
            self.table.row(Row {
                name,
                unit,
                value: value(figures),
                limit: wanted.map(&limit),
                go_driver: *go_driver,
            });
        }
    }

    fn burst(&mut self) {
        let calls = |f: &Figures| f.per_operation(f.all_ec2_calls());
        self.each(
            &AT_ONCE,
            "EC2 calls per operation",
            "",
            Limit::AtMost,
            calls,
        );
        let create = self.phases.iter().find(|f| f.phase == Phase::Create);
        self.table.row(Row {
            name: "create: peak of resident memory".to_owned(),
            unit: "MiB",
            value: create.and_then(|f| Some(ratio(f.driver_peak?, MIB))),
            limit: Some(Limit::AtMost(40.0)),
            go_driver: Some(122.0),
        });
    }

    fn throttled(&mut self) {
        let all = self.phases;
        let volumes = all.first().map_or(0, |f| f.settings.volumes);
        let sum = |value: fn(&Figures) -> f64| all.iter().map(value).sum::<f64>();
        let over = sum(|f| f.wall_ms) / sum(|f| f.floor_ms);
        let p99 = all.iter().map(|f| f.latency_ms.p99).fold(0.0, f64::max);
        let calls = sum(|f| float(f.all_ec2_calls())) / f64::from(volumes.max(1));
        // The last call still takes EC2's own time, which shows less the longer the buckets take.
        let full = volumes >= THROTTLED;
        let rows = [
            ("wall time over floor", "", over, full.then_some(1.02), 1.03),
            (
                "p99 of the slowest phase",
                "s",
                p99 / 1_000.0,
                Some(30.0),
                87.0,
            ),
            ("EC2 calls per volume", "", calls, Some(5.0), 6.24),
            (
                "throttled EC2 calls",
                "",
                sum(|f| float(f.throttled)),
                Some(10.0),
                549.0,
            ),
            (
                "errors seen by the sidecars",
                "",
                sum(|f| float(f.errors.values().sum())),
                Some(0.0),
                155.0,
            ),
        ];
        for (name, unit, value, limit, go_driver) in rows {
            self.table.row(Row {
                name: name.to_owned(),
                unit,
                value: value.is_finite().then_some(value),
                limit: limit.map(Limit::AtMost),
                go_driver: Some(go_driver),
            });
        }
        if !full {
            self.table.note(format!(
                "the Go driver's and the limit of 1.02 over the floor are those of {THROTTLED} volumes"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(phase: Phase) -> Figures {
        Figures {
            operations: 10,
            rpcs: 10,
            per_second: 1_400.0,
            driver_cpu_ms: Some(2.0),
            ..Figures::empty(phase)
        }
    }

    #[test]
    fn a_profile_shows_the_phases_that_were_gone_through() {
        let shown = table(Profile::Rate, &[done(Phase::Create)]).to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 4, "{shown}");
        assert!(
            lines[1].contains("1400 /s") && lines[1].ends_with("OVER"),
            "{shown}"
        );
        assert!(
            lines[2].contains("0.200 ms") && !lines[2].contains("OVER"),
            "{shown}"
        );
        assert!(lines[3].contains("measured elsewhere"), "{shown}");
    }

    #[test]
    fn few_throttled_volumes_are_not_held_against_the_floor_of_many() {
        let mut create = done(Phase::Create);
        create.settings.volumes = 250;
        (create.wall_ms, create.floor_ms) = (31_000.0, 30_000.0);
        create.errors.insert("Aborted".to_owned(), 1);
        let shown = table(Profile::Throttled, &[create.clone()]).to_string();
        assert!(!shown.lines().nth(1).unwrap().contains("OVER"), "{shown}");
        assert!(
            shown
                .lines()
                .any(|line| line.starts_with("errors") && line.ends_with("OVER"))
        );
        create.settings.volumes = 1_000;
        let shown = table(Profile::Throttled, &[create]).to_string();
        assert!(shown.lines().nth(1).unwrap().ends_with("OVER"), "{shown}");
    }
}
