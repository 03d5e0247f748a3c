//! Running programs: the only place of the project's library code that spawns.
//!
//! Answers for: where a program is found, a fixed environment, what it said, and its time limit. Programs that only read are
//! killed when their time is over; programs that write are never killed. Doesn't answer for: what an exit code means, and that a
//! writer's caller stays (`jobs`).
//!
//! A program's output goes to a file in memory, not to a pipe: a writer that outlives this process must not die of SIGPIPE.
//! A device is handed over as standard input, so that the program opens `/proc/self/fd/0`, which is the very
//! device that was found, whatever names lead to by then.

mod memory;
mod output;

pub(crate) use output::ending;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use ebs_types::Bytes;
use rustix::thread::CapabilitySet;
use tokio::process::Command;
use tokio::time::Instant;

use crate::confinement::Lent;
use crate::device::claim;
use crate::tasks::blocking;
use output::Captured;

/// What a program is told instead of a device's name; it is its standard input.
pub const DEVICE: &str = "/proc/self/fd/0";

/// How long a program that writes waits for the device to be free, in steps that double; then it is started all the same, and says itself
/// what is in use for longer. A program that is just being started for another volume has a copy of every open file until it runs: of
/// this device's exclusive claim, too, or of its mount, which were let go a moment ago.
const PATIENCE_MS: [u64; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It is not installed.
    #[error("{program} was not found in {searched}: install the package that has it ({package})")]
    Missing {
        /// The program.
        program: &'static str,
        /// The directories that were searched.
        searched: String,
        /// Debian's name of the package.
        package: &'static str,
    },
    /// It could not be started or waited for.
    #[error("{program} could not be run: {source}")]
    Spawn {
        /// The program.
        program: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// It ended with an exit code that means failure, or by a signal.
    #[error("{program} failed ({status}): {said}")]
    Failed {
        /// The program.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said.
        said: String,
    },
    /// It only reads and took too long: it was killed.
    #[error("{program} did not end within {limit:?} and was killed")]
    TimedOut {
        /// The program.
        program: &'static str,
        /// Its limit.
        limit: Duration,
    },
}

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output; cut where it is too long.
    pub stdout: String,
    /// Its standard error; cut where it is too long.
    pub stderr: String,
}

impl Output {
    /// What it said for a message: standard error, or standard output where that is empty; the last lines if it is long.
    #[must_use]
    pub fn said(&self) -> String {
        match (output::ending(&self.stderr), output::ending(&self.stdout)) {
            (said, _) if !said.is_empty() => said,
            (_, said) if !said.is_empty() => said,
            _ => "it said nothing".to_owned(),
        }
    }

    /// The failure of `program` that this output shows.
    #[must_use]
    pub fn failure(&self, program: Program) -> ProgramError {
        ProgramError::Failed {
            program: program.name,
            status: self.status,
            said: self.said(),
        }
    }
}

/// A program that this crate runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its file's name.
    pub name: &'static str,
    /// Debian's name of the package that has it.
    pub package: &'static str,
}

impl Program {
    /// What the kernel lets only a privileged process do, and the program can't do without: mkfs.xfs sets the device's block size
    /// (BLKBSZSET). All others run without any capability.
    fn needs(self) -> Option<CapabilitySet> {
        (self.name == "mkfs.xfs").then_some(CapabilitySet::SYS_ADMIN)
    }
}

/// The directories in which programs are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    dirs: Vec<PathBuf>,
    fsck_memory: Bytes,
}

impl Default for Programs {
    /// Where distributions have programs for the administrator.
    fn default() -> Self {
        Self::from_path(OsStr::new("/usr/sbin:/usr/bin:/sbin:/bin"))
    }
}

impl Programs {
    /// Looks in the directories of a `PATH` value; relative ones are left out, since they depend on where the process stands.
    #[must_use]
    pub fn from_path(path: &OsStr) -> Self {
        Self {
            dirs: std::env::split_paths(path)
                .filter(|dir| dir.is_absolute())
                .collect(),
            fsck_memory: memory::default_bound(),
        }
    }

    /// The same, with another bound on fsck's memory than a quarter of what there is.
    #[must_use]
    pub fn with_fsck_memory(mut self, bound: Bytes) -> Self {
        self.fsck_memory = bound;
        self
    }

    /// How much memory fsck may take.
    pub(crate) fn fsck_memory(&self) -> Bytes {
        self.fsck_memory
    }

    /// Runs a program that only reads; it is killed after `limit`, or when the caller goes away.
    ///
    /// # Errors
    /// [`ProgramError`], but not for an exit code: what it means differs from program to program.
    pub async fn read(
        &self,
        program: Program,
        args: &[&str],
        device: &File,
        limit: Duration,
    ) -> Result<Output, ProgramError> {
        let mut run = self.begin(program, args, device, true).await?;
        match tokio::time::timeout(limit, run.child.wait()).await {
            Ok(ended) => run.output(program, ended),
            Err(_) => {
                // It may hang in the kernel, where no signal reaches it: it is not waited for.
                drop(run.child.start_kill());
                Err(ProgramError::TimedOut {
                    program: program.name,
                    limit,
                })
            }
        }
    }

