//! What goes wrong on purpose: rules that say which calls fail in which way and how often, and token buckets for throttling.
//!
//! Answers for: choosing the fault of a call. Doesn't answer for: carrying it out (`engine` and `server` do).

mod buckets;
mod spec;

use serde::Serialize;

pub(crate) use self::buckets::{Bucket, Buckets};
pub(crate) use self::spec::FaultSpec;
use crate::model::{ApiError, CreateFailure};
use crate::wire::Action;

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
}

#[derive(Debug)]
struct Rule {
    id: u64,
    action: Option<Action>,
    spec: FaultSpec,
    fault: Fault,
    skip: u32,
    remaining: u32,
}

/// A rule as the control endpoint shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RuleView {
    id: u64,
    #[serde(flatten)]
    spec: FaultSpec,
    remaining: u32,
}

impl Faults {
    /// Adds a rule; it comes after those that are there.
    ///
    /// # Errors
    /// A sentence that begins with the name of the field that is wrong.
    pub(crate) fn add(&mut self, spec: FaultSpec) -> Result<RuleView, String> {
        let action = spec.action()?;
        let fault = spec.fault()?;
        self.last_id += 1;
        let rule = Rule {
            id: self.last_id,
            action,
            fault,
            skip: spec.skip,
            remaining: spec.count,
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

    /// The fault of a call: that of the first rule that fits it, which is thereby used up by one.
    pub(crate) fn take(
        &mut self,
        action: Action,
        subjects: &[&str],
        dry_run: bool,
    ) -> Option<Fault> {
        let fits = |rule: &&mut Rule| rule.fits(action, subjects, dry_run);
        let rule = self.rules.iter_mut().find(fits)?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        rule.remaining = rule.remaining.saturating_sub(1);
        let fault = rule.fault.clone();
        self.rules.retain(|rule| rule.remaining > 0);
        Some(fault)
    }
}

impl Rule {
    fn fits(&self, action: Action, subjects: &[&str], dry_run: bool) -> bool {
        let aimed = self.spec.resource.as_deref();
        self.action.is_none_or(|wanted| wanted == action)
            && aimed.is_none_or(|resource| subjects.contains(&resource))
            && (!dry_run || self.fault.fits_dry_run())
    }

    fn view(&self) -> RuleView {
        RuleView {
            id: self.id,
            spec: self.spec.clone(),
            remaining: self.remaining,
        }
    }
}

#[cfg(test)]
mod tests;
