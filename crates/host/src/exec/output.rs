//! What a program says, kept in memory and bounded.
//!
//! Answers for: the file in memory and the end of a text. Doesn't answer for: running the program.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::process::Stdio;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{Whence, lseek};

/// The most that is kept of one stream, in bytes. A program that says more gets EPERM from its further writes.
const LIMIT: u16 = u16::MAX;

/// The most of a text that goes into a message, in bytes.
const ENDING: usize = 2_000;

/// A file in memory that can't grow beyond [`LIMIT`].
#[derive(Debug)]
pub(super) struct Captured(File);

impl Captured {
    pub(super) fn new() -> io::Result<Self> {
        let file = File::from(memfd_create(
            c"output",
            MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING,
        )?);
        file.set_len(u64::from(LIMIT))?;
        fcntl(
            &file,
            FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK),
        )?;
        Ok(Self(file))
    }

    /// The file as a program's output stream. It shares its position with this one.
    pub(super) fn writer(&self) -> io::Result<Stdio> {
        Ok(Stdio::from(self.0.try_clone()?))
    }

    /// What has been written so far.
    pub(super) fn text(&self) -> io::Result<String> {
        let written = lseek(&self.0, 0, Whence::SeekCur)?;
        let length = u16::try_from(written).unwrap_or(LIMIT);
        let mut bytes = vec![0; usize::from(length)];
        self.0.read_exact_at(&mut bytes, 0)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The last lines of a text, joined by `; `, without empty ones.
pub(crate) fn ending(text: &str) -> String {
    let from = text.len().saturating_sub(ENDING);
    let from = (from..=text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len());
    let lines = text.get(from..).unwrap_or_default().lines();
    lines
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}
