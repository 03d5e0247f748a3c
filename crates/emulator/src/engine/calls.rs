//! How often each action was called, and how it ended.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::wire::Action;

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Answered.
    Succeeded,
    /// A dry run that would have succeeded.
    DryRun,
    /// Refused with this code.
    Failed(String),
    /// The connection was reset on purpose.
    Reset,
}

/// The counts by action.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Calls {
    actions: BTreeMap<Action, Count>,
}

/// The counts of one action; `calls` is the sum of those that succeeded, failed, were dry runs, and were reset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Count {
    calls: u64,
    succeeded: u64,
    failed: u64,
    dry_run: u64,
    reset: u64,
    /// The failed ones that were refused with the code of throttling.
    throttled: u64,
    /// The failed ones by their code.
    codes: BTreeMap<String, u64>,
}

impl Calls {
    /// Counts a call.
    pub(crate) fn count(&mut self, action: Action, verdict: Verdict) {
        let count = self.actions.entry(action).or_default();
        count.calls += 1;
        match verdict {
            Verdict::Succeeded => count.succeeded += 1,
            Verdict::DryRun => count.dry_run += 1,
            Verdict::Reset => count.reset += 1,
            Verdict::Failed(code) => {
                count.failed += 1;
                count.throttled += u64::from(code == action.throttled().code);
                *count.codes.entry(code).or_default() += 1;
            }
        }
    }

    /// Starts from nothing.
    pub(crate) fn reset(&mut self) {
        self.actions.clear();
    }
}
