//! The kernel's mount table, `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
//!
//! Answers for: reading it, and what is mounted at a path. Doesn't answer for: changing it.
//! Read here rather than by a crate because paths may hold blanks (written as `\040`) and bytes that are no UTF-8.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::{Device, DeviceNumber, MountError};

const TABLE: &str = "/proc/self/mountinfo";

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The device number of the file system (`st_dev` of its files).
    pub device: DeviceNumber,
    /// What of the file system is shown: `/` for all of it.
    pub root: PathBuf,
    /// Where.
    pub target: PathBuf,
    /// The file system's type, e.g. `ext4`.
    pub fs_type: String,
    /// What was mounted, e.g. `/dev/nvme1n1`.
    pub source: OsString,
    /// Whether this mount, or the whole file system, refuses writes.
    pub read_only: bool,
    /// The device at the target itself, where a block device is shown there (raw block volumes).
    pub node: Option<DeviceNumber>,
}

impl Mount {
    /// Whether this is the device, through its file system or as a raw block device.
    #[must_use]
    pub fn carries(&self, device: &Device) -> bool {
        self.node.unwrap_or(self.device) == device.number()
    }

    fn parse(line: &[u8]) -> Option<Self> {
        // 36 35 98:0 /root /target rw,noatime master:1 - ext3 /dev/root rw,errors=continue
        let mut fields = line.split(|byte| *byte == b' ');
        let device = DeviceNumber::parse(std::str::from_utf8(fields.nth(2)?).ok()?)?;
        let root = PathBuf::from(unescape(fields.next()?));
        let target = PathBuf::from(unescape(fields.next()?));
        let options = fields.next()?;
        // Optional fields end with a lone hyphen.
        fields.find(|field| *field == b"-")?;
        let fs_type = String::from_utf8_lossy(fields.next()?).into_owned();
        let source = unescape(fields.next()?);
        let super_options = fields.next()?;
        let read_only = [options, super_options].iter().any(|options| {
            options
                .split(|byte| *byte == b',')
                .any(|option| option == b"ro")
        });
        Some(Self {
            device,
            root,
            target,
            fs_type,
            source,
            read_only,
            node: None,
        })
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.read_only {
            "read-only"
        } else {
            "writable"
        };
        write!(f, "{} ", self.fs_type)?;
        if self.root != Path::new("/") {
            write!(f, "{} ", self.root.display())?;
        }
        match self.node {
            Some(node) => write!(f, "(device {node}, {mode})"),
            None => write!(
                f,
                "of {} (device {}, {mode})",
                self.source.display(),
                self.device
            ),
        }
    }
}

/// What is mounted at exactly this path, the topmost if several.
pub(crate) fn at(path: &Path) -> Result<Option<Mount>, MountError> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| MountError::Kernel {
            action,
            path,
            source,
            hint: String::new(),
        }
    };
    let Some(canonical) = canonical(path).map_err(failed("resolve", path))? else {
        return Ok(None);
    };
    let table = std::fs::read(TABLE).map_err(failed("read", Path::new(TABLE)))?;
    Ok(topmost(&table, &canonical).map(|mount| Mount {
        node: DeviceNumber::of_node(path),
        ..mount
    }))
}

fn topmost(table: &[u8], path: &Path) -> Option<Mount> {
    // Later lines are mounted above earlier ones at the same path.
    let mut mounts = table.split(|byte| *byte == b'\n').filter_map(Mount::parse);
    mounts.rfind(|mount| mount.target == path)
}

/// Every mount of the device. Only a mount of a file that is called like the device's node is looked at for being that node: asking
/// any other could hang on a file server that has gone.
pub(crate) fn of(device: &Device) -> Result<Vec<Mount>, MountError> {
    let table = std::fs::read(TABLE).map_err(|source| MountError::Kernel {
        action: "read",
        path: TABLE.into(),
        source,
        hint: String::new(),
    })?;
    let name = device.path().file_name();
    let mounts = table.split(|byte| *byte == b'\n').filter_map(Mount::parse);
    let known = mounts.map(|mount| match mount.root.file_name() {
        shown if shown.is_some() && shown == name => Mount {
            node: DeviceNumber::of_node(&mount.target),
            ..mount
        },
        _ => mount,
    });
    Ok(known.filter(|mount| mount.carries(device)).collect())
}

