//! DescribeAvailabilityZones.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{self, AvailabilityZoneState};

use super::convert::{Unreadable, parsed, read, required};
use super::retry::{Paced, call};
use crate::{Action, AvailabilityZone, Ec2Error};

pub(super) async fn describe(client: &Paced<Client>) -> Result<Vec<AvailabilityZone>, Ec2Error> {
    let action = Action::DescribeAvailabilityZones;
    let builder = client.describe_availability_zones();
    let reply = call(client, action, || builder.clone().send()).await?;
    read(action, reply, |reply| {
        let zones = reply.availability_zones.unwrap_or_default().into_iter();
        zones.map(zone).collect()
    })
}

fn zone(zone: types::AvailabilityZone) -> Result<AvailabilityZone, Unreadable> {
    Ok(AvailabilityZone {
        name: parsed(zone.zone_name.as_deref(), "zoneName")?,
        id: required(zone.zone_id, "zoneId")?,
        available: zone.state == Some(AvailabilityZoneState::Available),
        // Older endpoints give no type: their zones are ordinary.
        ordinary: zone
            .zone_type
            .is_none_or(|kind| kind == "availability-zone"),
    })
}
