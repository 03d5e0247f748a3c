//! What load is driven at: an emulated EC2 and a controller, started for it or there already.
//!
//! Answers for: starting them in a directory of their own and leaving nothing behind, and for setting the emulator as asked
//! and back. Doesn't answer for: the load.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use csi::v1::ProbeRequest;
use csi::v1::identity_client::IdentityClient;
use lab::announcement::{Announcement, Instance};
use lab::cloud::Cloud;
use lab::program::Program;
use lab::socket;
use serde_json::Value;
use tempfile::TempDir;

use super::floor::Limits;
use super::meter::Meter;
use super::settings::Buckets;

/// A type that takes 128 volumes.
const ROOMY: &str = "c7i.48xlarge";

/// How many volumes an instance of that type is given at most: it has other devices, too.
const ROOM: u32 = 120;

/// How long a program gets to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// Delays of which no operation is waited for.
const NOBODY_WAITS: [&str; 2] = ["busy_retry_ms", "token_lifetime_ms"];

/// Whom load is for.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A driver's program, for which an emulator is started.
    Program(PathBuf),
    /// A controller that runs.
    Running {
        /// Its socket.
        socket: PathBuf,
        /// The control endpoint of the emulator that it uses.
        control: String,
        /// Its process.
        driver: Option<u32>,
        /// The emulator's process.
        emulator: Option<u32>,
    },
}

/// All of it.
#[derive(Debug)]
pub(super) struct Bed {
    /// The emulator, seen from outside.
    pub(super) cloud: Cloud,
    /// The controller's socket.
    pub(super) socket: PathBuf,
    /// As many as asked for.
    pub(super) instances: Vec<Instance>,
    /// The driver's process, where it is known.
    pub(super) driver: Option<Meter>,
    /// The emulator's process, where it is known.
    pub(super) emulator: Option<Meter>,
    /// Whether EC2 was started for this run, so that everything in it is of this run and goes with it.
    pub(super) own: bool,
    programs: Vec<Program>,
    before: Before,
    /// Removed last.
    _dir: Option<TempDir>,
}

/// How the emulator was set.
#[derive(Debug)]
struct Before {
    timing: BTreeMap<String, Value>,
    buckets: Value,
}

impl Bed {
    /// Starts or finds everything, for so many volumes on so many instances.
    pub(super) async fn open(target: &Target, volumes: u32, instances: u32) -> Result<Self> {
        match target {
            Target::Program(driver) => Self::start(driver, volumes, instances).await,
            Target::Running {
                socket,
                control,
                driver,
                emulator,
            } => {
                answers(socket).await?;
                let cloud = Cloud::of_control(control);
                let mut found = cloud.instances().await?;
                let wanted = usize::try_from(instances)?;
                ensure!(
                    found.len() >= wanted,
                    "--instances {instances}: the emulator has {}",
                    found.len()
                );
                found.truncate(wanted);
                Ok(Self {
                    before: Before::of(&cloud).await?,
                    cloud,
                    socket: socket.clone(),
                    instances: found,
                    driver: driver.map(Meter::of),
                    emulator: emulator.map(Meter::of),
                    own: false,
                    programs: Vec::new(),
                    _dir: None,
                })
            }
        }
    }

    async fn start(driver: &Path, volumes: u32, instances: u32) -> Result<Self> {
        ensure!(
            driver.is_file(),
            "the driver's program is not at {}",
            driver.display()
        );
        let least = volumes.div_ceil(ROOM);
        ensure!(
            instances >= least,
            "--instances {instances}: {volumes} volumes take {least}"
        );
        let dir = tempfile::Builder::new().prefix("ebs-lab-load-").tempdir()?;
        let lab = std::env::current_exe().context("cannot tell where this program is")?;
        let (mut emulator, announcement) = Program::emulator(&lab, dir.path());
        emulator
            .option("--zones", "1")
            .option("--instances", instances.to_string())
            .option("--instance-type", ROOMY)
            .option("--log-level", "warn");
        started(&mut emulator).await?;
        let announced = Announcement::read(&announcement)?;
        let socket = dir.path().join("csi.sock");
        let log = dir.path().join("controller.log");
        let driver = std::path::absolute(driver)?;
        let mut controller = Program::controller(&driver, &socket, log, &announced.ec2_url);
        started(&mut controller).await?;
        let cloud = Cloud::new(&announced.ec2_url, &announced.control_url);
        Ok(Self {
            before: Before::of(&cloud).await?,
            cloud,
            socket,
            instances: announced.instances,
            driver: controller.pid().map(Meter::of),
            emulator: emulator.pid().map(Meter::of),
            own: true,
            programs: vec![emulator, controller],
            _dir: Some(dir),
        })
    }

    /// Sets the emulator; what is not given stays as it is.
    pub(super) async fn set(
        &self,
        delays: Option<&BTreeMap<String, u64>>,
        buckets: Option<&Buckets>,
    ) -> Result<()> {
        if let Some(delays) = delays {
            let told = self.cloud.delays(&serde_json::to_value(delays)?).await;
            told.context("--delays")?;
        }
        if let Some(buckets) = buckets {
            buckets.set(&self.cloud).await.context("--buckets")?;
        }
        Ok(())
    }

    /// How the emulator is set.
    pub(super) async fn limits(&self) -> Result<Limits> {
        let timing = self.cloud.timing().await?;
        let delays = timing.into_iter().filter_map(|(name, value)| {
            let counts = name.ends_with("_ms") && !NOBODY_WAITS.contains(&name.as_str());
            let ms = value.as_u64().filter(|ms| counts && *ms > 0)?;
            Some((name, ms))
        });
        Ok(Limits {
            delays: delays.collect(),
            buckets: self.cloud.buckets().await?,
        })
    }

    /// What the programs that were started for this run said last.
    pub(super) fn last_words(&mut self) -> Vec<String> {
        let programs = self.programs.iter_mut();
        programs.flat_map(|program| program.last_words(5)).collect()
    }

    /// Ends what was started, sets back what was set.
    pub(super) async fn close(self) -> Result<()> {
        if !self.own {
            self.cloud
                .delays(&serde_json::to_value(&self.before.timing)?)
                .await?;
            self.cloud.throttle(&self.before.buckets).await?;
        }
        for program in self.programs.into_iter().rev() {
            program.stop(PATIENCE).await;
        }
        Ok(())
    }
}

impl Before {
    async fn of(cloud: &Cloud) -> Result<Self> {
        Ok(Self {
            timing: cloud.timing().await?,
            buckets: cloud.limits_in_force().await?,
        })
    }
}

/// Whether a CSI driver answers there, before anything is asked of it.
async fn answers(socket: &Path) -> Result<()> {
    let mut identity = IdentityClient::new(socket::channel(socket)?);
    let asked = tokio::time::timeout(PATIENCE, identity.probe(ProbeRequest {})).await;
    let shown = format!("--endpoint {}", socket.display());
    let probed = asked.with_context(|| format!("{shown}: nobody answers Probe"))?;
    probed.with_context(|| format!("{shown}: Probe"))?;
    Ok(())
}

async fn started(program: &mut Program) -> Result<()> {
    match program.start().await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.context(program.last_words(20).join("\n"))),
    }
}
