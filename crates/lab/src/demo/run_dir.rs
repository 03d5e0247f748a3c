//! The one directory that everything of a demo lies in, so that everything of it can be found again.
//!
//! Answers for: its place, its privacy, and one demo at a time in it.
//! Doesn't answer for: mounts and processes inside; see [`lab::leftovers`].

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::{FsFlags, statvfs};

/// A Unix socket's path has at most 107 characters; this is left for the directory when the longest name below it is added.
const LONGEST: usize = 80;

/// The bytes that a demo needs for a moment: the volumes' file systems, which are sparse, and logs.
const DISKS: u64 = 256 << 20;

/// The same when volumes have no bytes.
const NO_DISKS: u64 = 8 << 20;

/// The directory, locked: as long as this lives no other demo can use it.
#[derive(Debug)]
pub(super) struct RunDir {
    path: PathBuf,
    _lock: Flock<File>,
}

impl RunDir {
    /// Takes `dir`, by default a directory with a fixed name, so that a later demo finds what this one left if it gets killed.
    pub(super) fn lock(dir: Option<PathBuf>) -> Result<Self> {
        let path = match dir {
            Some(dir) => std::path::absolute(dir)?,
            None => temporary_files().join(format!("ebs-lab-demo-{}", nix::unistd::geteuid())),
        };
        ensure!(
            path.as_os_str().len() <= LONGEST,
            "{} is too long for sockets to lie in it: choose a directory of at most {LONGEST} characters with --dir",
            path.display()
        );
        let lock =
            lock(&path).with_context(|| format!("cannot use {} for the demo", path.display()))?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Fails where the file system cannot hold what the demo puts there.
    pub(super) fn must_suit(&self, with_disks: bool) -> Result<()> {
        let path = self.path.display();
        let found = statvfs(&self.path).with_context(|| format!("cannot look at {path}"))?;
        ensure!(
            !with_disks || !found.flags().contains(FsFlags::ST_NODEV),
            "{path} lies on a file system that is mounted with nodev, where an instance's devices would not work: \
             choose another directory with --dir"
        );
        let needed = if with_disks { DISKS } else { NO_DISKS };
        let free = found.blocks_available() * found.fragment_size();
        ensure!(
            free >= needed,
            "{path} has {} MiB free, and the demo needs {} MiB: choose another directory with --dir",
            free >> 20,
            needed >> 20
        );
        Ok(())
    }

    /// Removes everything in it.
    pub(super) fn empty(&self) -> Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let path = entry.path();
            let removed = if entry.file_type()?.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }

    /// Removes it with everything in it.
    pub(super) fn remove(self) -> Result<()> {
        self.empty()?;
        fs::remove_dir(&self.path).with_context(|| format!("cannot remove {}", self.path.display()))
    }
}

/// Where temporary files go that may be large. `/tmp` often lies in memory, and is mounted with nodev then.
fn temporary_files() -> PathBuf {
    let var = Path::new("/var/tmp");
    let asked = std::env::temp_dir();
    if asked == Path::new("/tmp") && var.is_dir() {
        var.to_owned()
    } else {
        asked
    }
}

/// Makes the directory where it is missing and locks it. The lock is on the directory itself: there is no lock file to leave behind.
fn lock(path: &Path) -> Result<Flock<File>> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    let dir = File::open(path)?;
    let meta = dir.metadata()?;
    ensure!(meta.is_dir(), "it is not a directory");
    // A directory of a fixed name in a place where everyone writes: someone else may have made it.
    ensure!(
        meta.uid() == nix::unistd::geteuid().as_raw(),
        "it belongs to another user"
    );
    let lock = match Flock::lock(dir, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => lock,
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => {
            bail!(
                "another demo is running in it: wait for its end, or choose another directory with --dir"
            )
        }
        Err((_, error)) => return Err(error.into()),
    };
    // A demo that has just ended may have removed it between the opening and the locking.
    let there = fs::metadata(path)?;
    ensure!(
        (there.dev(), there.ino()) == (meta.dev(), meta.ino()),
        "another demo is just ending in it: try again"
    );
    Ok(lock)
}
