//! CreateSnapshot, DeleteSnapshot, DescribeSnapshots.

pub(super) mod fast_restores;
pub(super) mod locks;
pub(super) mod together;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::create_snapshot::CreateSnapshotOutput;
use aws_sdk_ec2::operation::describe_snapshots::builders::DescribeSnapshotsFluentBuilder;
use aws_sdk_ec2::types::{self, ResourceType};
use ebs_types::{SnapshotId, keys};

use super::convert::{
    Unreadable, filter, outpost, parsed, read, size, tag_specifications, tags, time,
};
use super::pages::{self, page};
use super::retry::{Paced, call};
use crate::{Action, CreateSnapshot, Ec2Error, Page, Snapshot, SnapshotQuery};

/// The most snapshots that EC2 puts on one page.
const PAGE: u16 = 1_000;

/// The volume id that EC2 gives snapshots which were not taken of a volume of this account: copies and imports.
const NO_VOLUME: &str = "vol-ffffffff";

pub(super) async fn create(
    client: &Paced<Client>,
    request: &CreateSnapshot,
) -> Result<Snapshot, Ec2Error> {
    let action = Action::CreateSnapshot;
    let builder = client
        .create_snapshot()
        .volume_id(request.volume.as_str())
        .description(&request.description)
        .set_outpost_arn(request.outpost.as_ref().map(ToString::to_string))
        .set_tag_specifications(tag_specifications(ResourceType::Snapshot, &request.tags));
    let reply = call(client, action, || builder.clone().send()).await?;
    read(action, reply, |reply| snapshot(described(reply)))
}

pub(super) async fn delete(client: &Paced<Client>, id: &SnapshotId) -> Result<(), Ec2Error> {
    let builder = client.delete_snapshot().snapshot_id(id.as_str());
    call(client, Action::DeleteSnapshot, || builder.clone().send()).await?;
    Ok(())
}

pub(super) async fn describe(
    client: &Paced<Client>,
    query: &SnapshotQuery,
) -> Result<Page<Snapshot>, Ec2Error> {
    let builder = client.describe_snapshots();
    match query {
        SnapshotQuery::Ids(ids) => {
            // EC2 takes no page size beside ids.
            let ids = ids.iter().map(SnapshotId::to_string).collect();
            all_pages(client, builder.set_snapshot_ids(Some(ids)), None).await
        }
        SnapshotQuery::Names(names) => {
            let tag = format!("tag:{}", keys::SNAPSHOT_NAME);
            let names = filter(tag, names.iter().map(String::as_str));
            all_pages(client, builder.owner_ids("self").filters(names), Some(PAGE)).await
        }
        SnapshotQuery::Groups(names) => {
            let tag = format!("tag:{}", keys::GROUP_SNAPSHOT_NAME);
            let names = filter(tag, names.iter().map(String::as_str));
            all_pages(client, builder.owner_ids("self").filters(names), Some(PAGE)).await
        }
        SnapshotQuery::OfVolume(volume) => {
            let volume = filter("volume-id", [volume.as_str()]);
            all_pages(
                client,
                builder.owner_ids("self").filters(volume),
                Some(PAGE),
            )
            .await
        }
        SnapshotQuery::Marked { volume, max, token } => {
            let mut builder = builder
                .owner_ids("self")
                .filters(filter(format!("tag:{}", keys::CLUSTER_MARK), ["true"]))
                .max_results(i32::from(*max))
                .set_next_token(token.clone());
            if let Some(volume) = volume {
                builder = builder.filters(filter("volume-id", [volume.as_str()]));
            }
            one_page(client, builder).await
        }
    }
}

async fn one_page(
    client: &Paced<Client>,
    builder: DescribeSnapshotsFluentBuilder,
) -> Result<Page<Snapshot>, Ec2Error> {
    let action = Action::DescribeSnapshots;
    let reply = call(client, action, || builder.clone().send()).await?;
    read(action, reply, |reply| {
        page(
            reply.snapshots.unwrap_or_default(),
            reply.next_token,
            snapshot,
        )
    })
}

/// Everything the query matches, as one page.
async fn all_pages(
    client: &Paced<Client>,
    builder: DescribeSnapshotsFluentBuilder,
    size: Option<u16>,
) -> Result<Page<Snapshot>, Ec2Error> {
    let builder = builder.set_max_results(size.map(i32::from));
    let items = pages::all(|token| one_page(client, builder.clone().set_next_token(token))).await?;
    Ok(Page { items, next: None })
}

/// CreateSnapshot's reply in the type that describes give. They hold the same fields.
fn described(reply: CreateSnapshotOutput) -> types::Snapshot {
    types::Snapshot::builder()
        .set_snapshot_id(reply.snapshot_id)
        .set_volume_id(reply.volume_id)
        .set_state(reply.state)
        .set_volume_size(reply.volume_size)
        .set_outpost_arn(reply.outpost_arn)
        .set_start_time(reply.start_time)
        .set_tags(reply.tags)
        .build()
}

fn snapshot(snapshot: types::Snapshot) -> Result<Snapshot, Unreadable> {
    let volume = snapshot
        .volume_id
        .filter(|id| !id.is_empty() && id != NO_VOLUME);
    Ok(Snapshot {
        id: parsed(snapshot.snapshot_id.as_deref(), "snapshotId")?,
        volume: volume.map(|id| parsed(Some(&id), "volumeId")).transpose()?,
        state: parsed(snapshot.state.as_ref().map(AsRef::as_ref), "status")?,
        size: size(snapshot.volume_size, "volumeSize")?,
        outpost: outpost(snapshot.outpost_arn.as_deref())?,
        started: time(snapshot.start_time, "startTime")?,
        tags: tags(snapshot.tags),
    })
}
