//! How EC2 is while a scenario runs alone: slow, or throttling. Each ends when it is dropped.

use std::collections::BTreeMap;

use e2e::{Count, Scenario};
use serde_json::{Value, json};

/// EC2 takes its time for something.
pub(crate) struct Slow<'a> {
    s: &'a Scenario,
    what: &'static str,
}

impl<'a> Slow<'a> {
    /// `what` is a delay of docs/EMULATOR.md.
    pub(crate) fn new(s: &'a Scenario, what: &'static str, ms: u32) -> Self {
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

/// EC2 throttles by these buckets instead of its usual ones.
pub(crate) struct Limits<'a> {
    s: &'a Scenario,
    before: Value,
}

impl<'a> Limits<'a> {
    pub(crate) fn new(s: &'a Scenario, buckets: &Value) -> Self {
        let before = s.ec2(async |cloud| cloud.limits_in_force().await);
        s.ec2(async |cloud| cloud.throttle(buckets).await);
        Self { s, before }
    }
}

impl Drop for Limits<'_> {
    fn drop(&mut self) {
        self.s.ec2(async |cloud| cloud.throttle(&self.before).await);
    }
}

/// The calls to EC2 from here on, the harness's own looks included.
pub(crate) struct Calls<'a> {
    s: &'a Scenario,
    before: BTreeMap<String, Count>,
}

impl<'a> Calls<'a> {
    pub(crate) fn count(s: &'a Scenario) -> Self {
        let before = s.ec2(async |cloud| cloud.counts().await);
        Self { s, before }
    }

    /// A line for each action that was called.
    pub(crate) fn table(&self) -> String {
        let mut table = format!("  {:<28} {:>6}  refused\n", "EC2 calls", "all");
        for (action, now) in self.s.ec2(async |cloud| cloud.counts().await) {
            let before = self.before.get(&action).cloned().unwrap_or_default();
            let calls = now.calls - before.calls;
            let refused = now.codes.iter().filter_map(|(code, count)| {
                let more = count - before.codes.get(code).copied().unwrap_or_default();
                (more > 0).then(|| format!("{more} {code}"))
            });
            let refused = refused.collect::<Vec<_>>().join(", ");
            if calls > 0 {
                table += &format!("  {action:<28} {calls:>6}  {refused}\n");
            }
        }
        table
    }
}
