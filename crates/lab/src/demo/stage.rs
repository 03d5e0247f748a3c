//! What the story is played on: an emulated EC2, a controller and node plugins, each a process of its own.
//!
//! Answers for: starting them, killing them, starting them again in the same place, and ending them all.
//! Doesn't answer for: talking to them; see [`lab::orchestrator`], [`lab::kubelet`] and [`lab::cloud`].

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use lab::announcement::{Announcement, Instance, address};
use lab::cloud::Cloud;
use lab::kubelet::Node;
use lab::orchestrator::Controller;
use lab::program::{Program, Ready};

/// The region that is emulated.
pub(super) const REGION: &str = "eu-central-1";

/// How long a program gets to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the demo calls the emulator's and the controller's process.
pub(super) const CLOUD: &str = "ec2";
pub(super) const CONTROLLER: &str = "controller";

/// The programs that are started.
#[derive(Clone, Debug)]
pub(super) struct Cast {
    lab: PathBuf,
    driver: PathBuf,
}

impl Cast {
    /// This program, which holds the emulator, and the driver: the one given, or the one beside this program.
    pub(super) fn find(driver: Option<PathBuf>) -> Result<Self> {
        let lab = std::env::current_exe().context("cannot tell where this program is")?;
        let driver = driver.unwrap_or_else(|| lab.with_file_name("ebs-csi"));
        ensure!(
            driver.is_file(),
            "the driver's program is not at {}: build it with `cargo build`, or name it with --driver",
            driver.display()
        );
        let driver = std::path::absolute(driver)?;
        Ok(Self { lab, driver })
    }
}

/// The processes.
#[derive(Debug)]
pub(super) struct Stage {
    dir: PathBuf,
    cast: Cast,
    with_disks: bool,
    ec2_url: String,
    programs: Vec<Program>,
}

impl Stage {
    /// A stage on which nothing runs yet. `with_disks`: volumes are real block devices, which takes root.
    pub(super) fn new(dir: PathBuf, cast: Cast, with_disks: bool) -> Self {
        Self {
            dir,
            cast,
            with_disks,
            ec2_url: String::new(),
            programs: Vec::new(),
        }
    }

    /// Whether volumes are real block devices.
    pub(super) fn with_disks(&self) -> bool {
        self.with_disks
    }

    /// The directory that everything lies in.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the emulator keeps the volumes' bytes.
    pub(super) fn cloud_dir(&self) -> PathBuf {
        self.dir.join(CLOUD)
    }

    /// Starts the emulator: two zones, and two instances in the first of them.
    pub(super) async fn open_cloud(&mut self) -> Result<(Cloud, Vec<Instance>, Duration)> {
        let announcement = self.dir.join("ec2.json");
        let mut program = Program::new(
            CLOUD,
            &self.cast.lab,
            self.log(CLOUD)?,
            Ready::File(announcement.clone()),
        );
        let backing = if self.with_disks { "loop" } else { "none" };
        program
            .arg("emulate")
            .option("--region", REGION)
            .option("--zones", "2")
            .option("--instances", "3")
            .option("--backing", backing)
            .option("--data", self.cloud_dir())
            .option("--ready-file", &announcement);
        let took = self.start(program).await?;
        let announced = Announcement::read(&announcement)?;
        // When it is started again, whoever knows its addresses must find it there.
        self.program(CLOUD)?
            .option("--listen", address(&announced.ec2_url)?.to_string())
            .option("--control", address(&announced.control_url)?.to_string());
        self.ec2_url.clone_from(&announced.ec2_url);
        let cloud = Cloud::new(&announced.ec2_url, &announced.control_url);
        Ok((cloud, announced.instances, took))
    }

    /// Starts the driver's controller.
    pub(super) async fn start_controller(&mut self) -> Result<(Controller, Duration)> {
        let socket = self.socket(CONTROLLER);
        let mut program = self.driver(CONTROLLER, &socket)?;
        program
            .option("--region", REGION)
            .option("--ec2-endpoint", &self.ec2_url)
            // This EC2 shows everything at once. After a start the driver doesn't rely on that, and waits for so long.
            .option("--consistency-window", "1s")
            // The emulator takes any credentials, but a client has to have some.
            .env("AWS_ACCESS_KEY_ID", "demo")
            .env("AWS_SECRET_ACCESS_KEY", "demo")
            .env("NO_PROXY", "127.0.0.1");
        let took = self.start(program).await?;
        Ok((Controller::at(&socket)?, took))
    }

    /// Starts the driver's node plugin of an instance.
    pub(super) async fn start_node(
        &mut self,
        name: &str,
        instance: &Instance,
    ) -> Result<(Node, Duration)> {
        let socket = self.socket(name);
        let mut program = self.driver(name, &socket)?;
        program.option("--imds-endpoint", &instance.imds_url);
        if self.with_disks {
            program
                .option("--dev-dir", &instance.dev_dir)
                .option("--sys-dir", &instance.sys_dir);
        }
        let took = self.start(program).await?;
        let kubelet = self.dir.join(name);
        let node = Node::at(name, &instance.id, &instance.zone, &socket, kubelet)?;
        Ok((node, took))
    }

    /// `kill -9`: the process id it had.
    pub(super) async fn kill(&mut self, name: &str) -> Result<u32> {
        self.program(name)?.kill().await
    }

    /// Starts a killed program again, with the arguments it had.
    pub(super) async fn start_again(&mut self, name: &str) -> Result<Duration> {
        self.program(name)?.start().await
    }

    /// The resident memory of a program in bytes, as the kernel counts it.
    pub(super) fn memory(&mut self, name: &str) -> Result<u64> {
        self.program(name)?.memory()
    }

    /// The last lines that each program wrote.
    pub(super) fn last_words(&mut self) -> Vec<String> {
        self.programs
            .iter_mut()
            .flat_map(|program| program.last_words(8))
            .collect()
    }

    /// Ends every program: the node plugins and the controller first, the cloud last.
    pub(super) async fn strike(self) {
        for program in self.programs.into_iter().rev() {
            program.stop(PATIENCE).await;
        }
    }

    /// Starts a program, which belongs to the stage from before it runs: whatever comes of it, it is ended and its words are kept.
    async fn start(&mut self, program: Program) -> Result<Duration> {
        let name = program.name().to_owned();
        self.programs.push(program);
        self.program(&name)?.start().await
    }

    fn driver(&self, role: &str, socket: &Path) -> Result<Program> {
        let log = self.log(role)?;
        let subcommand = if role == CONTROLLER {
            "controller"
        } else {
            "node"
        };
        Ok(Program::driver(
            role,
            &self.cast.driver,
            subcommand,
            socket,
            log,
        ))
    }

    fn program(&mut self, name: &str) -> Result<&mut Program> {
        match self
            .programs
            .iter_mut()
            .find(|program| program.name() == name)
        {
            Some(program) => Ok(program),
            None => bail!("{name} was never started"),
        }
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.sock"))
    }

    fn log(&self, name: &str) -> Result<PathBuf> {
        let logs = self.dir.join("logs");
        fs::create_dir_all(&logs)?;
        Ok(logs.join(format!("{name}.log")))
    }
}
