//! ControllerGetCapabilities: what is really offered.

use csi::v1::controller_service_capability::rpc::Type as RpcType;
use csi::v1::controller_service_capability::{Rpc, Type};
use csi::v1::{ControllerGetCapabilitiesResponse, ControllerServiceCapability};

/// What the Controller service offers. The names of the RPCs it does not offer are in `controller`, where they are refused.
const OFFERED: [RpcType; 15] = [
    RpcType::CreateDeleteVolume,
    RpcType::CloneVolume,
    RpcType::PublishUnpublishVolume,
    RpcType::PublishReadonly,
    RpcType::ListVolumes,
    RpcType::ListVolumesPublishedNodes,
    RpcType::GetVolume,
    RpcType::GetVolumeHealth,
    RpcType::ListVolumeHealth,
    RpcType::CreateDeleteSnapshot,
    RpcType::ListSnapshots,
    RpcType::GetSnapshot,
    RpcType::ExpandVolume,
    RpcType::ModifyVolume,
    RpcType::SingleNodeMultiWriter,
];

/// The answer to the RPC.
pub(super) fn answer() -> ControllerGetCapabilitiesResponse {
    ControllerGetCapabilitiesResponse {
        capabilities: OFFERED
            .into_iter()
            .map(|offered| ControllerServiceCapability {
                r#type: Some(Type::Rpc(Rpc {
                    r#type: offered.into(),
                })),
            })
            .collect(),
    }
}
