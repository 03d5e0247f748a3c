//! A disk's content with its volatile write cache.
//!
//! Answers for: what is read, what a flush makes durable, and what may be left after the power fails: of everything that was
//! written since the last flush, any part.
//! Doesn't answer for: who asks, and errors on purpose.
//!
//! The file always holds the latest content. For each granule that was written since the last flush, what it held before and
//! each thing that was written to it is kept in memory, so that a power cut can go back to any of them. A granule is what a
//! device writes as a whole or not at all.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use nix::fcntl::{FallocateFlags, fallocate};
use nix::unistd::{Whence, lseek};

use crate::random::Random;

/// Bytes that are written together or not at all, as an NVMe device promises for its atomic write unit.
pub const GRANULE: u64 = LENGTH as u64;

/// The same as the length of a buffer.
const LENGTH: usize = 4096;

/// How many granules may be in the cache: a device's cache is not endless, it writes the rest back by itself.
const MOST: usize = 32 * 1024;

/// How many versions of a granule are kept besides the durable one.
const VERSIONS: usize = 8;

/// A disk's content.
#[derive(Debug)]
pub(super) struct Cache {
    file: File,
    size: u64,
    unflushed: BTreeMap<u64, Granule>,
}

/// What a granule held.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Zero,
    Data(Box<[u8]>),
}

/// The states that a granule may be found in after a power cut.
#[derive(Debug)]
struct Granule {
    durable: Content,
    later: Vec<Content>,
}

/// What a power cut did to a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Granules that had been written since the last flush.
    pub unflushed: usize,
    /// Those of them that went back to an earlier content.
    pub lost: usize,
}

impl Cache {
    /// The content of a file of this many bytes, a multiple of [`GRANULE`], all of it durable.
    pub(super) const fn new(file: File, size: u64) -> Self {
        Self {
            file,
            size,
            unflushed: BTreeMap::new(),
        }
    }

    /// Bytes of the disk.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Reads the latest content.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    /// Writes; with `through`, to the durable content.
    pub(super) fn write(&mut self, offset: u64, data: &[u8], through: bool) -> io::Result<()> {
        let touched = granules(offset, data.len() as u64);
        for granule in touched.clone() {
            self.remember(granule)?;
        }
        self.file.write_all_at(data, offset)?;
        for granule in touched {
            self.settle(granule, through)?;
        }
        self.write_back();
        Ok(())
    }

    /// Writes zeroes; with `through`, to the durable content.
    pub(super) fn zero(&mut self, offset: u64, len: u64, through: bool) -> io::Result<()> {
        let touched = granules(offset, len);
        for granule in touched.clone() {
            self.remember(granule)?;
        }
        let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        fallocate(&self.file, hole, signed(offset), signed(len))?;
        for granule in touched {
            self.settle(granule, through)?;
        }
        self.write_back();
        Ok(())
    }

    /// Makes all that was written durable.
    pub(super) fn flush(&mut self) {
        self.unflushed.clear();
    }

    /// The power fails: each granule that is not durable keeps one of the contents it had since the last flush. How
    /// much survives is chance, too: all of it and nothing of it are among the outcomes.
    pub(super) fn cut_power(&mut self, random: &mut Random) -> io::Result<Loss> {
        let survive = *random.one_of(&[0, 10, 50, 90, 100]);
        let mut loss = Loss {
            unflushed: self.unflushed.len(),
            lost: 0,
        };
        for (index, granule) in std::mem::take(&mut self.unflushed) {
            if random.percent(survive) {
                continue;
            }
            let version = random.index(granule.later.len().max(1));
            let content = match version {
                0 => &granule.durable,
                later => granule.later.get(later - 1).unwrap_or(&granule.durable),
            };
            self.put(index, content)?;
            loss.lost += 1;
        }
        Ok(loss)
    }

    /// Keeps what a granule holds, before it is written for the first time since the last flush.
    fn remember(&mut self, granule: u64) -> io::Result<()> {
        if !self.unflushed.contains_key(&granule) {
            let durable = self.get(granule)?;
            let later = Vec::new();
            self.unflushed.insert(granule, Granule { durable, later });
        }
        Ok(())
    }

