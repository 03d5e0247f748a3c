//! A small world in this process: an emulated EC2 here, the driver's processes beside it, all in one directory.
//!
//! Answers for: starting all of it, killing and starting parts again, and leaving nothing behind however a test ends.
//! Doesn't answer for: making requests and looking at EC2; see [`crate::orchestrator`], [`crate::kubelet`], [`crate::cloud`].

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use emulator::{Config, Emulator, InstanceView, Running};
use tempfile::TempDir;

use crate::announcement::address;
use crate::cloud::Cloud;
use crate::kubelet::Node;
use crate::leftovers::Leftovers;
use crate::orchestrator::{Controller, Order, Use};
use crate::program::Program;

/// EC2, a controller, and node plugins as they are started.
#[derive(Debug)]
pub struct World {
    /// EC2, seen from outside.
    pub cloud: Cloud,
    /// The controller's service.
    pub controller: Controller,
    driver: PathBuf,
    config: Config,
    emulator: Option<Running>,
    instances: Vec<InstanceView>,
    programs: Vec<Program>,
    dir: TempDir,
}

/// The controller's process.
const CONTROLLER: &str = "controller";

impl World {
    /// Starts an EC2 after `config`, which keeps its state in the world's own directory, and a controller with `options`
    /// more than it needs to find it. One with an empty value is a flag.
    pub async fn start(
        driver: &Path,
        mut config: Config,
        options: &[(&str, &str)],
    ) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        config.data = Some(dir.path().join("ec2"));
        let emulator = Emulator::start(config.clone()).await?;
        // Whoever knows the addresses finds it there again after an outage.
        config.listen = address(&emulator.ec2_url())?;
        config.control = address(&emulator.control_url())?;
        let socket = dir.path().join("controller.sock");
        let mut world = Self {
            cloud: Cloud::new(&emulator.ec2_url(), &emulator.control_url()),
            controller: Controller::at(&socket)?,
            driver: driver.to_owned(),
            config,
            instances: emulator.instances(),
            emulator: Some(emulator),
            programs: Vec::new(),
            dir,
        };
        let mut program = world.program(CONTROLLER, CONTROLLER);
        program
            .option("--region", "eu-central-1")
            .option("--ec2-endpoint", format!("http://{}", world.config.listen))
            .option("--ebs-endpoint", format!("http://{}", world.config.listen))
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("NO_PROXY", "127.0.0.1");
        for (name, value) in options {
            match value.is_empty() {
                true => program.arg(*name),
                false => program.option(name, *value),
            };
        }
        world.programs.push(program);
        world.start_controller().await?;
        Ok(world)
    }

    /// The directory that everything lies in.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where the controller serves.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("controller.sock")
    }

    /// The zone of instance 0.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.instances
            .first()
            .map_or("", |instance| instance.zone.as_str())
    }

    /// An order for 1 GiB of ext4 in that zone.
    #[must_use]
    pub fn order(&self, name: &str) -> Order {
        Order::new(name, 1, Use::Ext4, self.zone())
    }

    /// An instance, whose node plugin may not run.
    pub fn node(&self, number: usize) -> Result<Node> {
        let instance = self.instance(number)?;
        let name = format!("node-{number}");
        Node::at(
            &name,
            instance.id.as_str(),
            instance.zone.as_str(),
            &self.dir.path().join(format!("{name}.sock")),
            self.dir.path().join(&name),
        )
    }

    /// What stands for `/dev` and `/sys` of an instance: both empty without a backing.
    pub fn device_dirs(&self, number: usize) -> Result<(PathBuf, PathBuf)> {
        let instance = self.instance(number)?;
        Ok((instance.dev_dir.clone(), instance.sys_dir.clone()))
    }

    /// Starts the node plugin of an instance, with whatever `change` adds to what it needs.
    pub async fn start_node(
        &mut self,
        number: usize,
        change: impl FnOnce(&mut Program),
    ) -> Result<Node> {
        let node = self.node(number)?;
        let instance = self.instance(number)?.clone();
        let mut program = self.program(&node.name, "node");
        program.option("--imds-endpoint", &instance.imds_url);
        if instance.dev_dir.as_os_str().is_empty() {
            let empty = self.dir.path().join("no-devices");
            // Every kernel has that, whatever it has in it.
            fs::create_dir_all(empty.join("class/block"))?;
            program
                .option("--dev-dir", &empty)
                .option("--sys-dir", &empty);
        } else {
            program
                .option("--dev-dir", &instance.dev_dir)
                .option("--sys-dir", &instance.sys_dir);
        }
        change(&mut program);
        self.programs.retain(|other| other.name() != node.name);
        self.programs.push(program);
        self.run(&node.name).await?;
        Ok(node)
    }

    /// The process of a node plugin.
    pub fn node_pid(&mut self, node: &Node) -> Result<u32> {
        self.find(&node.name)?.pid().context("it does not run")
    }

    /// `kill -9` of a node plugin.
    pub async fn kill_node(&mut self, node: &Node) -> Result<()> {
        self.end(&node.name).await
    }

    /// SIGTERM to a node plugin, and SIGKILL if it has not ended after `patience`.
    pub async fn stop_node(&mut self, node: &Node, patience: Duration) -> Result<()> {
        let at = self
            .programs
            .iter()
            .position(|program| program.name() == node.name)
            .with_context(|| format!("{} was never started", node.name))?;
        self.programs.remove(at).stop(patience).await;
        Ok(())
    }

    /// A new node plugin in the place of a killed one.
    pub async fn start_node_again(&mut self, node: &Node) -> Result<()> {
        self.run(&node.name).await
    }

    /// `kill -9` of the controller.
    pub async fn kill_controller(&mut self) -> Result<()> {
        self.end(CONTROLLER).await
    }

    /// A new controller in the place of a killed one.
    pub async fn start_controller(&mut self) -> Result<()> {
        self.run(CONTROLLER).await
    }

    /// EC2 goes away, with everything that it knows on its disk.
    pub async fn stop_cloud(&mut self) {
        if let Some(emulator) = self.emulator.take() {
            emulator.shutdown().await;
        }
    }

    /// EC2 comes back in the same place.
    pub async fn start_cloud(&mut self) -> Result<()> {
        self.emulator = Some(Emulator::start(self.config.clone()).await?);
        Ok(())
    }

    fn instance(&self, number: usize) -> Result<&InstanceView> {
        self.instances
            .get(number)
            .with_context(|| format!("there is no instance {number}"))
    }

    fn program(&self, name: &str, role: &str) -> Program {
        let socket = self.dir.path().join(format!("{name}.sock"));
        let log = self.dir.path().join(format!("{name}.log"));
        Program::driver(name, &self.driver, role, &socket, log)
    }

    async fn run(&mut self, name: &str) -> Result<()> {
        let program = self.find(name)?;
        if let Err(error) = program.start().await {
            return Err(error.context(program.last_words(20).join("\n")));
        }
        Ok(())
    }

    async fn end(&mut self, name: &str) -> Result<()> {
        self.find(name)?.kill().await?;
        Ok(())
    }

    fn find(&mut self, name: &str) -> Result<&mut Program> {
        self.programs
            .iter_mut()
            .find(|program| program.name() == name)
            .with_context(|| format!("{name} was never started"))
    }
}

impl Drop for World {
    /// A test may end anywhere. Whoever looks for its traces afterwards must find none, and a directory can only be removed
    /// when nothing is mounted in it any more.
    fn drop(&mut self) {
        self.programs.clear();
        let dir = self.dir.path();
        let removed = Leftovers::find(dir).and_then(|found| found.remove(dir));
        if let Err(error) = removed {
            eprintln!("{} could not be cleaned up: {error:#}", dir.display());
        }
    }
}
