//! A run: phase after phase, measured, and what is left of it tidied up.
//!
//! Answers for: what is looked at before and after a phase, and that nothing stays in EC2 that could be removed.
//! Doesn't answer for: how it is shown.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use lab::cloud::Count;
use tokio::time::Instant;

use super::bed::Bed;
use super::drive::{Callers, Sample, Stop};
use super::figures::{Figures, Settings};
use super::flags::Plan;
use super::floor::Limits;
use super::meter::Meter;
use super::phase::Phase;
use super::volume::Volume;
use crate::measures::millis;

/// How long one of a run's leftovers is tried to be removed.
const TIDYING: Duration = Duration::from_secs(30);

/// The order in which what is left is removed; what may be there is asked for first, to learn its id.
const TIDYING_UP: [Phase; 5] = [
    Phase::Create,
    Phase::Snapshot,
    Phase::Unpublish,
    Phase::DeleteSnapshot,
    Phase::Delete,
];

/// How many of a long list are named.
const NAMED: usize = 5;

/// What came of a run, however it ended.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) phases: Vec<(Figures, Vec<Sample>)>,
    /// What went wrong, in sentences.
    pub(super) troubles: Vec<String>,
}

/// The machine and EC2 at a moment.
struct Look {
    counts: BTreeMap<String, Count>,
    driver: Option<Duration>,
    emulator: Option<Duration>,
    own: Option<Duration>,
}

impl Look {
    async fn take(bed: &Bed) -> Result<Self> {
        let time = |meter: &Meter| meter.processor_time().ok();
        Ok(Self {
            counts: bed.cloud.counts().await?,
            driver: bed.driver.as_ref().and_then(time),
            emulator: bed.emulator.as_ref().and_then(time),
            own: time(&Meter::own()),
        })
    }
}

/// Goes through the phases of a plan, up to one that is cut off.
///
/// # Errors
/// An emulator that cannot be set or asked.
pub(super) async fn run(plan: &Plan, bed: &Bed, stop: Stop) -> Result<Outcome> {
    bed.set(plan.delays.as_ref(), plan.buckets.as_ref()).await?;
    let measured = Measured {
        plan,
        bed,
        limits: bed.limits().await?,
    };
    let in_flight = usize::try_from(plan.in_flight)?;
    let callers = Callers::new(&bed.socket, plan.policy.clone(), in_flight, stop)?;
    let mut volumes = volumes(plan, bed)?;
    let mut outcome = Outcome::default();
    for phase in &plan.phases {
        let (ready, others): (Vec<_>, Vec<_>) =
            volumes.into_iter().partition(|v| v.is_ready_for(*phase));
        let (gone_through, figures, samples) = measured.phase(*phase, &callers, ready).await?;
        volumes = gone_through;
        volumes.extend(others);
        volumes.sort_unstable_by_key(|volume| volume.number);
        outcome.troubles.extend(failures(*phase, &samples));
        outcome.phases.push((figures, samples));
        if let Some(why) = callers.stopped() {
            outcome.troubles.push(format!("{}: {why}", phase.name()));
            break;
        }
    }
    // What is in an EC2 of its own goes with it.
    if !bed.own {
        let left = tidy_up(plan, bed, &callers, volumes).await;
        outcome.troubles.extend(left);
    } else if outcome.troubles.is_empty() && plan.phases.contains(&Phase::Delete) {
        let left = bed.cloud.volumes().await?.len() + bed.cloud.snapshots().await?.len();
        if left > 0 {
            let said = "volumes and snapshots are in EC2 that the driver said it deleted";
            outcome.troubles.push(format!("{left} {said}"));
        }
    }
    Ok(outcome)
}

/// A run's volumes, none of which exists yet.
fn volumes(plan: &Plan, bed: &Bed) -> Result<Vec<Volume>> {
    // No two runs may ask for the same names.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let run = format!("{now:x}-{:x}", std::process::id());
    let instances = bed.instances.iter().cycle();
    let numbers = 0..usize::try_from(plan.volumes)?;
    Ok(numbers
        .zip(instances)
        .map(|(number, instance)| Volume::new(&run, number, instance))
        .collect())
}

/// What phases are measured with.
struct Measured<'a> {
    plan: &'a Plan,
    bed: &'a Bed,
    limits: Limits,
}

