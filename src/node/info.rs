//! What the scheduler learns of this node.

use csi::v1::{NodeGetInfoResponse, Topology};
use ebs_types::topology::{EBS_ZONE_KEY, OS_KEY, ZONE_KEY};

use crate::metadata::NodeIdentity;

/// The answer to NodeGetInfo.
pub(super) fn response(identity: &NodeIdentity) -> NodeGetInfoResponse {
    let zone = identity.zone.as_str();
    let segments = [(ZONE_KEY, zone), (EBS_ZONE_KEY, zone), (OS_KEY, "linux")];
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
