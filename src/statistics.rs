//! What this node's volumes count about themselves, as metrics.
//!
//! Answers for: reading all volumes' log pages when somebody asks, within a time that a scrape can wait, and the labels that say
//! whose volume it is. Doesn't answer for: which volumes there are and what a page says (`host`), and serving the text (`server`).
//!
//! A device that does not answer holds a thread until the kernel gives up, perhaps a minute later. It is left out meanwhile, and
//! such threads are few at most: what else the node plugin does has the others.

mod encoding;
mod owners;
mod readers;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ebs_types::VolumeId;
use futures::future::join_all;
use host::{LogPage, Statistics, StatisticsError, VolumeInUse};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use tokio::time::Instant;

use crate::telemetry::{Gather, Metrics};
use encoding::{Figures, Sample};
use owners::Owner;
pub(crate) use owners::Owners;
use readers::{NoPage, Readers};

/// A controller counts on its own each second at most; it queues who asks more often (EBS user guide, "Detailed performance
/// statistics"), so that several scrapers share an answer.
const FRESH: Duration = Duration::from_secs(1);

/// Upper bounds, in seconds, of how long it takes to ask all volumes.
const BUCKETS: [f64; 13] = [
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Tells the instance that this node is; empty while it is not known.
pub(crate) type Instance = Box<dyn Fn() -> String + Send + Sync>;

/// Asks this node's volumes.
pub(crate) struct Collector {
    readers: Readers,
    owners: Owners,
    instance: Instance,
    figures: Arc<Figures>,
    asked: Mutex<Option<Instant>>,
    /// What was logged of a volume, so that it is not told again at each scrape.
    told: Mutex<HashMap<VolumeId, String>>,
}

impl Collector {
    /// Has them asked before each scrape of `metrics`.
    pub(crate) fn register(
        metrics: &Metrics,
        statistics: Arc<dyn Statistics>,
        owners: Owners,
        instance: Instance,
    ) {
        let figures = Arc::new(Figures {
            scrapes: Counter::default(),
            errors: Counter::default(),
            duration: Histogram::new(BUCKETS),
            last: Mutex::default(),
        });
        let shown = Arc::clone(&figures);
        metrics.register(|registry| registry.register_collector(Box::new(shown)));
        metrics.gather(Arc::new(Self {
            readers: Readers::new(statistics),
            owners,
            instance,
            figures,
            asked: Mutex::default(),
            told: Mutex::default(),
        }));
    }

    /// Asks all of them at once.
    async fn ask(&self) -> (Vec<Sample>, u64) {
        let in_use = match self.readers.in_use().await {
            Ok(in_use) => in_use,
            Err(error) => {
                self.figures.errors.inc();
                tracing::warn!(%error, "the volumes in use are not known: no statistics");
                return (Vec::new(), 0);
            }
        };
        lock(&self.told).retain(|volume, _| in_use.iter().any(|other| other.volume == *volume));
        let pages = join_all(in_use.iter().map(|volume| self.readers.read(volume)));
        let (pages, mut owners) = tokio::join!(pages, self.owners.of(&in_use));
        let mut samples = Vec::new();
        let mut unsupported = 0;
        for (volume, page) in in_use.into_iter().zip(pages) {
            let owner = owners.remove(&volume.volume).unwrap_or_default();
            match self.settled(&volume, page) {
                Outcome::Page(page) => samples.push(Sample {
                    volume: volume.volume,
                    owner,
                    page,
                }),
                Outcome::Unsupported => unsupported += 1,
                Outcome::Failed => {}
            }
        }
        (samples, unsupported)
    }

    /// Counts and logs what went wrong.
    fn settled(&self, volume: &VolumeInUse, page: Result<LogPage, NoPage>) -> Outcome {
        let id = &volume.volume;
        match page {
            Ok(page) => {
                lock(&self.told).remove(id);
                Outcome::Page(Box::new(page))
            }
            Err(NoPage::Read(StatisticsError::Unsupported { why })) => {
                if self.is_news(id, &why) {
                    tracing::debug!(volume.id = %id, why, "the volume's device has no statistics");
                }
                Outcome::Unsupported
            }
            Err(error) => {
                self.figures.errors.inc();
                if self.is_news(id, &error.to_string()) {
                    tracing::warn!(volume.id = %id, %error, "a volume's statistics could not be read");
                }
                Outcome::Failed
            }
        }
    }

    fn is_news(&self, volume: &VolumeId, words: &str) -> bool {
        let before = lock(&self.told).insert(volume.clone(), words.to_owned());
        before.as_deref() != Some(words)
    }
}

enum Outcome {
    Page(Box<LogPage>),
    Unsupported,
    Failed,
}

#[async_trait]
impl Gather for Collector {
    async fn gather(&self) {
        let began = Instant::now();
        let fresh = |asked: Instant| began.duration_since(asked) < FRESH;
        if lock(&self.asked).is_some_and(fresh) {
            return;
        }
        let (samples, unsupported) = self.ask().await;
        let figures = &self.figures;
        figures.scrapes.inc();
        figures.duration.observe(began.elapsed().as_secs_f64());
        figures.show((self.instance)(), samples, unsupported);
        *lock(&self.asked) = Some(Instant::now());
    }
}

/// Nothing that holds one of these locks leaves its value half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// By volume.
type ByVolume<T> = BTreeMap<VolumeId, T>;

#[cfg(test)]
mod tests;
