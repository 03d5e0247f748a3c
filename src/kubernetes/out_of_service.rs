//! Kubernetes' taint for a node whose machine is shut down for good: pods leave it by force, and volumes are detached without a word
//! from its kubelet (Kubernetes documentation, "Non-graceful node shutdown").
//!
//! Answers for: that the taint comes and goes together with a mark that says whose it is, on the very Node that was read and only
//! while nothing about that has changed. Doesn't answer for: when it may be put.

use serde_json::{Value, json};

use super::error::Rule;
use super::session::Session;
use super::{KubernetesError, Node, NodeName};

pub(super) const KEY: &str = "node.kubernetes.io/out-of-service";
const VALUE: &str = "nodeshutdown";
const EFFECT: &str = "NoExecute";

impl Session {
    /// Puts the taint on a Node, and an annotation.
    pub(super) async fn put_out_of_service(
        &self,
        node: &Node,
        mark: &str,
        value: &str,
    ) -> Result<(), KubernetesError> {
        self.change_read(node, put(node, mark, value)).await
    }

    /// Takes both away, as far as they are there; a taint of this key with another value or effect is somebody else's.
    pub(super) async fn put_back_in_service(
        &self,
        node: &Node,
        mark: &str,
    ) -> Result<(), KubernetesError> {
        self.change_read(node, take_away(node, mark)).await
    }

    async fn change_read(&self, node: &Node, steps: Vec<Value>) -> Result<(), KubernetesError> {
        let name: NodeName = node.name().parse().map_err(|error| no_name(&error))?;
        let mut whole = same(node);
        whole.extend(steps);
        self.patch_node(&name, &Value::Array(whole)).await?;
        Ok(())
    }
}

/// Kubernetes gave it, so it is one; but it becomes part of a path.
fn no_name(error: &dyn std::fmt::Display) -> KubernetesError {
    KubernetesError::Unreadable {
        rule: Rule {
            verb: "get",
            resource: "nodes",
            group: "",
        },
        reason: error.to_string(),
    }
}

/// Tests that fail if the Node is another one of that name, or if anything about it has changed since it was read.
fn same(node: &Node) -> Vec<Value> {
    let test = |path: &str, value: &str| json!({"op": "test", "path": path, "value": value});
    vec![
        test("/metadata/uid", node.uid()),
        test("/metadata/resourceVersion", node.resource_version()),
        test("/spec/providerID", node.provider_id()),
    ]
}

fn put(node: &Node, mark: &str, value: &str) -> Vec<Value> {
    let taint = json!({"key": KEY, "value": VALUE, "effect": EFFECT});
    let mut steps = vec![match node.taint_keys().len() {
        0 => json!({"op": "add", "path": "/spec/taints", "value": [taint]}),
        _ => json!({"op": "add", "path": "/spec/taints/-", "value": taint}),
    }];
    if !node.is_annotated() {
        steps.push(json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
    }
    steps.push(json!({"op": "add", "path": annotation(mark), "value": value}));
    steps
}

fn take_away(node: &Node, mark: &str) -> Vec<Value> {
    let mut steps = Vec::new();
    if let Some(place) = node.place_of_taint(KEY, VALUE, EFFECT) {
        steps.push(json!({"op": "remove", "path": format!("/spec/taints/{place}")}));
    }
    if node.annotation(mark).is_some() {
        steps.push(json!({"op": "remove", "path": annotation(mark)}));
    }
    steps
}

/// Where an annotation is, as a JSON pointer (RFC 6901).
fn annotation(key: &str) -> String {
    let key = key.replace('~', "~0").replace('/', "~1");
    format!("/metadata/annotations/{key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "ebs.csi.aws.com/out-of-service";

    fn node(annotations: &Value, taints: &Value) -> Node {
        serde_json::from_value(json!({
            "metadata": {"name": "node-1", "uid": "u", "resourceVersion": "7", "annotations": annotations},
            "spec": {"providerID": "aws:///a/i-0123456789abcdef0", "taints": taints},
        }))
        .unwrap()
    }

    fn taint() -> Value {
        json!({"key": KEY, "value": VALUE, "effect": EFFECT})
    }

    #[test]
    fn it_is_put_beside_what_is_there() {
        let mark = "/metadata/annotations/ebs.csi.aws.com~1out-of-service";
        let first = put(&node(&Value::Null, &Value::Null), MARK, "i-1");
        assert_eq!(
            first,
            [
                json!({"op": "add", "path": "/spec/taints", "value": [taint()]}),
                json!({"op": "add", "path": "/metadata/annotations", "value": {}}),
                json!({"op": "add", "path": mark, "value": "i-1"}),
            ]
        );
        let taints = json!([{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]);
        let beside = put(&node(&json!({"a": "b"}), &taints), MARK, "i-1");
        assert_eq!(
            beside,
            [
                json!({"op": "add", "path": "/spec/taints/-", "value": taint()}),
                json!({"op": "add", "path": mark, "value": "i-1"}),
            ]
        );
    }

    #[test]
    fn only_what_was_put_is_taken_away() {
        let taints = json!([
            {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"},
            {"key": KEY, "value": VALUE, "effect": "NoSchedule"},
            taint(),
        ]);
        let steps = take_away(&node(&json!({MARK: "i-1"}), &taints), MARK);
        assert_eq!(
            steps,
            [
                json!({"op": "remove", "path": "/spec/taints/2"}),
                json!({"op": "remove", "path": annotation(MARK)}),
            ]
        );
        let others = json!([{"key": KEY, "effect": EFFECT}]);
        let steps = take_away(&node(&json!({MARK: "i-1"}), &others), MARK);
        assert_eq!(steps, [json!({"op": "remove", "path": annotation(MARK)})]);
    }

    #[test]
    fn a_change_is_of_the_very_node_that_was_read() {
        let steps = same(&node(&Value::Null, &Value::Null));
        let tested: Vec<&str> = steps
            .iter()
            .map(|step| step["value"].as_str().unwrap())
            .collect();
        assert_eq!(tested, ["u", "7", "aws:///a/i-0123456789abcdef0"]);
        assert!(steps.iter().all(|step| step["op"] == "test"));
    }
}
