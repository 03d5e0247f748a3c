//! DescribeInstanceTypes, as far as attaching volumes is concerned.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{self, AttachmentLimitType, InstanceTypeHypervisor};
use ebs_types::{AttachmentLimit, Hypervisor, InstanceType, ListedLimit};

use super::convert::{Unreadable, count, optional_count, read};
use super::retry::{Paced, call};
use crate::{Action, Ec2Error};

pub(super) async fn describe(
    client: &Paced<Client>,
    instance_type: &InstanceType,
) -> Result<Option<ListedLimit>, Ec2Error> {
    let action = Action::DescribeInstanceTypes;
    let builder = client
        .describe_instance_types()
        .instance_types(instance_type.as_str().into());
    let reply = call(client, action, || builder.clone().send()).await?;
    read(action, reply, |reply| {
        let mut described = reply.instance_types.unwrap_or_default().into_iter();
        let wanted = |info: &types::InstanceTypeInfo| {
            let name = info.instance_type.as_ref().map(AsRef::as_ref);
            name == Some(instance_type.as_str())
        };
        let limit = described.find(wanted).map(limit).transpose()?.flatten();
        Ok(limit.map(|limit| ListedLimit {
            instance_type: instance_type.clone(),
            limit,
        }))
    })
}

/// `None` where the count, or what counts against it, is not told.
fn limit(info: types::InstanceTypeInfo) -> Result<Option<AttachmentLimit>, Unreadable> {
    let Some(ebs) = info.ebs_info else {
        return Ok(None);
    };
    let (Some(volumes), Some(kind)) = (ebs.maximum_ebs_attachments, ebs.attachment_limit_type)
    else {
        return Ok(None);
    };
    let cards = optional_count(ebs.maximum_ebs_cards, "ebsInfo.maximumEbsCards")?;
    Ok(Some(AttachmentLimit {
        // Bare metal has no hypervisor, and its volumes are NVMe controllers as well.
        hypervisor: match info.hypervisor {
            Some(InstanceTypeHypervisor::Xen) => Hypervisor::Xen,
            _ => Hypervisor::Nitro,
        },
        volumes: count(volumes, "ebsInfo.maximumEbsAttachments")?,
        // A kind that is new is taken for the one that leaves less room.
        shared: kind != AttachmentLimitType::Dedicated,
        ebs_cards: cards.unwrap_or(1),
    }))
}
