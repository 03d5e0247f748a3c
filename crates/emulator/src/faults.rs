//! What goes wrong on purpose: rules that say which calls fail in which way and how often, and token buckets for throttling.
//!
//! Answers for: choosing the fault of a call. Doesn't answer for: carrying it out (`engine` and `server` do).

mod buckets;
mod profile;
mod rate;
mod spec;

use serde::Serialize;

pub(crate) use self::buckets::{Buckets, Limit};
pub use self::rate::{FaultRate, InvalidFaultRate};
pub(crate) use self::spec::FaultSpec;
use crate::model::{ApiError, CreateFailure, Timestamp};
use crate::state::draw;
use crate::wire::{Action, Call};

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is refused and changes nothing.
    Error(ApiError),
    /// The connection is reset before it takes effect.
    Reset,
    /// It takes effect, and the connection is reset.
    LostReply,
    /// It is accepted; what it began never ends.
    Stuck,
    /// It is accepted; what it creates fails later.
    CreateFailure(CreateFailure),
    /// It takes so many milliseconds longer.
    Delay(u64),
}

impl Fault {
    /// Whether it means something for a dry run, which has no effect.
    fn fits_dry_run(&self) -> bool {
        matches!(self, Self::Error(_) | Self::Reset | Self::Delay(_))
    }
}

/// The faults to come.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<Rule>,
    last_id: u64,
    /// Where the draws of those that come by chance are.
    chance: u64,
}

#[derive(Debug)]
struct Rule {
    id: u64,
    action: Option<Action>,
    spec: FaultSpec,
    fault: Fault,
    skip: u32,
    /// `None` if there is no end to it.
    remaining: Option<u32>,
    pace: Option<Pace>,
}

/// How many faults a second there may be.
#[derive(Debug)]
struct Pace {
    per_second: f64,
    /// How many there may be at once: those of a second, and one at least.
    saved: f64,
    at: Timestamp,
}

/// A rule as the control endpoint shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RuleView {
    id: u64,
    #[serde(flatten)]
    spec: FaultSpec,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<u32>,
}

impl Faults {
    /// These from the start. Equal seeds and calls give equal faults.
    ///
    /// # Errors
    /// As of [`Faults::add`].
    pub(crate) fn new(seed: u64, rates: &[FaultRate]) -> Result<Self, String> {
        let mut faults = Self {
            chance: seed,
            ..Self::default()
        };
        for FaultRate(spec) in rates {
            faults.add(spec.clone())?;
        }
        Ok(faults)
    }

    /// Adds a rule; it comes after those that are there.
    ///
    /// # Errors
    /// A sentence that begins with the name of the field that is wrong.
    pub(crate) fn add(&mut self, spec: FaultSpec) -> Result<RuleView, String> {
        let (action, fault) = spec.read()?;
        self.last_id += 1;
        let rule = Rule {
            id: self.last_id,
            action,
            fault,
            skip: spec.skip,
            remaining: spec.most(),
            pace: spec.per_second.map(Pace::new),
            spec,
        };
        let view = rule.view();
        self.rules.push(rule);
        Ok(view)
    }

    /// The rules that still have faults to give.
    pub(crate) fn list(&self) -> Vec<RuleView> {
        self.rules.iter().map(Rule::view).collect()
    }

    /// Forgets all rules.
    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// The fault of a call: that of the first rule that fits it and doesn't let it be, which is thereby used up by one.
    pub(crate) fn take(&mut self, now: Timestamp, action: Action, call: &Call) -> Option<Fault> {
        if self.rules.is_empty() {
            return None;
        }
        self.choose(now, action, &call.request.subjects(), call.dry_run)
    }

    fn choose(
        &mut self,
        now: Timestamp,
        action: Action,
        subjects: &[&str],
        dry_run: bool,
    ) -> Option<Fault> {
        for rule in &mut self.rules {
            if !rule.fits(action, subjects, dry_run) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                return None;
            }
            if !rule.strikes(now, &mut self.chance) {
                continue;
            }
            let fault = rule.fault.clone();
            if let Some(remaining) = &mut rule.remaining {
                *remaining = remaining.saturating_sub(1);
            }
            self.rules.retain(|rule| rule.remaining != Some(0));
            return Some(fault);
        }
        None
    }
}

impl Rule {
    fn fits(&self, action: Action, subjects: &[&str], dry_run: bool) -> bool {
        let aimed = self.spec.resource.as_deref();
        self.action.is_none_or(|wanted| wanted == action)
            && aimed.is_none_or(|resource| subjects.contains(&resource))
            && (!dry_run || self.fault.fits_dry_run())
    }

    /// Whether a call that fits is one of those that it befalls.
    fn strikes(&mut self, now: Timestamp, chance: &mut u64) -> bool {
        if let Some(share) = self.spec.probability {
            let [_, _, _, _, high @ ..] = draw(chance).to_le_bytes();
            let drawn = f64::from(u32::from_le_bytes(high)) / (f64::from(u32::MAX) + 1.0);
            if drawn >= share {
                return false;
            }
        }
        self.pace.as_mut().is_none_or(|pace| pace.allows(now))
    }

    fn view(&self) -> RuleView {
        RuleView {
            id: self.id,
            spec: self.spec.clone(),
            remaining: self.remaining,
        }
    }
}

impl Pace {
    fn new(per_second: f64) -> Self {
        Self {
            per_second,
            saved: per_second.max(1.0),
            at: Timestamp::default(),
        }
    }

    fn allows(&mut self, now: Timestamp) -> bool {
        let gained = now.since(self.at).as_secs_f64() * self.per_second;
        self.saved = (self.saved + gained).min(self.per_second.max(1.0));
        self.at = now;
        let allowed = self.saved >= 1.0;
        if allowed {
            self.saved -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests;
