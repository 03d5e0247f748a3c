//! What is on a device.
//!
//! Answers for: recognising the file systems that this driver mounts, being sure that a blank device is blank, and that what an
//! interrupted format left behind is that and nothing else. Doesn't answer for: what to do about it.
//!
//! Blank means: its first and last MiB were read and are zero, and blkid's low-level probe finds no signature, partition table or RAID
//! member. blkid says "nothing" as well where it could not read, so that our own reading comes first and its errors count.

pub(crate) mod superblock;
mod unfinished;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use ebs_types::{Bytes, FsType};
use nix::libc;
use tokio::time::Instant;

use crate::exec::{self, Program, Programs, micros};
use crate::lock::DeviceLock;
use crate::tasks::{apart, blocking};
use crate::{BlankDevice, Device, InspectError, record};
pub(crate) use superblock::{Features, Found, Superblock};
pub(crate) use unfinished::{retire, still_begun};

/// How much of the device's beginning and end has to be zero, in bytes.
pub(crate) const EDGE: u64 = 1 << 20;
/// Where ext's superblock is: from byte 1024 on, as long.
const EXT_HEAD: u64 = 4 << 10;
/// How much is read at once, in bytes.
const CHUNK: usize = 64 << 10;

const BLKID: Program = Program {
    name: "blkid",
    package: "util-linux",
};
/// blkid reads a few hundred KiB; a disk that takes longer than this is ill.
const BLKID_LIMIT: Duration = Duration::from_secs(60);

/// What is on a device.
#[derive(Debug)]
pub enum Contents {
    /// Nothing, or what an interrupted format of this very volume left: it may be formatted.
    Blank(BlankDevice),
    /// A file system that this driver mounts.
    Filesystem(Filesystem),
    /// Something else, which is never overwritten.
    Other {
        /// What it is, for a message.
        what: String,
    },
}

/// A file system, as its superblock describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filesystem {
    /// Its type.
    pub fs: FsType,
    /// Its UUID.
    pub uuid: [u8; 16],
    /// How many bytes of the device it uses.
    pub size: Bytes,
}

impl fmt::Display for Filesystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let article = match self.fs {
            FsType::Btrfs => "a",
            FsType::Ext3 | FsType::Ext4 | FsType::Xfs => "an",
        };
        write!(f, "{article} {} file system of {}", self.fs, self.size)
    }
}

/// The superblock on the device.
pub(crate) fn superblock(device: &Device) -> Result<Superblock, InspectError> {
    Ok(superblock::recognise(&head(device)?))
}

/// The superblock on the device if it is one of ext, which lies in the first pages; looking for others takes more reading.
pub(crate) fn ext_superblock(device: &Device) -> Result<Superblock, InspectError> {
    let head = read(device, 0, EXT_HEAD.min(size(device)?.0))?;
    Ok(superblock::recognise(&head))
}

fn head(device: &Device) -> Result<Vec<u8>, InspectError> {
    read(device, 0, superblock::HEAD.min(size(device)?.0))
}

/// Says what is on the device.
pub(crate) async fn inspect(
    programs: &Programs,
    device: &Device,
) -> Result<Contents, InspectError> {
    // What is being written by a program that outlived its plugin looks now like this and now like that.
    let lock = lock(device).await?;
    let found = inspect_locked(programs, device).await;
    lock.release();
    found
}

async fn inspect_locked(programs: &Programs, device: &Device) -> Result<Contents, InspectError> {
    let owned = device.clone();
    match blocking(move || unfinished::look(&owned)).await? {
        Look::Sound(found) => Ok(Contents::Filesystem(found)),
        Look::Unfinished(record) => Ok(unfinished(device, record)),
        Look::Begun(record) => match probe(programs, device.path(), device.file()).await? {
            None => Ok(unfinished(device, record)),
            Some(known) => other(device, known.what).await,
        },
        Look::Other(what) => other(device, what).await,
        Look::Nothing => nothing_known(programs, device).await,
    }
}

