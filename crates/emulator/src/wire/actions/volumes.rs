//! DeleteVolume, DescribeVolumes, and how a volume is written, that of CopyVolumes too.

use super::attachments;
use crate::model::{ApiError, Command, Query, Reply, Volume};
use crate::wire::xml::Xml;
use crate::wire::{Form, Request};

/// The largest page, and the most ids (EC2 API reference, "DescribeVolumes").
const MOST: u32 = 500;

pub(in crate::wire) fn parse_delete(form: &mut Form) -> Result<Request, ApiError> {
    let id = form.id("VolumeId")?;
    Ok(Request::Change(Command::DeleteVolume(id)))
}

pub(in crate::wire) fn parse_describe(form: &mut Form) -> Result<Request, ApiError> {
    let selection = form.selection("VolumeId", MOST)?;
    Ok(Request::Look(Query::Volumes(selection)))
}

pub(in crate::wire) fn render_one(xml: &mut Xml, reply: &Reply) {
    if let Reply::Volume(volume) = reply {
        write(xml, volume);
    }
}

/// The reply is a list, though a call makes one copy.
pub(in crate::wire) fn render_copy(xml: &mut Xml, reply: &Reply) {
    if let Reply::Copied(volume) = reply {
        xml.list("volumeSet", [volume], write);
    }
}

pub(in crate::wire) fn render_page(xml: &mut Xml, reply: &Reply) {
    if let Reply::Volumes(page) = reply {
        xml.list("volumeSet", &page.items, write);
        xml.optional("nextToken", page.next.as_ref());
    }
}

fn write(xml: &mut Xml, volume: &Volume) {
    xml.text("volumeId", &volume.id);
    xml.text("size", volume.size.0);
    // EC2 writes the element empty for volumes that were made of nothing.
    let source = volume.snapshot.as_ref().map(ToString::to_string);
    xml.text("snapshotId", source.unwrap_or_default());
    xml.optional("sourceVolumeId", volume.copy_of.as_ref());
    xml.optional("outpostArn", volume.outpost.as_ref());
    xml.text("availabilityZone", &volume.zone);
    xml.text("status", volume.state());
    xml.text("createTime", volume.created);
    xml.list("attachmentSet", &volume.attachments, |xml, attachment| {
        attachments::write(xml, &volume.id, attachment);
    });
    xml.tags(&volume.tags);
    xml.text("volumeType", volume.volume_type);
    xml.optional("iops", volume.iops);
    xml.optional("throughput", volume.throughput);
    xml.text("encrypted", volume.encrypted);
    xml.optional("kmsKeyId", volume.kms_key.as_ref());
    xml.text("multiAttachEnabled", volume.multi_attach);
    xml.optional(
        "volumeInitializationRate",
        volume.initialization_rate.as_ref(),
    );
}
