//! Figures as a table for people: a column for each phase, a row for each measure, runs beside each other.
//!
//! Answers for: rows in reading order, and leaving out what says nothing. Doesn't answer for: the figures.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::figures::{Figures, Latency, Settings};
use super::phase::Phase;
use crate::measures::{MIB, ratio};

/// The width of a measure's name and unit, and of a phase's column.
const NAME: usize = 34;
const COLUMN: usize = 16;

/// A measure's value in a phase.
type Value<'a> = Box<dyn Fn(&Figures) -> Option<String> + 'a>;

/// The table of these runs, the first of which is this one.
pub(super) fn table(runs: &[Vec<Figures>]) -> String {
    let mut text = String::new();
    for run in runs {
        if let Some(figures) = run.first() {
            let _ = writeln!(text, "{}: {}", figures.run, settings(&figures.settings));
        }
    }
    let found = |phase: &Phase| runs.iter().flatten().any(|f| f.phase == *phase);
    let phases: Vec<Phase> = Phase::ALL.into_iter().filter(found).collect();
    // Names are there to tell runs apart.
    let names = match runs {
        [] | [_] => 0,
        more => {
            let lengths = more.iter().flatten().map(|f| f.run.chars().count());
            lengths.max().unwrap_or_default() + 2
        }
    };
    let _ = write!(text, "\n{:NAME$}{:names$}", "", "");
    for phase in &phases {
        let _ = write!(text, "{:>COLUMN$}", phase.name());
    }
    text.push('\n');
    for (label, value) in measures(runs) {
        let mut label = label.as_str();
        for run in runs {
            let cells = phases.iter().map(|phase| {
                let figures = run.iter().find(|figures| figures.phase == *phase);
                figures.and_then(&value)
            });
            let cells: Vec<Option<String>> = cells.collect();
            if cells.iter().all(Option::is_none) {
                continue;
            }
            let name = run.first().map_or("", |figures| figures.run.as_str());
            let name = if names == 0 { "" } else { name };
            let _ = write!(text, "{label:NAME$}{name:names$}");
            for cell in cells {
                let _ = write!(text, "{:>COLUMN$}", cell.unwrap_or_else(|| "–".to_owned()));
            }
            text.push('\n');
            label = "";
        }
    }
    text
}

/// How a run was set, in words.
pub(super) fn settings(settings: &Settings) -> String {
    let Settings {
        volumes,
        instances,
        in_flight,
        alone,
        delays,
        buckets,
    } = settings;
    let how = match alone {
        true => "one after the other".to_owned(),
        false => format!("{in_flight} in flight"),
    };
    let delays: Vec<String> = delays
        .iter()
        .map(|(name, ms)| format!("{} {ms} ms", name.trim_end_matches("_ms")))
        .collect();
    let delays = match delays.is_empty() {
        true => "no delays".to_owned(),
        false => delays.join(", "),
    };
    let buckets = match buckets.len() {
        0 => "no buckets".to_owned(),
        many => format!("buckets of {many} actions"),
    };
    format!("{volumes} volumes, {instances} instances, {how}; {delays}; {buckets}")
}

/// A measure's name, and how it is read off.
type Measure<'a> = (String, Value<'a>);

fn measure<'a>(name: &str, value: impl Fn(&Figures) -> Option<String> + 'a) -> Measure<'a> {
    (name.to_owned(), Box::new(value))
}

/// The measures, in the order in which they are shown.
fn measures<'a>(runs: &'a [Vec<Figures>]) -> Vec<Measure<'a>> {
    let mut all = times();
    all.extend(ec2_calls(runs));
    all.extend(answers(runs));
    all.extend(machine());
    all
}

fn times() -> Vec<Measure<'static>> {
    let latency = |name: &str, of: fn(&Latency) -> f64| {
        measure(name, move |f| Some(decimal(of(&f.latency_ms))))
    };
    vec![
        measure("operations", |f| Some(f.operations.to_string())),
        measure("  failed", |f| some(f.failed)),
        measure("wall time, s", |f| Some(decimal(f.wall_ms / 1_000.0))),
        measure("  floor, s", |f| {
            (f.floor_ms > 0.0).then(|| decimal(f.floor_ms / 1_000.0))
        }),
        measure("  wall time over floor", |f| f.over_floor().map(exact)),
        measure("operations per second", |f| Some(decimal(f.per_second))),
        latency("latency, ms: p50", |l| l.p50),
        latency("  p90", |l| l.p90),
        latency("  p99", |l| l.p99),
        latency("  max", |l| l.max),
        measure("  p50 above EC2's own time", |f| {
            let above = f.latency_ms.p50 - f.own_ms;
            f.settings.alone.then(|| decimal(above))
        }),
    ]
}

