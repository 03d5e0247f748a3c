//! DescribeInstances.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types;
use ebs_types::InstanceId;

use super::convert::{Unreadable, optional_count, outpost, parsed, read, required};
use super::pages::{self, page};
use super::retry::{Paced, call};
use crate::{Action, BlockDevice, Ec2Error, Instance};

pub(super) async fn describe(
    client: &Paced<Client>,
    ids: &[InstanceId],
) -> Result<Vec<Instance>, Ec2Error> {
    let action = Action::DescribeInstances;
    let ids = ids.iter().map(InstanceId::to_string).collect();
    let builder = client.describe_instances().set_instance_ids(Some(ids));
    pages::all(|token| {
        let builder = builder.clone().set_next_token(token);
        async move {
            let reply = call(client, action, || builder.clone().send()).await?;
            read(action, reply, |reply| {
                let items = reply
                    .reservations
                    .unwrap_or_default()
                    .into_iter()
                    .flat_map(|reservation| reservation.instances.unwrap_or_default());
                page(items, reply.next_token, instance)
            })
        }
    })
    .await
}

fn instance(instance: types::Instance) -> Result<Instance, Unreadable> {
    let state = instance.state.as_ref().and_then(|state| state.name());
    let zone = instance
        .placement
        .as_ref()
        .and_then(|placement| placement.availability_zone());
    let mappings = instance.block_device_mappings.unwrap_or_default();
    Ok(Instance {
        id: parsed(instance.instance_id.as_deref(), "instanceId")?,
        state: parsed(state.map(AsRef::as_ref), "instanceState.name")?,
        instance_type: parsed(
            instance.instance_type.as_ref().map(AsRef::as_ref),
            "instanceType",
        )?,
        zone: parsed(zone, "placement.availabilityZone")?,
        root_device: instance.root_device_name,
        outpost: outpost(instance.outpost_arn.as_deref())?,
        block_devices: mappings
            .into_iter()
            .filter_map(|mapping| block_device(mapping).transpose())
            .collect::<Result<_, _>>()?,
    })
}

/// `None` for what is no EBS volume.
fn block_device(
    mapping: types::InstanceBlockDeviceMapping,
) -> Result<Option<BlockDevice>, Unreadable> {
    let Some(ebs) = mapping.ebs else {
        return Ok(None);
    };
    Ok(Some(BlockDevice {
        name: required(mapping.device_name, "blockDeviceMapping.deviceName")?,
        volume: parsed(ebs.volume_id.as_deref(), "blockDeviceMapping.ebs.volumeId")?,
        state: parsed(
            ebs.status.as_ref().map(AsRef::as_ref),
            "blockDeviceMapping.ebs.status",
        )?,
        // Endpoints that are older than second cards don't say.
        card: optional_count(ebs.ebs_card_index, "blockDeviceMapping.ebs.ebsCardIndex")?
            .unwrap_or(0),
    }))
}
