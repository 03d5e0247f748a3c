//! ModifyVolume, DescribeVolumesModifications.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types;
use ebs_types::VolumeId;

use super::sdk_type;
use crate::sdk::convert::{
    Unreadable, filter, optional_count, parsed, read, required, signed, size, time,
};
use crate::sdk::pages::{self, page};
use crate::sdk::retry::{Paced, call};
use crate::{Action, Ec2Error, Modification, ModifyVolume};

pub(in crate::sdk) async fn modify(
    client: &Paced<Client>,
    request: &ModifyVolume,
) -> Result<Modification, Ec2Error> {
    let action = Action::ModifyVolume;
    let builder = client
        .modify_volume()
        .volume_id(request.volume.as_str())
        .set_size(request.size.map(|size| signed(size.0)))
        .set_volume_type(request.volume_type.map(sdk_type))
        .set_iops(request.performance.iops.map(signed))
        .set_throughput(request.performance.throughput.map(signed));
    let reply = call(client, action, || builder.clone().send()).await?;
    read(action, reply, |reply| {
        modification(required(reply.volume_modification, "volumeModification")?)
    })
}

/// By filter, not by ids: with ids, one volume that was never modified fails the call for all.
pub(in crate::sdk) async fn describe(
    client: &Paced<Client>,
    volumes: &[VolumeId],
) -> Result<Vec<Modification>, Ec2Error> {
    let action = Action::DescribeVolumesModifications;
    let ids = filter("volume-id", volumes.iter().map(VolumeId::as_str));
    let builder = client.describe_volumes_modifications().filters(ids);
    pages::all(|token| {
        let builder = builder.clone().set_next_token(token);
        async move {
            let reply = call(client, action, || builder.clone().send()).await?;
            read(action, reply, |reply| {
                let items = reply.volumes_modifications.unwrap_or_default();
                page(items, reply.next_token, modification)
            })
        }
    })
    .await
}

fn modification(modification: types::VolumeModification) -> Result<Modification, Unreadable> {
    Ok(Modification {
        volume: parsed(modification.volume_id.as_deref(), "volumeId")?,
        state: parsed(
            modification.modification_state.as_ref().map(AsRef::as_ref),
            "modificationState",
        )?,
        status: modification.status_message.filter(|text| !text.is_empty()),
        target_size: size(modification.target_size, "targetSize")?,
        target_type: modification
            .target_volume_type
            .as_ref()
            .map(|kind| parsed(Some(kind.as_str()), "targetVolumeType"))
            .transpose()?,
        target_iops: optional_count(modification.target_iops, "targetIops")?,
        target_throughput: optional_count(modification.target_throughput, "targetThroughput")?,
        started: modification
            .start_time
            .map(|start| time(Some(start), "startTime"))
            .transpose()?,
        // A figure for people: one that is none is left out.
        progress: modification
            .progress
            .and_then(|percent| percent.try_into().ok()),
    })
}
