//! Volumes that are not well, as Events on their claims and as metrics.
//!
//! Answers for: that whoever owns a claim reads that its volume turned unwell, or well again, once each; and that a gauge stands for
//! each unwell volume meanwhile. Doesn't answer for: what is wrong with a volume (`controller`).
//!
//! What was told is read from the Events when a process begins to lead, so that it tells nothing twice and takes back what its
//! predecessor told. Kubernetes keeps Events for an hour; an older trouble is told once more by a new leader.

mod metrics;
mod watcher;

use std::time::Duration;

use tokio::time::sleep;

use super::rounds::Rounds;
use crate::controller::ControllerService;
use crate::kubernetes::Kubernetes;
pub(super) use metrics::HealthMetrics;
use watcher::Watcher;

/// How it is done.
#[derive(Clone, Debug)]
pub(crate) struct HealthSettings {
    /// Between two looks at all volumes.
    pub(crate) every: Duration,
    /// Whose PersistentVolumes are looked at, and who tells.
    pub(crate) driver: &'static str,
}

/// Looks again and again. Never ends; what is shown goes with it.
pub(super) async fn keep(
    kubernetes: &Kubernetes,
    controller: &ControllerService,
    settings: &HealthSettings,
    metrics: &HealthMetrics,
) {
    let mut rounds = Rounds::new("the health of volumes is not known", settings.every);
    let mut watcher = Watcher::new(settings.driver, metrics.begin());
    loop {
        let round = watcher.round(kubernetes, controller).await;
        metrics.looked(round.is_ok());
        sleep(rounds.pause_after(round)).await;
    }
}
