//! What a started emulator says: one line of JSON with its addresses, on standard output and in a file.
//!
//! Answers for: a file that is there only while the emulator is ready, and is never half written.
//! Doesn't answer for: when that is.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use emulator::{InstanceView, Running};
use serde::Serialize;

/// Where everything is.
#[derive(Debug, Serialize)]
pub(super) struct Announcement {
    ec2_url: String,
    control_url: String,
    instances: Vec<InstanceView>,
}

/// The file that tells when the emulator is ready.
#[derive(Debug)]
pub(super) struct ReadyFile(PathBuf);

/// A ready file that is there; dropping it removes it.
#[derive(Debug)]
pub(super) struct Written(PathBuf);

impl Announcement {
    pub(super) fn of(running: &Running) -> Self {
        Self {
            ec2_url: running.ec2_url(),
            control_url: running.control_url(),
            instances: running.instances(),
        }
    }

    /// One line, with its end.
    pub(super) fn to_line(&self) -> Result<String> {
        Ok(serde_json::to_string(self).context("cannot be written as JSON")? + "\n")
    }
}

/// Prints the line; that nobody reads it any more is no reason not to serve.
pub(super) fn print(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

impl ReadyFile {
    /// A file that an earlier emulator left when it was killed says nothing about this one, so it goes at once.
    pub(super) fn new(path: &Path) -> Self {
        let _ = fs::remove_file(path);
        Self(path.to_owned())
    }

    /// Writes the file in one step.
    pub(super) fn write(self, line: &str) -> Result<Written> {
        let mut part = self.0.clone().into_os_string();
        part.push(".part");
        fs::write(&part, line)
            .and_then(|()| fs::rename(&part, &self.0))
            .with_context(|| format!("--ready-file {}: cannot be written", self.0.display()))?;
        Ok(Written(self.0))
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_lives_as_long_as_the_service() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ready");
        fs::write(&path, "of an emulator that was killed").unwrap();
        let file = ReadyFile::new(&path);
        assert!(!path.exists());
        let written = file.write("{}\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}\n");
        drop(written);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
