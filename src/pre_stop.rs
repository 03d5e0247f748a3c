//! The end of a node's plugin: where its node is drained or going away, the plugin ends after the node's volumes have left.
//!
//! Answers for: whether the node is leaving, and waiting until no volume of this driver is attached to it. Doesn't answer for: the
//! kubelet's knowing of the driver meanwhile, which takes that the registrar ends after the plugin (the chart).
//!
//! Without it, volumes that are still mounted when the plugin ends stay mounted and attached: the kubelet has nobody to ask, and
//! Kubernetes detaches them from a node that is gone only after six minutes.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::kubernetes::{
    Attachments, Connection, Event, Kubernetes, KubernetesError, Node, NodeName, Severity, Watched,
};

/// By these taints a node is emptied: `kubectl cordon` and `drain`, cluster-autoscaler, Karpenter since 1.0 and before.
const EMPTIED: [&str; 4] = [
    "node.kubernetes.io/unschedulable",
    "ToBeDeletedByClusterAutoscaler",
    "karpenter.sh/disrupted",
    "karpenter.sh/disruption",
];
/// The kubelet's words where it ends pods since the machine shuts down (Kubernetes' documentation, Graceful node shutdown).
const SHUTTING_DOWN: &str = "node is shutting down";

/// How long one watch lasts. After it the Node is looked at again: a drain can be called off.
const WATCH: Duration = Duration::from_secs(10);
/// Between two watches, and after the first failure; twice as long after each further one in a row.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// For the Event that volumes have stayed.
const FAREWELL: Duration = Duration::from_secs(2);

/// What has come of the waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parting {
    /// The node goes on, and so do its volumes.
    Stays,
    /// No volume is attached to the node.
    Left,
}

/// Waits until the volumes have left this process' node, for `patience` at most, if the node is leaving. Whatever happens is told
/// and is no error: the plugin ends either way.
pub(crate) async fn wait(kubernetes: &Kubernetes, driver: &'static str, patience: Duration) {
    let begin = Instant::now();
    let mut departure = Departure {
        kubernetes,
        driver,
        remaining: None,
        told: String::new(),
    };
    let end = timeout(patience, departure.parting()).await;
    let waited = format!("{:.1}s", begin.elapsed().as_secs_f64());
    match end {
        Ok(Ok(Parting::Stays)) => tracing::info!("this node stays: nothing is waited for"),
        Ok(Ok(Parting::Left)) => tracing::info!(%waited, "no volume is attached to this node"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "whether volumes are attached to this node is not known: nothing is waited for");
        }
        Err(_elapsed) => departure.give_up(&waited).await,
    }
}

/// What is known so far.
#[derive(Debug)]
struct Departure<'a> {
    kubernetes: &'a Kubernetes,
    driver: &'static str,
    /// The volumes that were there at the last look, once there was one.
    remaining: Option<Vec<String>>,
    told: String,
}

