//! AttachVolume, DetachVolume.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types;
use ebs_types::{InstanceId, VolumeId};

use crate::sdk::convert::{Unreadable, parsed, read, required, signed, time};
use crate::sdk::retry::{Paced, call};
use crate::{Action, AttachVolume, Attachment, Ec2Error};

pub(in crate::sdk) async fn attach(
    client: &Paced<Client>,
    request: &AttachVolume,
) -> Result<Attachment, Ec2Error> {
    let action = Action::AttachVolume;
    let builder = client
        .attach_volume()
        .volume_id(request.volume.as_str())
        .instance_id(request.instance.as_str())
        .device(request.device.as_str())
        .set_ebs_card_index(request.card.map(signed));
    let reply = call(client, action, || builder.clone().send()).await?;
    read(action, reply, |reply| {
        attachment(
            types::VolumeAttachment::builder()
                .set_volume_id(reply.volume_id)
                .set_instance_id(reply.instance_id)
                .set_device(reply.device)
                .set_state(reply.state)
                .set_attach_time(reply.attach_time)
                .build(),
        )
    })
}

pub(in crate::sdk) async fn detach(
    client: &Paced<Client>,
    volume: &VolumeId,
    instance: &InstanceId,
) -> Result<Attachment, Ec2Error> {
    let action = Action::DetachVolume;
    let builder = client
        .detach_volume()
        .volume_id(volume.as_str())
        .instance_id(instance.as_str());
    let reply = call(client, action, || builder.clone().send()).await?;
    read(action, reply, |reply| {
        attachment(
            types::VolumeAttachment::builder()
                .set_volume_id(reply.volume_id)
                .set_instance_id(reply.instance_id)
                .set_device(reply.device)
                .set_state(reply.state)
                .set_attach_time(reply.attach_time)
                .build(),
        )
    })
}

pub(super) fn attachment(attachment: types::VolumeAttachment) -> Result<Attachment, Unreadable> {
    Ok(Attachment {
        volume: parsed(attachment.volume_id.as_deref(), "attachmentSet.volumeId")?,
        instance: parsed(
            attachment.instance_id.as_deref(),
            "attachmentSet.instanceId",
        )?,
        device: required(attachment.device, "attachmentSet.device")?,
        state: parsed(
            attachment.state.as_ref().map(AsRef::as_ref),
            "attachmentSet.status",
        )?,
        since: attachment
            .attach_time
            .map(|since| time(Some(since), "attachmentSet.attachTime"))
            .transpose()?,
    })
}
