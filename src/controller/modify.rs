//! ControllerModifyVolume: a VolumeAttributesClass is applied to a volume: type, speed and tags.
//!
//! Tags follow once EC2 has accepted the rest, so that a class that cannot be had changes nothing.

use csi::v1::{ControllerModifyVolumeRequest, ControllerModifyVolumeResponse};
use ebs_types::VolumeId;

use super::attributes::Attributes;
use super::class_tags::ClassTags;
use super::error::Error;
use super::modification::{Ask, Modifying};
use super::{ControllerService, request};
use crate::inflight::Key;
use crate::status::Rpc;

/// Serves the RPC.
pub(super) async fn run(
    service: &ControllerService,
    message: ControllerModifyVolumeRequest,
) -> Result<ControllerModifyVolumeResponse, Error> {
    let handle = request::volume_id(&message.volume_id)?;
    let Attributes { speed, mut tags } =
        Attributes::parse(&message.mutable_parameters, service.settings.invalid_tags)?;
    tags.mark_growth(speed.grows, speed.per_gib())?;
    let id = request::volume(handle)?;
    let _guard = service.begin(Key::Modification(id.clone()), Rpc::ControllerModifyVolume)?;
    let modifying = Modifying::of(service, &id, Ask::change(speed)).await?;
    let begun = modifying.begin().await?;
    let left = tags.still_to_do(&modifying.volume.tags);
    apply(service, &id, &left).await?;
    modifying.finish(begun).await?;
    Ok(ControllerModifyVolumeResponse {})
}

/// Deletes first: a volume that has all the tags that it can have may be given others in their place.
async fn apply(service: &ControllerService, id: &VolumeId, tags: &ClassTags) -> Result<(), Error> {
    if !tags.delete.is_empty() {
        service.cloud.delete_tags(id, &tags.delete).await?;
    }
    if !tags.set.is_empty() {
        service.cloud.create_tags(id, &tags.set).await?;
    }
    Ok(())
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
