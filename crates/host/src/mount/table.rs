//! The kernel's mount table, `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
//!
//! Answers for: reading it, and what is mounted at a path. Doesn't answer for: changing it.
//! It is as long as the node has mounts: it is read only where something is mounted and has to be described.
//! Read here rather than by a crate because paths may hold blanks (written as `\040`) and bytes that are no UTF-8.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::btrfs;
use crate::{Device, DeviceNumber, MountError, Place, Seen};

const TABLE: &str = "/proc/self/mountinfo";

/// Room for the table of a node with some hundred mounts, in bytes: a file of the kernel's has no size by which to make it, and grown
/// step by step it would be read in many small pieces.
const ROOM: usize = 64 << 10;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The kernel's number of this mount.
    pub id: u64,
    /// The number of the device that the file system lies on. The `st_dev` of its files is the same, except for btrfs, whose device
    /// is looked up.
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
    /// Whether this mount was made read-only, whatever became of the file system since.
    pub made_read_only: bool,
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
        let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
        let device = DeviceNumber::parse(std::str::from_utf8(fields.nth(1)?).ok()?)?;
        let root = PathBuf::from(unescape(fields.next()?));
        let target = PathBuf::from(unescape(fields.next()?));
        let options = fields.next()?;
        // Optional fields end with a lone hyphen.
        fields.find(|field| *field == b"-")?;
        let fs_type = String::from_utf8_lossy(fields.next()?).into_owned();
        let source = unescape(fields.next()?);
        let super_options = fields.next()?;
        let says_ro = |options: &[u8]| {
            options
                .split(|byte| *byte == b',')
                .any(|option| option == b"ro")
        };
        let made_read_only = says_ro(options);
        Some(Self {
            id,
            device,
            root,
            target,
            fs_type,
            source,
            read_only: made_read_only || says_ro(super_options),
            made_read_only,
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
    let Some(place) = Place::find(path)? else {
        return Ok(None);
    };
    match place.look()? {
        Some(seen) => described(&seen),
        None => Ok(None),
    }
}

/// What is mounted at a place that is held open.
pub(crate) fn described(seen: &Seen) -> Result<Option<Mount>, MountError> {
    let Some(id) = seen.mount() else {
        return Ok(None);
    };
    let table = read()?;
    let mut mounts = table.split(|byte| *byte == b'\n').filter_map(Mount::parse);
    let Some(mount) = mounts.find(|mount| mount.id == id) else {
        return Ok(None);
    };
    Ok(Some(Mount {
        node: seen.about().and_then(|about| about.node),
        device: btrfs_device(&mount, seen)?.unwrap_or(mount.device),
        ..mount
    }))
}

/// The options of the whole file system behind a mount; none where it is not there any more.
pub(crate) fn super_options(id: u64) -> Result<Vec<String>, MountError> {
    let table = read()?;
    let id = format!("{id} ");
    let mut lines = table.split(|byte| *byte == b'\n');
    let line = lines.find(|line| line.starts_with(id.as_bytes()));
    // They are the last field; a blank within is escaped.
    let last = line.and_then(|line| line.rsplit(|byte| *byte == b' ').next());
    let options = String::from_utf8_lossy(last.unwrap_or_default()).into_owned();
    Ok(options.split(',').map(str::to_owned).collect())
}

/// Every mount, in the order in which they were made. What is shown at a target is not looked at: doing so could hang.
pub(crate) fn all() -> Result<Vec<Mount>, MountError> {
    let table = read()?;
    let mounts = table.split(|byte| *byte == b'\n').filter_map(Mount::parse);
    Ok(mounts.collect())
}

/// The mount with the device that it lies on, where that is not the one of its files (btrfs).
pub(crate) fn on_its_device(mount: Mount) -> Result<Mount, MountError> {
    // At `/` is what this process itself runs from, never a volume.
    if mount.fs_type != "btrfs" || mount.target == Path::new("/") {
        return Ok(mount);
    }
    let seen = match Place::find(&mount.target)? {
        Some(place) => place.look()?,
        None => None,
    };
    match seen.filter(|seen| seen.mount() == Some(mount.id)) {
        Some(seen) => Ok(Mount {
            device: btrfs_device(&mount, &seen)?.unwrap_or(mount.device),
            ..mount
        }),
        // Another one lies over it.
        None => Ok(mount),
    }
}

/// Every mount of the device. Only a mount of a file that is called like the device's node is looked at for being that node: asking
/// any other could hang on a file server that has gone.
pub(crate) fn of(device: &Device) -> Result<Vec<Mount>, MountError> {
    let name = device.path().file_name();
    let is_btrfs = btrfs::has(device.number());
    let mut found = Vec::new();
    for mount in all()? {
        let mount = match mount.root.file_name() {
            shown if shown.is_some() && shown == name => Mount {
                node: DeviceNumber::of_node(&mount.target),
                ..mount
            },
            // One that does not answer is another volume's trouble: of its own paths a volume's are asked one by one.
            _ if is_btrfs => on_its_device(mount.clone()).unwrap_or(mount),
            _ => mount,
        };
        if mount.carries(device) {
            found.push(mount);
        }
    }
    Ok(found)
}

/// The one device of a btrfs; `None` for other file systems, and where it has several or none any more.
fn btrfs_device(mount: &Mount, seen: &Seen) -> Result<Option<DeviceNumber>, MountError> {
    if mount.fs_type != "btrfs" {
        return Ok(None);
    }
    let devices = btrfs::devices(seen).map_err(|source| MountError::Kernel {
        action: "ask for the device of what is mounted at",
        path: mount.target.clone(),
        source,
        hint: String::new(),
    })?;
    match devices.as_slice() {
        [device] => Ok(Some(*device)),
        _ => Ok(None),
    }
}

fn read() -> Result<Vec<u8>, MountError> {
    let mut table = Vec::with_capacity(ROOM);
    let read = File::open(TABLE).and_then(|mut file| file.read_to_end(&mut table));
    read.map_err(|source| MountError::Kernel {
        action: "read",
        path: TABLE.into(),
        source,
        hint: String::new(),
    })?;
    Ok(table)
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

    fn by_id(id: u64) -> Mount {
        let mut mounts = LINES.split(|byte| *byte == b'\n').filter_map(Mount::parse);
        mounts.find(|mount| mount.id == id).unwrap()
    }

    #[test]
    fn a_line_with_blanks_in_its_path_is_read() {
        let found = by_id(41);
        assert_eq!(found.target, Path::new("/var/a b\\c"));
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
    fn what_a_mount_was_made_is_told_from_what_became_of_its_file_system() {
        let (made, became) = (by_id(41), by_id(42));
        assert!(made.read_only && made.made_read_only);
        assert!(became.read_only && !became.made_read_only);
        assert_eq!(by_id(44).source, "dev\tx");
        assert!(Mount::parse(b"43 22 259:4 / /minus rw -").is_none());
    }

    #[test]
    fn detours_are_resolved_links_are_refused_and_absence_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(at(Path::new("/proc")).unwrap().unwrap().fs_type, "proc");
        assert_eq!(at(&dir.path().join("none")).unwrap(), None);
        assert_eq!(at(&dir.path().join("none/at/all")).unwrap(), None);
        assert_eq!(at(dir.path()).unwrap(), None);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/proc", &link).unwrap();
        assert_eq!(at(&link).unwrap(), None);
        let error = at(&link.join("sys")).unwrap_err().to_string();
        assert!(error.contains("link\" is a symbolic link"), "{error}");
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
