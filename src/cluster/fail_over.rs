//! Nodes whose instance is gone for good: Kubernetes' taint `out-of-service` lets their pods and volumes move at once, where it
//! would otherwise wait six minutes for the kubelet to say that it has unmounted, and for ever for pods of StatefulSets.
//!
//! Answers for: that the taint is put when, and only when, EC2 says `terminated` of the very instance that a Node which is not ready
//! names as its machine, or `stopped` and somebody has asked for it on the Node; that it goes again when such a Node is ready again;
//! and that each is told. Doesn't answer for: what Kubernetes does then; detaching (`controller`); deleting Nodes (the cloud
//! controller manager).
//!
//! A wrong taint has two machines write where one may: so everything that is in doubt is left alone, a change is of the Node that
//! was read and of no later state of it, and what was put is marked on the Node itself. A process that leads anew needs no memory.

mod metrics;
mod suspects;
mod watcher;

use std::time::Duration;

use ec2::Cloud;
use tokio::time::sleep;

use super::rounds::Rounds;
use crate::kubernetes::Kubernetes;
pub(super) use metrics::FailOverMetrics;
use watcher::Watcher;

/// By this annotation a user lets a Node fail over whenever its instance is stopped.
const WHEN_STOPPED: &str = "ebs.csi.aws.com/fail-over-when-stopped";
/// By this one a taint is known as put by this driver; its value is the instance.
const MARK: &str = "ebs.csi.aws.com/out-of-service";

/// How it is done.
#[derive(Clone)]
pub(crate) struct FailOverSettings {
    /// Who knows the instances.
    pub(crate) cloud: Cloud,
    /// Between two looks at all Nodes.
    pub(crate) every: Duration,
    /// Who tells.
    pub(crate) driver: &'static str,
}

/// Looks again and again. Never ends; what is shown goes with it.
pub(super) async fn keep(
    kubernetes: &Kubernetes,
    settings: &FailOverSettings,
    metrics: &FailOverMetrics,
) {
    let mut rounds = Rounds::new(
        "pods and volumes of nodes whose instance is terminated may have to wait",
        settings.every,
    );
    let window = settings.cloud.settings().consistency_window;
    let mut watcher = Watcher::new(settings.driver, window, metrics);
    loop {
        let round = watcher.round(kubernetes, &settings.cloud).await;
        metrics.looked(round.is_ok());
        sleep(rounds.pause_after(round)).await;
    }
}
