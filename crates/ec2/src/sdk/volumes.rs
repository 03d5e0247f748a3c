//! CreateVolume, CopyVolumes, DeleteVolume, DescribeVolumes.

pub(super) mod attachment;
pub(super) mod modification;
pub(super) mod status;
pub(super) mod tagging;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::create_volume::CreateVolumeOutput;
use aws_sdk_ec2::operation::describe_volumes::builders::DescribeVolumesFluentBuilder;
use aws_sdk_ec2::types::{self, ResourceType};
use ebs_types::{Source, VolumeId, VolumeType, keys};

use super::convert::{
    Unreadable, filter, optional_count, outpost, parsed, read, required, signed, size,
    tag_specifications, tags, time,
};
use super::pages::{self, page};
use super::retry::{Paced, call};
use crate::{
    Action, CopyVolume, CreateVolume, Ec2Error, Encryption, Page, Volume, VolumeQuery, VolumeSort,
};

/// The most volumes that EC2 puts on one page.
const PAGE: u16 = 500;

pub(super) async fn create(
    client: &Paced<Client>,
    request: &CreateVolume,
) -> Result<Volume, Ec2Error> {
    let (encrypted, key) = encryption(&request.encryption);
    let snapshot = match &request.source {
        Source::Empty => None,
        Source::Snapshot(id) => Some(id.to_string()),
    };
    let action = Action::CreateVolume;
    let builder = client
        .create_volume()
        .client_token(request.token.as_str())
        .availability_zone(request.zone.as_str())
        .set_outpost_arn(request.outpost.as_ref().map(ToString::to_string))
        .size(signed(request.size.0))
        .volume_type(sdk_type(request.kind.volume_type()))
        .set_iops(request.kind.iops().map(signed))
        .set_throughput(request.kind.throughput().map(signed))
        .set_snapshot_id(snapshot)
        .set_volume_initialization_rate(request.initialization_rate.map(signed))
        .set_encrypted(encrypted)
        .set_kms_key_id(key)
        .set_multi_attach_enabled(request.multi_attach.then_some(true))
        .set_tag_specifications(tag_specifications(ResourceType::Volume, &request.tags));
    let reply = call(client, action, || builder.clone().send()).await?;
    read(action, reply, |reply| volume(described(reply)))
}

pub(super) async fn copy(client: &Paced<Client>, request: &CopyVolume) -> Result<Volume, Ec2Error> {
    let (encrypted, key) = encryption(&request.encryption);
    let action = Action::CopyVolumes;
    let builder = client
        .copy_volumes()
        .client_token(request.token.as_str())
        .source_volume_id(request.source.as_str())
        .size(signed(request.size.0))
        .volume_type(sdk_type(request.kind.volume_type()))
        .set_iops(request.kind.iops().map(signed))
        .set_throughput(request.kind.throughput().map(signed))
        .set_encrypted(encrypted)
        .set_kms_key_id(key)
        .set_multi_attach_enabled(request.multi_attach.then_some(true))
        .set_tag_specifications(tag_specifications(ResourceType::Volume, &request.tags));
    let reply = call(client, action, || builder.clone().send()).await?;
    read(action, reply, |reply| {
        let made = reply.volumes.unwrap_or_default().pop();
        volume(required(made, "volumeSet")?)
    })
}

/// What the parameters `Encrypted` and `KmsKeyId` are to say.
fn encryption(wanted: &Encryption) -> (Option<bool>, Option<String>) {
    match wanted {
        Encryption::AccountDefault => (None, None),
        Encryption::Off => (Some(false), None),
        Encryption::DefaultKey => (Some(true), None),
        Encryption::Key(key) => (Some(true), Some(key.clone())),
    }
}

pub(super) async fn delete(client: &Paced<Client>, id: &VolumeId) -> Result<(), Ec2Error> {
    let builder = client.delete_volume().volume_id(id.as_str());
    call(client, Action::DeleteVolume, || builder.clone().send()).await?;
    Ok(())
}

