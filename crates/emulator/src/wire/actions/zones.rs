//! DescribeAvailabilityZones.

use crate::model::{ApiError, Query, Reply, region_of};
use crate::wire::xml::Xml;
use crate::wire::{Form, Request};

pub(in crate::wire) fn parse(form: &mut Form) -> Result<Request, ApiError> {
    // Every zone is opted in to, so all zones are the same as those without the flag.
    form.flag("AllAvailabilityZones")?;
    Ok(Request::Look(Query::Zones {
        names: form.list("ZoneName"),
        ids: form.list("ZoneId"),
        filters: form.filters()?,
    }))
}

pub(in crate::wire) fn render(xml: &mut Xml, reply: &Reply) {
    let Reply::Zones(zones) = reply else { return };
    xml.list("availabilityZoneInfo", zones, |xml, zone| {
        let name = zone.name.as_str();
        let region = region_of(&zone.name);
        xml.text("zoneName", name);
        xml.text("zoneState", zone.state.as_str());
        xml.text("regionName", region);
        xml.element("messageSet", |_| {});
        xml.text("zoneId", &zone.id);
        xml.text("zoneType", "availability-zone");
        xml.text("groupName", region);
        xml.text("networkBorderGroup", region);
        xml.text("optInStatus", "opt-in-not-required");
    });
}
