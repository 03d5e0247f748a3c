//! A place in the file tree that no symbolic link can move.
//!
//! Answers for: reaching the directory that a target lies in, step by step and without following links where a workload could have
//! planted one, and for looking at, making and removing the last part of the path there. Doesn't answer for: what is mounted.
//!
//! The rule: everything from the first directory called `pods` or `plugins` on is reached without following a link, which is how the
//! kubelet lays out what belongs to workloads. What lies above, the kubelet's own directory, may be or lie behind a link: it is the
//! administrator's. In a path that has neither name no link is followed at all. The descriptor of the directory is what is used from
//! then on, so that nothing that happens to the path later leads elsewhere.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Statx, StatxAttributes, StatxFlags,
};
use rustix::io::Errno;

use crate::DeviceNumber;

/// The directories of a kubelet below which no link is followed.
const GUARDED: [&str; 2] = ["pods", "plugins"];

/// The permissions of directories on the way that are missing: root's, and readable by its group.
const DIRECTORY_MODE: Mode = Mode::from_bits_retain(0o750);

/// The permissions of a file that a device is shown at; the mount hides them.
const FILE_MODE: Mode = Mode::from_bits_retain(0o660);

/// Why a place was not reached.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// A part of the path is a symbolic link.
    #[error(
        "{link:?} is a symbolic link, which could lead out of the directory where it lies: it is not followed; remove it, or name what it leads to"
    )]
    Link {
        /// The path up to the link.
        link: PathBuf,
    },
    /// The kernel refused.
    #[error("cannot {verb} {path:?}: {source}")]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The path.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl From<PlaceError> for io::Error {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::Link { .. } => Self::other(error),
            PlaceError::Io { source, .. } => source,
        }
    }
}

/// The last part of a path, in a directory that is held open.
#[derive(Debug)]
pub struct Place {
    parent: OwnedFd,
    name: OsString,
    path: PathBuf,
}

/// What is at a place, held open; a link itself, not what it leads to.
///
/// It keeps a mount that is there from being unmounted until it is dropped.
#[derive(Debug)]
pub struct Seen {
    fd: OwnedFd,
    mount: Option<u64>,
    about: Result<About, Errno>,
}

/// What the kernel says of a file; it can't where the file's device has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) kind: FileType,
    pub(crate) size: u64,
    pub(crate) inode: u64,
    pub(crate) device: DeviceNumber,
    /// The number of the device that the file itself is.
    pub(crate) node: Option<DeviceNumber>,
}

impl Place {
    /// Reaches an absolute path without `..`; `None` where a directory on the way is missing.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn find(path: &Path) -> Result<Option<Self>, PlaceError> {
        match Self::reach(path, &|directory, below| beneath(directory, below)) {
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            reached => reached.map(Some).map_err(|errno| blame(path, errno)),
        }
    }

    /// The same, making the directories that are missing below the kubelet's own.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn find_or_make_way(path: &Path) -> Result<Self, PlaceError> {
        Self::reach(path, &make_way).map_err(|errno| blame(path, errno))
    }

    fn reach(path: &Path, walk: Walk<'_>) -> Result<Self, Errno> {
        let (free, guarded) = split(path);
        let (Some(name), Some(way)) = (guarded.file_name(), guarded.parent()) else {
            return Err(Errno::INVAL);
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, &free, flags, Mode::empty())?;
        let parent = if way.as_os_str().is_empty() {
            root
        } else {
            walk(root.as_fd(), way)?
        };
        Ok(Self {
            parent,
            name: name.to_owned(),
            path: path.to_owned(),
        })
    }

    /// The path as it was asked for, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is there now.
    ///
    /// # Errors
    /// [`PlaceError::Io`].
    pub fn look(&self) -> Result<Option<Seen>, PlaceError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(&self.parent, &self.name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(self.failed("look at", errno)),
        };
        let seen = Seen::of(fd, &self.parent).map_err(|source| PlaceError::Io {
            verb: "look at",
            path: self.path.clone(),
            source,
        })?;
        Ok(Some(seen))
    }

    /// Makes an empty directory; one that is there by now is as good.
    ///
    /// # Errors
    /// [`PlaceError::Io`].
    pub fn make_directory(&self) -> Result<(), PlaceError> {
        match rustix::fs::mkdirat(&self.parent, &self.name, DIRECTORY_MODE) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(self.failed("make", errno)),
        }
    }

    /// Makes an empty file; fails where anything is there.
    ///
    /// # Errors
    /// [`PlaceError::Io`].
    pub fn make_file(&self) -> Result<(), PlaceError> {
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.parent, &self.name, flags, FILE_MODE)
            .map(drop)
            .map_err(|errno| self.failed("make", errno))
    }

    /// Removes an empty directory; success as well where nothing is.
    ///
    /// # Errors
    /// [`PlaceError::Io`], with [`io::ErrorKind::DirectoryNotEmpty`] where it is not.
    pub fn remove_directory(&self) -> Result<(), PlaceError> {
        self.unlink(AtFlags::REMOVEDIR)
    }

    /// Removes a file; success as well where nothing is.
    ///
    /// # Errors
    /// [`PlaceError::Io`].
    pub fn remove_file(&self) -> Result<(), PlaceError> {
        self.unlink(AtFlags::empty())
    }

    fn unlink(&self, flags: AtFlags) -> Result<(), PlaceError> {
        match rustix::fs::unlinkat(&self.parent, &self.name, flags) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.failed("remove", errno)),
        }
    }

    /// A path for system calls that take no descriptor: through the open directory, whatever the path leads to by now. The last part
    /// is still looked up by its name: the call must not follow a link there.
    pub(crate) fn through_descriptor(&self) -> PathBuf {
        through(&self.parent).join(&self.name)
    }

    fn failed(&self, verb: &'static str, errno: Errno) -> PlaceError {
        PlaceError::Io {
            verb,
            path: self.path.clone(),
            source: errno.into(),
        }
    }
}

