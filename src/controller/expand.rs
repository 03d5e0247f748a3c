//! ControllerExpandVolume: the volume is given its size, and watched until that can be used.

use csi::v1::volume_capability::AccessType;
use csi::v1::{ControllerExpandVolumeRequest, ControllerExpandVolumeResponse};
use ebs_types::CapacityRange;

use super::error::Error;
use super::modification::{Ask, Modifying};
use super::{ControllerService, request};
use crate::inflight::Key;
use crate::status::{InvalidRequest, Rpc};

/// Serves the RPC.
pub(super) async fn run(
    service: &ControllerService,
    message: ControllerExpandVolumeRequest,
) -> Result<ControllerExpandVolumeResponse, Error> {
    let handle = request::volume_id(&message.volume_id)?;
    let range = message
        .capacity_range
        .as_ref()
        .ok_or(InvalidRequest::Missing {
            field: "capacity_range",
            hint: "say how large the volume is to be",
        })?;
    let range = CapacityRange::new(range.required_bytes, range.limit_bytes)?;
    let id = request::volume(handle)?;
    let _guard = service.begin(Key::Expansion(id.clone()), Rpc::ControllerExpandVolume)?;
    let modifying = Modifying::of(service, &id, Ask::grow(range)).await?;
    let begun = modifying.begin().await?;
    let size = modifying.finish(begun).await?.size;
    // The device grows under a raw block user by itself; a file system has to be grown on it.
    let is_block = message
        .volume_capability
        .is_some_and(|capability| matches!(capability.access_type, Some(AccessType::Block(_))));
    Ok(ControllerExpandVolumeResponse {
        capacity_bytes: size.bytes().to_csi(),
        node_expansion_required: !is_block,
    })
}

#[cfg(test)]
mod tests;
