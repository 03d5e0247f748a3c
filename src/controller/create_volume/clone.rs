//! The source of a clone, looked at before it is copied.

use ebs_types::{VolumeId, VolumeState};
use ec2::Volume;

use super::super::ControllerService;
use super::super::error::Error;
use super::super::site::Site;
use super::super::topology::SiteChoice;

/// The volume to copy. EBS copies within a zone.
///
/// # Errors
/// [`Error::Ec2`] and [`Error::VolumeGone`] where it is not there, surely; [`Error::SourceFailed`]; [`Error::SourceElsewhere`] where
/// it is in none of the places that the request allows.
pub(super) async fn source(
    service: &ControllerService,
    id: &VolumeId,
    sites: &SiteChoice,
) -> Result<Volume, Error> {
    let source = service.cloud.volume(id).await?;
    let site = Site::from(&source);
    match source.state {
        VolumeState::Deleting | VolumeState::Deleted => {
            Err(Error::VolumeGone { volume: source.id })
        }
        VolumeState::Error => Err(Error::SourceFailed { volume: source.id }),
        _ if !sites.allows(&site) => Err(Error::SourceElsewhere {
            volume: source.id,
            site,
        }),
        // That it is not ready yet is EC2's to say.
        VolumeState::Creating | VolumeState::Available | VolumeState::InUse => Ok(source),
    }
}

#[cfg(test)]
mod tests;
