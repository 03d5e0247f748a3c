//! DescribeVolumeStatus: what EBS's own checks say.

use crate::model::{ApiError, Query, Reply, VolumeStatus};
use crate::wire::xml::Xml;
use crate::wire::{Form, Request};

/// The largest page, and the most ids (EC2 API reference, "DescribeVolumeStatus").
const MOST: u32 = 1_000;

pub(in crate::wire) fn parse(form: &mut Form) -> Result<Request, ApiError> {
    let selection = form.selection("VolumeId", MOST)?;
    Ok(Request::Look(Query::Statuses(selection)))
}

pub(in crate::wire) fn render(xml: &mut Xml, reply: &Reply) {
    if let Reply::Statuses(page) = reply {
        xml.list("volumeStatusSet", &page.items, write);
        xml.optional("nextToken", page.next.as_ref());
    }
}

fn write(xml: &mut Xml, status: &VolumeStatus) {
    xml.text("volumeId", &status.0.id);
    xml.text("availabilityZone", &status.0.zone);
    xml.element("volumeStatus", |xml| {
        xml.text("status", status.status());
        xml.list("details", status.details(), |xml, (name, is)| {
            xml.text("name", name);
            xml.text("status", is);
        });
    });
    xml.element("initializationStatusDetails", |xml| {
        let kind = match status.0.copy_of {
            Some(_) => "volume-copy",
            None => "default",
        };
        xml.text("initializationType", kind);
        xml.text("progress", status.1.percent);
    });
    xml.list("eventsSet", status.event(), |xml, (kind, words)| {
        xml.text("eventType", kind);
        xml.text("description", words);
    });
    xml.list("actionsSet", None::<()>, |_, ()| {});
}
