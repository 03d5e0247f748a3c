//! No bytes that a device hands over as its log page of statistics make the node plugin panic, and the bounds of what is read rise.

#![no_main]

use host::LogPage;
use libfuzzer_sys::fuzz_target;

const MAGIC: u32 = 0x3C23_B510;
const SIZE: usize = 4096;

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    // Hardly any bytes begin like a page and are as long as one. These are, so that the parser gets further.
    let mut page = MAGIC.to_le_bytes().to_vec();
    page.extend(bytes);
    page.resize(page.len().max(SIZE), 0);
    read(&page);
});

fn read(bytes: &[u8]) {
    let Ok(page) = LogPage::parse(bytes) else {
        return;
    };
    for work in [&page.reads, &page.writes] {
        let latencies = &work.latencies;
        assert!(latencies.len() <= 64);
        assert!(
            latencies
                .is_sorted_by_key(|latency| latency.at_most.unwrap_or(std::time::Duration::MAX))
        );
        let unbounded = latencies
            .iter()
            .position(|latency| latency.at_most.is_none());
        assert!(unbounded.is_none_or(|at| at + 1 == latencies.len()));
    }
}