async fn lock(device: &Device) -> Result<DeviceLock, InspectError> {
    let path = device.path().to_owned();
    DeviceLock::take(device)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => InspectError::Held {
                path,
                found: "a lock, it is in use".to_owned(),
            },
            _ => unreadable(device, 0, source),
        })
}

/// What a first look without programs shows.
#[derive(Debug)]
pub(crate) enum Look {
    /// A file system that can be mounted.
    Sound(Filesystem),
    /// A file system as mkfs left it, not seen to the disk yet when a crash came: it was never mounted.
    Unfinished(record::Record),
    /// No file system, but a record that one was being made, and nothing that contradicts it.
    Begun(record::Record),
    /// Something to be left alone.
    Other(String),
    /// Nothing that is known at first sight.
    Nothing,
}

async fn nothing_known(programs: &Programs, device: &Device) -> Result<Contents, InspectError> {
    // A device that nobody has read yet is slow: all look at once.
    let (owned, grown) = (device.clone(), device.clone());
    let edges = apart(move || edges(&owned));
    let earlier = apart(move || unfinished::before_growing(&grown));
    let known = probe(programs, device.path(), device.file());
    let (data, known, earlier) = tokio::try_join!(edges, known, earlier)?;
    match (known, earlier, data) {
        (Some(known), ..) => other(device, known.what).await,
        (None, Some(record), _) => Ok(unfinished(device, record)),
        (None, None, Edges { data: Some(at), .. }) => other(device, data_at(device, at)).await,
        (None, None, Edges { data: None, .. }) => blank(programs, device).await,
    }
}

/// Nothing is on the device. A partition may not be formatted all the same where its disk holds something that fills it as a whole,
/// and what looks like a partition is an old table that was left in its first sector.
async fn blank(programs: &Programs, device: &Device) -> Result<Contents, InspectError> {
    let blank = || Ok(Contents::Blank(BlankDevice::seen(device.clone())));
    let Some(disk) = device.disk() else {
        return blank();
    };
    let held = match probe(programs, device.path(), disk).await? {
        Some(known) if known.is_table => return blank(),
        Some(known) => known.what,
        None => "no partition table".to_owned(),
    };
    other(device, format!("a partition of a disk that holds {held}")).await
}

fn unfinished(device: &Device, record: record::Record) -> Contents {
    tracing::warn!(
        volume.id = %device.volume(), fs = %record.fs,
        "a format of this volume was interrupted before the file system was used: it is formatted again"
    );
    Contents::Blank(BlankDevice::unfinished(device.clone(), record))
}

/// Something to be left alone, unless it is still being written: then nothing may be said of it yet.
async fn other(device: &Device, what: String) -> Result<Contents, InspectError> {
    let owned = device.clone();
    match blocking(move || owned.claim().map(drop)).await {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Err(InspectError::Held {
            path: device.path().to_owned(),
            found: what,
        }),
        _ => Ok(Contents::Other { what }),
    }
}

/// What there is on the device as far as can be seen without a program; `None` if nothing.
pub(crate) fn anything(device: &Device) -> Result<Option<String>, InspectError> {
    Ok(match superblock(device)? {
        Superblock::Ours(found) => Some(found.described()),
        Superblock::Other(what) => Some(what),
        Superblock::None => {
            let Edges { data, reading } = edges(device)?;
            tracing::debug!(volume.id = %device.volume(), work_us = micros(reading), "read the beginning and the end once more");
            data.map(|at| data_at(device, at))
        }
    })
}

fn data_at(device: &Device, offset: u64) -> String {
    match record::is_finished(device, offset) {
        true => format!(
            "nothing at its beginning, but at byte {offset} the mark that a file system was made here: its beginning was lost, what \
             follows may be there (e2fsck -b, xfs_repair)"
        ),
        false => format!("unknown data at byte {offset}"),
    }
}

