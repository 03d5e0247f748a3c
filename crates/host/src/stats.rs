//! How much of a volume is used.
//!
//! Answers for: asking the kernel. Doesn't answer for: what a caller makes of it.

use std::fs::File;
use std::io;
use std::path::Path;

use ebs_types::Bytes;
use rustix::fs::fstatvfs;

use crate::device::ioctl;
use crate::find::Finder;
use crate::place::{About, Seen, through};
use crate::{MountError, Place, StatsError, mount};

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stats {
    /// A file system.
    Filesystem {
        /// Its bytes.
        bytes: Usage,
        /// Its inodes, in number; xfs makes them as needed, so that the total moves.
        inodes: Usage,
    },
    /// A block device.
    Block {
        /// Its size, in bytes.
        size: Bytes,
    },
}

/// Bytes or inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// All.
    pub total: u64,
    /// What is in use.
    pub used: u64,
    /// What an ordinary user can still have; less than `total - used` where some is kept for root.
    pub available: u64,
}

/// Measures what is mounted at the path. The mount table is not read unless something is wrong: on a node with many mounts it is
/// what takes longest.
pub(crate) fn stats(finder: &Finder, path: &Path) -> Result<Stats, StatsError> {
    let seen = look(path)?;
    let Some(about) = seen.about() else {
        return Err(why(finder, &seen, path, None));
    };
    let measured = match about.node {
        Some(_) => block(&seen),
        None => filesystem(&seen),
    };
    let measured = measured.map_err(|source| why(finder, &seen, path, Some(source)))?;
    // A file system tells figures that it has in memory when its device has gone.
    if is_gone(finder, &seen, about)? {
        return Err(gone(path));
    }
    Ok(measured)
}

/// What is mounted at the path, held open.
pub(crate) fn look(path: &Path) -> Result<Seen, StatsError> {
    let not_found = || StatsError::NotFound {
        path: path.to_owned(),
    };
    let place = Place::find(path).map_err(MountError::from)?;
    let seen = place.ok_or_else(not_found)?.look();
    let seen = seen.map_err(MountError::from)?.ok_or_else(not_found)?;
    match seen.mount() {
        Some(_) => Ok(seen),
        None => Err(StatsError::NotMounted {
            path: path.to_owned(),
        }),
    }
}

/// The size of the device that is shown.
pub(crate) fn block(seen: &Seen) -> io::Result<Stats> {
    let size = ioctl::size(&File::open(through(seen))?)?;
    Ok(Stats::Block { size: Bytes(size) })
}

/// How much of the file system is in use.
pub(crate) fn filesystem(seen: &Seen) -> io::Result<Stats> {
    let found = fstatvfs(seen)?;
    let usage = |total: u64, free: u64, available: u64, unit: u64| Usage {
        total: total.saturating_mul(unit),
        used: total.saturating_sub(free).saturating_mul(unit),
        available: available.saturating_mul(unit),
    };
    Ok(Stats::Filesystem {
        bytes: usage(
            found.f_blocks,
            found.f_bfree,
            found.f_bavail,
            found.f_frsize,
        ),
        inodes: usage(found.f_files, found.f_ffree, found.f_favail, 1),
    })
}

/// Whether the device is there no longer.
fn is_gone(finder: &Finder, seen: &Seen, about: &About) -> Result<bool, StatsError> {
    let number = about.node.unwrap_or(about.device);
    let known = if number.is_anonymous() {
        let devices = mount::devices(seen);
        !devices.is_empty() && devices.into_iter().all(|device| finder.knows(device))
    } else {
        finder.knows(number)
    };
    if known {
        return Ok(false);
    }
    lost(finder, seen)
}

/// The same, asked of everybody who may know.
pub(crate) fn lost(finder: &Finder, seen: &Seen) -> Result<bool, StatsError> {
    match mount::described(seen)? {
        Some(mount) => finder
            .lost(&mount)
            .map_err(|(path, source)| StatsError::Kernel { path, source }),
        None => Ok(false),
    }
}

/// Why something that is mounted could not be measured.
fn why(finder: &Finder, seen: &Seen, path: &Path, source: Option<io::Error>) -> StatsError {
    match (lost(finder, seen), source) {
        (Ok(true), _) => gone(path),
        (_, Some(source)) => StatsError::Kernel {
            path: path.to_owned(),
            source,
        },
        (_, None) => StatsError::ShutDown {
            path: path.to_owned(),
        },
    }
}

fn gone(path: &Path) -> StatsError {
    StatsError::Gone {
        path: path.to_owned(),
    }
}
