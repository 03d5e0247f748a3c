//! How much of a volume is used.
//!
//! Answers for: asking the kernel. Doesn't answer for: what a caller makes of it.

use std::fs::File;
use std::io;
use std::path::Path;

use ebs_types::Bytes;
use nix::errno::Errno;
use nix::sys::statvfs::fstatvfs;

use crate::device::ioctl;
use crate::{Place, StatsError, place};

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

/// Measures what is at the path.
pub(crate) fn stats(path: &Path) -> Result<Stats, StatsError> {
    let kernel = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => StatsError::NotFound {
            path: path.to_owned(),
        },
        _ => StatsError::Kernel {
            path: path.to_owned(),
            source,
        },
    };
    let place = Place::find(path).map_err(|error| kernel(error.into()))?;
    let seen = place.map_or(Ok(None), |place| place.look());
    let Some(seen) = seen.map_err(|error| kernel(error.into()))? else {
        return Err(StatsError::NotFound {
            path: path.to_owned(),
        });
    };
    if seen.about().is_some_and(|about| about.node.is_some()) {
        let device = File::open(place::through(&seen)).map_err(kernel)?;
        let size = ioctl::size(&device).map_err(|errno: Errno| kernel(errno.into()))?;
        return Ok(Stats::Block { size: Bytes(size) });
    }
    let found = fstatvfs(&seen).map_err(|errno| kernel(errno.into()))?;
    let unit = found.fragment_size();
    let usage = |total: u64, free: u64, available: u64, unit: u64| Usage {
        total: total.saturating_mul(unit),
        used: total.saturating_sub(free).saturating_mul(unit),
        available: available.saturating_mul(unit),
    };
    Ok(Stats::Filesystem {
        bytes: usage(
            found.blocks(),
            found.blocks_free(),
            found.blocks_available(),
            unit,
        ),
        inodes: usage(
            found.files(),
            found.files_free(),
            found.files_available(),
            1,
        ),
    })
}