    /// Takes note of what a granule holds after it was written.
    fn settle(&mut self, index: u64, through: bool) -> io::Result<()> {
        let now = self.get(index)?;
        let Some(granule) = self.unflushed.get_mut(&index) else {
            return Ok(());
        };
        let unchanged = granule.later.is_empty() && granule.durable == now;
        if through || unchanged {
            self.unflushed.remove(&index);
            return Ok(());
        }
        if granule.later.len() == VERSIONS {
            granule.later.remove(0);
        }
        granule.later.push(now);
        Ok(())
    }

    /// A full cache is written back.
    fn write_back(&mut self) {
        if self.unflushed.len() > MOST {
            self.flush();
        }
    }

    fn get(&self, granule: u64) -> io::Result<Content> {
        let begin = granule * GRANULE;
        // A hole is not read.
        let data = match lseek(&self.file, signed(begin), Whence::SeekData) {
            Ok(data) => u64::try_from(data).unwrap_or(begin),
            Err(nix::errno::Errno::ENXIO) => self.size,
            Err(error) => return Err(error.into()),
        };
        if data >= begin + GRANULE {
            return Ok(Content::Zero);
        }
        let mut bytes = vec![0; LENGTH];
        self.file.read_exact_at(&mut bytes, begin)?;
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(Content::Zero);
        }
        Ok(Content::Data(bytes.into_boxed_slice()))
    }

    fn put(&self, granule: u64, content: &Content) -> io::Result<()> {
        match content {
            Content::Zero => self.file.write_all_at(&[0; LENGTH], granule * GRANULE),
            Content::Data(bytes) => self.file.write_all_at(bytes, granule * GRANULE),
        }
    }
}

/// The granules that a range touches.
fn granules(offset: u64, len: u64) -> std::ops::Range<u64> {
    offset / GRANULE..(offset + len).div_ceil(GRANULE)
}

/// As the kernel's calls take it. Disks are far below the limit.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 64 * GRANULE;

    fn cache() -> Cache {
        let file = tempfile::tempfile().unwrap();
        file.set_len(SIZE).unwrap();
        Cache::new(file, SIZE)
    }

    fn byte_of(cache: &Cache, granule: u64) -> u8 {
        let mut bytes = [0; LENGTH];
        cache.read(granule * GRANULE, &mut bytes).unwrap();
        assert!(bytes.iter().all(|byte| *byte == bytes[0]), "a torn granule");
        bytes[0]
    }

    fn fill(cache: &mut Cache, granule: u64, byte: u8, through: bool) {
        cache
            .write(granule * GRANULE, &[byte; LENGTH], through)
            .unwrap();
    }

    #[test]
    fn what_was_flushed_or_written_through_stays_and_the_rest_goes_back_to_something_that_was_there()
     {
        let mut lost = 0;
        let mut kept = 0;
        for seed in 0..100 {
            let mut cache = cache();
            fill(&mut cache, 1, 1, false);
            fill(&mut cache, 2, 1, false);
            cache.flush();
            fill(&mut cache, 2, 2, false);
            fill(&mut cache, 2, 3, false);
            fill(&mut cache, 3, 4, true);
            cache.zero(GRANULE, GRANULE, false).unwrap();
            let loss = cache.cut_power(&mut Random::new(seed)).unwrap();
            assert_eq!(loss.unflushed, 2);
            assert!(matches!(byte_of(&cache, 1), 0 | 1));
            assert!(matches!(byte_of(&cache, 2), 1..=3));
            assert_eq!(byte_of(&cache, 3), 4);
            lost += loss.lost;
            kept += loss.unflushed - loss.lost;
        }
        assert!(lost > 0 && kept > 0, "lost {lost}, kept {kept}");
    }

    #[test]
    fn a_write_of_a_part_keeps_the_rest_of_the_granule() {
        let mut cache = cache();
        fill(&mut cache, 5, 7, true);
        cache.write(5 * GRANULE + 512, &[9; 512], false).unwrap();
        let mut bytes = [0; LENGTH];
        cache.read(5 * GRANULE, &mut bytes).unwrap();
        assert_eq!(
            (bytes[511], bytes[512], bytes[1023], bytes[1024]),
            (7, 9, 9, 7)
        );
    }

    #[test]
    fn zeroes_on_what_is_zero_need_no_room() {
        let mut cache = cache();
        cache.zero(0, SIZE, false).unwrap();
        assert!(cache.unflushed.is_empty());
    }
}
