//! What the kernel's log says of a device: file systems explain there why they can't be mounted, and nowhere else.
//!
//! Answers for: the latest messages of a device, if this process may read them. Doesn't answer for: mounting.
//!
//! Where `kernel.dmesg_restrict` is set, opening the log takes CAP_SYSLOG and reading it doesn't: it is opened once, at the start,
//! before the process gives its capabilities up.

use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::DeviceNumber;

const LOG: &str = "/dev/kmsg";

/// The log's times are those of another clock, which may differ a little.
const SLACK: Duration = Duration::from_millis(100);

/// The most messages for an error.
const MOST: usize = 4;

/// Less important than a warning (syslog(2)).
const NOTICE: u32 = 5;

static OPENED: OnceLock<Option<Mutex<std::fs::File>>> = OnceLock::new();

/// Opens the log, if this process may: for those that come after it has given up the right.
pub(crate) fn open() {
    opened();
}

fn opened() -> Option<&'static Mutex<std::fs::File>> {
    let open = || {
        let mut options = std::fs::OpenOptions::new();
        let flags = nix::libc::O_NONBLOCK;
        options.read(true).custom_flags(flags).open(LOG).ok()
    };
    OPENED.get_or_init(|| open().map(Mutex::new)).as_ref()
}

/// The time since the machine was started, as far as the log counts it.
pub(super) fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(now.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanoseconds)
}

/// What was said of the device since then, warnings and worse, the last ones.
pub(super) fn since(began: Duration, device: DeviceNumber) -> Vec<String> {
    let (Some(log), Some(name)) = (opened(), kernel_name(device)) else {
        return Vec::new();
    };
    // A reader that panicked has left nothing half done.
    let mut log = log
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut found = Vec::new();
    if log.seek(SeekFrom::Start(0)).is_err() {
        return found;
    }
    let from = began.saturating_sub(SLACK);
    let mut record = [0; 8192];
    loop {
        match log.read(&mut record) {
            Ok(length) => {
                let text = String::from_utf8_lossy(record.get(..length).unwrap_or_default());
                found.extend(message(&text, from, &name));
            }
            // Records that were overwritten meanwhile are skipped by the next read.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            Err(_) => break,
        }
    }
    found.split_off(found.len().saturating_sub(MOST))
}

/// The message of a record, `PRIORITY,NUMBER,MICROSECONDS,FLAGS;MESSAGE`, if it is about the device and late and weighty enough.
fn message(record: &str, from: Duration, name: &str) -> Option<String> {
    let (head, text) = record.split_once(';')?;
    let mut head = head.split(',');
    let priority: u32 = head.next()?.parse().ok()?;
    let time = Duration::from_micros(head.nth(1)?.parse().ok()?);
    let text = text.lines().next()?.trim();
    // The lowest three bits are the weight; file systems put the device's name in parentheses or at a word's end.
    let of_device = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| word == name);
    (priority & 7 < NOTICE && time >= from && of_device).then(|| text.to_owned())
}

/// What the kernel calls the device, whatever its node is called.
fn kernel_name(device: DeviceNumber) -> Option<String> {
    let link = std::fs::read_link(format!("/sys/dev/block/{device}")).ok()?;
    Some(link.file_name()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_the_device_are_told_from_others() {
        let read = |record: &str| message(record, Duration::from_micros(100), "loop1");
        let said = "EXT4-fs (loop1): couldn't mount because of unsupported optional features (80)";
        assert_eq!(
            read(&format!(
                "3,52,100,-;{said}\n SUBSYSTEM=block\n DEVICE=b7:1\n"
            )),
            Some(said.to_owned())
        );
        for record in [
            format!("3,52,99,-;{said}"),
            format!("5,52,100,-;{said}"),
            "3,52,100,-;EXT4-fs (loop10): error".to_owned(),
            "nonsense".to_owned(),
            String::new(),
        ] {
            assert_eq!(read(&record), None, "{record}");
        }
    }
}
