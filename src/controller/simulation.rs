//! The driver in a cloud larger than any machine's, in paused time: the real Controller service over the real EC2 client, whose requests
//! go to the emulator as function calls. Hours of token buckets pass in minutes.
//!
//! Answers for: what becomes of thousands of volumes at an account's limits: wall time against what the buckets allow, latencies, calls,
//! errors that the sidecars see, memory. `small` asserts in the test suite that nothing is lost, doubled or starved; `large` prints the
//! figures (`make simulation`).
//! Doesn't answer for: sockets, gRPC and CPU: those are measured on the built program (`ebs-lab bench`).
//!
//! From the inside out: `account` (what EC2 lets through), `cloud` (the emulator behind it, calls counted), `driver` (processes of the driver, one
//! after the other), `sidecars` (who calls it, and how they repeat), `errands` (what they are to bring about) and `plans` of them, `report` (what came of it).

mod account;
mod cloud;
mod driver;
mod errands;
mod large;
mod plans;
mod report;
mod sidecars;
mod small;

use peak_alloc::PeakAlloc;

/// Counts what the tests of this program have allocated.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// How many bytes are allocated.
fn allocated() -> usize {
    ALLOCATOR.current_usage()
}
