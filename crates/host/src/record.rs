//! The record that a volume is being formatted, kept on the volume itself.
//!
//! Answers for: what it says, where it is, reading, writing and clearing it. Doesn't answer for: what follows from one (`inspect`,
//! `format`).
//!
//! It is written and flushed before mkfs starts, and a mark takes its place before the file system is mounted for the first time, so
//! that what a crash left behind can be told from data. mkfs is told a size that ends where the record begins, [`TAIL`] before the device's end.
//! No mkfs writes there: beyond the size that they are told, mkfs.xfs alone writes, zeros over the device's last 128 KiB.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use ebs_types::{Bytes, FsType, GIB};

use crate::crc32c;
use crate::{Device, InspectError};

/// How much of the device's end a new file system leaves unused, in bytes; the record is in its first block.
pub(crate) const TAIL: u64 = 1 << 20;
/// A record's size, in bytes: a sector, which every disk writes as a whole or not at all.
const SIZE: usize = 512;
/// What is written at once, in bytes: a page, so that the kernel need not read first.
const PAGE: usize = 4 << 10;
/// Smaller devices are not formatted, in bytes: there would be nothing but the tail.
const SMALLEST: u64 = 4 * TAIL;

/// At how many places below the end an older record is looked for.
const SMALLER_SIZES: usize = 1024;

const MAGIC: &[u8; 16] = b"ebs-csi: format\n";
/// What stands in the record's place once the file system is whole.
const FINISHED: &[u8; 19] = b"ebs-csi: formatted\n";
const VERSION: u32 = 1;
// Where the fields are. Texts end with a zero.
const FORM: usize = 16;
const FS: Range<usize> = 24..40;
const UUID: usize = 40;
const DEVICE_SIZE: usize = 56;
const OWNER: Range<usize> = 64..192;
const CHECKSUM: usize = SIZE - 4;

/// That a volume is being formatted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Whose device it is, by [`owner`]; empty where nothing tells. A copy of it on another volume says nothing about that.
    pub(crate) volume: String,
    /// The file system that is being made.
    pub(crate) fs: FsType,
    /// The UUID that it gets.
    pub(crate) uuid: [u8; 16],
    /// The device's size at that time.
    pub(crate) device_size: Bytes,
}

/// Where a record is on a device of this size; `None` if it is too small for one.
pub(crate) fn place(device_size: Bytes) -> Option<u64> {
    (device_size.0 >= SMALLEST).then(|| (device_size.0 - TAIL) & !(TAIL - 1))
}

/// Where a record is that stands right behind a file system of this size, of a device that may be larger than it was.
pub(crate) fn behind(end: Bytes, device_size: Bytes) -> Option<u64> {
    let place = end.0.checked_next_multiple_of(TAIL)?;
    (place.checked_add(TAIL)? <= device_size.0).then_some(place)
}

/// How a record names the volume of this device: by what no copy of its contents has. A handle that means another volume on each
/// node won't do; the disk's serial number does.
pub(crate) fn owner(device: &Device) -> Option<String> {
    let mut name = match device.volume().id() {
        Some(id) => id.to_string(),
        None => device.serial()?,
    };
    name.truncate(OWNER.len() - 1);
    Some(name)
}

impl Record {
    /// How it is written.
    pub(crate) fn encode(&self) -> [u8; PAGE] {
        let mut bytes = [0; PAGE];
        let mut fields = [
            (0, MAGIC.as_slice()),
            (FORM, &VERSION.to_le_bytes()),
            (FS.start, self.fs.as_str().as_bytes()),
            (UUID, &self.uuid),
            (DEVICE_SIZE, &self.device_size.0.to_le_bytes()),
            (OWNER.start, self.volume.as_bytes()),
        ];
        for (at, field) in &mut fields {
            put(&mut bytes, *at, field);
        }
        let covered = bytes.iter().take(CHECKSUM).copied();
        let checksum = crc32c::checksum(covered).to_le_bytes();
        put(&mut bytes, CHECKSUM, &checksum);
        bytes
    }

    /// Reads one; `None` for anything else.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SIZE] = bytes.first_chunk()?;
        let (covered, stored) = bytes.split_last_chunk::<4>()?;
        if !covered.starts_with(MAGIC)
            || u32::from_le_bytes(array(bytes, FORM)?) != VERSION
            || crc32c::checksum(covered.iter().copied()) != u32::from_le_bytes(*stored)
        {
            return None;
        }
        Some(Self {
            volume: text(bytes.get(OWNER)?)?.to_owned(),
            fs: text(bytes.get(FS)?)?.parse().ok()?,
            uuid: array(bytes, UUID)?,
            device_size: Bytes(u64::from_le_bytes(array(bytes, DEVICE_SIZE)?)),
        })
    }

    /// Whether it speaks of the volume of this device.
    pub(crate) fn is_of(&self, device: &Device) -> bool {
        owner(device).is_some_and(|owner| owner == self.volume)
    }

    /// Where it belongs.
    pub(crate) fn place(&self) -> Option<u64> {
        place(self.device_size)
    }
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    let places = bytes.iter_mut().skip(at);
    for (place, byte) in places.zip(field) {
        *place = *byte;
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn text(field: &[u8]) -> Option<&str> {
    let end = field.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(field.get(..end)?).ok()
}

/// The record at a place of the device, if one is there that belongs there.
pub(crate) fn at(device: &Device, place: u64) -> Result<Option<Record>, InspectError> {
    let mut bytes = [0; SIZE];
    device
        .read_at(&mut bytes, place)
        .map_err(|source| InspectError::Unreadable {
            path: device.path().to_owned(),
            offset: place,
            source,
        })?;
    Ok(Record::parse(&bytes).filter(|record| record.place() == Some(place)))
}

/// A record of this volume, made when its device was smaller: sizes of volumes are whole GiB. Looked for before each format, so that
/// none stays that a later look could find.
pub(crate) fn older(device: &Device, size: Bytes) -> Result<Option<Record>, InspectError> {
    let sizes = (1..size.0.div_ceil(GIB)).rev().take(SMALLER_SIZES);
    let places: Vec<_> = sizes.filter_map(|gib| place(Bytes(gib * GIB))).collect();
    // One after the other, each would be waited for as long as the disk takes.
    for place in &places {
        device.read_soon(*place, SIZE);
    }
    for place in places {
        if let Some(record) = at(device, place)?
            && record.is_of(device)
        {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// Writes the record and sees it to the disk.
pub(crate) fn write(writer: &File, record: &Record, place: u64) -> io::Result<()> {
    writer.write_all_at(&record.encode(), place)?;
    writer.sync_data()
}

/// Puts the mark in the record's place and sees that to the disk: the file system is whole. No file system lies there, and the end of a
/// volume in use is not zero, so that one whose beginning was lost is not taken for blank.
pub(crate) fn finish(writer: &File, place: u64) -> io::Result<()> {
    let mut page = [0; PAGE];
    put(&mut page, 0, FINISHED);
    writer.write_all_at(&page, place)?;
    writer.sync_data()
}

/// Whether the mark is at this place.
pub(crate) fn is_finished(device: &Device, place: u64) -> bool {
    let mut found = [0; FINISHED.len()];
    device.read_at(&mut found, place).is_ok() && found == *FINISHED
}

/// Clears the record's place and sees that to the disk.
pub(crate) fn clear(writer: &File, place: u64) -> io::Result<()> {
    writer.write_all_at(&[0; PAGE], place)?;
    writer.sync_data()
}

#[cfg(test)]
mod tests;
