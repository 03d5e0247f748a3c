//! What this node's object in Kubernetes tells of its instance. The cloud controller manager fills it in.

use ebs_types::topology::{
    OUTPOST_ACCOUNT_KEY, OUTPOST_KEY, OUTPOST_PARTITION_KEY, OUTPOST_REGION_KEY,
};
use ebs_types::{InstanceId, InstanceType, InvalidPlace, Outpost, Region, Zone};

use super::sources::{Facts, InUse, Teller};
use crate::kubernetes::Node;

/// Labels by their name, and by the one that they had before Kubernetes 1.17.
const ZONE: [&str; 2] = [
    "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/zone",
];
const REGION: [&str; 2] = [
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/region",
];
pub(super) const INSTANCE_TYPE: [&str; 2] = [
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
];

/// Labels that count what takes attachments, as the Go driver's labeler writes them: EBS volumes that are not CSI's, without the
/// root volume, and network interfaces. Then those of SageMaker HyperPod.
const VOLUMES: [&str; 2] = [
    "ebs.csi.aws.com/non-csi-ebs-volumes-count",
    "sagemaker.amazonaws.com/num-block-device-mappings",
];
const INTERFACES: [&str; 2] = [
    "ebs.csi.aws.com/enis-count",
    "sagemaker.amazonaws.com/num-eni-attachments",
];

/// Why a Node object does not tell which instance it is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NodeObjectError {
    /// The cloud controller manager has not seen the node yet, or there is none.
    #[error(
        "the Node {node} has no spec.providerID: the AWS cloud controller manager sets it soon after the node has joined; without one \
         start the kubelet with --provider-id=aws:///ZONE/INSTANCE"
    )]
    NoProviderId {
        /// The node.
        node: String,
    },
    /// Not on EC2.
    #[error(
        "spec.providerID {provider_id:?} of the Node {node} names no EC2 instance: expected aws:///ZONE/i-…. EBS volumes can only be \
         attached to EC2 instances, so keep this driver's node plugin off Fargate and other machines"
    )]
    NotAnInstance {
        /// The node.
        node: String,
        /// What it says.
        provider_id: String,
    },
    /// A label is missing.
    #[error(
        "the Node {node} has no label {label}: the AWS cloud controller manager sets it soon after the node has joined; without one \
         start the kubelet with --node-labels={label}=…"
    )]
    NoLabel {
        /// The node.
        node: String,
        /// The label's name.
        label: &'static str,
    },
    /// A label holds something else.
    #[error("label {label} of the Node {node}: {error}")]
    Label {
        /// The node.
        node: String,
        /// The label's name.
        label: &'static str,
        /// What is wrong with it.
        error: InvalidPlace,
    },
    /// A label that counts is missing where others are, or holds no count.
    #[error(
        "the Node {node} does not tell by its labels what is attached to its instance: {label} is {value}, expected a number"
    )]
    NoCount {
        /// The node.
        node: String,
        /// The label's name.
        label: &'static str,
        /// What it holds.
        value: String,
    },
    /// Two places name different zones.
    #[error(
        "the Node {node} is in the zone {named} by its spec.providerID and in {label} by its label topology.kubernetes.io/zone: \
         correct the one that is wrong"
    )]
    TwoZones {
        /// The node.
        node: String,
        /// By the provider id.
        named: Zone,
        /// By the label.
        label: Zone,
    },
}

/// Everything about the instance but what takes its attachments, which Kubernetes does not know.
pub(super) fn facts(node: &Node) -> Result<Facts, NodeObjectError> {
    let (instance, named) = instance(node)?;
    Ok(Facts {
        instance,
        zone: zone(node, named)?,
        instance_type: instance_type(node)?,
        outpost: outpost(node),
        in_use: None,
    })
}

/// The Outpost that an earlier answer to NodeGetInfo put on the Node, by all four labels.
fn outpost(node: &Node) -> Option<Outpost> {
    Outpost::new(
        node.label(OUTPOST_PARTITION_KEY)?,
        node.label(OUTPOST_REGION_KEY)?,
        node.label(OUTPOST_ACCOUNT_KEY)?,
        node.label(OUTPOST_KEY)?,
    )
    .ok()
}

