//! The fields of Kubernetes' objects that are read (Kubernetes API reference: Node v1, CSINode storage.k8s.io/v1).

use std::collections::HashMap;

use serde::Deserialize;

/// A Node object.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Node {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: NodeSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
    labels: Option<HashMap<String, String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct NodeSpec {
    #[serde(rename = "providerID", default)]
    provider_id: String,
    taints: Option<Vec<Taint>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Taint {
    key: String,
}

/// What the kubelet has registered on a node.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct CsiNode {
    spec: CsiNodeSpec,
}

#[derive(Clone, Debug, Deserialize)]
struct CsiNodeSpec {
    drivers: Option<Vec<CsiNodeDriver>>,
}

#[derive(Clone, Debug, Deserialize)]
struct CsiNodeDriver {
    name: String,
}

impl Node {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The value of one of its labels.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        Some(self.metadata.labels.as_ref()?.get(name)?)
    }

    /// What its cloud calls it; empty while that is not known.
    pub(crate) fn provider_id(&self) -> &str {
        &self.spec.provider_id
    }

    /// The keys of its taints, in the order of the list.
    pub(super) fn taint_keys(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        let taints = self.spec.taints.as_deref().unwrap_or_default();
        taints.iter().map(|taint| taint.key.as_str())
    }
}

impl CsiNode {
    /// Whether this driver is registered.
    pub(super) fn lists(&self, driver: &str) -> bool {
        let drivers = self.spec.drivers.as_deref().unwrap_or_default();
        drivers.iter().any(|entry| entry.name == driver)
    }
}

/// The API server's refusal.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Refusal {
    #[serde(default)]
    pub(super) message: String,
}
