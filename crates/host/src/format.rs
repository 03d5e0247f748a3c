//! Making a file system on a blank device.
//!
//! Answers for: looking again at identity, other users and blankness right before mkfs, and for mkfs itself, which is never forced.
//! Doesn't answer for: which device is to be formatted.

use std::fs::{File, TryLockError};
use std::time::Duration;

use ebs_types::{FormatOptions, FsType};
use nix::libc;

use crate::exec::{self, Program, Programs};
use crate::find::Finder;
use crate::linux::blocking;
use crate::{BlankDevice, Device, FormatError, inspect};

/// How long a lock on the device is waited for.
const LOCK_PAUSES: [Duration; 10] = [Duration::from_millis(100); 10];

/// The program that makes this file system.
pub(crate) fn mkfs(fs: FsType) -> Program {
    match fs {
        FsType::Ext3 => Program {
            name: "mkfs.ext3",
            package: "e2fsprogs",
        },
        FsType::Ext4 => Program {
            name: "mkfs.ext4",
            package: "e2fsprogs",
        },
        FsType::Xfs => Program {
            name: "mkfs.xfs",
            package: "xfsprogs",
        },
        FsType::Btrfs => Program {
            name: "mkfs.btrfs",
            package: "btrfs-progs",
        },
    }
}

fn arguments(fs: FsType) -> &'static [&'static str] {
    match fs {
        // -F: the descriptor's path does not look like a device's name, about which mkfs would ask. Once, not twice: twice
        // would format a device that is in use. -m0: no blocks kept for root, who is not who fills a volume.
        FsType::Ext3 | FsType::Ext4 => &["-q", "-F", "-m0", exec::DEVICE],
        // Without -f it refuses a device that holds a signature.
        FsType::Xfs | FsType::Btrfs => &["-q", exec::DEVICE],
    }
}

/// Formats the device.
pub(crate) async fn format(
    programs: &Programs,
    finder: &Finder,
    blank: &BlankDevice,
    options: &FormatOptions,
) -> Result<(), FormatError> {
    let device = blank.device();
    lock(device).await?;
    let made = make(programs, finder, device, options.fs()).await;
    unlock(device);
    made
}

async fn make(
    programs: &Programs,
    finder: &Finder,
    device: &Device,
    fs: FsType,
) -> Result<(), FormatError> {
    let (owned, finder) = (device.clone(), finder.clone());
    blocking(move || look_again(&owned, &finder)).await?;
    let program = mkfs(fs);
    let failed = |source| FormatError::Program {
        path: device.path().to_owned(),
        source,
    };
    let output = programs
        .write(program, arguments(fs), device.file())
        .await
        .map_err(failed)?;
    if !output.status.success() {
        return Err(failed(output.failure(program)));
    }
    tracing::info!(volume.id = %device.volume(), device = %device.path().display(), %fs, "formatted a blank device");
    Ok(())
}

/// Locks the device for as long as mkfs has it as its standard input, even if this process dies meanwhile: the next one can't run
/// a second mkfs beside the first. It also keeps udev from looking at a half-made file system (systemd.io/BLOCK_DEVICE_LOCKING);
/// udev for its part locks for moments, which are waited for.
async fn lock(device: &Device) -> Result<(), FormatError> {
    for pause in LOCK_PAUSES {
        match device.file().try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(pause).await,
            Err(TryLockError::Error(source)) => {
                let path = device.path().to_owned();
                return Err(FormatError::Open { path, source });
            }
        }
    }
    let path = device.path().to_owned();
    Err(FormatError::InUse { path })
}

fn unlock(device: &Device) {
    if let Err(error) = device.file().unlock() {
        tracing::warn!(volume.id = %device.volume(), %error, "a lock stays until the device is closed");
    }
}

/// Identity, other users and blankness, all on the descriptor.
///
/// The claim is held over the look, so that nothing else begins meanwhile, and let go before mkfs, which takes its own. blkid is
/// not run again: what it knows of beyond our own look was not there when this blank device was made.
fn look_again(device: &Device, finder: &Finder) -> Result<(), FormatError> {
    finder.verify(device)?;
    let _claim = claim(device)?;
    match inspect::anything(device)? {
        None => Ok(()),
        Some(found) => Err(FormatError::NotBlank {
            path: device.path().to_owned(),
            found,
        }),
    }
}

fn claim(device: &Device) -> Result<File, FormatError> {
    device.claim().map_err(|source| {
        let path = device.path().to_owned();
        match source.raw_os_error() {
            Some(libc::EBUSY) => FormatError::InUse { path },
            _ => FormatError::Open { path, source },
        }
    })
}
