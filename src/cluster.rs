//! What one controller does for the whole cluster, beside serving CSI.
//!
//! Answers for: that one of several controllers does it, and which work there is. Doesn't answer for: what is wrong with a volume
//! (`controller`), how the Kubernetes API is reached (`kubernetes`).

mod attach_limits;
mod fail_over;
mod leader;
mod rounds;
mod stranded;
mod volume_health;

use std::sync::Arc;
use std::time::Duration;

use ec2::Ec2;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::controller::ControllerService;
use crate::kubernetes::{Kubernetes, LeaseName};
use fail_over::FailOverMetrics;
pub(crate) use fail_over::FailOverSettings;
use leader::Candidate;
use volume_health::HealthMetrics;
pub(crate) use volume_health::HealthSettings;

/// The lease of this work, called after the first of it. The chart's role names it too.
const LEASE: &str = "ebs-csi-attach-limits";
/// Where it is if the pod's own namespace is not known.
const USUAL_NAMESPACE: &str = "kube-system";

/// How long a process that has stopped waits until others may lead at once.
const FAREWELL: Duration = Duration::from_secs(2);

/// The work in the background.
#[derive(Debug)]
pub(crate) struct ClusterWork {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
    leads: Gauge,
    health: HealthMetrics,
    fail_over: FailOverMetrics,
}

impl ClusterWork {
    /// Begins to stand for election; outside a cluster there is nothing to do. A leader that is not heard of for `lasts` (at
    /// least 1 s) is followed by another.
    pub(crate) fn begin(
        kubernetes: &Kubernetes,
        ec2: Arc<dyn Ec2>,
        controller: Arc<ControllerService>,
        lasts: Duration,
        health: HealthSettings,
        fail_over: Option<FailOverSettings>,
    ) -> Self {
        let stop = CancellationToken::new();
        let leads = Gauge::default();
        let metrics = HealthMetrics::default();
        let failed_over = FailOverMetrics::default();
        if !kubernetes.is_in_cluster() {
            tracing::info!(
                "not in a cluster: the health of volumes is told by CSI's calls alone, and no Node is annotated or put out of service"
            );
        }
        let task = kubernetes.is_in_cluster().then(|| {
            let lease = LeaseName {
                namespace: kubernetes
                    .namespace()
                    .unwrap_or_else(|| USUAL_NAMESPACE.to_owned()),
                name: LEASE,
            };
            let candidate = Candidate::new(kubernetes.clone(), lease, lasts, leads.clone());
            let (kubernetes, stop) = (kubernetes.clone(), stop.clone());
            let (shown, moved) = (metrics.clone(), failed_over.clone());
            tokio::spawn(async move {
                let work = async || {
                    let limits = attach_limits::keep(&kubernetes, ec2.as_ref());
                    let told = volume_health::keep(&kubernetes, &controller, &health, &shown);
                    let fail_over = async {
                        if let Some(settings) = &fail_over {
                            fail_over::keep(&kubernetes, settings, &moved).await;
                        }
                    };
                    let stranded = stranded::keep(&kubernetes, health.driver);
                    tokio::join!(limits, told, fail_over, stranded);
                };
                candidate.run(work, stop.cancelled_owned()).await;
            })
        });
        Self {
            stop,
            task,
            leads,
            health: metrics,
            fail_over: failed_over,
        }
    }

    /// Shows whether this process leads, and what it finds then.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "attach_limits_leader",
            "1 while this process leads: it annotates Nodes with attachment limits, tells the health of volumes and puts Nodes of terminated instances out of service",
            self.leads.clone(),
        );
        self.health.register(registry);
        self.fail_over.register(registry);
    }

    /// Lets go, without waiting.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits a moment until the lease is given back, so that another controller need not wait for its end.
    pub(crate) async fn stopped(self) {
        self.stop.cancel();
        if let Some(task) = self.task
            && tokio::time::timeout(FAREWELL, task).await.is_err()
        {
            tracing::debug!("the lease was not given back, it ends by itself");
        }
    }
}

/// The name of this machine, or of the pod.
fn host_name() -> String {
    kernel_says("hostname")
}

/// A line of `/proc/sys/kernel`; empty where it cannot be read.
fn kernel_says(what: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/sys/kernel/{what}")).unwrap_or_default();
    text.trim_ascii().to_owned()
}
