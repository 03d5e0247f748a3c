//! No bytes that a device hands over as its log page of statistics make the node plugin panic, and what is read can be shown.

#![no_main]

use host::LogPage;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(page) = LogPage::parse(bytes) else {
        return;
    };
    for work in [&page.reads, &page.writes] {
        assert!(work.latencies.len() <= 64);
        let bounds = work.latencies.iter().filter_map(|latency| latency.at_most);
        assert!(bounds.is_sorted());
        let endless = work.latencies.iter().filter(|latency| latency.at_most.is_none());
        assert!(endless.count() <= 1);
    }
});
