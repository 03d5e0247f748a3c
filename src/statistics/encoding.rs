//! The figures as metrics: names, units, labels.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use ebs_types::VolumeId;
use host::{LogPage, Work};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;

use super::{Owner, lock};

/// What a scrape shows.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) scrapes: Counter,
    pub(super) errors: Counter,
    pub(super) duration: Histogram,
    pub(super) last: Mutex<Last>,
}

/// What the last look brought.
#[derive(Debug, Default)]
pub(super) struct Last {
    /// Empty while it is not known.
    instance: String,
    samples: Vec<Sample>,
    /// Volumes whose devices count nothing.
    unsupported: u64,
}

/// One volume's.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) volume: VolumeId,
    pub(super) owner: Owner,
    pub(super) page: Box<LogPage>,
}

impl Figures {
    /// Replaces what the last look brought.
    pub(super) fn show(&self, instance: String, samples: Vec<Sample>, unsupported: u64) {
        let mut last = lock(&self.last);
        // Once known it stays what it is, though it may not be told at the moment.
        if !instance.is_empty() {
            last.instance = instance;
        }
        last.samples = samples;
        last.unsupported = unsupported;
    }
}

type Count = fn(&LogPage) -> u64;
type Time = fn(&LogPage) -> Duration;
type Operations = fn(&LogPage) -> &Work;

const COUNTS: [(&str, &str, Count); 4] = [
    ("read_ops", "Reads that the volume has completed", |page| {
        page.reads.operations
    }),
    (
        "write_ops",
        "Writes that the volume has completed",
        |page| page.writes.operations,
    ),
    ("read_bytes", "Bytes read from the volume", |page| {
        page.reads.bytes
    }),
    ("write_bytes", "Bytes written to the volume", |page| {
        page.writes.bytes
    }),
];

const TIMES: [(&str, &str, Time); 6] = [
    (
        "read_seconds",
        "Time that all completed reads took together",
        |page| page.reads.time,
    ),
    (
        "write_seconds",
        "Time that all completed writes took together",
        |page| page.writes.time,
    ),
    (
        "exceeded_iops_seconds",
        "Time during which more IOPS were asked for than the volume has",
        |page| page.exceeded_iops,
    ),
    (
        "exceeded_tp_seconds",
        "Time during which more throughput was asked for than the volume has",
        |page| page.exceeded_throughput,
    ),
    (
        "ec2_exceeded_iops_seconds",
        "Time during which more IOPS were asked for than the instance has for EBS",
        |page| page.instance_exceeded_iops,
    ),
    (
        "ec2_exceeded_tp_seconds",
        "Time during which more throughput was asked for than the instance has for EBS",
        |page| page.instance_exceeded_throughput,
    ),
];

const LATENCIES: [(&str, &str, Operations); 2] = [
    ("read_io_latency_seconds", "How long reads took", |page| {
        &page.reads
    }),
    ("write_io_latency_seconds", "How long writes took", |page| {
        &page.writes
    }),
];

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let last = lock(&self.last);
        for (name, help, count) in COUNTS {
            last.each(&mut encoder, (name, help), |page| {
                ConstCounter::new(count(page))
            })?;
        }
        for (name, help, time) in TIMES {
            last.each(&mut encoder, (name, help), |page| {
                ConstCounter::new(time(page).as_secs_f64())
            })?;
        }
        let words = "Reads and writes that wait to be completed";
        last.each(&mut encoder, ("volume_queue_length", words), |page| {
            ConstGauge::new(page.queue_length)
        })?;
        for (name, help, work) in LATENCIES {
            last.each(&mut encoder, (name, help), |page| Latencies::of(work(page)))?;
        }
        self.encode_own(&last, &mut encoder)
    }
}

impl Figures {
    /// How the looking itself went.
    fn encode_own(&self, last: &Last, encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut own = |name, help, metric: &dyn EncodeMetric| {
            let labels = [("instance_id", last.instance.as_str())];
            let mut family = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
            metric.encode(family.encode_family(&labels)?)
        };
        own(
            "nvme_collector_scrapes",
            "How often the volumes were asked",
            &self.scrapes,
        )?;
        own(
            "nvme_collector_errors",
            "How often a volume, or the list of them, could not be read",
            &self.errors,
        )?;
        own(
            "nvme_collector_unsupported_volumes",
            "Volumes in use whose devices have no statistics",
            &ConstGauge::new(last.unsupported),
        )?;
        own(
            "nvme_collector_duration_seconds",
            "How long it took to ask all volumes",
            &self.duration,
        )
    }
}

impl Last {
    /// A family with one metric for each volume.
    fn each<M: EncodeMetric>(
        &self,
        encoder: &mut DescriptorEncoder,
        (name, help): (&str, &str),
        metric: impl Fn(&LogPage) -> M,
    ) -> Result<(), fmt::Error> {
        let Some(first) = self.samples.first() else {
            return Ok(());
        };
        let kind = metric(&first.page).metric_type();
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        for sample in &self.samples {
            let volume = sample.volume.to_string();
            let owner = &sample.owner;
            let labels = [
                ("instance_id", self.instance.as_str()),
                ("volume_id", &volume),
                ("persistentvolume", &owner.persistent_volume),
                ("persistentvolumeclaim", &owner.claim),
                ("namespace", &owner.namespace),
            ];
            metric(&sample.page).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// How many operations a bucket of the device counts before it begins anew.
const TURN: u64 = 1 << 32;

/// A histogram that the device has counted.
struct Latencies {
    /// In seconds.
    sum: f64,
    count: u64,
    /// Upper bounds in seconds, the last infinite, and how many fell below each and above the one before.
    buckets: Vec<(f64, u64)>,
}

impl Latencies {
    /// The sum is the time that the device says all operations took: the buckets alone know only bounds. The count is that of the
    /// buckets and of their turns that are over.
    fn of(work: &Work) -> Self {
        let bucket = |latency: &host::Latency| {
            let bound = latency.at_most.map(|at_most| at_most.as_secs_f64());
            (bound.unwrap_or(f64::INFINITY), u64::from(latency.count))
        };
        let mut buckets: Vec<_> = work.latencies.iter().map(bucket).collect();
        if buckets.last().is_none_or(|(bound, _)| bound.is_finite()) {
            buckets.push((f64::INFINITY, 0));
        }
        if let Some((_, last)) = buckets.last_mut() {
            *last += turns(work);
        }
        Self {
            sum: work.time.as_secs_f64(),
            count: buckets.iter().map(|(_, count)| count).sum(),
            buckets,
        }
    }
}

/// Operations of buckets that began anew: buckets count in 32 bits, operations in 64. Nobody knows which bucket it was, and that
/// an operation took less than infinitely long is no lie.
///
/// Only whole turns count, as the device goes on counting while it answers.
fn turns(work: &Work) -> u64 {
    // Without buckets none began anew. Of that size it is no count, and nothing more could be added.
    if work.latencies.is_empty() || work.operations > u64::MAX / 2 {
        return 0;
    }
    let latencies = work.latencies.iter();
    let counted: u64 = latencies.map(|latency| u64::from(latency.count)).sum();
    let missing = work.operations.saturating_sub(counted);
    ((missing + TURN / 2) / TURN) * TURN
}

impl EncodeMetric for Latencies {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        encoder.encode_histogram::<NoLabelSet>(self.sum, self.count, &self.buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}