/// What blkid's low-level probe finds, `None` for nothing.
async fn probe(
    programs: &Programs,
    path: &Path,
    device: &File,
) -> Result<Option<Known>, InspectError> {
    let failed = |source| InspectError::Program {
        path: path.to_owned(),
        source,
    };
    let args = ["-p", "-o", "export", exec::DEVICE];
    let output = programs
        .read(BLKID, &args, device, BLKID_LIMIT)
        .await
        .map_err(failed)?;
    match output.status.code() {
        Some(0) => Ok(described(&output.stdout)),
        // "Nothing found"; with a word on standard error it rather means that the probe failed.
        Some(2) if output.stderr.trim().is_empty() => Ok(None),
        Some(8) => Ok(Some(Known {
            what: "signatures of several kinds at once".to_owned(),
            is_table: false,
        })),
        _ => Err(failed(output.failure(BLKID))),
    }
}

/// What blkid knows.
struct Known {
    what: String,
    /// Whether it is a partition table and nothing else.
    is_table: bool,
}

/// `None` where blkid only says where the partition lies, which it says of blank ones too.
fn described(export: &str) -> Option<Known> {
    let value = |key: &str| {
        export
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    };
    let (what, is_table) = match (value("TYPE"), value("PTTYPE")) {
        (Some(kind), _) => {
            let usage = value("USAGE").unwrap_or("signature");
            (format!("{kind} ({usage})"), false)
        }
        (None, Some(table)) => (format!("a partition table ({table})"), true),
        (None, None) => {
            let mut lines = export.lines();
            if lines.all(|line| line.starts_with("DEVNAME=") || line.starts_with("PART_ENTRY_")) {
                return None;
            }
            ("a signature known to blkid".to_owned(), false)
        }
    };
    Some(Known { what, is_table })
}

/// The first and last MiB.
struct Edges {
    /// Where the first byte other than zero is.
    data: Option<u64>,
    /// How long the kernel took to read so far.
    reading: Duration,
}

fn edges(device: &Device) -> Result<Edges, InspectError> {
    let size = size(device)?.0;
    let tail = size.saturating_sub(EDGE).max(EDGE.min(size));
    let mut buffer = vec![0; CHUNK];
    let mut reading = Duration::ZERO;
    for (from, to) in [(0, EDGE.min(size)), (tail, size)] {
        for offset in (from..to).step_by(CHUNK) {
            let length = usize::try_from(to - offset).map_or(CHUNK, |rest| rest.min(CHUNK));
            buffer.truncate(length);
            let begin = Instant::now();
            device
                .read_at(&mut buffer, offset)
                .map_err(|source| unreadable(device, offset, source))?;
            reading += begin.elapsed();
            if !is_zero(&buffer) {
                let data = (offset..).zip(&buffer).find(|(_, byte)| **byte != 0);
                let data = data.map(|(at, _)| at);
                return Ok(Edges { data, reading });
            }
            buffer.resize(CHUNK, 0);
        }
    }
    let data = None;
    Ok(Edges { data, reading })
}

/// Sixteen bytes at a time: musl's memcmp looks at one byte after the other, which took most of the time of a whole staging.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0) && rest.iter().all(|byte| *byte == 0)
}

pub(crate) fn size(device: &Device) -> Result<Bytes, InspectError> {
    match device.size() {
        // A disk that the kernel has not finished to set up, or has begun to take away.
        Ok(Bytes(0)) => Err(unreadable(device, 0, io::Error::other("it has no size"))),
        Ok(size) => Ok(size),
        Err(source) => Err(unreadable(device, 0, source)),
    }
}

fn read(device: &Device, offset: u64, length: u64) -> Result<Vec<u8>, InspectError> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    match device.read_at(&mut bytes, offset) {
        Ok(()) => Ok(bytes),
        Err(source) => Err(unreadable(device, offset, source)),
    }
}

fn unreadable(device: &Device, offset: u64, source: io::Error) -> InspectError {
    InspectError::Unreadable {
        path: device.path().to_owned(),
        offset,
        source,
    }
}
