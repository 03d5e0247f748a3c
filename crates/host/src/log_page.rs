//! The log page in which an EBS volume counts its own work: reads, writes, their latencies, and time above what was paid for.
//!
//! Answers for: what the bytes mean, whatever they are. Doesn't answer for: fetching them (`statistics`).
//!
//! Layout (little endian; EBS user guide, "Detailed performance statistics", and the structures of nvme-cli's plugin `amzn`):
//! magic u32, version u32; 11 counters u64 from byte 8 on, times in microseconds; at 512 and at 2056 a histogram: the number of
//! its bins u64, then 64 bins of lower bound u64, upper bound u64, count u32 and 4 bytes of nothing.

use std::time::Duration;

/// Its identifier for Get Log Page.
pub(crate) const ID: u8 = 0xD0;
/// Its size in bytes.
pub(crate) const SIZE: usize = 4096;

const MAGIC: u32 = 0x3C23_B510;
const COUNTERS_AT: usize = 8;
const READS_AT: usize = 512;
const WRITES_AT: usize = 2056;
const MOST_BINS: usize = 64;
const BIN_SIZE: usize = 24;

/// What a volume has counted since it was attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPage {
    /// Reads.
    pub reads: Work,
    /// Writes.
    pub writes: Work,
    /// How long more IOPS were asked for than the volume has.
    pub exceeded_iops: Duration,
    /// How long more throughput was asked for than the volume has.
    pub exceeded_throughput: Duration,
    /// How long more IOPS were asked for than the instance has for EBS.
    pub instance_exceeded_iops: Duration,
    /// How long more throughput was asked for than the instance has for EBS.
    pub instance_exceeded_throughput: Duration,
    /// Reads and writes that wait to be completed now.
    pub queue_length: u64,
}

/// Operations of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// How many were completed.
    pub operations: u64,
    /// How many bytes they moved.
    pub bytes: u64,
    /// How long all of them took together.
    pub time: Duration,
    /// How many took how long, by rising bounds; at most 64. The device counts in 32 bits, so that a count starts anew after
    /// 4,294,967,295.
    pub latencies: Vec<Latency>,
}

/// Operations that took about as long as each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// What they took at most; `None` for no limit, in the last one only.
    pub at_most: Option<Duration>,
    /// How many they were.
    pub count: u32,
}

/// Why bytes are no such page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogPageError {
    /// Too few.
    #[error("the log page has {bytes} bytes, {SIZE} are expected")]
    Short {
        /// How many there are.
        bytes: usize,
    },
    /// Something else, such as the page of an instance store disk.
    #[error("the log page begins with {found:#010x}, an EBS volume's with {MAGIC:#010x}")]
    Magic {
        /// What it begins with.
        found: u32,
    },
    /// A histogram that cannot be right.
    #[error("the histogram of {of} {why}")]
    Histogram {
        /// `reads` or `writes`.
        of: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl LogPage {
    /// Reads a page. Bytes after the last histogram are left to whatever a later version puts there.
    ///
    /// # Errors
    /// [`LogPageError`]; no bytes of any length make it panic.
    pub fn parse(bytes: &[u8]) -> Result<Self, LogPageError> {
        let short = || LogPageError::Short { bytes: bytes.len() };
        let found = u32_at(bytes, 0).ok_or_else(short)?;
        if found != MAGIC {
            return Err(LogPageError::Magic { found });
        }
        if bytes.len() < SIZE {
            return Err(short());
        }
        let counter = |number: usize| {
            let at = COUNTERS_AT.checked_add(number.checked_mul(8)?)?;
            u64_at(bytes, at)
        };
        let counter = |number| counter(number).ok_or_else(short);
        let micros = |number| counter(number).map(Duration::from_micros);
        Ok(Self {
            reads: Work {
                operations: counter(0)?,
                bytes: counter(2)?,
                time: micros(4)?,
                latencies: histogram(bytes, READS_AT, "reads")?,
            },
            writes: Work {
                operations: counter(1)?,
                bytes: counter(3)?,
                time: micros(5)?,
                latencies: histogram(bytes, WRITES_AT, "writes")?,
            },
            exceeded_iops: micros(6)?,
            exceeded_throughput: micros(7)?,
            instance_exceeded_iops: micros(8)?,
            instance_exceeded_throughput: micros(9)?,
            queue_length: counter(10)?,
        })
    }
}

fn histogram(page: &[u8], at: usize, of: &'static str) -> Result<Vec<Latency>, LogPageError> {
    let wrong = |why| LogPageError::Histogram { of, why };
    let cut = || wrong("is cut off");
    let bins = u64_at(page, at).ok_or_else(cut)?;
    let bins = usize::try_from(bins)
        .ok()
        .filter(|bins| *bins <= MOST_BINS)
        .ok_or_else(|| wrong("has more than 64 bins"))?;
    let rows = page.get(at.saturating_add(8)..).ok_or_else(cut)?;
    let mut last = None;
    let mut latencies = Vec::with_capacity(bins);
    for row in rows.chunks_exact(BIN_SIZE).take(bins) {
        let upper = u64_at(row, 8).ok_or_else(cut)?;
        if last.is_some_and(|last| last >= upper) {
            return Err(wrong("has bins out of order"));
        }
        last = Some(upper);
        latencies.push(Latency {
            // The last bin of a volume ends at the largest number there is.
            at_most: (upper < u64::MAX).then(|| Duration::from_micros(upper)),
            count: u32_at(row, 16).ok_or_else(cut)?,
        });
    }
    Ok(latencies)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests;
