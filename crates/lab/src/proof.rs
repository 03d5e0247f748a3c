//! Data whose survival can be proved: files, or bytes of a raw device, known by their checksum.
//!
//! Answers for: writing them so that they are on the disk, and reading them back.
//! Doesn't answer for: where they are written to.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use anyhow::{Result, ensure};
use sha2::{Digest as _, Sha256};

/// How many files a set has.
const FILES: u32 = 8;

/// The bytes of a file or a device that are written and read.
const LENGTH: u64 = 128 << 10;

/// The bytes of a set of files: 1 MiB.
pub const BYTES: u64 = LENGTH * FILES as u64;

/// What the content is known by.
#[derive(Clone, PartialEq, Eq)]
pub struct Checksum([u8; 32]);

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256 ")?;
        self.0
            .iter()
            .take(6)
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Checksum {
    /// Fails where the content differs from `other`.
    pub fn must_be(&self, other: &Self) -> Result<()> {
        ensure!(self == other, "read {self}, but {other} was written");
        Ok(())
    }
}

/// Writes files into `dir` and waits until they are on its disk. Other words, other content.
pub fn write_files(dir: &Path, words: &str) -> Result<Checksum> {
    for n in 0..FILES {
        let mut file = File::create(dir.join(format!("{words}-{n}.bin")))?;
        file.write_all(&content(&format!("{words}-{n}")))?;
        file.sync_all()?;
    }
    read_files(dir)
}

/// Reads all files in `dir`, in the order of their names: names and contents make the checksum.
pub fn read_files(dir: &Path) -> Result<Checksum> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.push(entry.file_name());
        }
    }
    names.sort();
    ensure!(!names.is_empty(), "{} holds no files", dir.display());
    let mut hash = Sha256::new();
    for name in names {
        hash.update(name.as_encoded_bytes());
        hash.update(fs::read(dir.join(name))?);
    }
    Ok(Checksum(hash.finalize().into()))
}

/// Writes the beginning of a block device and waits until it is on the disk.
pub fn write_device(device: &Path, words: &str) -> Result<Checksum> {
    let mut file = OpenOptions::new().write(true).open(device)?;
    file.write_all(&content(words))?;
    file.sync_all()?;
    read_device(device)
}

/// Reads the beginning of a block device.
pub fn read_device(device: &Path) -> Result<Checksum> {
    let mut begin = Vec::new();
    File::open(device)?.take(LENGTH).read_to_end(&mut begin)?;
    Ok(Checksum(Sha256::digest(&begin).into()))
}

/// The size of the file system at `path`, in bytes.
pub fn filesystem_size(path: &Path) -> io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    Ok(stat.blocks() * stat.fragment_size())
}

/// Bytes that follow from the words and in which no two blocks are alike.
fn content(words: &str) -> Vec<u8> {
    let seed: [u8; 32] = Sha256::digest(words).into();
    (0..LENGTH / 32)
        .flat_map(|block| {
            let number = block.to_le_bytes();
            let mut bytes = seed;
            for (byte, changed) in bytes.iter_mut().zip(number) {
                *byte ^= changed;
            }
            bytes
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_or_name_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let written = write_files(dir.path(), "first").unwrap();
        written.must_be(&read_files(dir.path()).unwrap()).unwrap();

        let one = dir.path().join("first-3.bin");
        let mut bytes = fs::read(&one).unwrap();
        bytes[77] ^= 1;
        fs::write(&one, &bytes).unwrap();
        assert!(written.must_be(&read_files(dir.path()).unwrap()).is_err());

        bytes[77] ^= 1;
        fs::write(&one, &bytes).unwrap();
        written.must_be(&read_files(dir.path()).unwrap()).unwrap();
        fs::rename(&one, dir.path().join("renamed")).unwrap();
        assert!(written.must_be(&read_files(dir.path()).unwrap()).is_err());
    }
}
