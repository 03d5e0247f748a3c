//! Requests about nodes: reading and changing Node objects, listing them, and what the kubelet has registered.

use serde_json::{Value, json};

use super::error::Rule;
use super::objects::{CsiNode, Named, Node, Page};
use super::session::{Ask, Content, Session};
use super::{KubernetesError, NodeName};

/// Of a list, so many at a time: an object's metadata have a few KiB.
const PAGE: u32 = 100;

const GET: Rule = Rule {
    verb: "get",
    resource: "nodes",
    group: "",
};
const LIST: Rule = Rule {
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
            let page: Page = self
                .call(Ask {
                    rule: LIST,
                    path: format!("nodes?limit={PAGE}&continue={}", escaped(&more)),
                    name: "",
                    content: Content::NothingForMetadata,
                })
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

/// A text as part of a URL's query.
fn escaped(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes()
        .map(|b| match plain(b) {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn the_token_of_a_page_is_sent_as_it_came() {
        assert_eq!(escaped("eyJ2Ijoi-_.~"), "eyJ2Ijoi-_.~");
        assert_eq!(escaped("a+b/c=&d"), "a%2Bb%2Fc%3D%26d");
        assert_eq!(escaped(""), "");
    }
}
