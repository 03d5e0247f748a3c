//! What a scrape shows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tonic::Code;

use super::*;

#[tokio::test]
async fn rpcs_are_counted_by_method_and_code() {
    let metrics = Metrics::new();
    metrics.rpcs().began("NodeStageVolume");
    metrics.rpcs().began("NodeGetInfo");
    metrics
        .rpcs()
        .ended("NodeStageVolume", Code::Aborted, Duration::from_millis(40));
    let text = metrics.text(Form::OpenMetrics).await.unwrap();
    for line in [
        "aws_ebs_csi_rpcs_total{method=\"NodeStageVolume\",code=\"ABORTED\"} 1",
        "aws_ebs_csi_rpcs_in_flight{method=\"NodeGetInfo\"} 1",
        "aws_ebs_csi_rpcs_in_flight{method=\"NodeStageVolume\"} 0",
        "aws_ebs_csi_rpc_duration_seconds_sum{method=\"NodeStageVolume\"} 0.04",
        "aws_ebs_csi_rpc_duration_seconds_bucket{le=\"0.025\",method=\"NodeStageVolume\"} 0",
        "aws_ebs_csi_rpc_duration_seconds_bucket{le=\"0.05\",method=\"NodeStageVolume\"} 1",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn methods_that_nobody_knows_share_a_label() {
    let metrics = Metrics::new();
    for n in 0..50 {
        let method = format!("Method{n}");
        metrics.rpcs().began(&method);
        let took = Duration::ZERO;
        metrics.rpcs().ended(&method, Code::Unimplemented, took);
    }
    let text = metrics.text(Form::OpenMetrics).await.unwrap();
    let line = "aws_ebs_csi_rpcs_total{method=\"unknown\",code=\"UNIMPLEMENTED\"} 50";
    assert!(text.lines().any(|found| found == line), "{text}");
    assert!(!text.contains("Method1"));
}

#[tokio::test]
async fn the_plain_form_names_counters_in_full() {
    let metrics = Metrics::new();
    metrics.rpcs().began("Probe");
    metrics.rpcs().ended("Probe", Code::Ok, Duration::ZERO);
    let text = metrics.text(Form::Plain).await.unwrap();
    for line in [
        "# HELP aws_ebs_csi_rpcs_total RPCs that have ended, by their gRPC status code.",
        "# TYPE aws_ebs_csi_rpcs_total counter",
        "# TYPE aws_ebs_csi_build_info gauge",
        "# TYPE aws_ebs_csi_rpc_duration_seconds histogram",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(
        !text.contains("# EOF") && !text.contains("# UNIT"),
        "{text}"
    );
}

/// Shows how often it was asked.
struct Asked(Gauge<u64, AtomicU64>);

#[async_trait]
impl Gather for Asked {
    async fn gather(&self) {
        self.0.inc();
    }
}

#[tokio::test]
async fn figures_are_looked_up_at_each_scrape() {
    let metrics = Metrics::new();
    let asked = Gauge::<u64, AtomicU64>::default();
    metrics.register(|registry| registry.register("asked", "How often", asked.clone()));
    metrics.gather(Arc::new(Asked(asked.clone())));
    for n in 1..4 {
        let text = metrics.text(Form::Plain).await.unwrap();
        assert!(text.contains(&format!("aws_ebs_csi_asked {n}\n")), "{text}");
    }
    assert_eq!(asked.inner().load(Ordering::Relaxed), 3);
}
