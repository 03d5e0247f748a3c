//! The fields of Kubernetes' objects that are read (Kubernetes API reference: Node v1, CSINode storage.k8s.io/v1).

use std::collections::HashMap;

use serde::Deserialize;

use super::out_of_service;

/// A Node object.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Node {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: NodeSpec,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    resource_version: String,
    deletion_timestamp: Option<String>,
    labels: Option<HashMap<String, String>>,
    annotations: Option<HashMap<String, String>>,
}

impl Metadata {
    fn label(&self, name: &str) -> Option<&str> {
        Some(self.labels.as_ref()?.get(name)?)
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        Some(self.annotations.as_ref()?.get(name)?)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeStatus {
    conditions: Option<Vec<Condition>>,
    volumes_attached: Option<Vec<AttachedVolume>>,
    volumes_in_use: Option<Vec<String>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) message: String,
}

#[derive(Clone, Debug, Deserialize)]
struct AttachedVolume {
    name: String,
}

/// An object of a list of which only the metadata are read.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Named {
    #[serde(default)]
    metadata: Metadata,
}

impl Named {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The value of one of its labels.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.metadata.label(name)
    }

    /// The value of one of its annotations.
    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        self.metadata.annotation(name)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
struct NodeSpec {
    #[serde(rename = "providerID", default)]
    provider_id: String,
    taints: Option<Vec<Taint>>,
    #[serde(default)]
    unschedulable: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct Taint {
    key: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    effect: String,
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
        self.metadata.label(name)
    }

    /// The value of one of its annotations.
    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        self.metadata.annotation(name)
    }

    /// What tells it from another one that had its name before.
    pub(super) fn uid(&self) -> &str {
        &self.metadata.uid
    }

    /// The version of it that was read.
    pub(super) fn resource_version(&self) -> &str {
        &self.metadata.resource_version
    }

    /// Whether it has any annotation.
    pub(super) fn is_annotated(&self) -> bool {
        self.metadata.annotations.is_some()
    }

    /// Whether its kubelet was heard of lately, and is well. One that was never heard of is not.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready().is_some_and(|ready| ready.status == "True")
    }

    fn ready(&self) -> Option<&Condition> {
        let conditions = self.status.conditions.as_deref().unwrap_or_default();
        conditions.iter().find(|one| one.kind == "Ready")
    }

    /// Whether it has the taint by which pods and volumes leave a machine that is shut down, whoever put it.
    pub(crate) fn is_out_of_service(&self) -> bool {
        self.taint_keys().any(|key| key == out_of_service::KEY)
    }

    /// The handles of this driver's volumes that Kubernetes has attached to the node or that the kubelet needs there.
    pub(crate) fn volumes_of(&self, driver: &str) -> impl Iterator<Item = &str> {
        let prefix = format!("kubernetes.io/csi/{driver}^");
        let attached = self.status.volumes_attached.iter().flatten();
        let in_use = self.status.volumes_in_use.iter().flatten();
        attached
            .map(|volume| volume.name.as_str())
            .chain(in_use.map(String::as_str))
            .filter_map(move |name| name.strip_prefix(prefix.as_str()))
    }

    /// What its cloud calls it; empty while that is not known.
    pub(crate) fn provider_id(&self) -> &str {
        &self.spec.provider_id
    }

    /// Whether its deletion has begun.
    pub(crate) fn is_going(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Whether it is cordoned: no new pods come to it.
    pub(crate) fn is_unschedulable(&self) -> bool {
        self.spec.unschedulable
    }

    /// What the kubelet says of the node not being ready; `None` where it says that it is, or nothing.
    pub(crate) fn why_not_ready(&self) -> Option<&str> {
        let ready = self.ready()?;
        (ready.status == "False").then_some(&ready.message)
    }

    /// The keys of its taints, in the order of the list.
    pub(crate) fn taint_keys(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        let taints = self.spec.taints.as_deref().unwrap_or_default();
        taints.iter().map(|taint| taint.key.as_str())
    }

    /// Where in the list of its taints this one is.
    pub(super) fn place_of_taint(&self, key: &str, value: &str, effect: &str) -> Option<usize> {
        let mut taints = self.spec.taints.iter().flatten();
        taints
            .position(|taint| (&*taint.key, &*taint.value, &*taint.effect) == (key, value, effect))
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
