//! The least time that a phase can take, whatever the driver does.
//!
//! Answers for: EC2's token buckets and its own time. Doesn't answer for: this machine.

use std::collections::BTreeMap;
use std::time::Duration;

use lab::cloud::Bucket;

use super::phase::Phase;

/// The name of the bucket that all calls share that change something.
const ACCOUNT: &str = "account";

/// EC2 as it is set.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    /// The buckets in force, by action; an action without one is not throttled.
    pub(super) buckets: BTreeMap<String, Bucket>,
    /// Milliseconds by the names that the control endpoint gives them.
    pub(super) delays: BTreeMap<String, u64>,
}

impl Limits {
    /// How long EC2 itself takes for one operation.
    pub(super) fn own_time(&self, phase: Phase) -> Duration {
        let found = phase.own_time().and_then(|name| self.delays.get(name));
        Duration::from_millis(found.copied().unwrap_or_default())
    }

    /// The floor of so many operations, each of which takes one call of the phase's action, at most `in_flight` at once: the
    /// longer of what a full bucket takes to give that many tokens, and what EC2 takes for that many in so many rounds.
    pub(super) fn floor(&self, phase: Phase, operations: u32, in_flight: u32) -> Duration {
        let rounds = operations.div_ceil(in_flight.max(1));
        let own = self.own_time(phase).saturating_mul(rounds);
        own.max(self.tokens(phase, operations))
    }

    /// Of the action's own bucket and of the one that all changes of an account share, if there is one.
    fn tokens(&self, phase: Phase, operations: u32) -> Duration {
        let buckets = [phase.action(), ACCOUNT].map(|name| self.buckets.get(name));
        let all = buckets.into_iter().flatten();
        all.map(|bucket| wait(bucket, operations))
            .max()
            .unwrap_or_default()
    }
}

/// How long a full bucket takes to give so many tokens.
fn wait(bucket: &Bucket, tokens: u32) -> Duration {
    let beyond = f64::from(tokens.saturating_sub(bucket.capacity));
    if beyond == 0.0 {
        return Duration::ZERO;
    }
    // A bucket that is never filled again is waited for without end.
    let rate = bucket.per_second - bucket.others_per_second;
    Duration::try_from_secs_f64(beyond / rate).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(buckets: &[(&str, u32, f64)], delays: &[(&str, u64)]) -> Limits {
        let bucket = |(action, capacity, per_second): &(&str, u32, f64)| {
            let (capacity, per_second) = (*capacity, *per_second);
            let bucket = Bucket {
                capacity,
                per_second,
                others_per_second: 0.0,
            };
            ((*action).to_owned(), bucket)
        };
        Limits {
            buckets: buckets.iter().map(bucket).collect(),
            delays: delays.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect(),
        }
    }

    #[test]
    fn the_bucket_is_the_floor_of_many() {
        let limits = limits(&[("CreateVolume", 100, 5.0)], &[("create_ms", 1_000)]);
        let floor = |n| limits.floor(Phase::Create, n, 100).as_secs_f64();
        assert!((floor(1_000) - 180.0).abs() < 1e-9);
        assert!((floor(100) - 1.0).abs() < 1e-9);
        assert!((floor(0)).abs() < 1e-9);
        assert_eq!(limits.floor(Phase::Delete, 1_000, 1), Duration::ZERO);
    }

    #[test]
    fn what_others_take_and_what_all_changes_share_counts() {
        let mut limits = limits(&[("CreateVolume", 100, 5.0), ("account", 200, 20.0)], &[]);
        let floor = |limits: &Limits| limits.floor(Phase::Create, 300, 100).as_secs();
        assert_eq!(floor(&limits), 40);
        limits
            .buckets
            .get_mut("CreateVolume")
            .unwrap()
            .others_per_second = 3.0;
        assert_eq!(floor(&limits), 100);
        limits.buckets.remove("CreateVolume");
        assert_eq!(floor(&limits), 5);
    }

    #[test]
    fn rounds_of_ec2s_own_time_are_the_floor_without_buckets() {
        let limits = limits(&[], &[("attach_ms", 2_000)]);
        assert_eq!(limits.floor(Phase::Publish, 1_000, 100).as_secs(), 20);
        assert_eq!(limits.floor(Phase::Publish, 10, 1).as_secs(), 20);
        assert_eq!(limits.own_time(Phase::Publish).as_secs(), 2);
        assert_eq!(limits.own_time(Phase::Snapshot), Duration::ZERO);
    }

    #[test]
    fn a_bucket_that_never_fills_is_no_crash() {
        let limits = limits(&[("DetachVolume", 1, 0.0)], &[]);
        assert_eq!(limits.floor(Phase::Unpublish, 2, 1), Duration::MAX);
    }
}
