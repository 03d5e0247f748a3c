//! CreateSnapshot, CreateSnapshots, DeleteSnapshot, DescribeSnapshots, and how a snapshot is written.

use ebs_types::SnapshotState;

use crate::model::{ApiError, Command, CreateSnapshot, CreateSnapshots, Query, Reply, Snapshot};
use crate::state::ACCOUNT;
use crate::wire::xml::Xml;
use crate::wire::{Form, Request};

/// The largest page (EC2 API reference, "DescribeSnapshots").
const MOST: u32 = 1_000;

pub(in crate::wire) fn parse_create(form: &mut Form) -> Result<Request, ApiError> {
    Ok(Request::Change(Command::CreateSnapshot(CreateSnapshot {
        volume: form.id("VolumeId")?,
        description: description(form)?,
        outpost: form.named("OutpostArn")?,
        tags: form.tags("snapshot")?,
    })))
}

pub(in crate::wire) fn parse_create_set(form: &mut Form) -> Result<Request, ApiError> {
    let instance = form.id("InstanceSpecification.InstanceId")?;
    let exclude_boot = form.flag("InstanceSpecification.ExcludeBootVolume")?;
    let copy_tags = only(form, "CopyTagsFromSource", "volume")?;
    only(form, "Location", "regional")?;
    Ok(Request::Change(Command::CreateSnapshots(CreateSnapshots {
        instance,
        exclude_boot: exclude_boot.unwrap_or(false),
        excluded: form.ids("InstanceSpecification.ExcludeDataVolumeId")?,
        description: description(form)?,
        outpost: form.named("OutpostArn")?,
        copy_tags,
        tags: form.tags("snapshot")?,
    })))
}

/// Whether a parameter is there; it has one value that is served.
fn only(form: &mut Form, name: &str, value: &str) -> Result<bool, ApiError> {
    match form.take(name) {
        None => Ok(false),
        Some(given) if given == value => Ok(true),
        Some(given) => Err(ApiError::value(format!(
            "Invalid value '{given}' for {name}: expected {value}"
        ))),
    }
}

fn description(form: &mut Form) -> Result<String, ApiError> {
    let description = form.take("Description").unwrap_or_default();
    let length = description.chars().count();
    if length > 255 {
        return Err(ApiError::value(format!(
            "Description has {length} characters; at most 255 are allowed"
        )));
    }
    Ok(description)
}

pub(in crate::wire) fn parse_delete(form: &mut Form) -> Result<Request, ApiError> {
    let id = form.id("SnapshotId")?;
    Ok(Request::Change(Command::DeleteSnapshot(id)))
}

pub(in crate::wire) fn parse_describe(form: &mut Form) -> Result<Request, ApiError> {
    let owners = form.list("Owner");
    let restorable_by = form.list("RestorableBy");
    let ours = |owner: &String| owner == "self" || owner == ACCOUNT;
    let either = |owner: &String| ours(owner) || owner == "all";
    Ok(Request::Look(Query::Snapshots {
        selection: form.selection("SnapshotId", MOST)?,
        owned: (owners.is_empty() || owners.iter().any(ours))
            && (restorable_by.is_empty() || restorable_by.iter().any(either)),
    }))
}

pub(in crate::wire) fn render_one(xml: &mut Xml, reply: &Reply) {
    if let Reply::Snapshot(snapshot) = reply {
        write(xml, snapshot);
    }
}

/// Each is described in fewer words than elsewhere, and its state under another name (EC2 API reference, "SnapshotInfo").
pub(in crate::wire) fn render_set(xml: &mut Xml, reply: &Reply) {
    if let Reply::SnapshotSet(snapshots) = reply {
        xml.list("snapshotSet", snapshots, |xml, snapshot| {
            xml.text("snapshotId", &snapshot.id);
            xml.text("volumeId", &snapshot.volume);
            xml.text("state", snapshot.state);
            xml.text("startTime", snapshot.started);
            xml.text("progress", "0%");
            xml.text("ownerId", ACCOUNT);
            xml.text("volumeSize", snapshot.size.0);
            xml.text("description", &snapshot.description);
            xml.text("encrypted", snapshot.encrypted);
            xml.tags(&snapshot.tags);
        });
    }
}

pub(in crate::wire) fn render_page(xml: &mut Xml, reply: &Reply) {
    if let Reply::Snapshots(page) = reply {
        xml.list("snapshotSet", &page.items, write);
        xml.optional("nextToken", page.next.as_ref());
    }
}

fn write(xml: &mut Xml, snapshot: &Snapshot) {
    let done = snapshot.state == SnapshotState::Completed;
    xml.text("snapshotId", &snapshot.id);
    xml.text("volumeId", &snapshot.volume);
    xml.text("status", snapshot.state);
    xml.text("startTime", snapshot.started);
    xml.optional("completionTime", snapshot.completed);
    xml.text("progress", if done { "100%" } else { "0%" });
    xml.text("ownerId", ACCOUNT);
    xml.text("volumeSize", snapshot.size.0);
    xml.text("description", &snapshot.description);
    xml.text("encrypted", snapshot.encrypted);
    xml.optional("kmsKeyId", snapshot.kms_key.as_ref());
    xml.optional("outpostArn", snapshot.outpost.as_ref());
    xml.text("storageTier", "standard");
    xml.tags(&snapshot.tags);
}
