//! `blockAttachUntilInitialized`: a volume with a snapshot's contents is attached once all of its blocks have been fetched, so that
//! nobody reads at the speed at which they come.
//!
//! Answers for: the parameter, how the volume carries it, and the look before an attach. Volumes without it take no look.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use ebs_types::{InstanceId, VolumeId};
use ec2::Initialization;

use super::ControllerService;
use super::error::Error;
use super::params::Parameters;
use crate::status::InvalidRequest;

const PARAMETER: &str = "blockAttachUntilInitialized";

/// The volume attribute, which other drivers of EBS write and read too.
const ATTRIBUTE: &str = "blockattachuntilinitialized";

/// EC2 tells about initialization at most so long after it has made a volume (seen: 5 min); after that its silence holds up nobody.
const SILENT: Duration = Duration::from_secs(10 * 60);

/// Takes the parameter of a StorageClass.
pub(super) fn take(map: &mut Parameters) -> Result<bool, InvalidRequest> {
    let wanted = map.take_parsed(PARAMETER, "use true or false")?;
    Ok(wanted.unwrap_or(false))
}

/// What a volume carries that is to wait.
pub(super) fn attribute() -> (String, String) {
    (ATTRIBUTE.to_owned(), "true".to_owned())
}

/// Whether the volume is to wait, by its attributes.
///
/// # Errors
/// [`InvalidRequest`] where that is neither `true` nor `false`.
pub(super) fn is_wanted(context: &HashMap<String, String>) -> Result<bool, InvalidRequest> {
    let mut found = context.iter();
    let Some((key, value)) = found.find(|(key, _)| key.eq_ignore_ascii_case(ATTRIBUTE)) else {
        return Ok(false);
    };
    let refused =
        || InvalidRequest::value(format!("volume_context.{key}"), value, "use true or false");
    value.to_lowercase().parse().map_err(|_| refused())
}

/// Lets an attach go on if the volume is initialized, or attached there already.
///
/// # Errors
/// [`Error::Initializing`], and what a look at the volume gives.
pub(super) async fn check(
    service: &ControllerService,
    id: &VolumeId,
    instance: &InstanceId,
) -> Result<(), Error> {
    let status = service.cloud.volume_status(id).await?;
    if status.initialization == Some(Initialization::Completed) {
        return Ok(());
    }
    let volume = service.cloud.volume(id).await?;
    if volume.state.is_gone() {
        return Err(Error::VolumeGone { volume: volume.id });
    }
    let age = SystemTime::now().duration_since(volume.created);
    let silent = status.initialization.is_none() && age.unwrap_or_default() > SILENT;
    if silent || volume.attachment_to(instance).is_some() {
        return Ok(());
    }
    let how_far = match status.initialization {
        Some(Initialization::UnderWay {
            percent: Some(percent),
        }) => format!("{percent} % of its snapshot's blocks are there"),
        Some(_) => "its snapshot's blocks are being fetched".to_owned(),
        None => "EC2 does not say yet how many of its snapshot's blocks are there".to_owned(),
    };
    Err(Error::Initializing {
        volume: volume.id,
        how_far,
    })
}