fn ec2_calls<'a>(runs: &'a [Vec<Figures>]) -> Vec<Measure<'a>> {
    let all = |f: &Figures| f.per_operation(f.all_ec2_calls()).map(exact);
    let mut measures = vec![measure("EC2 calls per operation", all)];
    measures.extend(actions(runs).into_iter().map(|action| {
        let of = move |f: &Figures| f.per_operation(*f.ec2_calls.get(action)?).map(exact);
        measure(&format!("  {action}"), of)
    }));
    measures.push(measure("  of the first one", |f| {
        Some(f.ec2_calls_each?.first.to_string())
    }));
    measures.push(measure("  of each after it", |f| {
        let each = f.ec2_calls_each?;
        Some(match each.least == each.most {
            true => each.least.to_string(),
            false => format!("{}–{}", each.least, each.most),
        })
    }));
    measures.push(measure("throttled EC2 calls", |f| some(f.throttled)));
    measures
}

fn answers<'a>(runs: &'a [Vec<Figures>]) -> Vec<Measure<'a>> {
    let mut measures = vec![measure("RPCs", |f| Some(f.rpcs.to_string()))];
    measures.extend(codes(runs).into_iter().map(|code| {
        let of = move |f: &Figures| some(*f.errors.get(code)?);
        measure(&format!("  answered {code}"), of)
    }));
    measures
}

fn machine() -> Vec<Measure<'static>> {
    vec![
        measure("driver: CPU per RPC, ms", |f| f.cpu_per_rpc().map(exact)),
        measure("  peak of resident memory, MiB", |f| {
            Some(decimal(ratio(f.driver_peak?, MIB)))
        }),
        measure("  processors", |f| processors(f, f.driver_cpu_ms)),
        measure("emulator: processors", |f| processors(f, f.emulator_cpu_ms)),
        measure("this program: processors", |f| processors(f, f.load_cpu_ms)),
    ]
}

/// The EC2 actions that were called in any phase.
fn actions(runs: &[Vec<Figures>]) -> BTreeSet<&str> {
    let all = runs.iter().flatten().flat_map(|f| f.ec2_calls.keys());
    all.map(String::as_str).collect()
}

/// The codes of errors in any phase.
fn codes(runs: &[Vec<Figures>]) -> BTreeSet<&str> {
    let all = runs.iter().flatten().flat_map(|f| f.errors.keys());
    all.map(String::as_str).collect()
}

/// How many processors were kept busy for the whole phase.
fn processors(figures: &Figures, cpu_ms: Option<f64>) -> Option<String> {
    let share = cpu_ms? / figures.wall_ms;
    share.is_finite().then(|| exact(share))
}

fn some(count: u64) -> Option<String> {
    (count > 0).then(|| count.to_string())
}

fn decimal(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        1_000.0.. => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}

fn exact(value: f64) -> String {
    format!("{value:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, phases: &[Phase]) -> Vec<Figures> {
        let figures = phases.iter().map(|phase| Figures {
            run: name.to_owned(),
            operations: 20,
            wall_ms: 2_000.0,
            per_second: 10.0,
            ..Figures::empty(*phase)
        });
        figures.collect()
    }

    #[test]
    fn a_run_is_a_column_for_each_phase() {
        let mut run = run("ours", &[Phase::Create, Phase::Delete]);
        run[0].ec2_calls.insert("CreateVolume".to_owned(), 20);
        run[1].errors.insert("Aborted".to_owned(), 3);
        let shown = table(&[run]);
        let line = |begin: &str| shown.lines().find(|line| line.starts_with(begin));
        let words = |begin| -> Vec<&str> { line(begin).unwrap().split_whitespace().collect() };
        assert_eq!(words("operations "), ["operations", "20", "20"]);
        assert_eq!(words("  CreateVolume"), ["CreateVolume", "1.000", "–"]);
        assert_eq!(words("  answered Aborted")[2..], ["–", "3"]);
        assert_eq!(line("throttled"), None, "{shown}");
        let widths: BTreeSet<usize> = shown.lines().skip(2).map(|l| l.chars().count()).collect();
        assert_eq!(widths.len(), 1, "{shown}");
    }

    #[test]
    fn runs_are_rows_beside_each_other() {
        let runs = [
            run("ours", &[Phase::Create]),
            run("another", &[Phase::Create, Phase::Delete]),
        ];
        let shown = table(&runs);
        let at = shown
            .lines()
            .position(|line| line.starts_with("wall time"))
            .unwrap();
        let words =
            |n: usize| -> Vec<&str> { shown.lines().nth(n).unwrap().split_whitespace().collect() };
        assert_eq!(words(at)[3..], ["ours", "2.00", "–"], "{shown}");
        assert_eq!(words(at + 1), ["another", "2.00", "2.00"], "{shown}");
    }
}
