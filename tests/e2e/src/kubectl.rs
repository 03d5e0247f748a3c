//! `kubectl` as a user runs it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use anyhow::{Context as _, Result, bail};

/// Seconds that one may take: longer than any wait of its own that is asked for here, and an end to a `delete` that cannot end.
const LIMIT: &str = "180";

/// How to run `kubectl` on this cluster.
#[derive(Clone, Debug)]
pub(crate) struct Kubectl {
    pub(crate) program: PathBuf,
    pub(crate) kubeconfig: PathBuf,
    /// Where it keeps what it learnt of the API; its usual place is the user's own.
    pub(crate) cache: PathBuf,
}

/// How a `kubectl` ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It did what it was told: its standard output.
    Done(String),
    /// It failed: its standard error.
    Refused(String),
}

impl Kubectl {
    /// Runs it in the project's directory, with `input` as its standard input.
    pub(crate) fn run(&self, namespace: &str, args: &[&str], input: &str) -> Result<Ended> {
        #[expect(
            clippy::disallowed_methods,
            reason = "whole programs are started here, not a node's tools"
        )]
        let mut command = Command::new("timeout");
        command
            .current_dir(project())
            .args(["--kill-after=5", LIMIT])
            .arg(&self.program)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .arg("--cache-dir")
            .arg(&self.cache)
            .args(["--namespace", namespace])
            .args(args);
        let output = with_input(&mut command, input)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        Ok(match output.status.code() {
            Some(0) => Ended::Done(text(&output.stdout)),
            // timeout(1)
            Some(124) => {
                Ended::Refused(format!("not done after {LIMIT} s {}", text(&output.stderr)))
            }
            _ => Ended::Refused(text(&output.stderr)),
        })
    }

    /// Runs it; a failure is an error that tells the command.
    pub(crate) fn done(&self, namespace: &str, args: &[&str]) -> Result<String> {
        match self.run(namespace, args, "")? {
            Ended::Done(said) => Ok(said),
            Ended::Refused(said) => bail!("kubectl {}: {said}", args.join(" ")),
        }
    }
}

/// The project's own directory.
pub(crate) fn project() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn with_input(command: &mut Command, input: &str) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{command:?} cannot be started"))?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let output = thread::scope(|scope| {
        // Beside reading: who waits for the one must not keep the other waiting. A program that reads nothing may have ended.
        scope.spawn(move || stdin.write_all(input.as_bytes()));
        child.wait_with_output()
    });
    Ok(output?)
}
