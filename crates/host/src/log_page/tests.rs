//! Pages as volumes write them, and as nobody does.

use proptest::prelude::*;

use super::*;

/// A page with these counters and histograms of (upper bound in microseconds, count).
fn page(counters: [u64; 11], reads: &[(u64, u32)], writes: &[(u64, u32)]) -> Vec<u8> {
    let mut page = vec![0; SIZE];
    put(&mut page, 0, &MAGIC.to_le_bytes());
    for (number, counter) in counters.iter().enumerate() {
        put(&mut page, COUNTERS_AT + number * 8, &counter.to_le_bytes());
    }
    for (at, bins) in [(READS_AT, reads), (WRITES_AT, writes)] {
        put(&mut page, at, &(bins.len() as u64).to_le_bytes());
        let mut lower = 0_u64;
        for (number, (upper, count)) in bins.iter().enumerate() {
            let row = at + 8 + number * BIN_SIZE;
            put(&mut page, row, &lower.to_le_bytes());
            put(&mut page, row + 8, &upper.to_le_bytes());
            put(&mut page, row + 16, &count.to_le_bytes());
            lower = *upper;
        }
    }
    page
}

fn put(page: &mut [u8], at: usize, bytes: &[u8]) {
    page[at..at + bytes.len()].copy_from_slice(bytes);
}

#[test]
fn every_figure_is_where_it_belongs() {
    let counters = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    let reads = [(1, 10), (4, 0), (u64::MAX, 2)];
    let parsed = LogPage::parse(&page(counters, &reads, &[(512, u32::MAX)])).unwrap();
    let us = Duration::from_micros;
    let latency = |at_most: Option<u64>, count| Latency {
        at_most: at_most.map(us),
        count,
    };
    let expected = LogPage {
        reads: Work {
            operations: 1,
            bytes: 3,
            time: us(5),
            latencies: vec![latency(Some(1), 10), latency(Some(4), 0), latency(None, 2)],
        },
        writes: Work {
            operations: 2,
            bytes: 4,
            time: us(6),
            latencies: vec![latency(Some(512), u32::MAX)],
        },
        exceeded_iops: us(7),
        exceeded_throughput: us(8),
        instance_exceeded_iops: us(9),
        instance_exceeded_throughput: us(10),
        queue_length: 11,
    };
    assert_eq!(parsed, expected);
}

#[test]
fn a_later_version_of_the_page_is_read_all_the_same() {
    let mut later = page([1; 11], &[], &[]);
    put(&mut later, 4, &7_u32.to_le_bytes());
    put(&mut later, SIZE - 4, &[9; 4]);
    assert_eq!(
        LogPage::parse(&later),
        LogPage::parse(&page([1; 11], &[], &[]))
    );
}

#[test]
fn what_is_no_such_page_is_refused_in_words() {
    let good = page([0; 11], &[(1, 1), (2, 1)], &[]);
    assert!(matches!(
        LogPage::parse(&[]),
        Err(LogPageError::Short { bytes: 0 })
    ));
    assert!(matches!(
        LogPage::parse(&good[..SIZE - 1]),
        Err(LogPageError::Short { .. })
    ));
    let error = LogPage::parse(&[0; SIZE]).unwrap_err();
    assert!(error.to_string().contains("0x3c23b510"), "{error}");

    let mut many = good.clone();
    put(&mut many, WRITES_AT, &65_u64.to_le_bytes());
    let error = LogPage::parse(&many).unwrap_err().to_string();
    assert!(error.contains("writes has more than 64 bins"), "{error}");
    let error = LogPage::parse(&page([0; 11], &[(2, 1), (2, 1)], &[])).unwrap_err();
    assert!(error.to_string().contains("out of order"), "{error}");
}

proptest! {
    #[test]
    fn no_bytes_of_any_length_panic(bytes in prop::collection::vec(any::<u8>(), 0..6000)) {
        let _ = LogPage::parse(&bytes);
    }

    /// With the magic right, the parser gets further.
    #[test]
    fn no_page_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..6000), bins in 0_u64..70) {
        let magic = MAGIC.to_le_bytes();
        let length = magic.len().min(bytes.len());
        bytes[..length].copy_from_slice(&magic[..length]);
        for at in [READS_AT, WRITES_AT] {
            if bytes.len() >= at + 8 {
                put(&mut bytes, at, &bins.to_le_bytes());
            }
        }
        if let Ok(page) = LogPage::parse(&bytes) {
            prop_assert!(page.reads.latencies.len() <= MOST_BINS);
        }
    }

    #[test]
    fn what_is_written_is_read(
        counters in any::<[u64; 11]>(),
        counts in prop::collection::vec(any::<u32>(), 0..=64),
    ) {
        let bins: Vec<_> = (1_u64..).zip(counts.iter().copied()).collect();
        let parsed = LogPage::parse(&page(counters, &bins, &bins)).unwrap();
        prop_assert_eq!(parsed.reads.operations, counters[0]);
        prop_assert_eq!(parsed.writes.time, Duration::from_micros(counters[5]));
        let read: Vec<u32> = parsed.writes.latencies.iter().map(|bin| bin.count).collect();
        prop_assert_eq!(read, counts);
    }
}