pub(super) async fn describe(
    client: &Paced<Client>,
    query: &VolumeQuery,
) -> Result<Page<Volume>, Ec2Error> {
    let builder = client.describe_volumes();
    match query {
        VolumeQuery::Ids(ids) => {
            // EC2 takes no page size beside ids.
            let ids = ids.iter().map(VolumeId::to_string).collect();
            all_pages(client, builder.set_volume_ids(Some(ids)), None).await
        }
        VolumeQuery::Names(names) => {
            let tag = format!("tag:{}", keys::VOLUME_NAME);
            let names = filter(tag, names.iter().map(String::as_str));
            all_pages(client, builder.filters(names), Some(PAGE)).await
        }
        VolumeQuery::AttachedTo(instance) => {
            let attached = filter("attachment.instance-id", [instance.as_str()]);
            all_pages(client, builder.filters(attached), Some(PAGE)).await
        }
        VolumeQuery::Listed { sort, max, token } => {
            let sort = match sort {
                VolumeSort::Marked => filter(format!("tag:{}", keys::CLUSTER_MARK), ["true"]),
                VolumeSort::InState(state) => filter("status", [state.as_str()]),
            };
            one_page(
                client,
                builder
                    .filters(sort)
                    .max_results(i32::from(*max))
                    .set_next_token(token.clone()),
            )
            .await
        }
    }
}

async fn one_page(
    client: &Paced<Client>,
    builder: DescribeVolumesFluentBuilder,
) -> Result<Page<Volume>, Ec2Error> {
    let action = Action::DescribeVolumes;
    let reply = call(client, action, || builder.clone().send()).await?;
    read(action, reply, |reply| {
        page(reply.volumes.unwrap_or_default(), reply.next_token, volume)
    })
}

/// Everything the query matches, as one page.
async fn all_pages(
    client: &Paced<Client>,
    builder: DescribeVolumesFluentBuilder,
    size: Option<u16>,
) -> Result<Page<Volume>, Ec2Error> {
    let builder = builder.set_max_results(size.map(i32::from));
    let items = pages::all(|token| one_page(client, builder.clone().set_next_token(token))).await?;
    Ok(Page { items, next: None })
}

/// CreateVolume's reply in the type that describes give. They hold the same fields.
fn described(reply: CreateVolumeOutput) -> types::Volume {
    types::Volume::builder()
        .set_volume_id(reply.volume_id)
        .set_state(reply.state)
        .set_availability_zone(reply.availability_zone)
        .set_outpost_arn(reply.outpost_arn)
        .set_size(reply.size)
        .set_volume_type(reply.volume_type)
        .set_iops(reply.iops)
        .set_throughput(reply.throughput)
        .set_encrypted(reply.encrypted)
        .set_kms_key_id(reply.kms_key_id)
        .set_snapshot_id(reply.snapshot_id)
        .set_source_volume_id(reply.source_volume_id)
        .set_multi_attach_enabled(reply.multi_attach_enabled)
        .set_attachments(reply.attachments)
        .set_tags(reply.tags)
        .set_create_time(reply.create_time)
        .build()
}

fn volume(volume: types::Volume) -> Result<Volume, Unreadable> {
    let attachments = volume.attachments.unwrap_or_default().into_iter();
    let snapshot = volume.snapshot_id.filter(|id| !id.is_empty());
    let source = volume.source_volume_id.filter(|id| !id.is_empty());
    Ok(Volume {
        id: parsed(volume.volume_id.as_deref(), "volumeId")?,
        state: parsed(volume.state.as_ref().map(AsRef::as_ref), "status")?,
        zone: parsed(volume.availability_zone.as_deref(), "availabilityZone")?,
        outpost: outpost(volume.outpost_arn.as_deref())?,
        size: size(volume.size, "size")?,
        volume_type: parsed(volume.volume_type.as_ref().map(AsRef::as_ref), "volumeType")?,
        iops: optional_count(volume.iops, "iops")?,
        throughput: optional_count(volume.throughput, "throughput")?,
        encrypted: volume.encrypted.unwrap_or(false),
        kms_key: volume.kms_key_id,
        snapshot: snapshot
            .map(|id| parsed(Some(&id), "snapshotId"))
            .transpose()?,
        copy_of: source
            .map(|id| parsed(Some(&id), "sourceVolumeId"))
            .transpose()?,
        multi_attach: volume.multi_attach_enabled.unwrap_or(false),
        attachments: attachments
            .map(attachment::attachment)
            .collect::<Result<_, _>>()?,
        tags: tags(volume.tags),
        created: time(volume.create_time, "createTime")?,
    })
}

fn sdk_type(volume_type: VolumeType) -> types::VolumeType {
    types::VolumeType::from(volume_type.as_str())
}