impl Seen {
    fn of(fd: OwnedFd, parent: &OwnedFd) -> io::Result<Self> {
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
        let found = rustix::fs::statx(&fd, c"", AtFlags::EMPTY_PATH, wanted);
        let (mount, about) = match found {
            Ok(found) => {
                let root = StatxAttributes::MOUNT_ROOT;
                let told = found.stx_attributes_mask.contains(root)
                    && found.stx_mask & StatxFlags::MNT_ID.bits() != 0;
                let mount = if told {
                    let is_root = found.stx_attributes.contains(root);
                    is_root.then_some(found.stx_mnt_id)
                } else {
                    other_mount(&fd, parent)?
                };
                (mount, Ok(About::from(&found)))
            }
            // A file system whose device has gone refuses, but where it is mounted is no question for it.
            Err(errno) => (other_mount(&fd, parent)?, Err(errno)),
        };
        Ok(Self { fd, mount, about })
    }

    /// The id of the mount whose root this is (the first field of mountinfo); `None` where nothing is mounted.
    #[must_use]
    pub fn mount(&self) -> Option<u64> {
        self.mount
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.is(FileType::Directory)
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.is(FileType::RegularFile)
    }

    /// Whether it is a symbolic link.
    #[must_use]
    pub fn is_link(&self) -> bool {
        self.is(FileType::Symlink)
    }

    /// Its size, in bytes; 0 where the kernel does not tell.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.about.map_or(0, |about| about.size)
    }

    /// Why the kernel does not tell what it is; then it is none of these.
    #[must_use]
    pub fn silence(&self) -> Option<io::Error> {
        self.about.err().map(io::Error::from)
    }

    pub(crate) fn about(&self) -> Option<&About> {
        self.about.as_ref().ok()
    }

    fn is(&self, kind: FileType) -> bool {
        self.about.is_ok_and(|about| about.kind == kind)
    }
}

impl AsFd for Seen {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl About {
    /// What the kernel says of an open file.
    pub(crate) fn of(fd: impl AsFd) -> io::Result<Self> {
        let found = rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
        Ok(Self::from(&found))
    }
}

impl From<&Statx> for About {
    fn from(found: &Statx) -> Self {
        let kind = FileType::from_raw_mode(found.stx_mode.into());
        let node = DeviceNumber::new(found.stx_rdev_major, found.stx_rdev_minor);
        Self {
            kind,
            size: found.stx_size,
            inode: found.stx_ino,
            device: DeviceNumber::new(found.stx_dev_major, found.stx_dev_minor),
            node: (kind == FileType::BlockDevice).then_some(node),
        }
    }
}

/// How to get from an open directory to one below it.
type Walk<'a> = &'a dyn Fn(BorrowedFd<'_>, &Path) -> Result<OwnedFd, Errno>;

/// Opens the directory below, following no link.
fn beneath(directory: BorrowedFd<'_>, below: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(directory, below, flags, Mode::empty(), resolve)
}

/// The same, making what is missing.
fn make_way(directory: BorrowedFd<'_>, below: &Path) -> Result<OwnedFd, Errno> {
    match beneath(directory, below) {
        Err(Errno::NOENT) => {}
        reached => return reached,
    }
    let mut reached: Option<OwnedFd> = None;
    for part in below {
        let part = Path::new(part);
        let here = reached.as_ref().map_or(directory, AsFd::as_fd);
        let next = match beneath(here, part) {
            Err(Errno::NOENT) => {
                match rustix::fs::mkdirat(here, part, DIRECTORY_MODE) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno),
                }
                beneath(here, part)?
            }
            next => next?,
        };
        reached = Some(next);
    }
    reached.ok_or(Errno::INVAL)
}

/// The part of an absolute path that may go through links, and the rest.
fn split(path: &Path) -> (PathBuf, PathBuf) {
    let parts: Vec<_> = path.iter().skip(1).collect();
    let is_guarded = |part: &&OsStr| GUARDED.iter().any(|name| part == name);
    let at = parts.iter().position(is_guarded).unwrap_or(0);
    let (free, guarded) = parts.split_at(at);
    (
        Path::new("/").join(free.iter().collect::<PathBuf>()),
        guarded.iter().collect(),
    )
}

/// Names the link that was in the way, if it was one.
fn blame(path: &Path, errno: Errno) -> PlaceError {
    let io = || PlaceError::Io {
        verb: "reach",
        path: path.to_owned(),
        source: errno.into(),
    };
    if errno != Errno::LOOP {
        return io();
    }
    let (free, guarded) = split(path);
    let mut link = free;
    for part in &guarded {
        link.push(part);
        if link.is_symlink() {
            return PlaceError::Link { link };
        }
    }
    io()
}

/// The mount that `fd` is the root of, seen by its directory being on another one.
fn other_mount(fd: &OwnedFd, parent: &OwnedFd) -> io::Result<Option<u64>> {
    let (own, around) = (mount_id(fd)?, mount_id(parent)?);
    Ok((own != around).then_some(own))
}

/// The id of the mount that an open file lies on, which the kernel tells without asking the file system (proc_pid_fdinfo(5)).
fn mount_id(fd: &OwnedFd) -> io::Result<u64> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()))?;
    info.lines()
        .find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
        .ok_or_else(|| io::Error::other("/proc/self/fdinfo has no mnt_id"))
}

/// A path that leads to an open file, for system calls that take no descriptor.
pub(crate) fn through(fd: impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}

#[cfg(test)]
mod tests;
