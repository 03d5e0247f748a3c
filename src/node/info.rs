//! What the scheduler learns of this node.

use csi::v1::{NodeGetInfoResponse, Topology};

use crate::metadata::NodeIdentity;

/// Kubernetes' own key of a zone, which volumes are answered with.
const ZONE: &str = "topology.kubernetes.io/zone";
/// The older key, which PVs made by older drivers carry.
const EBS_ZONE: &str = "topology.ebs.csi.aws.com/zone";
/// Kubernetes' key of the operating system.
const OS: &str = "kubernetes.io/os";

/// The answer to NodeGetInfo.
pub(super) fn response(identity: &NodeIdentity) -> NodeGetInfoResponse {
    let zone = identity.zone.as_str();
    let segments = [(ZONE, zone), (EBS_ZONE, zone), (OS, "linux")];
    NodeGetInfoResponse {
        node_id: identity.instance.to_string(),
        max_volumes_per_node: identity.max_volumes.into(),
        accessible_topology: Some(Topology {
            segments: segments
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        }),
    }
}
