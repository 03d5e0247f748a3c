//! ModifyVolume, DescribeVolumesModifications, and how a modification is written.

use ebs_types::Gibibytes;

use super::create_volume::read_type;
use crate::model::{ApiError, Command, Modification, ModifyVolume, Progress, Query, Reply};
use crate::wire::xml::Xml;
use crate::wire::{Form, Request};

const MOST: u32 = 500;

pub(in crate::wire) fn parse(form: &mut Form) -> Result<Request, ApiError> {
    Ok(Request::Change(Command::ModifyVolume(ModifyVolume {
        volume: form.id("VolumeId")?,
        size: form.number("Size")?.map(Gibibytes),
        volume_type: form
            .take("VolumeType")
            .map(|name| read_type(&name))
            .transpose()?,
        iops: form.number("Iops")?,
        throughput: form.number("Throughput")?,
        multi_attach: form.flag("MultiAttachEnabled")?,
    })))
}

pub(in crate::wire) fn parse_describe(form: &mut Form) -> Result<Request, ApiError> {
    let selection = form.selection("VolumeId", MOST)?;
    Ok(Request::Look(Query::Modifications(selection)))
}

pub(in crate::wire) fn render_one(xml: &mut Xml, reply: &Reply) {
    if let Reply::Modification(modification) = reply {
        xml.element("volumeModification", |xml| write(xml, modification));
    }
}

pub(in crate::wire) fn render_page(xml: &mut Xml, reply: &Reply) {
    if let Reply::Modifications(page) = reply {
        xml.list("volumeModificationSet", &page.items, write);
        xml.optional("nextToken", page.next.as_ref());
    }
}

fn write(xml: &mut Xml, modification: &Modification) {
    let (from, to) = (&modification.from, &modification.to);
    xml.text("volumeId", &modification.volume);
    xml.text("modificationState", modification.state());
    xml.optional("statusMessage", modification.message.as_ref());
    xml.text("targetSize", to.size.0);
    xml.optional("targetIops", to.iops);
    xml.text("targetVolumeType", to.volume_type);
    xml.optional("targetThroughput", to.throughput);
    xml.text("targetMultiAttachEnabled", to.multi_attach);
    xml.text("originalSize", from.size.0);
    xml.optional("originalIops", from.iops);
    xml.text("originalVolumeType", from.volume_type);
    xml.optional("originalThroughput", from.throughput);
    xml.text("originalMultiAttachEnabled", from.multi_attach);
    xml.text("progress", percent(modification.progress));
    xml.text("startTime", modification.started);
    xml.optional("endTime", modification.ended);
}

fn percent(progress: Progress) -> u8 {
    match progress {
        Progress::Modifying | Progress::Growing | Progress::Failed => 0,
        Progress::Optimizing => 50,
        Progress::Completed => 100,
    }
}
