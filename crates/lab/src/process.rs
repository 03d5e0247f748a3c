//! A program of the demo as a process of its own: started, killed, stopped, reaped.
//!
//! Answers for: no process outliving its [`Process`].
//! Doesn't answer for: what the program does, or when it is ready.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

/// A running program. Dropping it kills the program.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `program` with `env` added to this process' environment; what it writes to stderr is appended to `log`.
    pub fn start(
        program: &Path,
        args: &[OsString],
        env: &[(String, OsString)],
        log: &Path,
    ) -> io::Result<Self> {
        let out = OpenOptions::new().create(true).append(true).open(log)?;
        #[expect(
            clippy::disallowed_methods,
            reason = "whole programs are started here, not a node's tools"
        )]
        let mut command = Command::new(program);
        let child = command
            .args(args)
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            // What it prints is for a person who starts it; what it has to say of itself goes to stderr.
            .stdout(Stdio::null())
            .stderr(out)
            // A process group of its own: Ctrl-C on the terminal is for the demo, which then stops its programs in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { child })
    }

    /// Its process id, as long as it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// How it ended, if it has ended by itself.
    pub fn end(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// `kill -9`: no chance to tidy up.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// SIGTERM, and SIGKILL for who has not ended after `patience`.
    pub async fn stop(mut self, patience: Duration) {
        let asked = self
            .pid()
            .and_then(|pid| i32::try_from(pid).ok())
            .is_some_and(|pid| kill(Pid::from_raw(pid), Signal::SIGTERM).is_ok());
        let ended = asked
            && tokio::time::timeout(patience, self.child.wait())
                .await
                .is_ok();
        if !ended {
            // Nothing can be done about a process that does not die of this; `Leftovers` reports it.
            let _ = self.child.kill().await;
        }
    }
}
