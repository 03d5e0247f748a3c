//! EC2's throttling: a bucket of tokens for each action, region and account; a call without a token is refused.

use std::collections::BTreeMap;

use ebs_types::Region;
use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::wire::Action;

/// How many calls of an action are let through.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bucket {
    /// How many at once.
    pub(crate) capacity: u32,
    /// How many more each second.
    pub(crate) per_second: f64,
}

/// The buckets in force; an action without one is never throttled.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    sizes: BTreeMap<Action, Bucket>,
    levels: BTreeMap<(Region, Action), Level>,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    tokens: f64,
    at: Timestamp,
}

impl Buckets {
    /// The buckets by their actions' names.
    pub(crate) fn list(&self) -> BTreeMap<String, Bucket> {
        let named = |(action, bucket): (&Action, &Bucket)| (action.to_string(), *bucket);
        self.sizes.iter().map(named).collect()
    }

    /// Puts these buckets, all full, in place of those there are.
    ///
    /// # Errors
    /// A sentence that begins with the name of the field that is wrong.
    pub(crate) fn set(&mut self, buckets: &BTreeMap<String, Bucket>) -> Result<(), String> {
        let mut sizes = BTreeMap::new();
        for (name, bucket) in buckets {
            let action = Action::named(name).ok_or_else(|| format!("{name}: not an action"))?;
            if !bucket.per_second.is_finite() || bucket.per_second < 0.0 {
                let given = bucket.per_second;
                return Err(format!("{name}.per_second: {given} is not a rate"));
            }
            sizes.insert(action, *bucket);
        }
        self.sizes = sizes;
        self.levels.clear();
        Ok(())
    }

    /// Takes a token, if there is one.
    pub(crate) fn admit(&mut self, now: Timestamp, region: &Region, action: Action) -> bool {
        let Some(bucket) = self.sizes.get(&action) else {
            return true;
        };
        let capacity = f64::from(bucket.capacity);
        let full = Level {
            tokens: capacity,
            at: now,
        };
        let level = self.levels.entry((region.clone(), action)).or_insert(full);
        let gained = now.since(level.at).as_secs_f64() * bucket.per_second;
        level.tokens = (level.tokens + gained).min(capacity);
        level.at = now;
        let admitted = level.tokens >= 1.0;
        if admitted {
            level.tokens -= 1.0;
        }
        admitted
    }
}
