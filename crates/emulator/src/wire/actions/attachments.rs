//! AttachVolume, DetachVolume, and how an attachment is written.

use ebs_types::{DeviceName, VolumeId};

use crate::model::{ApiError, AttachVolume, Attachment, Command, DetachVolume, Reply};
use crate::wire::xml::Xml;
use crate::wire::{Form, Request};

pub(in crate::wire) fn parse_attach(form: &mut Form) -> Result<Request, ApiError> {
    let volume = form.id("VolumeId")?;
    let instance = form.id("InstanceId")?;
    let text = form.required("Device")?;
    let device = text.parse::<DeviceName>().map_err(|_| {
        ApiError::value(format!(
            "Value ({text}) for parameter device is invalid. {text} is not a valid EBS device name."
        ))
    })?;
    Ok(Request::Change(Command::AttachVolume(AttachVolume {
        volume,
        instance,
        device,
        card: form.number("EbsCardIndex")?.unwrap_or(0),
    })))
}

pub(in crate::wire) fn parse_detach(form: &mut Form) -> Result<Request, ApiError> {
    Ok(Request::Change(Command::DetachVolume(DetachVolume {
        volume: form.id("VolumeId")?,
        instance: form.optional_id("InstanceId")?,
        device: form.take("Device").filter(|device| !device.is_empty()),
        force: form.flag("Force")?.unwrap_or(false),
    })))
}

pub(in crate::wire) fn render(xml: &mut Xml, reply: &Reply) {
    if let Reply::Attachment { volume, attachment } = reply {
        write(xml, volume, attachment);
    }
}

pub(super) fn write(xml: &mut Xml, volume: &VolumeId, attachment: &Attachment) {
    xml.text("volumeId", volume);
    xml.text("instanceId", &attachment.instance);
    xml.text("device", &attachment.device);
    xml.text("status", attachment.state());
    xml.text("attachTime", attachment.since);
    xml.text("deleteOnTermination", false);
    xml.text("ebsCardIndex", attachment.card);
}
