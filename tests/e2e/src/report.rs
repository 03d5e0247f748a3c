//! All that is needed to understand from the log alone why a scenario failed.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;

use crate::cluster::Cluster;

/// How many of the last lines of each of the driver's logs are told.
const LINES: usize = 40;

/// The scenario's objects, their events, what its pods and the driver said since it began, and EC2's volumes.
pub(crate) fn of(cluster: &Cluster, scenario: &str, namespace: &str, time: Duration) -> String {
    let mut report = format!("=== {scenario} failed; this is how things were then\n");
    let kubectl = |args: &[&str]| cluster.kubectl.done(namespace, args);
    let mut part = |title: &str, said: Result<String>| {
        let said = said.unwrap_or_else(|error| format!("(not to be had: {error:#})"));
        let written = writeln!(report, "--- {title}\n{said}");
        written.expect("a string takes everything");
    };
    part("nodes", kubectl(&["get", "nodes"]));
    let objects = "pods,persistentvolumeclaims,volumesnapshots,deployments,statefulsets,services";
    part("objects", kubectl(&["get", objects, "--output=wide"]));
    let volumes = "persistentvolumes,volumeattachments,storageclasses";
    part("of the cluster", kubectl(&["get", volumes]));
    part("EC2", volumes_of(cluster));
    let events = ["get", "events", "--sort-by=.metadata.creationTimestamp"];
    part("events", kubectl(&events));
    let pods = kubectl(&["get", "pods", "--output=name"]).unwrap_or_default();
    for pod in pods.lines() {
        let logs = kubectl(&["logs", pod, "--all-containers", "--tail=10"]);
        part(&format!("log of {pod}"), logs);
    }
    for pod in cluster.driver_pods().unwrap_or_default() {
        let title = format!("log of {}, {}", pod.name(), pod.text("/spec/nodeName"));
        part(
            &title,
            cluster
                .driver_log(pod.name(), time)
                .map(|log| last_lines(&log)),
        );
    }
    report
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let from = lines.len().saturating_sub(LINES);
    lines[from..].join("\n")
}

fn volumes_of(cluster: &Cluster) -> Result<String> {
    let volumes = cluster.ec2(async |cloud| cloud.volumes().await)?;
    let words: Vec<String> = volumes
        .iter()
        .map(|volume| format!("{volume} {:?}", volume.tags))
        .collect();
    Ok(words.join("\n"))
}
