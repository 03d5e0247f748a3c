//! The flags of `ebs-lab load`, and the plan that they make.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::bed::Target;
use super::figures::{self, Figures};
use super::phase::{self, Phase};
use super::profile::Profile;
use super::settings::{self, Buckets, Milliseconds};
use super::sidecar::Policy;
use crate::duration;

/// Flags of `ebs-lab load`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "DURATION is a number with ms, s, m or h, as in 250ms, 1.5s or 2m.\n\
    Every volume is through a phase before any begins the next. What the phases leave is tidied up afterwards, untimed.\n\
    docs/PERFORMANCE.md says what each figure means."
)]
pub(crate) struct Args {
    /// The driver's program: an emulated EC2 and its controller are started for the run, and ended
    #[arg(long, value_name = "PATH", required_unless_present = "endpoint")]
    driver: Option<PathBuf>,
    /// A CSI controller that runs already, of any driver that uses the emulator of --control: unix:///PATH
    #[arg(long, value_name = "SOCKET", conflicts_with = "driver", requires = "control", value_parser = settings::socket)]
    endpoint: Option<PathBuf>,
    /// The control endpoint of that emulator: http://ADDRESS:PORT
    #[arg(long, value_name = "URL", requires = "endpoint")]
    control: Option<String>,
    /// That controller's process, to know what it takes of the machine
    #[arg(long, value_name = "PID", requires = "endpoint")]
    pid: Option<u32>,
    /// That emulator's process
    #[arg(long, value_name = "PID", requires = "endpoint")]
    emulator_pid: Option<u32>,
    /// Settings under which the Go driver was measured, too; flags below change them
    #[arg(long, value_name = "NAME", value_enum)]
    profile: Option<Profile>,
    /// How many volumes, 1 to 100,000 [default: that of the profile, or 100]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    volumes: Option<u32>,
    /// How many instances they are attached to in turn, 1 to 1000 [default: that of the profile, or 10]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    instances: Option<u32>,
    /// How many calls at once, 1 to 10,000 [default: that of the profile, or 100]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    in_flight: Option<u32>,
    /// One volume after the other, EC2's calls counted for each
    #[arg(long, conflicts_with = "in_flight")]
    alone: bool,
    /// create, expand, snapshot, publish, unpublish, delete: taken in this order, with those that they need [default: those of
    /// the profile, or create,publish,unpublish,delete]
    #[arg(long, value_name = "PHASE,…", value_delimiter = ',', value_parser = Phase::named, hide_possible_values = true)]
    phases: Option<Vec<Phase>>,
    /// What the emulator takes its time for: none, realistic (about what EC2 takes) or NAME=DURATION,…, as in create=1s,attach=2s
    /// [default: that of the profile, or none with --driver, or as the emulator is set]
    #[arg(long, value_name = "DELAYS", value_parser = settings::delays)]
    delays: Option<Milliseconds>,
    /// The emulator's token buckets: none, ec2 (EC2's published sizes) or a file with what its PUT /limits takes [default: that of
    /// the profile, or none with --driver, or as the emulator is set]
    #[arg(long, value_name = "BUCKETS", value_parser = Buckets::named)]
    buckets: Option<Buckets>,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    output: Output,
}

/// What the sidecars' flags say.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "As the sidecars' flags, with the chart's values")]
struct Patience {
    /// How long a call of a phase may take [default: 1m, publish and unpublish 2m]
    #[arg(long = "timeout", value_name = "PHASE=DURATION,…", value_delimiter = ',', value_parser = settings::timeout)]
    timeouts: Vec<(Phase, Duration)>,
    /// The pause after an operation's first failure; it doubles with each more
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration::parse)]
    retry_start: Duration,
    /// The longest pause
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration::parse)]
    retry_max: Duration,
    /// How long an operation is tried; sidecars never give up
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration::parse)]
    patience: Duration,
}