impl Departure<'_> {
    /// Waits, whatever the API server does meanwhile. An error is one that lasts.
    async fn parting(&mut self) -> Result<Parting, KubernetesError> {
        let name = self.kubernetes.node_name()?;
        let mut pause = PAUSE;
        loop {
            // A new connection each time: by now the certificate may be another one.
            let attempt = match self.kubernetes.connect() {
                Ok(connection) => self.attempt(&connection, name).await,
                Err(error) => Err(error),
            };
            match attempt {
                Ok(Some(parting)) => return Ok(parting),
                Ok(None) => pause = PAUSE,
                Err(error) if error.is_transient() => {
                    self.tell(&error);
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One list, and the waiting for what is in it; `None` where a new list is needed.
    async fn attempt(
        &mut self,
        connection: &Connection,
        name: &NodeName,
    ) -> Result<Option<Parting>, KubernetesError> {
        let Some(reason) = leaving(connection, name).await? else {
            return Ok(Some(Parting::Stays));
        };
        let listed = connection.attachments(self.driver, name).await?;
        if listed.all.is_empty() {
            return Ok(Some(Parting::Left));
        }
        self.note(&reason, &listed);
        for attachment in &listed.all {
            loop {
                match connection
                    .until_detached(&listed, attachment, WATCH)
                    .await?
                {
                    Watched::Gone => break,
                    Watched::Forgotten => {
                        sleep(PAUSE).await;
                        return Ok(None);
                    }
                    Watched::There => {}
                }
                if leaving(connection, name).await?.is_none() {
                    return Ok(Some(Parting::Stays));
                }
                sleep(PAUSE).await;
            }
            if let Some(remaining) = &mut self.remaining {
                remaining.retain(|volume| *volume != attachment.volume);
            }
            tracing::info!(pv = %attachment.volume, "a volume has left this node");
        }
        Ok(None)
    }

    fn note(&mut self, reason: &str, listed: &Attachments) {
        let volumes: Vec<String> = listed.all.iter().map(|one| one.volume.clone()).collect();
        if self.remaining.as_ref() != Some(&volumes) {
            tracing::info!(
                volumes = %volumes.join(","),
                "{reason}: the plugin ends when these volumes have left"
            );
        }
        self.remaining = Some(volumes);
    }

    /// One trouble is told once.
    fn tell(&mut self, error: &KubernetesError) {
        let words = error.to_string();
        if self.told == words {
            tracing::debug!(%error, "whether volumes have left is not known yet");
        } else {
            tracing::warn!(%error, "whether volumes have left is not known yet, it is asked again");
            self.told = words;
        }
    }

    /// The time is over: who looks at the Node learns what that means.
    async fn give_up(self, waited: &str) {
        let Some(remaining) = self.remaining else {
            tracing::warn!(
                %waited,
                "the time is over, and it is not known whether volumes are attached to this node"
            );
            return;
        };
        let volumes = remaining.join(", ");
        tracing::warn!(
            %waited,
            %volumes,
            "the time is over, these volumes have not left this node"
        );
        let event = Event {
            reporter: self.driver,
            instance: String::new(),
            severity: Severity::Warning,
            action: "PreStop",
            reason: "VolumesStillAttached".to_owned(),
            note: note(&volumes),
        };
        match timeout(FAREWELL, self.kubernetes.tell_of_own_node(event)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the Node has no Event of it"),
            Err(_elapsed) => tracing::debug!("the Node has no Event of it in time"),
        }
    }
}

/// Why the node is leaving; `None` where it stays.
async fn leaving(
    connection: &Connection,
    name: &NodeName,
) -> Result<Option<String>, KubernetesError> {
    let node = connection.node(name).await?;
    Ok(node.map_or_else(
        || Some(format!("there is no Node {name}")),
        |node| mark(&node),
    ))
}

/// What tells that a node is leaving.
fn mark(node: &Node) -> Option<String> {
    let emptied = node.taint_keys().find(|key| EMPTIED.contains(key));
    let not_ready = node.why_not_ready().unwrap_or_default();
    if node.is_going() {
        Some("the Node is being deleted".to_owned())
    } else if not_ready.contains(SHUTTING_DOWN) {
        Some("the machine shuts down".to_owned())
    } else if let Some(taint) = emptied {
        Some(format!("the Node has the taint {taint}"))
    } else {
        // The taint follows a moment later.
        node.is_unschedulable()
            .then(|| "the Node is cordoned".to_owned())
    }
}

/// What an Event says of volumes that have stayed.
fn note(volumes: &str) -> String {
    format!(
        "The node plugin ends though its node is leaving and volumes are attached to it. If their pods have not ended by then, nobody \
         unmounts these volumes, and Kubernetes gives them to another node only after six minutes. Give the plugin more time \
         (chart: node.terminationGracePeriodSeconds), longer than the pods take to end. Volumes: {volumes}"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn why(node: Value) -> Option<String> {
        mark(&serde_json::from_value(node).unwrap())
    }

    fn tainted(key: &str) -> Value {
        let other = json!({"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"});
        json!({"spec": {"taints": [other, {"key": key, "effect": "NoSchedule"}]}})
    }

    #[test]
    fn a_node_that_is_emptied_is_known_by_its_taint() {
        for taint in EMPTIED {
            assert!(why(tainted(taint)).unwrap().contains(taint));
        }
    }

    #[test]
    fn a_node_that_is_cordoned_deleted_or_shut_down_is_leaving() {
        let why = |node| why(node).unwrap();
        assert!(why(json!({"spec": {"unschedulable": true}})).contains("cordoned"));
        let deleted = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        assert!(why(deleted).contains("deleted"));
        let ready = |status: &str| {
            let message = "[container runtime is down, node is shutting down]";
            json!({"status": {"conditions": [
                {"type": "MemoryPressure", "status": "False", "message": "enough"},
                {"type": "Ready", "status": status, "reason": "KubeletNotReady", "message": message},
            ]}})
        };
        assert!(why(ready("False")).contains("shuts down"));
        assert_eq!(super::tests::why(ready("True")), None);
    }

    #[test]
    fn any_other_node_stays() {
        assert_eq!(why(json!({})), None);
        for taint in [
            "node.kubernetes.io/not-ready",
            "node.kubernetes.io/unreachable",
            "node.kubernetes.io/disk-pressure",
            "DeletionCandidateOfClusterAutoscaler",
            "team",
        ] {
            assert_eq!(why(tainted(taint)), None, "{taint}");
        }
    }

    #[test]
    fn an_event_says_what_to_do() {
        let note = note("pv-1, pv-2");
        assert!(
            note.contains("node.terminationGracePeriodSeconds") && note.ends_with("pv-1, pv-2")
        );
        // The API takes 1024 characters, and what stands behind the advice may be cut.
        assert!(note.len() < 700, "{}", note.len());
    }
}