impl Measured<'_> {
    async fn phase(
        &self,
        phase: Phase,
        callers: &Callers,
        volumes: Vec<Volume>,
    ) -> Result<(Vec<Volume>, Figures, Vec<Sample>)> {
        if let Some(driver) = &self.bed.driver {
            driver.forget_peak();
        }
        let before = Look::take(self.bed).await?;
        let begin = Instant::now();
        let (volumes, samples) = match self.plan.alone {
            true => self.one_by_one(phase, callers, volumes).await?,
            false => callers.go_through(phase, volumes).await,
        };
        let wall = begin.elapsed();
        let after = Look::take(self.bed).await?;
        let mut figures = self.blank(phase, wall, samples.len())?;
        figures.count(&samples);
        figures.compare(&before.counts, &after.counts);
        let between = |then: Option<Duration>, now: Option<Duration>| {
            let (then, now) = then.zip(now)?;
            Some(millis(now.saturating_sub(then)))
        };
        figures.driver_cpu_ms = between(before.driver, after.driver);
        figures.emulator_cpu_ms = between(before.emulator, after.emulator);
        figures.load_cpu_ms = between(before.own, after.own);
        figures.driver_peak = self.bed.driver.as_ref().and_then(|d| d.peak().ok());
        Ok((volumes, figures, samples))
    }

    async fn one_by_one(
        &self,
        phase: Phase,
        callers: &Callers,
        volumes: Vec<Volume>,
    ) -> Result<(Vec<Volume>, Vec<Sample>)> {
        let (mut all, mut samples) = (Vec::new(), Vec::new());
        for volume in volumes {
            let before = self.bed.cloud.calls().await?;
            let (volume, sample) = callers.go_through(phase, vec![volume]).await;
            let after = self.bed.cloud.calls().await?;
            let sum = |calls: BTreeMap<String, u64>| calls.values().sum::<u64>();
            let calls = sum(after) - sum(before);
            all.extend(volume);
            samples.extend(sample.into_iter().map(|sample| Sample {
                ec2_calls: Some(calls),
                ..sample
            }));
        }
        Ok((all, samples))
    }

    fn blank(&self, phase: Phase, wall: Duration, operations: usize) -> Result<Figures> {
        let plan = self.plan;
        let operations = u32::try_from(operations)?;
        let floor = self.limits.floor(phase, operations, plan.in_flight);
        Ok(Figures {
            run: plan.output.name.clone(),
            phase,
            settings: Settings {
                volumes: plan.volumes,
                instances: plan.instances,
                in_flight: plan.in_flight,
                alone: plan.alone,
                delays: self.limits.delays.clone(),
                buckets: self.limits.buckets.clone(),
            },
            wall_ms: millis(wall),
            floor_ms: millis(floor),
            own_ms: millis(self.limits.own_time(phase)),
            ..Figures::empty(phase)
        })
    }
}

/// What went wrong in a phase, one sentence for each way.
fn failures(phase: Phase, samples: &[Sample]) -> Vec<String> {
    let mut ways: BTreeMap<&str, usize> = BTreeMap::new();
    for failure in samples.iter().filter_map(|s| s.failure.as_deref()) {
        // Messages name volumes: those of one code are told once.
        let way = failure.split(':').next().unwrap_or_default();
        *ways.entry(way).or_default() += 1;
    }
    let all = ways.into_iter().map(|(way, count)| {
        let first = samples.iter().filter_map(|s| s.failure.as_deref());
        let first = first.into_iter().find(|failure| failure.starts_with(way));
        let words = match way {
            "" => "cut off",
            _ => first.unwrap_or_default(),
        };
        let name = phase.name();
        format!(
            "{name}: {count} of {} operations failed: {words}",
            samples.len()
        )
    });
    all.collect()
}

/// Removes what is left in EC2: what could not be removed, in sentences.
async fn tidy_up(
    plan: &Plan,
    bed: &Bed,
    callers: &Callers,
    mut volumes: Vec<Volume>,
) -> Vec<String> {
    // What cut the run off does not cut this off, but with nobody to answer it is no use.
    let (_ears, deaf) = tokio::sync::watch::channel(None);
    let answers = bed.driver.as_ref().is_none_or(Meter::is_alive);
    let patience = TIDYING.min(plan.policy.patience);
    for phase in TIDYING_UP.into_iter().filter(|_| answers) {
        let (left, mut others): (Vec<_>, Vec<_>) =
            volumes.into_iter().partition(|v| v.is_tidied_by(phase));
        let (done, _) = callers
            .tidying(patience, deaf.clone())
            .go_through(phase, left)
            .await;
        others.extend(done);
        volumes = others;
    }
    let left: Vec<String> = volumes.iter().flat_map(Volume::remains).collect();
    if left.is_empty() {
        return Vec::new();
    }
    let named = left.iter().take(NAMED).cloned().collect::<Vec<_>>();
    let more = match left.len() > NAMED {
        true => format!(" and {} more", left.len() - NAMED),
        false => String::new(),
    };
    vec![format!("left in EC2: {}{more}", named.join(", "))]
}
