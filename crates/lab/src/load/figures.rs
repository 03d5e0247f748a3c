//! The figures of a phase, as they are printed, kept in files and read again.
//!
//! Answers for: what each figure is made of. Doesn't answer for: their form; see [`super::table`] and [`super::plot`].

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::cloud::{Bucket, Count};
use serde::{Deserialize, Serialize};

use super::drive::Sample;
use super::phase::Phase;
use crate::measures::{float, millis};

/// A line of a JSON file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Line {
    Phase(Box<Figures>),
    Operation(Operation),
}

/// How load was set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) volumes: u32,
    pub(super) instances: u32,
    pub(super) in_flight: u32,
    /// One volume after the other, each looked at on its own.
    pub(super) alone: bool,
    /// The emulator's delays that are not zero, in milliseconds.
    pub(super) delays: BTreeMap<String, u64>,
    pub(super) buckets: BTreeMap<String, Bucket>,
}

/// What came of a phase. Times are in milliseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Figures {
    /// The name of the run.
    pub(super) run: String,
    pub(super) phase: Phase,
    pub(super) settings: Settings,
    /// The operations that were begun.
    pub(super) operations: u64,
    /// Those of them that came to nothing.
    pub(super) failed: u64,
    /// The calls that the driver was asked.
    pub(super) rpcs: u64,
    pub(super) wall_ms: f64,
    /// What EC2's buckets and its own time allow.
    pub(super) floor_ms: f64,
    /// Operations done in a second.
    pub(super) per_second: f64,
    /// Of the operations that were done, from the first call to the last answer.
    pub(super) latency_ms: Latency,
    /// EC2's own part of that.
    pub(super) own_ms: f64,
    /// EC2 actions, and how often each was called.
    pub(super) ec2_calls: BTreeMap<String, u64>,
    /// EC2 calls of single operations, where they were looked at one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ec2_calls_each: Option<Each>,
    /// EC2 calls that were refused with RequestLimitExceeded.
    pub(super) throttled: u64,
    /// The driver's answers that were errors, by gRPC code.
    pub(super) errors: BTreeMap<String, u64>,
    /// Processor time of the driver, the emulator and this program; none where a process is not known.
    pub(super) driver_cpu_ms: Option<f64>,
    pub(super) emulator_cpu_ms: Option<f64>,
    pub(super) load_cpu_ms: Option<f64>,
    /// The most memory that the driver had resident in this phase, in bytes.
    pub(super) driver_peak: Option<u64>,
}

/// The distribution of times, in milliseconds, by nearest rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

/// EC2 calls of operations that were alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Each {
    /// Of the first one.
    pub(super) first: u64,
    /// Of those after it; of the first one if it was the only one.
    pub(super) least: u64,
    pub(super) most: u64,
}

/// An operation, with `--each`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Operation {
    pub(super) run: String,
    pub(super) phase: Phase,
    pub(super) volume: usize,
    /// From the phase's begin, in milliseconds.
    pub(super) began_ms: f64,
    pub(super) took_ms: f64,
    pub(super) attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ec2_calls: Option<u64>,
    pub(super) errors: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<String>,
}

impl Figures {
    /// Of a phase of which nothing is known.
    pub(super) fn empty(phase: Phase) -> Self {
        Self {
            run: String::new(),
            phase,
            settings: Settings::default(),
            operations: 0,
            failed: 0,
            rpcs: 0,
            wall_ms: 0.0,
            floor_ms: 0.0,
            per_second: 0.0,
            latency_ms: Latency::default(),
            own_ms: 0.0,
            ec2_calls: BTreeMap::new(),
            ec2_calls_each: None,
            throttled: 0,
            errors: BTreeMap::new(),
            driver_cpu_ms: None,
            emulator_cpu_ms: None,
            load_cpu_ms: None,
            driver_peak: None,
        }
    }

