//! Where a snapshot is kept: in the region, or on the Outpost that its volume is on (EBS user guide, "Local snapshots on Outposts").

use ebs_types::Outpost;
use ec2::{Ec2Error, Volume};

use super::super::error::Error;
use super::super::site::Site;
use super::Taking;

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
