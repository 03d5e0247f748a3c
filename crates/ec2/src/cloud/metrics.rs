//! What sharing EC2's calls saves and costs, as metrics.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::watch::Change;
use crate::Action;

/// Bounds of [`CloudMetrics::keys`]: up to what EC2 takes in one call.
const KEYS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 200.0];

/// Bounds of [`CloudMetrics::lag`], in seconds.
const LAG: [f64; 9] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// How the calls of one [`super::Cloud`] are shared. Clones share the figures.
#[derive(Clone, Debug)]
pub struct CloudMetrics {
    keys: Family<Of, Histogram>,
    saved: Family<Of, Counter>,
    shared: Family<Of, Counter>,
    waiting: Family<For, Gauge>,
    lag: Family<For, Histogram>,
}

/// The label `action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Of(Action);

impl EncodeLabelSet for Of {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        [("action", self.0.to_string())].encode(encoder)
    }
}

/// The label `change`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct For(Change);

impl EncodeLabelSet for For {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        let name = match self.0 {
            Change::Made => "made",
            Change::Attached => "attached",
            Change::Detached => "detached",
            Change::Modified => "modified",
        };
        [("change", name)].encode(encoder)
    }
}

impl Default for CloudMetrics {
    fn default() -> Self {
        let waiting = Family::default();
        for change in Change::ALL {
            let _zero = waiting.get_or_create(&For(change));
        }
        Self {
            keys: Family::new_with_constructor(|| Histogram::new(KEYS)),
            saved: Family::default(),
            shared: Family::default(),
            waiting,
            lag: Family::new_with_constructor(|| Histogram::new(LAG)),
        }
    }
}

impl CloudMetrics {
    /// Adds them to a registry. The names are those of docs/METRICS.md without the prefix.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "ec2_batch_size",
            "Ids or names that one describe asked for together",
            self.keys.clone(),
        );
        registry.register(
            "ec2_describes_saved",
            "Describes that were not made because their question rode along with others",
            self.saved.clone(),
        );
        registry.register(
            "ec2_answers_shared",
            "Askers who were given the answer of a call that was under way",
            self.shared.clone(),
        );
        registry.register(
            "ec2_waiting",
            "Operations that wait until EC2 has done what it accepted",
            self.waiting.clone(),
        );
        registry.register(
            "ec2_watch_lag_seconds",
            "The time between the look that found a change done and the one before, or its acceptance",
            self.lag.clone(),
        );
    }

    /// A describe has left that answers `asked` questions about `keys` things.
    pub(super) fn described(&self, action: Action, keys: usize, asked: usize) {
        let size = u32::try_from(keys).unwrap_or(u32::MAX);
        self.keys.get_or_create(&Of(action)).observe(size.into());
        let saved = u64::try_from(asked).unwrap_or(u64::MAX).saturating_sub(1);
        self.saved.get_or_create(&Of(action)).inc_by(saved);
    }

    /// Somebody is given the answer of a call that another one had begun.
    pub(super) fn shared(&self, action: Action) {
        self.shared.get_or_create(&Of(action)).inc();
    }

    /// So many more wait.
    pub(super) fn waits(&self, change: Change, more: i64) {
        self.waiting.get_or_create(&For(change)).inc_by(more);
    }

    /// A waiter was told, at most so long after it was done.
    pub(super) fn told(&self, change: Change, lag: Duration) {
        let lag = lag.as_secs_f64();
        self.lag.get_or_create(&For(change)).observe(lag);
    }
}
