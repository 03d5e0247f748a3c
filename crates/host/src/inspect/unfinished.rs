//! What an interrupted format left behind, told apart from everything else.
//!
//! Answers for: whether a record on the device still says the truth about what is there. Doesn't answer for: the record itself.
//!
//! A record of this volume lies beyond the end of the file system that was being made, and is cleared before the first mount.
//! With a file system of the UUID that it names, never mounted, or with none, what is there is the work of that mkfs alone. In
//! every other case somebody has used the volume since, and the record counts for nothing.

use std::io;

use ebs_types::{Bytes, GIB};
use tokio::time::Instant;

use super::superblock::{LOG_HEAD, log_is_used, may_be_begun, recognise};
use super::{Found, Look, Superblock, head, read, size, superblock};
use crate::exec::work_us;
use crate::record::{self, Record};
use crate::{Device, InspectError};

/// A superblock that is being written while it is read has a wrong checksum for that moment.
const LOOKS: usize = 3;

/// Looks at superblock and record, without programs.
pub(super) fn look(device: &Device) -> Result<Look, InspectError> {
    let size = size(device)?;
    let mut look = look_once(device, size)?;
    for _ in 1..LOOKS {
        match look {
            Look::Other(_) => look = look_once(device, size)?,
            decided => return Ok(decided),
        }
    }
    Ok(look)
}

fn look_once(device: &Device, size: Bytes) -> Result<Look, InspectError> {
    let began = Instant::now();
    let head = head(device)?;
    tracing::debug!(volume.id = %device.volume(), work_us = work_us(began), "read the beginning");
    let found = match recognise(&head) {
        Superblock::Ours(found) => found,
        Superblock::Other(what) => return Ok(Look::Other(what)),
        Superblock::None => return begun(device, size, &head),
    };
    if let Some(record) = record_beyond(device, size, &found)?
        && was_never_mounted(device, &found)?
    {
        return Ok(Look::Unfinished(record));
    }
    Ok(match found.flaw {
        None => Look::Sound(found.filesystem),
        Some(_) => Look::Other(found.described()),
    })
}

/// The record of the making of this very file system.
fn record_beyond(
    device: &Device,
    size: Bytes,
    found: &Found,
) -> Result<Option<Record>, InspectError> {
    for place in places_beyond(size, found.filesystem.size) {
        if let Some(record) = own(device, place)?
            && record.uuid == found.filesystem.uuid
        {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// Where a record can be beyond the end of a file system: at the end of the device, and at the end that it had before it has grown: of
/// a volume that was the next whole GiB, of a partition anything, but the file system was to end where the record is.
fn places_beyond(size: Bytes, end: Bytes) -> impl Iterator<Item = u64> {
    let before = Bytes(end.0.div_ceil(GIB).saturating_mul(GIB));
    let grown = (before < size).then_some(before);
    let places = [Some(size), grown].into_iter().flatten();
    places
        .filter_map(record::place)
        .chain(record::behind(end, size))
        .filter(move |place| *place >= end.0)
}

/// Clears a record that counts for nothing any more, before the file system beside it is used: should that be damaged one day, it is
/// not to be taken for one that was never finished.
pub(crate) fn retire(device: &Device) {
    let retired = || -> io::Result<()> {
        let Superblock::Ours(found) = superblock(device).map_err(io::Error::other)? else {
            return Ok(());
        };
        let size = device.size()?;
        for place in places_beyond(size, found.filesystem.size) {
            if own(device, place).map_err(io::Error::other)?.is_some() {
                record::clear(&device.writer()?, place)?;
                tracing::warn!(volume.id = %device.volume(), "cleared the record of a format that was interrupted before somebody else used the volume");
            }
        }
        Ok(())
    };
    if let Err(error) = retired() {
        tracing::warn!(volume.id = %device.volume(), %error, "the record of an interrupted format may be left on the volume");
    }
}

fn own(device: &Device, place: u64) -> Result<Option<Record>, InspectError> {
    let record = record::at(device, place)?;
    Ok(record.filter(|record| record.is_of(device)))
}

fn was_never_mounted(device: &Device, found: &Found) -> Result<bool, InspectError> {
    if found.mounted {
        return Ok(false);
    }
    let Some(place) = found.log else {
        return Ok(true);
    };
    if place.saturating_add(LOG_HEAD) > size(device)?.0 {
        return Ok(false);
    }
    Ok(!log_is_used(&read(device, place, LOG_HEAD)?))
}

/// No superblock.
fn begun(device: &Device, size: Bytes, head: &[u8]) -> Result<Look, InspectError> {
    let Some(place) = record::place(size) else {
        return Ok(Look::Nothing);
    };
    Ok(match record::at(device, place)? {
        None => Look::Nothing,
        Some(record) if !record.is_of(device) => Look::Other(format!(
            "what an interrupted format of {} left, of which this is a copy",
            record.volume
        )),
        Some(record) if may_be_begun(record.fs, head) => Look::Begun(record),
        Some(record) => Look::Other(format!(
            "unknown data, written since a format with {} was interrupted",
            record.fs
        )),
    })
}

/// A record from the time before the volume has grown, on a device that shows nothing that is known.
pub(super) fn before_growing(device: &Device) -> Result<Option<Record>, InspectError> {
    let found = record::older(device, size(device)?)?;
    let head = head(device)?;
    Ok(found.filter(|record| may_be_begun(record.fs, &head)))
}

/// Whether the device still is as it was when the record was found on it.
pub(crate) fn still_begun(device: &Device, record: &Record) -> Result<bool, InspectError> {
    Ok(match look(device)? {
        Look::Begun(found) | Look::Unfinished(found) => found == *record,
        Look::Nothing => before_growing(device)?.as_ref() == Some(record),
        Look::Sound(_) | Look::Other(_) => false,
    })
}
