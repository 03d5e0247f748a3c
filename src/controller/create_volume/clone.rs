//! The source of a clone, looked at before it is copied: its zone and size are the clone's bounds, and what is wrong with it can be
//! said better than EC2's refusal does.

use ebs_types::{VolumeId, VolumeState};
use ec2::Volume;

use super::super::ControllerService;
use super::super::error::Error;
use super::super::topology::ZoneChoice;

/// The volume to copy. EBS copies within a zone.
///
/// # Errors
/// [`Error::Ec2`] and [`Error::VolumeGone`] where it is not there, surely; [`Error::SourceFailed`]; [`Error::SourceElsewhere`] where
/// its zone is none of those that the request allows.
pub(super) async fn source(
    service: &ControllerService,
    id: &VolumeId,
    zones: &ZoneChoice,
) -> Result<Volume, Error> {
    let source = service.cloud.volume(id).await?;
    match source.state {
        VolumeState::Deleting | VolumeState::Deleted => {
            Err(Error::VolumeGone { volume: source.id })
        }
        VolumeState::Error => Err(Error::SourceFailed { volume: source.id }),
        _ if !zones.allows(&source.zone) => Err(Error::SourceElsewhere {
            volume: source.id,
            zone: source.zone,
        }),
        // That it is not ready yet is EC2's to say.
        VolumeState::Creating | VolumeState::Available | VolumeState::InUse => Ok(source),
    }
}

#[cfg(test)]
mod tests;
