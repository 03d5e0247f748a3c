//! A cluster with controllers in it.

use std::path::Path;
use std::time::Duration;

use emulator::{Config, Emulator, Running};
use lab::cloud::Cloud;
use lab::program::Program;
use tempfile::TempDir;

use super::api_server::ApiServer;
use super::controller;

/// An API server, an EC2, and a place for controllers.
pub(super) struct Bed {
    pub(super) api: ApiServer,
    pub(super) ec2: Running,
    dir: TempDir,
}

impl Bed {
    pub(super) async fn make() -> Self {
        Self {
            api: ApiServer::start(&[]).await,
            ec2: Emulator::start(Config::default()).await.unwrap(),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A controller whose lease is short.
    pub(super) async fn start_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut Program),
    ) -> Program {
        self.start_for(name, "2s", change).await
    }

    /// A controller whose lease lasts so long: where another is to lead soon a short one, and a long one where a busy machine
    /// must not take the lead away.
    pub(super) async fn start_for(
        &self,
        name: &str,
        lease: &str,
        change: impl FnOnce(&mut Program),
    ) -> Program {
        let mut program = controller(self.dir(), name, &self.api, &self.ec2.ec2_url());
        program.option("--leader-election-lease-duration", lease);
        change(&mut program);
        program.start().await.unwrap();
        program
    }

    /// The EC2.
    pub(super) fn cloud(&self) -> Cloud {
        Cloud::new(&self.ec2.ec2_url(), &self.ec2.control_url())
    }

    pub(super) async fn end(self, programs: impl IntoIterator<Item = Program>) {
        for program in programs {
            program.stop(Duration::from_secs(5)).await;
        }
        self.ec2.shutdown().await;
    }
}

/// The last lines of a program's log.
pub(super) fn log(program: &mut Program) -> String {
    program.last_words(200).join("\n")
}
