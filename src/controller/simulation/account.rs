//! What EC2 lets an account do: token buckets, and how long they make anybody wait at the least.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// A token bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// How many calls at once.
    pub(super) capacity: u32,
    /// How many more each second.
    pub(super) per_second: u32,
}

/// An account's limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    /// For each of DescribeVolumes, DescribeInstances and so on.
    describe: Bucket,
    /// For CreateVolume and for DeleteVolume.
    volume: Bucket,
    /// For AttachVolume and for DetachVolume.
    attachment: Bucket,
    /// For all calls together that change something, if there is such a limit.
    together: Option<Bucket>,
}

const fn bucket(capacity: u32, per_second: u32) -> Bucket {
    Bucket {
        capacity,
        per_second,
    }
}

/// What EC2 publishes for an account of no special size (EC2 developer guide, "Request throttling for the Amazon EC2 API").
pub(super) const USUAL: Account = Account {
    describe: bucket(100, 20),
    volume: bucket(100, 5),
    attachment: bucket(50, 5),
    together: None,
};

/// 20 changes a second in all, whatever they are; each action alone may have all of it.
pub(super) const TWENTY: Account = Account {
    volume: bucket(100, 20),
    attachment: bucket(50, 20),
    together: Some(bucket(20, 20)),
    ..USUAL
};

/// The calls that change something.
const CHANGES: [&str; 4] = [
    "CreateVolume",
    "DeleteVolume",
    "AttachVolume",
    "DetachVolume",
];

/// Those of the others that the driver makes here.
const DESCRIBES: [&str; 4] = [
    "DescribeVolumes",
    "DescribeInstances",
    "DescribeAvailabilityZones",
    "DescribeInstanceTypes",
];

/// Whether a call changes something.
pub(super) fn changes(action: &str) -> bool {
    CHANGES.contains(&action)
}

impl Account {
    /// The buckets by action, as the emulator's control endpoint takes them.
    pub(super) fn limits(&self) -> serde_json::Value {
        let of = |action: &str| {
            let bucket = self.of(action);
            let (capacity, per_second) = (bucket.capacity, bucket.per_second);
            serde_json::json!({ "capacity": capacity, "per_second": f64::from(per_second) })
        };
        let all = CHANGES.into_iter().chain(DESCRIBES);
        all.map(|action| (action.to_owned(), of(action))).collect()
    }

    fn of(&self, action: &str) -> Bucket {
        match action {
            "CreateVolume" | "DeleteVolume" => self.volume,
            "AttachVolume" | "DetachVolume" => self.attachment,
            _ => self.describe,
        }
    }

    /// For all changes together.
    pub(super) fn together(&self) -> Option<Bucket> {
        self.together
    }

    /// The shortest time in which so many calls of each action are let through.
    pub(super) fn floor(&self, calls: &BTreeMap<&str, usize>) -> Duration {
        let each = calls
            .iter()
            .map(|(action, calls)| self.of(action).takes(*calls));
        let all = self
            .together
            .map(|bucket| bucket.takes(calls.values().sum()));
        each.chain(all).max().unwrap_or_default()
    }
}

impl Bucket {
    fn takes(self, calls: usize) -> Duration {
        let beyond = u32::try_from(calls).unwrap().saturating_sub(self.capacity);
        Duration::from_secs_f64(f64::from(beyond) / f64::from(self.per_second))
    }
}

/// A bucket and what is in it.
#[derive(Debug)]
pub(super) struct Level {
    bucket: Bucket,
    tokens: f64,
    at: Instant,
}

impl Level {
    /// A full one.
    pub(super) fn new(bucket: Bucket) -> Self {
        Self {
            bucket,
            tokens: f64::from(bucket.capacity),
            at: Instant::now(),
        }
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self) -> bool {
        let now = Instant::now();
        let gained = (now - self.at).as_secs_f64() * f64::from(self.bucket.per_second);
        self.tokens = (self.tokens + gained).min(f64::from(self.bucket.capacity));
        self.at = now;
        let any = self.tokens >= 1.0;
        if any {
            self.tokens -= 1.0;
        }
        any
    }
}

#[test]
fn the_floor_is_that_of_the_narrowest_bucket() {
    let calls = BTreeMap::from([("CreateVolume", 1_000), ("AttachVolume", 1_000)]);
    assert_eq!(USUAL.floor(&calls), Duration::from_secs(190));
    assert_eq!(TWENTY.floor(&calls), Duration::from_secs(99));
}
