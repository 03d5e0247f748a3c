//! What waits, what is under way and what is known of EC2's buckets, as of the moment of a scrape.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::time::Instant;

use super::super::Pacer;
use super::super::bucket::count;
use super::super::class::Class;
use crate::Action;

/// Reads the queue.
#[derive(Debug)]
pub(super) struct Gauges(Arc<Pacer>);

/// What is shown of one action: those that were called at least once.
struct Sight {
    action: Action,
    waiting: f64,
    under_way: f64,
    tokens: f64,
    per_second: f64,
}

type Figure = fn(&Sight) -> f64;

const GAUGES: [(&str, &str, Figure); 4] = [
    (
        "ec2_queue_length",
        "Calls to EC2 that wait for their turn",
        |sight| sight.waiting,
    ),
    ("ec2_calls_in_flight", "Calls to EC2 under way", |sight| {
        sight.under_way
    }),
    (
        "ec2_bucket_tokens",
        "Tokens that EC2's bucket is thought to hold; below zero while some are left to it after a throttled call",
        |sight| sight.tokens,
    ),
    (
        "ec2_bucket_refill_per_second",
        "Tokens that EC2's bucket is thought to get each second",
        |sight| sight.per_second,
    ),
];

impl Gauges {
    pub(super) fn of(pacer: &Arc<Pacer>) -> Self {
        Self(Arc::clone(pacer))
    }

    fn look(&self) -> Vec<Sight> {
        let mut state = self.0.lock();
        state.queue.settle(Instant::now());
        let sight = |(action, lane): (&Action, &super::super::queue::Lane)| Sight {
            action: *action,
            waiting: count(lane.waiting.len()),
            under_way: count(lane.under_way.all),
            tokens: lane.bucket.level(),
            per_second: lane.bucket.per_second(),
        };
        state.queue.lanes.iter().map(sight).collect()
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let sights = self.look();
        for (name, help, figure) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for sight in &sights {
                let class = Class::of(sight.action).name();
                let labels = [("request", sight.action.name()), ("class", class)];
                ConstGauge::new(figure(sight)).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
