//! Multi-Attach: which volumes several instances may have at once, and what becomes of it (EBS user guide, "Attach an EBS volume to
//! multiple EC2 instances using Multi-Attach").
//!
//! Answers for: where it can be had, who can attach such a volume, how one can be modified. The guide names no error codes for these
//! rules; they are those that the EC2 API reference describes in the same words. Doesn't answer for: the attachments themselves.

use ebs_types::{Hypervisor, VolumeState, VolumeType};

use super::attachments::attachment_limit;
use crate::model::{ApiError, Instance, ModifyVolume, Shape, Volume};

/// The most instances that share a volume.
const MOST: usize = 16;

/// Where io1 has it; io2 has it wherever there is io2.
const REGIONS_OF_IO1: [&str; 3] = ["us-east-1", "us-west-2", "ap-northeast-2"];

/// Whether a volume of this shape is made in the region.
pub(super) fn check_offered(region: &str, shape: &Shape) -> Result<(), ApiError> {
    let wanted = shape.multi_attach && shape.volume_type == VolumeType::Io1;
    if wanted && !REGIONS_OF_IO1.contains(&region) {
        return Err(unsupported(format!(
            "Multi-Attach is not supported for io1 volumes in {region}"
        )));
    }
    Ok(())
}

/// Whether the modification is one that being shared allows: of io2 all but the type can change, of io1 nothing, and sharing itself
/// of io2 that no instance has.
pub(super) fn check_modification(volume: &Volume, request: &ModifyVolume) -> Result<(), ApiError> {
    let id = &volume.id;
    let becomes = request.multi_attach.unwrap_or(volume.multi_attach);
    let toggles = becomes != volume.multi_attach;
    let other_type = request
        .volume_type
        .is_some_and(|to| to != volume.volume_type);
    if !volume.multi_attach && !toggles {
        Ok(())
    } else if other_type {
        Err(unsupported(format!(
            "The type of '{id}' cannot be modified with Multi-Attach, neither while it is enabled nor together with it"
        )))
    } else if volume.volume_type == VolumeType::Io1 {
        Err(unsupported(format!(
            "'{id}' is an io1 volume: with Multi-Attach it cannot be modified, nor can that be enabled or disabled"
        )))
    } else if toggles && !volume.attachments.is_empty() {
        Err(ApiError::incorrect_state(format!(
            "Multi-Attach of '{id}' cannot be enabled or disabled while it is attached"
        )))
    } else {
        Ok(())
    }
}

/// Whether the instance can have the volume, which others may have already.
pub(super) fn check_attachment(volume: &Volume, instance: &Instance) -> Result<(), ApiError> {
    let id = &volume.id;
    if volume.attachment_to(&instance.id).is_some()
        || (volume.state() == VolumeState::InUse && !volume.multi_attach)
    {
        return Err(ApiError::client(
            "VolumeInUse",
            format!("{id} is already attached to an instance"),
        ));
    }
    let nitro = attachment_limit(&instance.instance_type).hypervisor == Hypervisor::Nitro;
    if volume.multi_attach && !nitro {
        return Err(unsupported(format!(
            "Multi-Attach needs a Nitro instance; '{}' is of type {}",
            instance.id, instance.instance_type
        )));
    }
    if volume.attachments.len() >= MOST {
        return Err(ApiError::client(
            "AttachmentLimitExceeded",
            format!("{id} is attached to {MOST} instances, the most that can share a volume"),
        ));
    }
    Ok(())
}

fn unsupported(message: String) -> ApiError {
    ApiError::client("UnsupportedOperation", message)
}