/// What the labels count, which something in the cluster has to keep up; `None` where nothing does.
pub(super) fn in_use(node: &Node) -> Result<Option<InUse>, NodeObjectError> {
    let mut labels = VOLUMES.into_iter().chain(INTERFACES);
    if labels.all(|label| node.label(label).is_none()) {
        return Ok(None);
    }
    Ok(Some(InUse {
        by: Teller::Labels,
        volumes: count(node, VOLUMES)?,
        interfaces: count(node, INTERFACES)?,
    }))
}

fn count(node: &Node, labels: [&'static str; 2]) -> Result<u32, NodeObjectError> {
    let mut given = labels
        .into_iter()
        .filter_map(|label| Some((label, node.label(label)?)));
    let (label, value) = given.next().unwrap_or((labels[0], "not there"));
    value.parse().map_err(|_| NodeObjectError::NoCount {
        node: name(node),
        label,
        value: value.to_owned(),
    })
}

/// SageMaker calls its instance types like EC2's, after `ml.`.
pub(super) fn type_of_label(label: &str) -> &str {
    label.strip_prefix("ml.").unwrap_or(label)
}

fn instance_type(node: &Node) -> Result<InstanceType, NodeObjectError> {
    let label: InstanceType = required(node, INSTANCE_TYPE)?;
    Ok(type_of_label(label.as_str()).parse().unwrap_or(label))
}

/// The region, which only a controller needs: it may run where there is no instance, as on Fargate.
pub(super) fn region(node: &Node) -> Result<Region, NodeObjectError> {
    required(node, REGION)
}

/// The instance that a Node names as its machine, if that is one.
pub(crate) fn instance_of(node: &Node) -> Option<InstanceId> {
    instance(node).ok().map(|(instance, _zone)| instance)
}

/// Reads `aws:///ZONE/i-…`, and the forms in which the zone is the host, or missing.
fn instance(node: &Node) -> Result<(InstanceId, Option<Zone>), NodeObjectError> {
    let provider_id = node.provider_id();
    if provider_id.is_empty() {
        return Err(NodeObjectError::NoProviderId { node: name(node) });
    }
    let read = || {
        let path = provider_id.strip_prefix("aws://")?;
        let mut parts = path.trim_start_matches('/').rsplit('/');
        let instance = parts.next()?.parse().ok()?;
        let zone = parts.next().map(str::parse).transpose().ok()?;
        parts.next().is_none().then_some((instance, zone))
    };
    read().ok_or_else(|| NodeObjectError::NotAnInstance {
        node: name(node),
        provider_id: provider_id.to_owned(),
    })
}

fn zone(node: &Node, named: Option<Zone>) -> Result<Zone, NodeObjectError> {
    match (named, label(node, ZONE)?) {
        (Some(named), Some(label)) if named != label => Err(NodeObjectError::TwoZones {
            node: name(node),
            named,
            label,
        }),
        (Some(zone), _) | (None, Some(zone)) => Ok(zone),
        (None, None) => required(node, ZONE),
    }
}

fn required<T>(node: &Node, labels: [&'static str; 2]) -> Result<T, NodeObjectError>
where
    T: std::str::FromStr<Err = InvalidPlace>,
{
    label(node, labels)?.ok_or_else(|| NodeObjectError::NoLabel {
        node: name(node),
        label: labels[0],
    })
}

/// The first of the labels that the node has.
fn label<T>(node: &Node, labels: [&'static str; 2]) -> Result<Option<T>, NodeObjectError>
where
    T: std::str::FromStr<Err = InvalidPlace>,
{
    let mut given = labels
        .into_iter()
        .filter_map(|label| Some((label, node.label(label)?)));
    let read = |(label, value): (&'static str, &str)| {
        value.parse().map_err(|error| NodeObjectError::Label {
            node: name(node),
            label,
            error,
        })
    };
    given.next().map(read).transpose()
}

fn name(node: &Node) -> String {
    node.name().to_owned()
}

#[cfg(test)]
mod tests;
