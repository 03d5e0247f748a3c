//! What is wrong with a volume where it is mounted.
//!
//! Answers for: seeing it in what the kernel shows of the mount, without reading or writing the volume. Doesn't answer for: what to
//! do about it, and how CSI spells it.

use std::fs;
use std::path::Path;

use crate::find::Finder;
use crate::{DeviceNumber, Mount, StatsError, mount, stats};

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The device has gone from this machine.
    DeviceGone,
    /// The device is there and cannot be opened or measured.
    Unreadable {
        /// The kernel's words.
        why: String,
    },
    /// The file system refuses everything since an error.
    ShutDown,
    /// The file system refuses writes since an error: it was mounted writable.
    ReadOnly,
    /// The file system has noted errors since it was checked last, and goes on.
    Errors {
        /// How many.
        count: u64,
    },
}

/// Looks at what is mounted at the path.
pub(crate) fn troubles(finder: &Finder, path: &Path) -> Result<Vec<Trouble>, StatsError> {
    let seen = stats::look(path)?;
    let Some(mount) = mount::described(&seen)? else {
        return Err(StatsError::NotMounted {
            path: path.to_owned(),
        });
    };
    if stats::lost(finder, &seen)? {
        return Ok(vec![Trouble::DeviceGone]);
    }
    let unreadable = |error: std::io::Error| Trouble::Unreadable {
        why: error.to_string(),
    };
    if mount.node.is_some() {
        return Ok(stats::block(&seen)
            .err()
            .map(unreadable)
            .into_iter()
            .collect());
    }
    if seen.about().is_none() {
        return Ok(vec![Trouble::ShutDown]);
    }
    let mut found: Vec<_> = stats::filesystem(&seen)
        .err()
        .map(unreadable)
        .into_iter()
        .collect();
    let options = mount::super_options(mount.id)?;
    found.extend(stopped(&mount, &options));
    found.extend(noted(&mount));
    Ok(found)
}

/// Whether the options of the whole file system say that it has stopped. Kernels from 6.12 on leave `ro` to the administrator: ext4
/// then shows `emergency_ro` and `shutdown` (ext4_show_options in fs/ext4/super.c).
fn stopped(mount: &Mount, options: &[String]) -> Option<Trouble> {
    let has = |wanted: &str| options.iter().any(|option| option == wanted);
    if has("shutdown") {
        return Some(Trouble::ShutDown);
    }
    let refuses_writes = has("emergency_ro") || (has("ro") && !mount.made_read_only);
    refuses_writes.then_some(Trouble::ReadOnly)
}

/// The errors that ext4, which ext3 is too, has counted in its superblock; a check sets them to 0.
fn noted(mount: &Mount) -> Option<Trouble> {
    if !mount.fs_type.starts_with("ext") {
        return None;
    }
    let name = kernel_name(mount.device)?;
    let count = Path::new("/sys/fs/ext4").join(name).join("errors_count");
    let count = fs::read_to_string(count).ok()?.trim().parse().ok()?;
    (count > 0).then_some(Trouble::Errors { count })
}

/// What the kernel calls a device. In its own sysfs, not the directory in which devices are looked for: what is mounted is always
/// this kernel's.
fn kernel_name(device: DeviceNumber) -> Option<String> {
    let link = Path::new("/sys/dev/block").join(device.to_string());
    let target = fs::read_link(link).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests;
