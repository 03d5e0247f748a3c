//! What the Node service offers.

use csi::v1::node_service_capability::rpc::Type;
use csi::v1::node_service_capability::{Rpc, Type as Kind};
use csi::v1::{NodeGetCapabilitiesResponse, NodeServiceCapability};

const OFFERED: [Type; 6] = [
    Type::StageUnstageVolume,
    Type::GetVolumeStats,
    Type::ExpandVolume,
    // SINGLE_NODE_SINGLE_WRITER and SINGLE_NODE_MULTI_WRITER are told apart.
    Type::SingleNodeMultiWriter,
    Type::GetVolumeHealth,
    Type::GetStorageHealth,
];

/// The answer to NodeGetCapabilities.
pub(super) fn response() -> NodeGetCapabilitiesResponse {
    let capability = |offered: Type| NodeServiceCapability {
        r#type: Some(Kind::Rpc(Rpc {
            r#type: offered.into(),
        })),
    };
    NodeGetCapabilitiesResponse {
        capabilities: OFFERED.map(capability).to_vec(),
    }
}
