//! EnableFastSnapshotRestores, DescribeFastSnapshotRestores.

use ebs_types::{SnapshotId, Zone};

use crate::model::{ApiError, Command, EnableFastRestores, FastRestore, Query, Reply, Selection};
use crate::state::ACCOUNT;
use crate::wire::xml::Xml;
use crate::wire::{Form, Request};

/// The largest page (EC2 API reference, "DescribeFastSnapshotRestores").
const MOST: u32 = 200;

pub(in crate::wire) fn parse_enable(form: &mut Form) -> Result<Request, ApiError> {
    let snapshots: Vec<SnapshotId> = form.ids("SourceSnapshotId")?;
    if snapshots.is_empty() {
        return Err(ApiError::missing("SourceSnapshotId"));
    }
    let names = form.list("AvailabilityZone");
    if names.is_empty() {
        return Err(ApiError::missing("AvailabilityZone"));
    }
    let zone = |name: &String| {
        name.parse::<Zone>()
            .map_err(|_| ApiError::value(format!("Invalid availability zone: [{name}]")))
    };
    let zones = names.iter().map(zone).collect::<Result<_, _>>()?;
    let asked = EnableFastRestores { snapshots, zones };
    Ok(Request::Change(Command::EnableFastRestores(asked)))
}

/// They are chosen by filters alone.
pub(in crate::wire) fn parse_describe(form: &mut Form) -> Result<Request, ApiError> {
    let selection: Selection<SnapshotId> = form.pages(MOST)?;
    Ok(Request::Look(Query::FastRestores(selection)))
}

pub(in crate::wire) fn render_asked(xml: &mut Xml, reply: &Reply) {
    let Reply::FastRestoresAsked(asked) = reply else {
        return;
    };
    xml.list("successful", &asked.successful, write);
    xml.list(
        "unsuccessful",
        &asked.unsuccessful,
        |xml, (id, zone, error)| {
            xml.text("snapshotId", id);
            xml.list("fastSnapshotRestoreStateErrorSet", Some(()), |xml, ()| {
                xml.text("availabilityZone", zone);
                xml.element("error", |xml| {
                    xml.text("code", &error.code);
                    xml.text("message", &error.message);
                });
            });
        },
    );
}

pub(in crate::wire) fn render_page(xml: &mut Xml, reply: &Reply) {
    if let Reply::FastRestores(page) = reply {
        xml.list("fastSnapshotRestoreSet", &page.items, write);
        xml.optional("nextToken", page.next.as_ref());
    }
}

fn write(xml: &mut Xml, item: &FastRestore) {
    xml.text("snapshotId", &item.snapshot);
    xml.text("availabilityZone", &item.zone);
    xml.text("state", item.state);
    xml.text("stateTransitionReason", "Client.UserInitiated");
    xml.text("ownerId", ACCOUNT);
    xml.text("enablingTime", item.enabling);
}
