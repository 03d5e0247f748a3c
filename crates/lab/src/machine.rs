//! What the kernel of this machine says about mounts, loop devices and processes: a directory's, or those that a process sees.
//!
//! Answers for: reading /proc and /sys. The demo proves its steps with it, and finds leftovers.
//! Doesn't answer for: changing anything.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use host::loop_device::{LoopDevice, LoopDevices};
use nix::unistd::Pid;

/// A line of /proc/self/mountinfo, as far as the story tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub point: PathBuf,
    /// The file system type.
    pub fs: String,
    /// What is mounted: a device.
    pub source: String,
    /// The device's number, `MAJOR:MINOR`.
    pub device: String,
    /// Options of the mount.
    pub options: String,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(2);
        let mut right = right.split(' ');
        let device = left.next()?.to_owned();
        let mut left = left.skip(1);
        Some(Self {
            device,
            point: unescape(left.next()?),
            options: left.next()?.to_owned(),
            fs: right.next()?.to_owned(),
            source: right.next()?.to_owned(),
        })
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            point,
            fs,
            source,
            options,
            ..
        } = self;
        write!(f, "{source} on {} type {fs} ({options})", point.display())
    }
}

/// The kernel writes blank, tab, newline and backslash as three octal digits.
fn unescape(field: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'\\')
            .then(|| after.get(..3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(first));
        rest = after
            .get(if code.is_some() { 3 } else { 0 }..)
            .unwrap_or_default();
    }
    PathBuf::from(OsStr::from_bytes(&bytes))
}

/// The mounts that a process sees, in the order in which they were made.
pub fn mounts_of(process: u32) -> io::Result<Vec<Mount>> {
    let table = fs::read_to_string(format!("/proc/{process}/mountinfo"))?;
    Ok(table.lines().filter_map(Mount::parse).collect())
}

/// The mounts below `dir`, in the order in which they were made.
pub fn mounts_below(dir: &Path) -> io::Result<Vec<Mount>> {
    let mut mounts = mounts_of(std::process::id())?;
    mounts.retain(|mount| mount.point.starts_with(dir));
    Ok(mounts)
}

/// What is mounted at `point`, the topmost of several.
pub fn mount_at(point: &Path) -> io::Result<Option<Mount>> {
    let mut mounts = mounts_below(point)?;
    mounts.retain(|mount| mount.point == point);
    Ok(mounts.pop())
}

/// The loop devices whose file lies, or lay, below `dir`.
pub fn loops_below(dir: &Path) -> anyhow::Result<Vec<LoopDevice>> {
    // The machine may have others' loop devices, and only root may open those.
    if !has_loops_below(dir)? {
        return Ok(Vec::new());
    }
    let mut found = LoopDevices::new(dir.to_owned()).configured()?;
    found.retain(|device| device.backing().starts_with(dir));
    Ok(found)
}

/// The same question, answered by what everyone may read.
fn has_loops_below(dir: &Path) -> io::Result<bool> {
    for entry in fs::read_dir("/sys/block")? {
        // A device may go away while it is looked at; one without a file has no such entry.
        let file = fs::read(entry?.path().join("loop/backing_file")).unwrap_or_default();
        if Path::new(OsStr::from_bytes(&file)).starts_with(dir) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The processes, apart from this one, that run one of `programs` with an argument that names something below `dir`.
pub fn processes_below(dir: &Path, programs: &[&str]) -> io::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // A process may end while it is looked at, and others' processes hide their program: neither is ours.
        let (Ok(program), Ok(line)) = (
            fs::read_link(entry.path().join("exe")),
            fs::read(entry.path().join("cmdline")),
        ) else {
            continue;
        };
        // The kernel adds " (deleted)" to the name of a program that was rebuilt meanwhile.
        let name = program
            .file_name()
            .and_then(OsStr::to_str)
            .unwrap_or_default();
        let ours = programs.contains(&name.trim_end_matches(" (deleted)"));
        if ours && pid != nix::unistd::getpid().as_raw() && names_below(&line, dir) {
            found.push(Pid::from_raw(pid));
        }
    }
    Ok(found)
}

/// Whether an argument in `line`, as /proc has it, is a path below `dir`, plain or after `=` or `unix://`.
fn names_below(line: &[u8], dir: &Path) -> bool {
    line.split(|byte| *byte == 0).any(|argument| {
        let from_slash = argument
            .windows(dir.as_os_str().len())
            .position(|part| part == dir.as_os_str().as_bytes());
        from_slash
            .and_then(|start| argument.get(start..))
            .is_some_and(|rest| Path::new(OsStr::from_bytes(rest)).starts_with(dir))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mountinfo_line_is_read_with_its_escapes() {
        let line = r"36 35 98:0 /a /mnt/with\040blank rw,noatime master:1 - ext4 /dev/loop3 rw,errors=continue";
        assert_eq!(
            Mount::parse(line),
            Some(Mount {
                point: PathBuf::from("/mnt/with blank"),
                fs: "ext4".to_owned(),
                source: "/dev/loop3".to_owned(),
                device: "98:0".to_owned(),
                options: "rw,noatime".to_owned(),
            })
        );
        assert_eq!(Mount::parse("nonsense"), None);
    }

    #[test]
    fn only_paths_below_the_directory_count() {
        let dir = Path::new("/tmp/demo");
        assert!(names_below(
            b"ebs-csi\0--endpoint\0unix:///tmp/demo/node-a.sock\0",
            dir
        ));
        assert!(names_below(
            b"ebs-lab\0emulate\0--data=/tmp/demo/cloud\0",
            dir
        ));
        assert!(!names_below(
            b"ebs-lab\0emulate\0--data\0/tmp/demo2/cloud\0",
            dir
        ));
    }
}
