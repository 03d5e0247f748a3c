//! Checking a file system before it is mounted.
//!
//! Answers for: running fsck in its mode that repairs without asking, within bounds, and reading its exit code. Doesn't answer for: xfs, whose
//! own check at mount time (log replay) is all that should run unattended (fsck.xfs(8)).

use std::io;

use ebs_types::FsType;

use crate::exec::{self, Output, Program, Programs};
use crate::lock::DeviceLock;
use crate::tasks::blocking;
use crate::{CheckError, Device, ProgramError, inspect};

const FSCK: Program = Program {
    name: "fsck.ext4",
    package: "e2fsprogs",
};

/// What fsck is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Replay the journal, and look closer only where the file system says that it was not unmounted well.
    Preen,
    /// Look at everything, as resize2fs wants it.
    Full,
}

/// Checks the file system.
pub(crate) async fn check(
    programs: &Programs,
    device: &Device,
    fs: FsType,
) -> Result<(), CheckError> {
    let owned = device.clone();
    blocking(move || inspect::retire(&owned)).await;
    match fs {
        FsType::Ext3 | FsType::Ext4 => fsck(programs, device, Depth::Preen).await,
        FsType::Xfs | FsType::Btrfs => Ok(()),
    }
}

/// Runs fsck on an ext file system.
pub(crate) async fn fsck(
    programs: &Programs,
    device: &Device,
    depth: Depth,
) -> Result<(), CheckError> {
    let args: &[&str] = match depth {
        Depth::Preen => &["-p", exec::DEVICE],
        Depth::Full => &["-f", "-p", exec::DEVICE],
    };
    let path = || device.path().to_owned();
    let failed = |source| CheckError::Program {
        path: path(),
        source,
    };
    let bound = programs.fsck_memory();
    let lock = lock(device).await?;
    let ended = programs
        .write_within(bound, FSCK, args, device.file())
        .await;
    lock.release();
    let output = ended.map_err(failed)?;
    let said = said(&output);
    // fsck(8): 1 errors corrected, 2 "reboot" (only for a mounted root), 4 errors left, 8 operational error and beyond.
    match output.status.code() {
        Some(0) => {
            tracing::info!(volume.id = %device.volume(), said, "fsck found the file system sound");
            Ok(())
        }
        Some(code) if code & !3 == 0 => {
            tracing::warn!(volume.id = %device.volume(), said, "fsck repaired the file system");
            Ok(())
        }
        Some(code) if code & !7 == 0 => Err(CheckError::Damaged { path: path(), said }),
        Some(_) if out_of_memory(&said) => Err(CheckError::OutOfMemory {
            path: path(),
            bound,
            said,
        }),
        _ => Err(failed(ProgramError::Failed {
            program: FSCK.name,
            status: output.status,
            said,
        })),
    }
}

/// e2fsck gives up with the words of its library (`EXT2_ET_NO_MEMORY`) or of the C library (`ENOMEM`, and `EAGAIN` for a thread that
/// gets no stack).
fn out_of_memory(said: &str) -> bool {
    [
        "Resource temporarily unavailable",
        "Memory allocation failed",
        "Cannot allocate memory",
        "Out of memory",
    ]
    .iter()
    .any(|words| said.contains(words))
}

/// Waits for a writer that outlived the process which started it.
pub(crate) async fn lock(device: &Device) -> Result<DeviceLock, CheckError> {
    let path = device.path().to_owned();
    DeviceLock::take_to_write(device)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => CheckError::InUse { path },
            _ => CheckError::Lock { path, source },
        })
}

/// fsck's verdict is on standard output.
fn said(output: &Output) -> String {
    let text = [output.stdout.trim(), output.stderr.trim()].join("\n");
    exec::ending(&text)
}