    /// The latencies, calls and errors of these operations; the rest is what the caller measured.
    pub(super) fn count(&mut self, samples: &[Sample]) {
        let mut times: Vec<Duration> = samples
            .iter()
            .filter(|sample| sample.failure.is_none())
            .map(|sample| sample.took)
            .collect();
        times.sort_unstable();
        self.latency_ms = Latency::of(&times);
        self.operations = number(samples.len());
        self.failed = self.operations - number(times.len());
        self.rpcs = samples.iter().map(|s| u64::from(s.attempts)).sum();
        self.per_second = match self.wall_ms > 0.0 {
            true => float(number(times.len())) * 1_000.0 / self.wall_ms,
            false => 0.0,
        };
        for code in samples.iter().flat_map(|sample| &sample.errors) {
            *self.errors.entry(format!("{code:?}")).or_default() += 1;
        }
        self.ec2_calls_each = Each::of(samples);
    }

    /// The EC2 calls between two looks.
    pub(super) fn compare(
        &mut self,
        before: &BTreeMap<String, Count>,
        after: &BTreeMap<String, Count>,
    ) {
        let refused = |count: &Count| count.codes.get("RequestLimitExceeded").copied();
        for (action, now) in after {
            let then = before.get(action);
            let calls = now.calls - then.map_or(0, |count| count.calls);
            if calls > 0 {
                self.ec2_calls.insert(action.clone(), calls);
            }
            let throttled = refused(now).unwrap_or_default();
            self.throttled += throttled - then.and_then(refused).unwrap_or_default();
        }
    }

    /// All EC2 calls.
    pub(super) fn all_ec2_calls(&self) -> u64 {
        self.ec2_calls.values().sum()
    }

    /// So much for each operation; none without operations.
    pub(super) fn per_operation(&self, of: u64) -> Option<f64> {
        (self.operations > 0).then(|| float(of) / float(self.operations))
    }

    /// The driver's processor time for each RPC, in milliseconds.
    pub(super) fn cpu_per_rpc(&self) -> Option<f64> {
        let all = self.driver_cpu_ms.filter(|_| self.rpcs > 0)?;
        Some(all / float(self.rpcs))
    }

    /// Wall time in multiples of the floor; none where there is no floor.
    pub(super) fn over_floor(&self) -> Option<f64> {
        (self.floor_ms > 0.0).then(|| self.wall_ms / self.floor_ms)
    }
}

impl Latency {
    /// Of times in ascending order.
    fn of(sorted: &[Duration]) -> Self {
        let at = |percent| millis(percentile(sorted, percent));
        Self {
            p50: at(50),
            p90: at(90),
            p99: at(99),
            max: at(100),
        }
    }
}

impl Each {
    fn of(samples: &[Sample]) -> Option<Self> {
        let mut calls = samples.iter().filter_map(|sample| sample.ec2_calls);
        let first = calls.next()?;
        let (least, most) = calls.fold((u64::MAX, 0), |(least, most), more| {
            (least.min(more), most.max(more))
        });
        Some(match least <= most {
            true => Self { first, least, most },
            false => Self {
                first,
                least: first,
                most: first,
            },
        })
    }
}

impl Operation {
    pub(super) fn of(run: &str, phase: Phase, sample: &Sample) -> Self {
        Self {
            run: run.to_owned(),
            phase,
            volume: sample.volume,
            began_ms: millis(sample.began),
            took_ms: millis(sample.took),
            attempts: sample.attempts,
            ec2_calls: sample.ec2_calls,
            errors: sample.errors.iter().map(|c| format!("{c:?}")).collect(),
            failure: sample.failure.clone(),
        }
    }
}

/// The smallest of some times in ascending order that so many percent of them do not exceed; zero of none.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// A count as JSON has it.
fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The phases in a file that an earlier run wrote.
pub(super) fn read(path: &Path) -> Result<Vec<Figures>> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("--beside {shown}"))?;
    let mut phases = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line: Line = serde_json::from_str(line).with_context(|| {
            format!(
                "--beside {shown}: line {} is not one that --json writes",
                n + 1
            )
        })?;
        if let Line::Phase(figures) = line {
            phases.push(*figures);
        }
    }
    ensure!(!phases.is_empty(), "--beside {shown}: no phase is in it");
    Ok(phases)
}

#[cfg(test)]
mod tests;
