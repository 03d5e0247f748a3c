//! VolumeAttachments: which volumes Kubernetes attaches to which node (Kubernetes API reference: VolumeAttachment
//! storage.k8s.io/v1). One goes when its volume is detached.

use std::time::Duration;

use serde::Deserialize;

use super::error::Rule;
use super::session::{Content, Session};
use super::{KubernetesError, NodeName, Watched};

const LIST: Rule = Rule {
    verb: "list",
    resource: "volumeattachments",
    group: "storage.k8s.io",
};
const WATCH: Rule = Rule {
    verb: "watch",
    ..LIST
};

/// The attachments of one node, as they were at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attachments {
    /// Each of them.
    pub(crate) all: Vec<Attachment>,
    version: String,
}

/// One attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attachment {
    name: String,
    /// The PersistentVolume; the attachment's own name where it is of a volume without one.
    pub(crate) volume: String,
}

#[derive(Debug, Deserialize)]
struct VolumeAttachment {
    metadata: Metadata,
    spec: Spec,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    attacher: String,
    node_name: String,
    source: Source,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    persistent_volume_name: Option<String>,
}

impl Session {
    /// A driver's attachments to a node. Kubernetes cannot select them by node: all there are are looked through, page by page.
    pub(super) async fn attachments(
        &self,
        driver: &str,
        node: &NodeName,
    ) -> Result<Attachments, KubernetesError> {
        let mut found = Attachments::default();
        let mut more = String::new();
        loop {
            let page = self.page(LIST, "", &more, Content::Nothing).await?;
            let attachments: Vec<VolumeAttachment> = page.items;
            let ours = attachments
                .into_iter()
                .filter(|one| one.spec.attacher == driver && one.spec.node_name == node.as_str());
            found.all.extend(ours.map(Attachment::of));
            // All pages show the moment of the first.
            found.version = page.metadata.version;
            more = page.metadata.next;
            if more.is_empty() {
                return Ok(found);
            }
        }
    }

    /// Waits until one of the attachments is gone, for `lasts` at most.
    pub(super) async fn until_detached(
        &self,
        listed: &Attachments,
        attachment: &Attachment,
        lasts: Duration,
    ) -> Result<Watched, KubernetesError> {
        let Attachments { version, .. } = listed;
        self.until_gone(WATCH, &attachment.name, version, lasts)
            .await
    }
}

impl Attachment {
    fn of(object: VolumeAttachment) -> Self {
        let name = object.metadata.name;
        let volume = object.spec.source.persistent_volume_name;
        Self {
            volume: volume.unwrap_or_else(|| name.clone()),
            name,
        }
    }
}
