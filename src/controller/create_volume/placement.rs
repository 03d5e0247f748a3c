//! In which zones CreateVolume tries, and after which refusals another one is tried.

use ebs_types::Zone;
use ec2::ErrorKind;

use super::super::error::Error;
use super::super::topology::ZoneChoice;
use super::super::zones;
use super::Creation;

impl Creation<'_> {
    /// What the request says of zones.
    pub(super) async fn choice(&self) -> Result<ZoneChoice, Error> {
        let wishes = &self.spec.zones;
        if !wishes.name_ids() {
            return wishes.choice(&[]);
        }
        let known = self.service.zones.read(&self.service.cloud).await?;
        wishes.choice(&known)
    }

    /// The zones to try, in this order; not empty.
    pub(super) async fn zones(&self) -> Result<Vec<Zone>, Error> {
        let chosen = self.choice().await?.order;
        if !chosen.is_empty() {
            return Ok(chosen);
        }
        let known = self.service.zones.read(&self.service.cloud).await?;
        match zones::anywhere(&known, &self.spec.name) {
            none if none.is_empty() => Err(Error::NoZone),
            zones => Ok(zones),
        }
    }

    /// A refusal after which another zone may do, in words that tell what is wrong with this one.
    ///
    /// # Errors
    /// The refusal, if it is not the zone's fault.
    pub(super) async fn of_zone(&self, zone: &Zone, refusal: Error) -> Result<Error, Error> {
        let Error::Ec2(error) = &refusal else {
            return Err(refusal);
        };
        match error.kind {
            ErrorKind::InsufficientCapacity => Ok(refusal),
            // EC2's words do not always name the parameter, so the zones are looked at.
            ErrorKind::InvalidParameter => {
                match self.service.zones.read(&self.service.cloud).await {
                    Ok(known) => zones::objection(&known, zone).ok_or(refusal),
                    Err(_) => Err(refusal),
                }
            }
            _ => Err(refusal),
        }
    }

    /// What the request says of zones, to compare a volume with that exists.
    pub(super) async fn allowed(&self) -> Result<ZoneChoice, Error> {
        match self.choice().await {
            Err(Error::Ec2(error)) => Err(self.in_doubt(error)),
            // Zones that are not there are not where the volume is.
            Err(_) => Ok(ZoneChoice::nowhere()),
            choice => choice,
        }
    }
}