/// The path as the mount table has it; `None` if nothing is there.
///
/// The last part is looked at only for being a link: what is mounted there may be beyond answering (its device gone).
fn canonical(path: &Path) -> io::Result<Option<PathBuf>> {
    let link = path
        .symlink_metadata()
        .is_ok_and(|found| found.file_type().is_symlink());
    let resolved = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if !link => {
            parent.canonicalize().map(|parent| parent.join(name))
        }
        _ => path.canonicalize(),
    };
    match resolved {
        Ok(path) => Ok(Some(path)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Blank, tab, newline and backslash are written as three octal digits after a backslash.
fn unescape(field: &[u8]) -> OsString {
    let mut text = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, others)) = rest.split_first() {
        let escaped = (*first == b'\\')
            .then(|| others.first_chunk::<3>().and_then(octal))
            .flatten();
        match escaped {
            Some(byte) => {
                text.push(byte);
                rest = others.get(3..).unwrap_or_default();
            }
            None => {
                text.push(*first);
                rest = others;
            }
        }
    }
    OsString::from_vec(text)
}

fn octal(digits: &[u8; 3]) -> Option<u8> {
    u8::from_str_radix(OsStr::from_bytes(digits).to_str()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINES: &[u8] = b"\
22 1 0:20 / / rw,relatime - overlay overlay rw\n\
40 22 259:1 / /var/a\\040b\\134c rw,noatime shared:1 master:2 - ext4 /dev/nvme1n1 rw\n\
41 40 259:2 /sub /var/a\\040b\\134c ro - xfs /dev/nvme2n1 rw,nouuid\n\
42 22 259:3 / /gone//deleted rw - ext4 /dev/nvme3n1 ro\n\
43 22 259:4 / /minus rw -\n\
44 22 0:5 /nvme1n1 /target rw - devtmpfs dev\\011x rw\n";

    #[test]
    fn the_topmost_mount_of_a_path_with_blanks_is_found() {
        let found = topmost(LINES, Path::new("/var/a b\\c")).unwrap();
        assert_eq!(found.device, DeviceNumber::parse("259:2").unwrap());
        assert_eq!(
            (found.root.as_path(), found.fs_type.as_str()),
            (Path::new("/sub"), "xfs")
        );
        assert!(found.read_only);
        assert_eq!(
            found.to_string(),
            "xfs /sub of /dev/nvme2n1 (device 259:2, read-only)"
        );
    }

    #[test]
    fn parts_of_paths_and_deleted_targets_do_not_match() {
        assert_eq!(topmost(LINES, Path::new("/var/a b")), None);
        assert_eq!(topmost(LINES, Path::new("/gone")), None);
        assert_eq!(topmost(LINES, Path::new("/minus")), None);
        assert_eq!(
            topmost(LINES, Path::new("/target")).unwrap().source,
            "dev\tx"
        );
    }

    #[test]
    fn a_file_system_that_is_read_only_as_a_whole_counts_as_such() {
        assert!(
            topmost(LINES, Path::new("/gone//deleted"))
                .unwrap()
                .read_only
        );
    }

    #[test]
    fn links_and_detours_are_resolved_and_absence_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/proc", dir.path().join("link")).unwrap();
        assert_eq!(
            at(&dir.path().join("link")).unwrap().unwrap().fs_type,
            "proc"
        );
        assert_eq!(
            at(Path::new("/proc/../proc")).unwrap().unwrap().fs_type,
            "proc"
        );
        assert_eq!(at(&dir.path().join("none")).unwrap(), None);
        assert_eq!(at(&dir.path().join("none/at/all")).unwrap(), None);
        assert_eq!(at(dir.path()).unwrap(), None);
    }

    proptest! {
        #[test]
        fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Mount::parse(&line);
        }

        #[test]
        fn what_the_kernel_escapes_comes_back(text in "[ -~\t\n]{0,40}") {
            let mut escaped = String::new();
            for c in text.chars() {
                match c {
                    ' ' | '\t' | '\n' | '\\' => escaped += &format!("\\{:03o}", u32::from(c)),
                    _ => escaped.push(c),
                }
            }
            prop_assert_eq!(unescape(escaped.as_bytes()), OsString::from(text));
        }
    }
}
