//! What this process takes of the machine, under the names that every Prometheus client has for it.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// `USER_HZ`, the unit of times in `/proc/PID/stat`: 100 on every architecture that this driver runs on (time(7)).
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads `/proc/self` at each scrape. What cannot be read is left out.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        show(
            &mut encoder,
            ("process_resident_memory", Some(&Unit::Bytes)),
            "Memory of this process that is resident",
            resident_bytes().map(ConstGauge::new),
        )?;
        show(
            &mut encoder,
            ("process_cpu", Some(&Unit::Seconds)),
            "Processor time of this process, its own and the kernel's",
            cpu_seconds().map(ConstCounter::new),
        )?;
        show(
            &mut encoder,
            ("process_open_fds", None),
            "Descriptors that this process has open",
            open_descriptors().map(ConstGauge::new),
        )
    }
}

fn show(
    encoder: &mut DescriptorEncoder,
    (name, unit): (&str, Option<&Unit>),
    help: &str,
    metric: Option<impl EncodeMetric>,
) -> Result<(), fmt::Error> {
    let Some(metric) = metric else {
        return Ok(());
    };
    let kind = metric.metric_type();
    metric.encode(encoder.encode_descriptor(name, help, unit, kind)?)
}

/// `VmRSS` of proc_pid_status(5), which is in KiB.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1024)
}

/// `utime` and `stime`, fields 14 and 15 of proc_pid_stat(5); the second, the program's name, may hold anything but ends the
/// last parenthesis.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut times = rest.split_ascii_whitespace().skip(11);
    let mut ticks = || times.next()?.parse::<u32>().ok();
    Some((f64::from(ticks()?) + f64::from(ticks()?)) / TICKS_PER_SECOND)
}

/// Without the one that the directory is read by.
fn open_descriptors() -> Option<u64> {
    let listed = fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(listed.saturating_sub(1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_measured() {
        let resident = resident_bytes().unwrap();
        assert!(resident > 1 << 20, "{resident}");
        assert!(cpu_seconds().unwrap() >= 0.0);
        // Input, output and errors at least.
        assert!(open_descriptors().unwrap() >= 3);
    }
}