/// What is written.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What is written")]
pub(super) struct Output {
    /// The run's name in the table and in files
    #[arg(long, value_name = "NAME", default_value = "ebs-csi")]
    pub(super) name: String,
    /// A file for the figures, a line of JSON for each phase
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// A line for each operation, too
    #[arg(long, requires = "json")]
    pub(super) each: bool,
    /// A file for a plot of the latencies: .svg or .html
    #[arg(long, value_name = "FILE", value_parser = drawable)]
    pub(super) plot: Option<PathBuf>,
    /// A file that --json wrote, whose figures are shown beside these; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(super) beside: Vec<PathBuf>,
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) target: Target,
    pub(super) profile: Option<Profile>,
    pub(super) volumes: u32,
    pub(super) instances: u32,
    pub(super) in_flight: u32,
    pub(super) alone: bool,
    pub(super) phases: Vec<Phase>,
    /// None where the emulator stays as it is.
    pub(super) delays: Option<Milliseconds>,
    /// None where the emulator stays as it is.
    pub(super) buckets: Option<Buckets>,
    pub(super) policy: Policy,
    pub(super) output: Output,
    pub(super) beside: Vec<Vec<Figures>>,
}

impl Args {
    /// The plan that these flags make. Files that are to be read are read now.
    ///
    /// # Errors
    /// A file that cannot be read, with its flag.
    pub(super) fn plan(self) -> Result<Plan> {
        let target = self.target()?;
        let preset = self.profile.map(Profile::preset);
        let alone =
            self.alone || preset.is_some_and(|preset| preset.alone) && self.in_flight.is_none();
        // An emulator of the run's own is set as is said here; another is left as it is, unless something is said.
        let own = matches!(target, Target::Program(_)).then_some("none");
        let delays = match (self.delays, preset.map(|preset| preset.delays).or(own)) {
            (None, Some(text)) => Some(settings::delays(text).map_err(anyhow::Error::msg)?),
            (given, _) => given,
        };
        let buckets = match (self.buckets, preset.map(|preset| preset.buckets).or(own)) {
            (None, Some(text)) => Some(Buckets::named(text)?),
            (given, _) => given,
        };
        let asked = self.phases.unwrap_or_else(|| {
            let all = preset.map_or(super::profile::THERE_AND_BACK, |preset| preset.phases);
            all.to_vec()
        });
        let in_flight = preset.map_or(100, |preset| preset.in_flight);
        let beside = self.output.beside.iter().map(|path| figures::read(path));
        Ok(Plan {
            target,
            profile: self.profile,
            volumes: self.volumes.or(preset.map(|p| p.volumes)).unwrap_or(100),
            instances: self.instances.or(preset.map(|p| p.instances)).unwrap_or(10),
            in_flight: if alone {
                1
            } else {
                self.in_flight.unwrap_or(in_flight)
            },
            alone,
            phases: phase::in_order(&asked),
            delays,
            buckets,
            policy: self.patience.policy(),
            beside: beside.collect::<Result<_>>()?,
            output: self.output,
        })
    }

    fn target(&self) -> Result<Target> {
        if let Some(socket) = &self.endpoint {
            return Ok(Target::Running {
                socket: socket.clone(),
                control: self.control.clone().context("--endpoint needs --control")?,
                driver: self.pid,
                emulator: self.emulator_pid,
            });
        }
        let driver = self.driver.clone();
        Ok(Target::Program(
            driver.context("give --driver or --endpoint")?,
        ))
    }
}

impl Patience {
    fn policy(self) -> Policy {
        Policy {
            timeouts: self.timeouts.into_iter().collect(),
            start: self.retry_start,
            most: self.retry_max,
            patience: self.patience,
        }
    }
}

/// A file that a plot can be drawn to.
fn drawable(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match is_html(&path) || path.extension().is_some_and(|end| end == "svg") {
        true => Ok(path),
        false => Err(format!("{text:?} ends neither in .svg nor in .html")),
    }
}

/// Whether a plot in this file is a page of HTML.
pub(super) fn is_html(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "html")
}

#[cfg(test)]
mod tests;
