//! Where a snapshot is kept: in the region, or on the Outpost that its volume is on (EBS user guide, "Local snapshots on Outposts").

use csi::v1::TopologyRequirement;
use ebs_types::Outpost;
use ec2::{Ec2Error, Volume};

use super::super::error::Error;
use super::super::site::{self, Site};
use super::super::topology;
use super::Taking;
use crate::status::InvalidRequest;

/// Whether a snapshot that is kept there can be used where it has to be. What the region keeps can be restored anywhere.
///
/// # Errors
/// [`InvalidRequest`] where the class' Outpost is none of the required places, or one of them is no Outpost.
pub(super) fn check_usable(
    requirement: Option<&TopologyRequirement>,
    kept_on: Option<&Outpost>,
) -> Result<(), InvalidRequest> {
    let required = requirement.map_or(&[][..], |requirement| &requirement.requisite);
    let outposts = required
        .iter()
        .map(|place| site::outpost(topology::FIELD, &place.segments))
        .collect::<Result<Vec<_>, _>>()?;
    match kept_on {
        Some(outpost) if !outposts.is_empty() && !outposts.contains(&Some(outpost.clone())) => {
            Err(InvalidRequest::value(
                topology::FIELD,
                "requisite",
                format!(
                    "none of these places is on Outpost {outpost}, where the class' outpostArn keeps the snapshot and alone it can be restored: \
                     use a class without outpostArn"
                ),
            ))
        }
        _ => Ok(()),
    }
}

impl Taking<'_> {
    /// A snapshot that EC2 refuses to take as it was asked for. Where an Outpost is concerned, its rules say why and what can be had.
    pub(super) async fn refused(&self, refusal: Ec2Error) -> Error {
        let wanted = self.spec.class.outpost.as_ref();
        let looked = self.service.cloud.volume(&self.spec.volume).await;
        match (looked, wanted) {
            (Ok(volume), wanted) if wanted.is_some() || volume.outpost.is_some() => {
                Error::OutpostRefuses {
                    why: format!(
                        "no snapshot of volume {} can be kept {}: {}",
                        volume.id,
                        kept(wanted),
                        rule(&volume, wanted)
                    ),
                    error: Box::new(refusal),
                }
            }
            _ => refusal.into(),
        }
    }
}

/// Where a snapshot is kept, as the end of a clause.
pub(super) fn kept(outpost: Option<&Outpost>) -> String {
    match outpost {
        Some(outpost) => format!("on Outpost {outpost}"),
        None => "in the region".to_owned(),
    }
}

fn rule(volume: &Volume, wanted: Option<&Outpost>) -> String {
    const TOGETHER: &str = "EBS keeps all snapshots of a volume on an Outpost in one place, where the first one is or the one that the volume was \
        made from";
    match (&volume.outpost, wanted) {
        (None, Some(_)) => {
            let site = Site::from(volume);
            format!("it is in {site}, on no Outpost: leave outpostArn out of the class' parameters")
        }
        (Some(there), Some(wanted)) if there != wanted => format!(
            "it is on Outpost {there}, which alone can keep them beside the region: name that one in the class' parameter outpostArn, or none"
        ),
        (Some(_), Some(_)) => format!(
            "{TOGETHER}, which may be the region here: use a class without outpostArn. The Outpost also needs S3 on Outposts"
        ),
        (there, None) => format!(
            "{TOGETHER}, which may be the Outpost here: use a class with outpostArn: {}",
            there.as_ref().map(Outpost::to_string).unwrap_or_default()
        ),
    }
}
