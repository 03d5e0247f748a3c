//! Checking a file system before it is mounted.
//!
//! Answers for: running fsck in its mode that repairs without asking, and reading its exit code. Doesn't answer for: xfs, whose
//! own check at mount time (log replay) is all that should run unattended (fsck.xfs(8)).

use ebs_types::FsType;

use crate::exec::{self, Output, Program, Programs};
use crate::{CheckError, Device};

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
    let failed = |source| CheckError::Program {
        path: device.path().to_owned(),
        source,
    };
    let output = programs
        .write(FSCK, args, device.file())
        .await
        .map_err(failed)?;
    // fsck(8): 1 errors corrected, 2 "reboot" (only for a mounted root), 4 errors left, 8 operational error and beyond.
    match output.status.code() {
        Some(0) => Ok(()),
        Some(code) if code & !3 == 0 => {
            tracing::warn!(volume.id = %device.volume(), said = %said(&output), "fsck repaired the file system");
            Ok(())
        }
        Some(code) if code & !7 == 0 => Err(CheckError::Damaged {
            path: device.path().to_owned(),
            said: said(&output),
        }),
        _ => Err(failed(output.failure(FSCK))),
    }
}

/// fsck's verdict is on standard output.
fn said(output: &Output) -> String {
    let text = [output.stdout.trim(), output.stderr.trim()].join("\n");
    exec::ending(&text)
}
