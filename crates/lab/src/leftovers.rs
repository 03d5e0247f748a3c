//! What a demo can leave on a machine, and how it is removed.
//!
//! Answers for: processes, mounts and loop devices of the run directory, its own or those of an earlier demo that was killed.
//! Doesn't answer for: files. It blocks, so that a guard can call it while a test panics.

use std::fmt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use host::loop_device::{LoopDevice, LoopDevices};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::Instant;

use crate::machine::{self, Mount};

/// The programs that a demo starts.
const PROGRAMS: [&str; 2] = ["ebs-csi", "ebs-lab"];

/// How long the kernel is given to let go of something.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is asked.
const TICK: Duration = Duration::from_millis(20);

/// What was found below a directory.
#[derive(Debug)]
pub struct Leftovers {
    processes: Vec<Pid>,
    mounts: Vec<Mount>,
    loops: Vec<LoopDevice>,
}

impl Leftovers {
    /// Looks for all of it.
    pub fn find(dir: &Path) -> Result<Self> {
        Ok(Self {
            processes: machine::processes_below(dir, &PROGRAMS)?,
            mounts: machine::mounts_below(dir)?,
            loops: machine::loops_below(dir)?,
        })
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty() && self.mounts.is_empty() && self.loops.is_empty()
    }

    /// Ends the processes, takes down the mounts, lets go of the loop devices, each only after the one before: a running
    /// process could mount again, a mount keeps its loop device. Fails if anything is still there in the end.
    pub fn remove(self, dir: &Path) -> Result<()> {
        for pid in &self.processes {
            // Already gone is as good.
            let _ = kill(*pid, Signal::SIGKILL);
        }
        until(|| Ok(machine::processes_below(dir, &PROGRAMS)?.is_empty()))?;

        // What was mounted last lies on top. One that is busy for a moment is tried again.
        until(|| {
            for mount in machine::mounts_below(dir)?.iter().rev() {
                let _ = umount2(&mount.point, MntFlags::UMOUNT_NOFOLLOW);
            }
            Ok(machine::mounts_below(dir)?.is_empty())
        })?;

        // One that is still open lets go by itself at its last close.
        let devices = LoopDevices::new(dir.to_owned());
        for device in machine::loops_below(dir)? {
            let _ = devices.release(&device, None)?;
        }
        until(|| Ok(machine::loops_below(dir)?.is_empty()))?;

        let rest = Self::find(dir)?;
        ensure!(rest.is_empty(), "could not be removed: {rest}");
        Ok(())
    }
}

impl fmt::Display for Leftovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let processes = self.processes.iter().map(|pid| format!("process {pid}"));
        let mounts = self
            .mounts
            .iter()
            .map(|mount| format!("mount {}", mount.point.display()));
        let loops = self
            .loops
            .iter()
            .map(|device| format!("loop device {}", device.name()));
        let all: Vec<String> = processes.chain(mounts).chain(loops).collect();
        f.write_str(&all.join(", "))
    }
}

/// Waits until `done`, at most for [`PATIENCE`]: whoever calls looks at what is left.
fn until(mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let give_up = Instant::now() + PATIENCE;
    while !done()? && Instant::now() < give_up {
        thread::sleep(TICK);
    }
    Ok(())
}
