//! EC2's throttling: buckets of tokens for each region of the account; a call that finds one of its buckets empty is refused,
//! and costs nothing.
//!
//! Answers for: which buckets a call takes from, and how they fill. Doesn't answer for: how big they are at EC2 (`profile`).

use std::collections::BTreeMap;

use ebs_types::Region;
use serde::{Deserialize, Serialize};

use super::profile;
use crate::config::BucketProfile;
use crate::model::{Command, Query, Timestamp};
use crate::wire::{Action, Request};

/// The name of the bucket that all calls share that change something.
const ACCOUNT: &str = "account";

/// A bucket of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bucket {
    /// How many calls at once.
    pub(crate) capacity: u32,
    /// How many more each second.
    pub(crate) per_second: f64,
}

/// What is let through of an action, or of all that change something.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limit {
    /// See [`Bucket::capacity`].
    pub(super) capacity: u32,
    /// See [`Bucket::per_second`].
    pub(super) per_second: f64,
    /// What looks take from instead that name neither ids nor filters and ask for no page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unfiltered: Option<Bucket>,
    /// What is taken from besides: a token for each instance that the call is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) resources: Option<Bucket>,
    /// How many tokens a second others in the account take.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) others_per_second: f64,
}

fn is_zero(rate: &f64) -> bool {
    *rate == 0.0
}

/// The buckets in force; an action without one is never throttled.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    actions: BTreeMap<Action, Limit>,
    account: Option<Limit>,
    levels: BTreeMap<Which, BTreeMap<Region, Level>>,
}

/// One of the buckets of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Which {
    Calls(Action),
    Unfiltered(Action),
    Resources(Action),
    Account,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    tokens: f64,
    at: Timestamp,
}

/// What a call takes from a bucket.
#[derive(Clone, Copy, Debug)]
struct Demand {
    which: Which,
    bucket: Bucket,
    others_per_second: f64,
    tokens: f64,
}

impl Buckets {
    /// Those of a profile, all full.
    pub(crate) fn of(profile: BucketProfile) -> Self {
        Self {
            actions: match profile {
                BucketProfile::None => BTreeMap::new(),
                BucketProfile::Ec2 => profile::ec2(),
            },
            ..Self::default()
        }
    }

    /// The limits by their actions' names.
    pub(crate) fn list(&self) -> BTreeMap<String, Limit> {
        let named = |(action, limit): (&Action, &Limit)| (action.to_string(), *limit);
        let account = self.account.map(|limit| (ACCOUNT.to_owned(), limit));
        self.actions.iter().map(named).chain(account).collect()
    }

    /// Puts these limits, with full buckets, in place of those there are.
    ///
    /// # Errors
    /// A sentence that begins with the name of the field that is wrong.
    pub(crate) fn set(&mut self, limits: &BTreeMap<String, Limit>) -> Result<(), String> {
        let mut new = Self::default();
        for (name, limit) in limits {
            let action = match name.as_str() {
                ACCOUNT => None,
                _ => Some(Action::named(name).ok_or_else(|| format!("{name}: not an action"))?),
            };
            check(action, limit).map_err(|wrong| format!("{name}.{wrong}"))?;
            match action {
                Some(action) => {
                    new.actions.insert(action, *limit);
                }
                None => new.account = Some(*limit),
            }
        }
        *self = new;
        Ok(())
    }

    /// Takes the call's tokens, if all of them are there.
    pub(crate) fn admit(
        &mut self,
        now: Timestamp,
        region: &Region,
        action: Action,
        request: &Request,
    ) -> bool {
        let demands = self.demands(action, request);
        let enough = demands.iter().all(|demand| {
            let level = self.levels.entry(demand.which).or_default();
            let level = match level.get_mut(region) {
                Some(level) => level,
                None => level.entry(region.clone()).or_insert(Level {
                    tokens: f64::from(demand.bucket.capacity),
                    at: now,
                }),
            };
            level.fill(now, demand);
            level.tokens >= demand.tokens
        });
        if enough {
            for demand in &demands {
                let level = self.levels.get_mut(&demand.which);
                if let Some(level) = level.and_then(|levels| levels.get_mut(region)) {
                    level.tokens -= demand.tokens;
                }
            }
        }
        enough
    }

