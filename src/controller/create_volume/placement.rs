//! Where CreateVolume tries, and after which refusals another place is tried.

use ec2::{Ec2Error, ErrorKind};

use super::super::error::Error;
use super::super::site::Site;
use super::super::topology::SiteChoice;
use super::super::zones;
use super::Creation;
use super::contents::Contents;

impl Creation<'_> {
    /// What the request says of places.
    pub(super) async fn choice(&self) -> Result<SiteChoice, Error> {
        let wishes = &self.spec.sites;
        if !wishes.name_ids() {
            return wishes.choice(&[]);
        }
        let known = self.service.zones.read(&self.service.cloud).await?;
        wishes.choice(&known)
    }

    /// The places to try, in this order; not empty.
    pub(super) async fn sites(&self, contents: &Contents) -> Result<Vec<Site>, Error> {
        if let Some(source) = contents.volume() {
            return Ok(vec![source.into()]);
        }
        let mut chosen = self.choice().await?.order;
        if let Some((snapshot, outpost)) = contents.local() {
            chosen.retain(|site| site.outpost.as_ref() == Some(outpost));
            if chosen.is_empty() {
                return Err(Error::SnapshotElsewhere {
                    snapshot: snapshot.clone(),
                    outpost: outpost.clone(),
                });
            }
        }
        if !chosen.is_empty() {
            return Ok(chosen);
        }
        let known = self.service.zones.read(&self.service.cloud).await?;
        let anywhere = zones::anywhere(&known, &self.spec.name);
        match anywhere.into_iter().map(Site::in_region).collect() {
            none if Vec::is_empty(&none) => Err(Error::NoZone),
            sites => Ok(sites),
        }
    }

    /// A refusal after which another place may do, in words that tell what is wrong with this one.
    ///
    /// # Errors
    /// The refusal, if it is not the place's fault, or one that would come again on the next Outpost.
    pub(super) async fn of_site(&self, site: &Site, refusal: Error) -> Result<Error, Error> {
        let Error::Ec2(error) = &refusal else {
            return Err(refusal);
        };
        match error.kind {
            ErrorKind::InsufficientCapacity => Ok(refusal),
            // EC2's words do not always name the parameter, so the zones are looked at.
            ErrorKind::InvalidParameter => {
                let known = self.service.zones.read(&self.service.cloud).await;
                let objection = known.map(|known| zones::objection(&known, &site.zone));
                match (objection, &site.outpost) {
                    (Ok(Some(objection)), _) => Ok(objection),
                    (_, Some(_)) => Err(self.refused_on_outpost(site, error)),
                    (_, None) => Err(refusal),
                }
            }
            _ => Err(refusal),
        }
    }

    /// An Outpost has less to offer than the region, and EC2 does not say what it has.
    fn refused_on_outpost(&self, site: &Site, error: &Ec2Error) -> Error {
        let rule = if self.spec.origin.is_volume() {
            "AWS promises no copies of volumes on Outposts; restore a snapshot of the source there"
                .to_owned()
        } else {
            format!(
                "an Outpost offers only some types of volumes, racks of the first generation gp2 alone, and this one was to be {}; name a type \
                 that the Outpost has in parameters.type. What is restored of a snapshot that it keeps has that one's KMS key",
                self.spec.volume_type()
            )
        };
        Error::OutpostRefuses {
            why: format!("EC2 makes no such volume in {site}: {rule}"),
            error: Box::new(error.clone()),
        }
    }

    /// What the request says of places, to compare a volume with that exists.
    pub(super) async fn allowed(&self) -> Result<SiteChoice, Error> {
        match self.choice().await {
            Err(Error::Ec2(error)) => Err(self.in_doubt(error)),
            // Zones that are not there are not where the volume is.
            Err(_) => Ok(SiteChoice::nowhere()),
            choice => choice,
        }
    }
}
