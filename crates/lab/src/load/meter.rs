//! What processes take of this machine, as the kernel tells it.
//!
//! Answers for: processor time and the peak of resident memory of a process. Doesn't answer for: whose process it is.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// The unit of the times in /proc/PID/stat, USER_HZ: a hundredth of a second wherever Linux runs on x86-64 or arm64 (proc(5)).
const TICK: Duration = Duration::from_millis(10);

/// A process that is looked at.
#[derive(Clone, Debug)]
pub(super) struct Meter(PathBuf);

impl Meter {
    /// The process with this id.
    pub(super) fn of(pid: u32) -> Self {
        Self(PathBuf::from(format!("/proc/{pid}")))
    }

    /// This process.
    pub(super) fn own() -> Self {
        Self(PathBuf::from("/proc/self"))
    }

    /// Whether it is still there, and not only waiting to be reaped.
    pub(super) fn is_alive(&self) -> bool {
        let stat = fs::read_to_string(self.0.join("stat")).unwrap_or_default();
        fields(&stat)
            .next()
            .is_some_and(|state| !state.is_empty() && state != "Z")
    }

    /// The processor time of all of its threads so far, to 10 ms.
    pub(super) fn processor_time(&self) -> Result<Duration> {
        let path = self.0.join("stat");
        let stat = fs::read_to_string(&path)
            .with_context(|| format!("the process is gone: {}", path.display()))?;
        ticks(&stat).with_context(|| format!("{} is unreadable", path.display()))
    }

    /// Lets the peak of its memory begin anew. Where that is not allowed, the peak is that since its start.
    pub(super) fn forget_peak(&self) {
        // 5: reset the peak resident set size (proc(5), clear_refs).
        let _ = fs::write(self.0.join("clear_refs"), "5");
    }

    /// The most memory that was resident at once, in bytes.
    pub(super) fn peak(&self) -> Result<u64> {
        let path = self.0.join("status");
        let status = fs::read_to_string(&path)
            .with_context(|| format!("the process is gone: {}", path.display()))?;
        let kib: Option<u64> = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.trim().strip_suffix(" kB"))
            .and_then(|number| number.parse().ok());
        let kib = kib.with_context(|| format!("{} tells no peak of memory", path.display()))?;
        Ok(kib * 1024)
    }
}

/// What follows the program's name, which may hold spaces and parentheses itself: the state comes first.
fn fields(stat: &str) -> impl Iterator<Item = &str> {
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    rest.split(' ')
}

/// User and system time: the 14th and 15th field of the whole line, so the 12th and 13th after the name.
fn ticks(stat: &str) -> Option<Duration> {
    let mut times = fields(stat).skip(11).map(str::parse::<u32>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some(TICK * user + TICK * system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 25 17 0 0 20 0 3 0 100 1 1";
        assert_eq!(ticks(stat), Some(Duration::from_millis(420)));
        assert_eq!(ticks("7 (short) S 1"), None);
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn this_process_is_alive_and_has_memory() {
        let own = Meter::own();
        assert!(own.is_alive());
        own.forget_peak();
        assert!(own.peak().unwrap() > 1 << 20);
        own.processor_time().unwrap();
        // Beyond the largest id that Linux gives.
        let nobody = Meter::of(1 << 30);
        assert!(!nobody.is_alive());
        assert!(nobody.processor_time().is_err());
    }
}
