//! Mounting, binding, unmounting, and what is mounted where.
//!
//! Answers for: that the very device that was found is what gets mounted, at the very place that was looked at, and that repeating
//! each call is harmless. Doesn't answer for: what is on the device, and making or removing the targets.
//!
//! A mount is made where nobody sees it, looked at, and only then shown at its place, by descriptors alone (fsopen(2), open_tree(2),
//! move_mount(2)): neither a device that has got another name nor a link that was planted on the way leads elsewhere.

mod bind;
mod btrfs;
mod context;
pub(crate) mod kernel_log;
mod options;
mod selinux;
mod table;

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use ebs_types::FsType;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use tokio::time::Instant;

use crate::exec::work_us;
use crate::place::About;
use crate::{Device, DeviceNumber, MountError, Place, Seen};

pub(crate) use bind::{bind, bind_block};
use context::{Context, Refusal};
use options::Parameter;
pub use options::{InvalidMountOption, MountOptions};
pub use table::Mount;
pub(crate) use table::{all, at, described, of, on_its_device, super_options};

/// More mounts than this on top of each other at one path are somebody's mistake that unmounting does not mend.
const MOST_LAYERS: usize = 64;

/// How long unmounting waits in all for whoever uses the mount for a moment, in steps that double.
const PATIENCE: [Duration; 4] = [
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(4),
    Duration::from_millis(8),
];

