//! What goes wrong with the driver itself, or with EC2: nothing runs beside these scenarios.

mod drain;
mod killed;
mod outage;

use e2e::Scenario;
use serde_json::json;

/// EC2 takes its time for something, until this is dropped.
struct Slow<'a> {
    s: &'a Scenario,
    what: &'static str,
}

impl<'a> Slow<'a> {
    /// `what` is a delay of docs/EMULATOR.md.
    fn new(s: &'a Scenario, what: &'static str, ms: u32) -> Self {
        let slow = Self { s, what };
        slow.set(ms);
        slow
    }

    fn set(&self, ms: u32) {
        let what = self.what;
        self.s
            .ec2(async |cloud| cloud.delays(&json!({what: ms})).await);
    }
}

impl Drop for Slow<'_> {
    fn drop(&mut self) {
        self.set(0);
    }
}
