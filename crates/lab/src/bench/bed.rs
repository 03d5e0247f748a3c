//! What is measured on: an emulated EC2 and one driver process of each role.
//!
//! Answers for: starting them in a directory of their own and leaving nothing behind.
//! Doesn't answer for: what the figures mean.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use lab::announcement::{Announcement, Instance};
use lab::kubelet::Node;
use lab::leftovers::Leftovers;
use lab::orchestrator::{Controller, Order, Use};
use lab::program::{Program, Ready};
use tempfile::TempDir;
use tokio::time::Instant;

use super::work_log::WorkLog;

/// How long a program gets to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// Memory is idle when it has not changed in so many looks.
const STEADY_LOOKS: u32 = 10;

/// The time between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// A role of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Controller,
    Node,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Controller => "controller",
            Self::Node => "node",
        }
    }
}

/// The processes and their directory.
#[derive(Debug)]
pub(super) struct Bed {
    dir: TempDir,
    driver: PathBuf,
    devices: bool,
    cloud: Option<Announcement>,
    running: Vec<Program>,
}

impl Bed {
    /// A bed on which nothing runs yet.
    pub(super) fn make(driver: &Path) -> Result<Self> {
        Ok(Self {
            dir: tempfile::Builder::new()
                .prefix("ebs-lab-bench-")
                .tempdir()?,
            driver: driver.to_owned(),
            devices: nix::unistd::geteuid().is_root(),
            cloud: None,
            running: Vec::new(),
        })
    }

    /// Whether volumes are real block devices.
    pub(super) fn has_devices(&self) -> bool {
        self.devices
    }

    /// Starts the emulator, in which everything happens at once.
    pub(super) async fn open_cloud(&mut self) -> Result<()> {
        let lab = std::env::current_exe().context("cannot tell where this program is")?;
        let ready = self.path("ec2.json");
        let mut program = Program::new(
            "ec2",
            &lab,
            self.path("ec2.log"),
            Ready::File(ready.clone()),
        );
        program
            .arg("emulate")
            .option("--zones", "1")
            .option("--instances", "1")
            .option("--backing", if self.devices { "loop" } else { "none" })
            .option("--data", self.path("cloud"))
            .option("--ready-file", &ready);
        program.start().await?;
        self.running.push(program);
        self.cloud = Some(Announcement::read(&ready)?);
        Ok(())
    }

    /// Starts a role, in place of the one that runs: how long it took until it answered Probe.
    pub(super) async fn start(&mut self, role: Role) -> Result<Duration> {
        if let Some(at) = self
            .running
            .iter()
            .position(|one| one.name() == role.name())
        {
            self.running.remove(at).stop(PATIENCE).await;
        }
        let mut program = self.program(role)?;
        let took = program.start().await?;
        self.running.push(program);
        Ok(took)
    }

    fn program(&self, role: Role) -> Result<Program> {
        let cloud = self.cloud()?;
        let instance = self.instance()?;
        let socket = self.socket(role);
        let mut program = Program::driver(
            role.name(),
            &self.driver,
            role.name(),
            &socket,
            self.log(role),
        );
        match role {
            Role::Controller => program
                .option("--region", "eu-central-1")
                .option("--ec2-endpoint", &cloud.ec2_url)
                .env("AWS_ACCESS_KEY_ID", "bench")
                .env("AWS_SECRET_ACCESS_KEY", "bench"),
            Role::Node => program
                .option("--imds-endpoint", &instance.imds_url)
                .option("--log-format", "json")
                .option("--log-level", "debug"),
        };
        if role == Role::Node && self.devices {
            program
                .option("--dev-dir", &instance.dev_dir)
                .option("--sys-dir", &instance.sys_dir);
        }
        Ok(program)
    }

    /// The resident memory of a role in bytes, once it has stopped to change.
    pub(super) async fn idle_memory(&self, role: Role) -> Result<u64> {
        let program = self
            .running
            .iter()
            .find(|one| one.name() == role.name())
            .context("it does not run")?;
        let mut memory = program.memory()?;
        let mut steady = 0;
        while steady < STEADY_LOOKS {
            tokio::time::sleep(LOOK).await;
            let now = program.memory()?;
            steady = if now == memory { steady + 1 } else { 0 };
            memory = now;
        }
        Ok(memory)
    }

    /// Makes, attaches, stages and removes a volume: how long staging took, and how long of it programs and mounts did.
    pub(super) async fn stage_blank_volume(&self, n: u32) -> Result<(Duration, Duration)> {
        let instance = self.instance()?;
        let controller = Controller::at(&self.socket(Role::Controller))?;
        let node = Node::at(
            "node",
            &instance.id,
            &instance.zone,
            &self.socket(Role::Node),
            self.path("kubelet"),
        )?;
        let order = Order::new(&format!("bench-{n}"), 1, Use::Ext4, &instance.zone);
        let claim = controller.create(&order).await?;
        let context = controller.attach(&claim, &node).await?;
        // The first call of a connection also makes it.
        node.info().await?;

        let mut log = WorkLog::new(self.log(Role::Node));
        log.next()?;
        let begin = Instant::now();
        node.stage(&claim, &context).await?;
        let total = begin.elapsed();
        let work = log.next()?;

        node.unstage(&claim).await?;
        controller.detach(&claim, &node).await?;
        controller.delete(&claim).await?;
        Ok((total, work))
    }

    /// Ends everything and removes what is left of it.
    pub(super) async fn clear(self) -> Result<()> {
        for program in self.running.into_iter().rev() {
            program.stop(PATIENCE).await;
        }
        Leftovers::find(self.dir.path())?.remove(self.dir.path())?;
        self.dir
            .close()
            .context("cannot remove the directory of the measurements")
    }

    fn cloud(&self) -> Result<&Announcement> {
        self.cloud.as_ref().context("the emulator does not run")
    }

    fn instance(&self) -> Result<&Instance> {
        self.cloud()?
            .instances
            .first()
            .context("the emulator has no instance")
    }

    fn socket(&self, role: Role) -> PathBuf {
        self.path(&format!("{}.sock", role.name()))
    }

    fn log(&self, role: Role) -> PathBuf {
        self.path(&format!("{}.log", role.name()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}
