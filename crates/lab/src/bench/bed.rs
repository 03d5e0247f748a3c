//! What is measured on: an emulated EC2 and one driver process of each role.
//!
//! Answers for: starting them in a directory of their own and leaving nothing behind.
//! Doesn't answer for: what the figures mean.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use lab::announcement::{Announcement, Instance};
use lab::kubelet::Node;
use lab::leftovers::Leftovers;
use lab::orchestrator::{Claim, Controller, Order, Use};
use lab::program::Program;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use tempfile::TempDir;

use super::work_log::WorkLog;

/// A type that takes 128 volumes.
const ROOMY: &str = "c7i.48xlarge";

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
        forget(driver).context("cannot write the driver's program back to the disk")?;
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
        let (mut program, ready) = Program::emulator(&lab, self.dir.path());
        program
            .option("--zones", "1")
            .option("--instances", "1")
            .option("--instance-type", ROOMY)
            .option("--buckets", "none")
            .option("--backing", if self.devices { "loop" } else { "none" })
            .option("--data", self.path("cloud"));
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
        let log = self.log(role);
        if role == Role::Controller {
            return Ok(Program::controller(
                &self.driver,
                &socket,
                log,
                &cloud.ec2_url,
            ));
        }
        let mut program = Program::driver(role.name(), &self.driver, role.name(), &socket, log);
        program
            .option("--imds-endpoint", &instance.imds_url)
            .option("--log-format", "json")
            .option("--log-level", "debug");
        if self.devices {
            program
                .option("--dev-dir", &instance.dev_dir)
                .option("--sys-dir", &instance.sys_dir);
        }
        Ok(program)
    }

    /// The resident memory of a role in bytes, once it has stopped to change.
    pub(super) async fn idle_memory(&self, role: Role) -> Result<u64> {
        let program = self.running(role)?;
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

    /// The processor time that the node plugin has taken so far.
    pub(super) fn node_time(&self) -> Result<Duration> {
        let pid = self.running(Role::Node)?.pid().context("it does not run")?;
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            // The first number is the time on a processor (Documentation/scheduler/sched-stats.rst).
            let Ok(stat) = fs::read_to_string(thread?.path().join("schedstat")) else {
                continue;
            };
            let ran: Option<u64> = stat
                .split(' ')
                .next()
                .and_then(|number| number.parse().ok());
            nanoseconds += ran.context("the kernel does not tell processor times")?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Those who speak to the two roles.
    pub(super) fn callers(&self) -> Result<(Controller, Node)> {
        let instance = self.instance()?;
        let controller = Controller::at(&self.socket(Role::Controller))?;
        let node = Node::at(
            "node",
            &instance.id,
            &instance.zone,
            &self.socket(Role::Node),
            self.path("kubelet"),
        )?;
        Ok((controller, node))
    }

    /// What the node plugin's programs and system calls take from now on.
    pub(super) fn work_log(&self) -> Result<WorkLog> {
        let mut log = WorkLog::new(self.log(Role::Node));
        log.next()?;
        Ok(log)
    }

    /// A new volume of 1 GiB, attached: with what the node must be told.
    pub(super) async fn attached(
        &self,
        name: &str,
        usage: Use,
    ) -> Result<(Claim, HashMap<String, String>)> {
        let (controller, node) = self.callers()?;
        let order = Order::new(name, 1, usage, &node.zone);
        let claim = controller.create(&order).await?;
        let context = controller.attach(&claim, &node).await?;
        Ok((claim, context))
    }

    /// Takes a volume that is on the node no more out of the world.
    pub(super) async fn remove(&self, claim: &Claim) -> Result<()> {
        let (controller, node) = self.callers()?;
        controller.detach(claim, &node).await?;
        controller.delete(claim).await
    }

    fn running(&self, role: Role) -> Result<&Program> {
        self.running
            .iter()
            .find(|one| one.name() == role.name())
            .context("it does not run")
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

/// Has the kernel forget what it holds of a program that was just built, as if the machine had booted since: a file that was written a
/// moment ago is held in pieces of MiBs, and a process that touches one byte counts all of such a piece as its own memory.
fn forget(program: &Path) -> io::Result<()> {
    let file = fs::File::open(program)?;
    file.sync_all()?;
    Ok(posix_fadvise(
        &file,
        0,
        0,
        PosixFadviseAdvice::POSIX_FADV_DONTNEED,
    )?)
}
