//! Requests about nodes: reading and changing Node objects, listing them, and what the kubelet has registered.

use serde_json::{Value, json};

use super::error::Rule;
use super::objects::{CsiNode, Named, Node};
use super::session::{Ask, Content, Session};
use super::{KubernetesError, NodeName};

const GET: Rule = Rule {
    verb: "get",
    resource: "nodes",
    group: "",
};
pub(super) const LIST: Rule = Rule {
    verb: "list",
    ..GET
};
const PATCH: Rule = Rule {
    verb: "patch",
    ..GET
};
const GET_CSI_NODE: Rule = Rule {
    verb: "get",
    resource: "csinodes",
    group: "storage.k8s.io",
};

impl Session {
    /// A Node object.
    pub(super) async fn node(&self, name: &NodeName) -> Result<Node, KubernetesError> {
        self.of_node(GET, name, Content::Nothing).await
    }

    /// What the kubelet has registered on a node.
    pub(super) async fn csi_node(&self, name: &NodeName) -> Result<CsiNode, KubernetesError> {
        self.of_node(GET_CSI_NODE, name, Content::Nothing).await
    }

    /// Changes a Node object by a JSON patch.
    pub(super) async fn patch_node(
        &self,
        name: &NodeName,
        steps: &Value,
    ) -> Result<Node, KubernetesError> {
        self.of_node(PATCH, name, Content::Steps(steps)).await
    }

    /// Gives a Node object an annotation, and leaves everything else as it is.
    pub(super) async fn annotate_node(
        &self,
        name: &NodeName,
        key: &str,
        value: &str,
    ) -> Result<(), KubernetesError> {
        let change = json!({"metadata": {"annotations": {key: value}}});
        self.of_node::<Node>(PATCH, name, Content::Merged(&change))
            .await?;
        Ok(())
    }

    /// Labels and annotations of every Node, page by page.
    pub(super) async fn nodes(
        &self,
        mut with: impl FnMut(Vec<Named>),
    ) -> Result<(), KubernetesError> {
        let mut more = String::new();
        loop {
            let page = self
                .page(LIST, "", &more, Content::NothingForMetadata)
                .await?;
            with(page.items);
            more = page.metadata.next;
            if more.is_empty() {
                return Ok(());
            }
        }
    }

    async fn of_node<T: serde::de::DeserializeOwned>(
        &self,
        rule: Rule,
        name: &NodeName,
        content: Content<'_>,
    ) -> Result<T, KubernetesError> {
        self.call(Ask {
            rule,
            path: format!("{}/{name}", rule.resource),
            name: name.as_str(),
            content,
        })
        .await
    }
}
