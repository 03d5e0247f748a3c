//! A program that can be started more than once: what it is started with, and how one sees that it serves.
//!
//! Answers for: a start being over only when the program serves, and failing with its own words if it never does.
//! Doesn't answer for: which programs there are.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use csi::v1::ProbeRequest;
use csi::v1::identity_client::IdentityClient;
use tokio::time::Instant;

use crate::process::Process;
use crate::socket;

/// How long a program may take until it serves.
const DEADLINE: Duration = Duration::from_secs(20);

/// How often one looks.
const TICK: Duration = Duration::from_millis(1);

/// How a program shows that it serves.
#[derive(Clone, Debug)]
pub enum Ready {
    /// It writes this file.
    File(PathBuf),
    /// It answers Probe on this socket.
    Probe(PathBuf),
}

/// A program with its arguments.
#[derive(Debug)]
pub struct Program {
    name: String,
    path: PathBuf,
    args: Vec<OsString>,
    env: Vec<(String, OsString)>,
    log: PathBuf,
    ready: Ready,
    process: Option<Process>,
}

impl Program {
    /// A program that does not run yet.
    pub fn new(name: &str, path: &Path, log: PathBuf, ready: Ready) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            log,
            ready,
            process: None,
        }
    }

    /// The driver in a role, which answers on `socket` once it serves.
    pub fn driver(name: &str, path: &Path, role: &str, socket: &Path, log: PathBuf) -> Self {
        let mut program = Self::new(name, path, log, Ready::Probe(socket.to_owned()));
        program
            .arg(role)
            .option("--endpoint", format!("unix://{}", socket.display()));
        program
    }

    /// The driver's controller, for the EC2 at this URL.
    pub fn controller(path: &Path, socket: &Path, log: PathBuf, ec2_url: &str) -> Self {
        let mut program = Self::driver("controller", path, "controller", socket, log);
        program
            .option("--region", "eu-central-1")
            .option("--ec2-endpoint", ec2_url)
            .env("AWS_ACCESS_KEY_ID", "lab")
            .env("AWS_SECRET_ACCESS_KEY", "lab")
            .env("NO_PROXY", "127.0.0.1");
        program
    }

    /// The emulator that the program `lab` holds. It announces itself in the file that comes with it; that and its log are in `dir`.
    pub fn emulator(lab: &Path, dir: &Path) -> (Self, PathBuf) {
        let announcement = dir.join("ec2.json");
        let ready = Ready::File(announcement.clone());
        let mut program = Self::new("ec2", lab, dir.join("ec2.log"), ready);
        program.arg("emulate").option("--ready-file", &announcement);
        (program, announcement)
    }

    /// Whom the story calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs it through `wrapper`, which gets the program's path and its arguments, and becomes it in the end.
    pub fn through(&mut self, wrapper: &Path) -> &mut Self {
        let program = std::mem::replace(&mut self.path, wrapper.to_owned());
        self.args.insert(0, program.into());
        self
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl Into<OsString>) -> &mut Self {
        self.args.push(arg.into());
        self
    }

    /// Adds an option with its value.
    pub fn option(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        self.arg(name).arg(value)
    }

    /// Adds a variable to its environment.
    pub fn env(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Starts it: how long it took until it served.
    pub async fn start(&mut self) -> Result<Duration> {
        // What an earlier start left would look like readiness.
        let (Ready::File(trace) | Ready::Probe(trace)) = &self.ready;
        if trace.exists() {
            fs::remove_file(trace)?;
        }
        let begin = Instant::now();
        let process = Process::start(&self.path, &self.args, &self.env, &self.log)
            .with_context(|| format!("cannot start {}", self.path.display()))?;
        let process = self.process.insert(process);
        while !self.ready.is_reached().await {
            if let Some(end) = process.end() {
                bail!("{} ended before it served: {end}", self.name);
            }
            if begin.elapsed() > DEADLINE {
                bail!("{} did not begin to serve in {DEADLINE:?}", self.name);
            }
            tokio::time::sleep(TICK).await;
        }
        Ok(begin.elapsed())
    }

    /// `kill -9`: the process id it had.
    pub async fn kill(&mut self) -> Result<u32> {
        let mut process = self.process.take().context("it does not run")?;
        let pid = process.pid().context("it has ended by itself")?;
        process.kill().await?;
        Ok(pid)
    }

    /// Asks it to end, and makes it end.
    pub async fn stop(self, patience: Duration) {
        if let Some(process) = self.process {
            process.stop(patience).await;
        }
    }

    /// Its process id, as long as it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(Process::pid)
    }

    /// Its resident memory in bytes.
    pub fn memory(&self) -> Result<u64> {
        let pid = self.pid().context("it does not run")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let kib: u64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().strip_suffix(" kB"))
            .context("the kernel does not tell its memory")?
            .parse()?;
        Ok(kib * 1024)
    }

    /// The last lines that it wrote, each after its name; and how it ended, if it did so by itself.
    pub fn last_words(&mut self, lines: usize) -> Vec<String> {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mut words: Vec<String> = text
            .lines()
            .rev()
            .take(lines)
            .map(|line| format!("{}: {line}", self.name))
            .collect();
        words.reverse();
        if let Some(end) = self.process.as_mut().and_then(Process::end) {
            words.push(format!("{}: ended by itself: {end}", self.name));
        }
        words
    }
}

impl Ready {
    async fn is_reached(&self) -> bool {
        match self {
            // Written in one go: a file that is there but empty is not finished.
            Self::File(path) => fs::metadata(path).is_ok_and(|file| file.len() > 0),
            Self::Probe(socket) => {
                let Ok(channel) = socket::channel(socket) else {
                    return false;
                };
                IdentityClient::new(channel)
                    .probe(ProbeRequest {})
                    .await
                    .is_ok()
            }
        }
    }
}
