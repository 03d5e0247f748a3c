//! Nodes that are not ready, and what was done about them, as metrics.

use std::collections::BTreeMap;

use ebs_types::InstanceState;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::suspects::Why;

/// What was found and done, and how the looking goes. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct FailOverMetrics {
    not_ready: Family<State, Gauge>,
    put: Family<Because, Counter>,
    back: Counter,
    looks: Counter,
    errors: Counter,
}

/// What EC2 says of an instance; `unknown` where it says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    instance_state: &'static str,
}

/// Why a node is out of service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Because {
    because: &'static str,
}

const UNKNOWN: &str = "unknown";

impl FailOverMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "nodes_not_ready",
            "Nodes that are not ready and not out of service, by what EC2 says of their instances",
            self.not_ready.clone(),
        );
        registry.register(
            "nodes_put_out_of_service",
            "How often this process has put the taint on a Node by which its pods and volumes move",
            self.put.clone(),
        );
        registry.register(
            "nodes_put_back_in_service",
            "How often this process has taken that taint away again",
            self.back.clone(),
        );
        registry.register(
            "fail_over_looks",
            "How often this process has looked for Nodes that are not ready",
            self.looks.clone(),
        );
        registry.register(
            "fail_over_errors",
            "How often that did not come to its end",
            self.errors.clone(),
        );
    }

    /// A look has ended.
    pub(super) fn looked(&self, well: bool) {
        self.looks.inc();
        if !well {
            self.errors.inc();
        }
    }

    pub(super) fn put(&self, why: Why) {
        let because = why.as_str();
        self.put.get_or_create(&Because { because }).inc();
    }

    pub(super) fn back(&self) {
        self.back.inc();
    }

    /// Shows what a look has found.
    pub(super) fn show(&self, found: impl IntoIterator<Item = Option<InstanceState>>) {
        let mut counts: BTreeMap<&'static str, i64> = BTreeMap::new();
        for state in found {
            let word = state.map_or(UNKNOWN, InstanceState::as_str);
            *counts.entry(word).or_default() += 1;
        }
        self.not_ready.clear();
        for (instance_state, count) in counts {
            let state = State { instance_state };
            self.not_ready.get_or_create(&state).set(count);
        }
    }
}
