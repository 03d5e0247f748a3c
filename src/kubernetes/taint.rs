//! The startup taint: a node can be registered with `DRIVER/agent-not-ready`, so that no pod with volumes comes to it before the
//! driver is there. Pods that came earlier would find no driver, and the scheduler no attachment limit.

use std::time::Duration;

use serde_json::{Value, json};

use super::session::Session;
use super::{Kubernetes, KubernetesError, Node, NodeName};

/// The pause after the first look; each further one is half as long again. A node registers its drivers within seconds, and each
/// second that the taint stays is one that its first pods wait.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// A node that has not registered the driver after minutes has another trouble, and the API server many nodes.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How often a patch is tried before there is a pause.
const ATTEMPTS: u32 = 5;

/// What a look at the cluster led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The kubelet does not list the driver yet.
    NotRegistered,
    /// The node has no such taint.
    Absent,
    /// It had, and has none any more.
    Removed,
}

/// Looks until the taint is gone.
pub(super) async fn remove(kubernetes: &Kubernetes, driver: &str) {
    let key = format!("{driver}/agent-not-ready");
    let mut session = None;
    let mut told = String::new();
    let mut pause = FIRST_PAUSE;
    loop {
        match look(kubernetes, &mut session, driver, &key).await {
            Ok(Outcome::NotRegistered) => {
                tracing::debug!(driver, "the kubelet has not registered the driver yet");
            }
            Ok(Outcome::Absent) => {
                tracing::debug!(taint = key, "this node has no startup taint");
                return;
            }
            Ok(Outcome::Removed) => {
                tracing::info!(taint = key, "the startup taint is removed");
                return;
            }
            Err(KubernetesError::NotInCluster) => {
                tracing::debug!("not in a cluster: there is no startup taint to remove");
                return;
            }
            Err(KubernetesError::NoNodeName) => {
                let error = KubernetesError::NoNodeName;
                tracing::warn!(%error, "a startup taint of this node would stay");
                return;
            }
            Err(error) => {
                // Perhaps with another token or another certificate the next time.
                session = None;
                tell(&mut told, &error);
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// One that lasts is told once.
fn tell(told: &mut String, error: &KubernetesError) {
    let words = error.to_string();
    if *told == words {
        tracing::debug!(%error, "a startup taint of this node stays for now");
    } else {
        tracing::warn!(%error, "a startup taint of this node stays for now, it is tried again");
        *told = words;
    }
}

async fn look(
    kubernetes: &Kubernetes,
    session: &mut Option<Session>,
    driver: &str,
    key: &str,
) -> Result<Outcome, KubernetesError> {
    let session = match session {
        Some(session) => session,
        None => session.insert(kubernetes.open()?),
    };
    let name = kubernetes.node_name()?;
    match session.csi_node(name).await {
        Ok(node) if node.lists(driver) => {}
        // The kubelet makes the object when it starts to register drivers.
        Ok(_) | Err(KubernetesError::NotFound { .. }) => return Ok(Outcome::NotRegistered),
        Err(error) => return Err(error),
    }
    remove_now(session, name, key).await
}

async fn remove_now(
    session: &Session,
    name: &NodeName,
    key: &str,
) -> Result<Outcome, KubernetesError> {
    let mut outcome = Outcome::Absent;
    let mut refusal = None;
    for _ in 0..ATTEMPTS {
        let Some(patch) = removal(&session.node(name).await?, key) else {
            return Ok(outcome);
        };
        match session.patch_node(name, &patch).await {
            Ok(_) => outcome = Outcome::Removed,
            // Someone else's taint came or went in between: on a node that starts this is usual.
            Err(conflict @ KubernetesError::Conflict { .. }) => refusal = Some(conflict),
            Err(error) => return Err(error),
        }
    }
    refusal.map_or(Ok(outcome), Err)
}

/// The patch that takes away the taints of this key and no other, if there are any. Each is removed by its place in the list, the
/// last one first, and only if it is still in that place.
fn removal(node: &Node, key: &str) -> Option<Value> {
    let places = node.taint_keys().enumerate().rev();
    let steps: Vec<Value> = places
        .filter(|(_, found)| *found == key)
        .flat_map(|(at, _)| {
            [
                json!({"op": "test", "path": format!("/spec/taints/{at}/key"), "value": key}),
                json!({"op": "remove", "path": format!("/spec/taints/{at}")}),
            ]
        })
        .collect();
    (!steps.is_empty()).then_some(Value::Array(steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ebs.csi.aws.com/agent-not-ready";

    fn node(taints: &Value) -> Node {
        serde_json::from_value(json!({"spec": {"taints": taints}})).unwrap()
    }

    #[test]
    fn a_taint_of_every_effect_goes_and_others_stay() {
        let node = node(&json!([
            {"key": KEY, "effect": "NoExecute"},
            {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"},
            {"key": KEY, "effect": "NoSchedule", "value": "x"},
            {"key": "other.csi.example.com/agent-not-ready", "effect": "NoExecute"},
        ]));
        let expected = json!([
            {"op": "test", "path": "/spec/taints/2/key", "value": KEY},
            {"op": "remove", "path": "/spec/taints/2"},
            {"op": "test", "path": "/spec/taints/0/key", "value": KEY},
            {"op": "remove", "path": "/spec/taints/0"},
        ]);
        assert_eq!(removal(&node, KEY), Some(expected));
    }

    #[test]
    fn without_the_taint_nothing_is_patched() {
        assert_eq!(removal(&Node::default(), KEY), None);
        assert_eq!(removal(&node(&json!([])), KEY), None);
        let other = json!([{"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}]);
        assert_eq!(removal(&node(&other), KEY), None);
    }
}
