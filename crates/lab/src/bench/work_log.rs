//! How long the programs and mounts of a node plugin took, read from its log.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// A log in JSON that grows.
#[derive(Debug)]
pub(super) struct WorkLog {
    path: PathBuf,
    read: u64,
}

/// What of a line counts: lines about outside work carry how long it took.
#[derive(Debug, Deserialize)]
struct Line {
    work_us: Option<u64>,
}

impl WorkLog {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, read: 0 }
    }

    /// The time of all outside work that was logged since the last call.
    pub(super) fn next(&mut self) -> io::Result<Duration> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut text = String::new();
        self.read += u64::try_from(file.read_to_string(&mut text)?).unwrap_or_default();
        Ok(work(&text))
    }
}

fn work(log: &str) -> Duration {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Line>(line).ok()?.work_us)
        .map(Duration::from_micros)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_about_outside_work_count() {
        let log = "\
            {\"level\":\"DEBUG\",\"message\":\"a program ended\",\"program\":\"blkid\",\"work_us\":1500}\n\
            {\"level\":\"INFO\",\"message\":\"rpc ended\",\"elapsed_ms\":20}\n\
            not json\n\
            {\"level\":\"DEBUG\",\"message\":\"mounted\",\"work_us\":500}\n";
        assert_eq!(work(log), Duration::from_millis(2));
    }
}