/// The devices of the btrfs that is mounted there; none where it is another file system, or does not say.
pub(crate) fn devices(seen: &Seen) -> Vec<DeviceNumber> {
    match btrfs::is(seen) {
        Ok(true) => btrfs::devices(seen).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Mounts the device at the target.
pub(crate) fn device(
    device: &Device,
    target: &Path,
    fs: FsType,
    options: &MountOptions,
) -> Result<(), MountError> {
    let seen = seen_at(target)?;
    if seen.mount().is_some() {
        let wanted = Wanted::new(device, options.is_read_only());
        let found = wanted.found(&seen, target, shows(&seen, device)?)?;
        return match found.made_read_only == wanted.read_only {
            true => Ok(()),
            false => Err(wanted.occupied(target, &found)),
        };
    }
    leads_to(device.path(), device.number())?;
    let mut parameters = options.parameters(fs, selinux::enabled());
    if panics(device, fs) && !options.has("errors") {
        tracing::warn!(volume.id = %device.volume(), "the file system asks for a kernel panic when it meets an error: it is mounted with errors=remount-ro");
        parameters.push(Parameter::parse("errors=remount-ro"));
    }
    let (began, logged) = (Instant::now(), kernel_log::now());
    let mounted = Context::open(fs.as_str())
        .and_then(|context| context.mount(device.path(), &parameters, options.attributes()));
    let (mount, words) = mounted.map_err(|refusal| explained(device, fs, refusal, logged))?;
    if !words.is_empty() {
        tracing::info!(volume.id = %device.volume(), said = words.join("; "), "the kernel said while mounting");
    }
    // The name could have been turned to another device between the look and the mount. The number can't: the open descriptor keeps
    // the kernel from giving it to another device, so that equal numbers mean the same disk.
    is_of(&mount, device, fs)?;
    context::attach(&mount, &seen).map_err(|errno| refused("mount at", target, errno, ""))?;
    tracing::debug!(volume.id = %device.volume(), work_us = work_us(began), "mounted");
    Ok(())
}

/// What is at the target, which has to exist.
fn seen_at(target: &Path) -> Result<Seen, MountError> {
    let place = Place::find(target)?;
    let seen = place.map_or(Ok(None), |place| place.look())?;
    seen.ok_or_else(|| refused("mount at", target, Errno::NOENT, ""))
}

/// Whether what was just mounted, and nobody sees yet, lies on the device alone.
fn is_of(mount: impl AsFd, device: &Device, fs: FsType) -> Result<(), MountError> {
    let looked = |source| MountError::Kernel {
        action: "look at what is to be mounted from",
        path: device.path().to_owned(),
        source,
        hint: String::new(),
    };
    let found = if btrfs::is(&mount).map_err(looked)? {
        btrfs::devices(&mount).map_err(looked)?
    } else {
        vec![About::of(&mount).map_err(looked)?.device]
    };
    if found == [device.number()] {
        return Ok(());
    }
    let found: Vec<String> = found.iter().map(DeviceNumber::to_string).collect();
    let (path, found) = (device.path().to_owned(), found.join(", "));
    Err(match fs {
        FsType::Btrfs => MountError::Copy { path, found },
        FsType::Ext3 | FsType::Ext4 | FsType::Xfs => MountError::WrongDevice {
            path,
            found,
            wanted: device.number(),
        },
    })
}

/// What is mounted at a path, beside a device that may be it.
#[derive(Debug)]
pub(crate) enum RootAt {
    Nothing,
    /// Not the device.
    Another,
    /// The device: the root directory of its file system, opened for ioctls.
    Its(File),
}

/// Says what is mounted at the path.
pub(crate) fn root_at(device: &Device, path: &Path) -> Result<RootAt, MountError> {
    let seen = match Place::find(path)? {
        Some(place) => place.look()?,
        None => None,
    };
    let Some(seen) = seen.filter(|seen| seen.mount().is_some()) else {
        return Ok(RootAt::Nothing);
    };
    if !shows(&seen, device)? {
        return Ok(RootAt::Another);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(&seen, ".", flags, Mode::empty())
        .map_err(|errno| refused("open", path, errno, ""))?;
    Ok(RootAt::Its(root.into()))
}

/// Whether what is mounted at an open place is the device, through its file system or as itself.
fn shows(seen: &Seen, device: &Device) -> Result<bool, MountError> {
    let number = device.number();
    let on_btrfs = || Ok(btrfs::is(seen)? && btrfs::devices(seen)? == [number]);
    match seen.about() {
        Some(about) if about.device == number || about.node == Some(number) => Ok(true),
        Some(_) => on_btrfs().map_err(|source| MountError::Kernel {
            action: "look at what is mounted beside",
            path: device.path().to_owned(),
            source,
            hint: String::new(),
        }),
        // One that can't answer any more.
        None => Ok(table::described(seen)?.is_some_and(|mount| mount.carries(device))),
    }
}

/// What should be mounted at a target.
struct Wanted {
    device: DeviceNumber,
    read_only: bool,
}

impl Wanted {
    fn new(device: &Device, read_only: bool) -> Self {
        let device = device.number();
        Self { device, read_only }
    }

    /// What is mounted at the target already, if that is the same but for its mode.
    fn found(&self, seen: &Seen, target: &Path, same: bool) -> Result<Mount, MountError> {
        match table::described(seen)? {
            Some(found) if same => Ok(found),
            Some(found) => Err(self.occupied(target, &found)),
            // It has gone this moment: whoever takes mounts away here is not this driver.
            None => Err(refused("look at", target, Errno::AGAIN, "")),
        }
    }

    fn occupied(&self, target: &Path, found: &Mount) -> MountError {
        let mode = if self.read_only {
            "read-only"
        } else {
            "writable"
        };
        MountError::Occupied {
            path: target.to_owned(),
            found: found.to_string(),
            wanted: format!("device {}, {mode}", self.device),
        }
    }
}

/// Unmounts all layers at the target.
pub(crate) fn unmount(target: &Path) -> Result<(), MountError> {
    let Some(place) = Place::find(target)? else {
        return Ok(());
    };
    for _ in 0..MOST_LAYERS {
        // Nothing of what is looked at is kept: it would be in use.
        let mounted = place.look()?.is_some_and(|seen| seen.mount().is_some());
        if !mounted {
            return Ok(());
        }
        detach(&place)?;
    }
    Err(refused(
        "unmount",
        target,
        Errno::LOOP,
        ": something is mounted there again and again",
    ))
}

/// Unmounts the topmost layer. A look at the mount, or a program that is just being started, holds it for a moment.
fn detach(place: &Place) -> Result<(), MountError> {
    let path = place.through_descriptor();
    let mut patience = PATIENCE.iter();
    loop {
        let began = Instant::now();
        let unmounted = rustix::mount::unmount(&path, UnmountFlags::NOFOLLOW);
        tracing::debug!(work_us = work_us(began), "asked the kernel to unmount");
        match unmounted {
            // Somebody else was faster.
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
            Err(Errno::BUSY) => match patience.next() {
                Some(pause) => std::thread::sleep(*pause),
                None => return Err(refused("unmount", place.path(), Errno::BUSY, IN_USE)),
            },
            Err(errno) => return Err(refused("unmount", place.path(), errno, "")),
        }
    }
}

const IN_USE: &str = ": a process uses it, or something is mounted below it; it is tried again";

fn leads_to(path: &Path, wanted: DeviceNumber) -> Result<(), MountError> {
    let number = DeviceNumber::at(path).map_err(|source| MountError::Kernel {
        action: "look at",
        path: path.to_owned(),
        source,
        hint: String::new(),
    })?;
    match number {
        Some(found) if found == wanted => Ok(()),
        found => Err(MountError::WrongDevice {
            path: path.to_owned(),
            found: found.map_or_else(|| "no block device".to_owned(), |found| found.to_string()),
            wanted,
        }),
    }
}

/// Whether an ext file system's superblock asks for a panic on errors, as a snapshot made elsewhere may: by `s_errors`, 3, or among the
/// options in `s_mount_opts`, which the kernel takes before those of the mount (Documentation/filesystems/ext4/super.rst).
fn panics(device: &Device, fs: FsType) -> bool {
    const SUPERBLOCK: u64 = 1024;
    const S_ERRORS: u64 = SUPERBLOCK + 0x3c;
    const S_MOUNT_OPTS: u64 = SUPERBLOCK + 0x200;
    const PANIC: &[u8] = b"errors=panic";
    let (mut errors, mut options) = ([0; 2], [0; 64]);
    let by_field = device.read_at(&mut errors, S_ERRORS).is_ok() && u16::from_le_bytes(errors) == 3;
    let by_option = device.read_at(&mut options, S_MOUNT_OPTS).is_ok()
        && options.windows(PANIC.len()).any(|part| part == PANIC);
    fs.is_ext() && (by_field || by_option)
}

/// A refused mount, with what the kernel said of it: to whoever mounts, or else to its log.
fn explained(device: &Device, fs: FsType, refusal: Refusal, began: Duration) -> MountError {
    let Refusal { errno, mut words } = refusal;
    if fs == FsType::Btrfs && errno == Errno::EXIST {
        return MountError::Copy {
            path: device.path().to_owned(),
            found: "one of the same UUID".to_owned(),
        };
    }
    words.extend(kernel_log::since(began, device.number()));
    let hint = if words.is_empty() {
        "; the kernel's log (dmesg) may say why".to_owned()
    } else {
        format!("; the kernel says: {}", words.join("; "))
    };
    refused("mount", device.path(), errno, &hint)
}

fn refused(action: &'static str, path: &Path, errno: Errno, hint: &str) -> MountError {
    MountError::Kernel {
        action,
        path: path.to_owned(),
        source: errno.into(),
        hint: hint.to_owned(),
    }
}

#[cfg(test)]
mod tests;