    fn demands(&self, action: Action, request: &Request) -> Vec<Demand> {
        let mut demands = Vec::new();
        let mut take = |which, bucket, others_per_second, tokens| {
            demands.push(Demand {
                which,
                bucket,
                others_per_second,
                tokens,
            });
        };
        if let Some(limit) = self.actions.get(&action) {
            let calls = Bucket {
                capacity: limit.capacity,
                per_second: limit.per_second,
            };
            match limit.unfiltered {
                Some(bucket) if is_unfiltered(request) => {
                    take(Which::Unfiltered(action), bucket, 0.0, 1.0);
                }
                _ => take(Which::Calls(action), calls, limit.others_per_second, 1.0),
            }
            if let Some(bucket) = limit.resources {
                let tokens = f64::from(instances(request));
                take(Which::Resources(action), bucket, 0.0, tokens);
            }
        }
        if let (Some(limit), Request::Change(_)) = (self.account, request) {
            let bucket = Bucket {
                capacity: limit.capacity,
                per_second: limit.per_second,
            };
            take(Which::Account, bucket, limit.others_per_second, 1.0);
        }
        demands
    }
}

impl Level {
    fn fill(&mut self, now: Timestamp, demand: &Demand) {
        let gain = demand.bucket.per_second - demand.others_per_second;
        let tokens = self.tokens + now.since(self.at).as_secs_f64() * gain;
        self.tokens = tokens.clamp(0.0, f64::from(demand.bucket.capacity));
        self.at = now;
    }
}

/// Whether a limit can be; the error begins with the field that is wrong.
fn check(action: Option<Action>, limit: &Limit) -> Result<(), String> {
    let rates = [
        ("per_second", Some(limit.per_second)),
        (
            "unfiltered.per_second",
            limit.unfiltered.map(|b| b.per_second),
        ),
        (
            "resources.per_second",
            limit.resources.map(|b| b.per_second),
        ),
        ("others_per_second", Some(limit.others_per_second)),
    ];
    for (field, rate) in rates {
        if let Some(rate) = rate.filter(|rate| !rate.is_finite() || *rate < 0.0) {
            return Err(format!("{field}: {rate} is not a rate"));
        }
    }
    if limit.others_per_second > 0.0 && limit.others_per_second >= limit.per_second {
        return Err(format!(
            "others_per_second: {} leaves nothing of {} a second; use less",
            limit.others_per_second, limit.per_second
        ));
    }
    let listed = |actions: &[Action]| action.is_some_and(|action| actions.contains(&action));
    if limit.unfiltered.is_some() && !listed(&profile::WITH_UNFILTERED) {
        return Err("unfiltered: only DescribeInstances, DescribeSnapshots and DescribeVolumes have such a bucket".to_owned());
    }
    if limit.resources.is_some() && !listed(&profile::WITH_RESOURCES) {
        return Err("resources: only RunInstances, StartInstances, StopInstances and TerminateInstances have such a bucket".to_owned());
    }
    Ok(())
}

/// Whether nothing but EC2's patience bounds the answer.
fn is_unfiltered(request: &Request) -> bool {
    match request {
        Request::Look(Query::Volumes(selection)) => selection.is_everything(),
        Request::Look(Query::Snapshots { selection, .. }) => selection.is_everything(),
        Request::Look(Query::Instances(selection)) => selection.is_everything(),
        _ => false,
    }
}

/// How many instances a call starts, stops or ends.
fn instances(request: &Request) -> u32 {
    match request {
        Request::Change(Command::RunInstances(run)) => run.count,
        Request::Change(
            Command::StartInstances(ids)
            | Command::StopInstances(ids)
            | Command::TerminateInstances(ids),
        ) => u32::try_from(ids.len()).unwrap_or(u32::MAX),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