    /// Runs a program that writes, for as long as it takes. When the caller goes away it runs on, unobserved: call this
    /// from a job.
    ///
    /// # Errors
    /// [`ProgramError`], but not for an exit code.
    pub async fn write(
        &self,
        program: Program,
        args: &[&str],
        device: &File,
    ) -> Result<Output, ProgramError> {
        let mut run = self.begin(program, args, device, false).await?;
        let ended = run.child.wait().await;
        run.output(program, ended)
    }

    /// The same for a program that may take so much memory, and no more.
    ///
    /// # Errors
    /// [`ProgramError`], but not for an exit code.
    pub(crate) async fn write_within(
        &self,
        bound: Bytes,
        program: Program,
        args: &[&str],
        device: &File,
    ) -> Result<Output, ProgramError> {
        let mut run = self.begin(program, args, device, false).await?;
        memory::bound(run.child.id(), bound);
        let ended = run.child.wait().await;
        run.output(program, ended)
    }

    /// Starts it from a thread that may wait: a program's file may lie on a slow disk.
    async fn begin(
        &self,
        program: Program,
        args: &[&str],
        device: &File,
        killed_on_drop: bool,
    ) -> Result<Run, ProgramError> {
        let programs = self.clone();
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let device = device.try_clone().map_err(|source| ProgramError::Spawn {
            program: program.name,
            source,
        })?;
        let start = move || {
            // Those that only read are killed one day, and wait for nobody.
            if !killed_on_drop {
                wait_until_free(&device);
            }
            programs.start(program, &args, &device, killed_on_drop)
        };
        blocking(start).await
    }

    fn start(
        &self,
        program: Program,
        args: &[String],
        device: &File,
        killed_on_drop: bool,
    ) -> Result<Run, ProgramError> {
        let path = self.locate(program)?;
        let spawn = || -> io::Result<Run> {
            let stdout = Captured::new()?;
            let stderr = Captured::new()?;
            let began = Instant::now();
            let _spawning = SPAWNING.read().unwrap_or_else(PoisonError::into_inner);
            // From this thread alone, and given back before anything else is done in it.
            let _lent = program.needs().and_then(Lent::to_programs);
            let child = self
                .command(&path)
                .args(args)
                .stdin(Stdio::from(device.try_clone()?))
                .stdout(stdout.writer()?)
                .stderr(stderr.writer()?)
                .kill_on_drop(killed_on_drop)
                .spawn()?;
            Ok(Run {
                began,
                child,
                stdout,
                stderr,
            })
        };
        spawn().map_err(|source| ProgramError::Spawn {
            program: program.name,
            source,
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place where programs are run"
    )]
    fn command(&self, path: &Path) -> Command {
        let mut command = Command::new(path);
        command
            .env_clear()
            .env("LC_ALL", "C")
            .env("PATH", self.as_path())
            .current_dir("/")
            // Its own group: Ctrl-C in a terminal reaches this process, not a mkfs halfway through.
            .process_group(0);
        command
    }

    fn locate(&self, program: Program) -> Result<PathBuf, ProgramError> {
        let found = self
            .dirs
            .iter()
            .map(|dir| dir.join(program.name))
            .find(|path| path.is_file());
        found.ok_or_else(|| ProgramError::Missing {
            program: program.name,
            package: program.package,
            searched: self.as_path().to_string_lossy().into_owned(),
        })
    }

    fn as_path(&self) -> OsString {
        // Directories that came out of a PATH can be put into one.
        std::env::join_paths(&self.dirs).unwrap_or_default()
    }
}

/// Held shared by whoever is about to spawn, until the program has begun.
static SPAWNING: RwLock<()> = RwLock::new(());

/// Waits until every spawn that is under way has begun its program, which takes a moment. Between the two the new process holds all
/// descriptors of this one: a claim on a device that was let go of meanwhile would still be in force, and a mkfs find the device
/// in use.
fn settle() {
    drop(SPAWNING.write().unwrap_or_else(PoisonError::into_inner));
}

/// Waits until nobody holds the device, for a while.
fn wait_until_free(device: &File) {
    for pause in PATIENCE_MS {
        if !is_held(device) {
            // Nor does a new process hold what was just asked with.
            return settle();
        }
        std::thread::sleep(Duration::from_millis(pause));
    }
}

/// Whether somebody has claimed the device for himself: a mount, or another program.
fn is_held(device: &File) -> bool {
    claim(device).is_err_and(|error| error.raw_os_error() == Some(nix::libc::EBUSY))
}

/// How long outside work has taken, for the field `work_us` of log lines: what `ebs-lab bench` adds up.
pub(crate) fn work_us(began: Instant) -> u64 {
    micros(began.elapsed())
}

/// A time in the unit of that field.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

struct Run {
    began: Instant,
    child: tokio::process::Child,
    stdout: Captured,
    stderr: Captured,
}

impl Run {
    fn output(
        &self,
        program: Program,
        ended: io::Result<ExitStatus>,
    ) -> Result<Output, ProgramError> {
        tracing::debug!(
            program = program.name,
            work_us = work_us(self.began),
            "a program ended"
        );
        let read = || -> io::Result<Output> {
            Ok(Output {
                status: ended?,
                stdout: self.stdout.text()?,
                stderr: self.stderr.text()?,
            })
        };
        read().map_err(|source| ProgramError::Spawn {
            program: program.name,
            source,
        })
    }
}

#[cfg(test)]
mod tests;
