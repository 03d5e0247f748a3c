//! Calls to EC2 as metrics.
//!
//! Answers for: names, labels and bounds. What waits and what is known of buckets is read from the queue at each scrape (`gauges`).

mod gauges;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use self::gauges::Gauges;
use super::Pacer;
use super::class::Class;
use crate::{Action, Ec2Error, ErrorKind};

/// Upper bounds in seconds: EC2 answers in 0.1 to 3 s, attempts end after 12.
const DURATIONS: [f64; 10] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0];

/// Upper bounds in seconds: most calls wait for nothing, and nobody waits longer than callers do.
const WAITS: [f64; 10] = [0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 20.0, 60.0, 120.0];

/// How calls that are no RPC's own are labelled.
const SHARED: &str = "shared";

/// The longest code that becomes a label; EC2's have some forty characters.
const LONGEST_CODE: usize = 80;

/// What is counted of calls. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct PaceMetrics {
    took: Family<Request, Histogram, fn() -> Histogram>,
    errors: Family<Failed, Counter>,
    throttles: Family<Request, Counter>,
    calls: Family<Call, Counter>,
    waits: Family<Queued, Histogram, fn() -> Histogram>,
    refused: Family<Queued, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    request: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failed {
    request: &'static str,
    error: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    request: &'static str,
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Queued {
    request: &'static str,
    class: &'static str,
}

impl Default for PaceMetrics {
    fn default() -> Self {
        Self {
            took: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            errors: Family::default(),
            throttles: Family::default(),
            calls: Family::default(),
            waits: Family::new_with_constructor(|| Histogram::new(WAITS)),
            refused: Family::default(),
        }
    }
}

impl PaceMetrics {
    /// Shows these, and what waits in `pacer`.
    pub(crate) fn register(&self, pacer: &Arc<Pacer>, registry: &mut Registry) {
        registry.register(
            "api_request_duration_seconds",
            "How long calls to EC2 took, each attempt by itself",
            self.took.clone(),
        );
        registry.register(
            "api_request_errors",
            "Calls to EC2 that failed, throttled ones left out",
            self.errors.clone(),
        );
        registry.register(
            "api_request_throttles",
            "Calls to EC2 that were throttled",
            self.throttles.clone(),
        );
        registry.register(
            "ec2_calls",
            "Calls to EC2 by the RPC that made them",
            self.calls.clone(),
        );
        registry.register(
            "ec2_queue_wait_seconds",
            "How long calls to EC2 waited for their turn",
            self.waits.clone(),
        );
        registry.register(
            "ec2_queue_refusals",
            "Calls to EC2 that were not made since their turn would have come after their callers' deadlines",
            self.refused.clone(),
        );
        registry.register_collector(Box::new(Gauges::of(pacer)));
    }

    /// An attempt has ended after this time, with this error.
    pub(crate) fn ended(&self, action: Action, took: Duration, error: Option<&Ec2Error>) {
        let time = self.took.get_or_create(&request(action));
        time.observe(took.as_secs_f64());
        let Some(error) = error.filter(|error| error.kind != ErrorKind::Throttled) else {
            return;
        };
        let code = error.code.as_ref();
        let code = code.filter(|code| code.len() <= LONGEST_CODE);
        let failed = Failed {
            request: action.name(),
            error: code.map_or_else(|| format!("{:?}", error.kind), String::clone),
        };
        self.errors.get_or_create(&failed).inc();
    }

    pub(super) fn throttled(&self, action: Action) {
        self.throttles.get_or_create(&request(action)).inc();
    }

    pub(super) fn leaves(&self, action: Action, method: Option<&'static str>) {
        let call = Call {
            request: action.name(),
            method: method.unwrap_or(SHARED),
        };
        self.calls.get_or_create(&call).inc();
    }

    pub(super) fn waited(&self, action: Action, time: Duration) {
        let wait = self.waits.get_or_create(&queued(action));
        wait.observe(time.as_secs_f64());
    }

    pub(super) fn no_turn(&self, action: Action) {
        self.refused.get_or_create(&queued(action)).inc();
    }
}

fn request(action: Action) -> Request {
    Request {
        request: action.name(),
    }
}

fn queued(action: Action) -> Queued {
    Queued {
        request: action.name(),
        class: Class::of(action).name(),
    }
}
