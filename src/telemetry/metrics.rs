//! The registry of metrics, and its text for Prometheus.
//!
//! Answers for: the prefix of every name, the order of a scrape, and both forms of the text. Doesn't answer for: what the
//! figures mean (who registers them does, and docs/METRICS.md), and who may fetch them (`server`).

mod process;
mod rpcs;
mod text;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub(crate) use rpcs::{RpcMetrics, known_method};
pub(crate) use text::Form;

/// What every name of ours begins with, as the Go driver's do.
const PREFIX: &str = "aws_ebs_csi";

/// Figures that are looked up only when somebody asks for them.
#[async_trait]
pub(crate) trait Gather: Send + Sync + 'static {
    /// Looks them up, within a time that a scrape can wait for.
    async fn gather(&self);
}

/// The metrics of one process. Clones share everything.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Shared>);

struct Shared {
    registry: Mutex<Registry>,
    gathered: Mutex<Vec<Arc<dyn Gather>>>,
    rpcs: RpcMetrics,
    /// Held while a scrape is put together: what is gathered for one is not changed by another.
    scraping: tokio::sync::Mutex<()>,
}

impl Metrics {
    /// With those that every process has: its memory, its version, its RPCs.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(process::Process));
        let ours = registry.sub_registry_with_prefix(PREFIX);
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        ours.register("build", "The driver that this process runs", version);
        let rpcs = RpcMetrics::register(ours);
        Self(Arc::new(Shared {
            registry: Mutex::new(registry),
            gathered: Mutex::default(),
            rpcs,
            scraping: tokio::sync::Mutex::default(),
        }))
    }

    /// Adds metrics. Names get the prefix `aws_ebs_csi_`, counters the suffix `_total`.
    pub(crate) fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(lock(&self.0.registry).sub_registry_with_prefix(PREFIX));
    }

    /// Has figures looked up before each scrape.
    pub(crate) fn gather(&self, source: Arc<dyn Gather>) {
        lock(&self.0.gathered).push(source);
    }

    /// Those of this process' RPCs.
    pub(crate) fn rpcs(&self) -> &RpcMetrics {
        &self.0.rpcs
    }

    /// All of them now.
    pub(crate) async fn text(&self, form: Form) -> Result<String, fmt::Error> {
        let _one_at_a_time = self.0.scraping.lock().await;
        let sources = lock(&self.0.gathered).clone();
        for source in sources {
            source.gather().await;
        }
        let mut text = String::new();
        encode(&mut text, &lock(&self.0.registry))?;
        Ok(form.render(text))
    }
}

/// Nothing that holds one of these locks leaves its value half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
