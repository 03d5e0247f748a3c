//! EnableFastSnapshotRestores, DescribeFastSnapshotRestores.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::RequestId as _;
use aws_sdk_ec2::operation::describe_fast_snapshot_restores::builders::DescribeFastSnapshotRestoresFluentBuilder;
use aws_sdk_ec2::operation::enable_fast_snapshot_restores::EnableFastSnapshotRestoresOutput;
use aws_sdk_ec2::types::DescribeFastSnapshotRestoreSuccessItem;
use ebs_types::{SnapshotId, Zone};

use crate::sdk::convert::{Unreadable, filter, parsed, read};
use crate::sdk::pages::{self, page};
use crate::sdk::retry::{Paced, call};
use crate::{Action, Ec2Error, FastRestore, Page};

pub(in crate::sdk) async fn enable(
    client: &Paced<Client>,
    snapshot: &SnapshotId,
    zones: &[Zone],
) -> Result<(), Ec2Error> {
    let action = Action::EnableFastSnapshotRestores;
    let zones = zones.iter().map(Zone::to_string).collect();
    let builder = client
        .enable_fast_snapshot_restores()
        .source_snapshot_ids(snapshot.as_str())
        .set_availability_zones(Some(zones));
    let reply = call(client, action, || builder.clone().send()).await?;
    first_refusal(&reply).map_or(Ok(()), Err)
}

/// EC2 answers with success where it refuses some of the zones, or all of them.
fn first_refusal(reply: &EnableFastSnapshotRestoresOutput) -> Option<Ec2Error> {
    let of_snapshots = reply.unsuccessful().iter();
    let refused = of_snapshots
        .flat_map(|item| item.fast_snapshot_restore_state_errors())
        .next()?;
    let error = refused.error();
    let words = error.and_then(|error| error.message()).unwrap_or_default();
    let zone = refused.availability_zone().unwrap_or("a zone");
    Some(Ec2Error::from_answer(
        Action::EnableFastSnapshotRestores,
        400,
        Some(error.and_then(|error| error.code()).unwrap_or("Unknown")),
        &format!("{zone}: {words}"),
        reply.request_id(),
    ))
}

pub(in crate::sdk) async fn describe(
    client: &Paced<Client>,
    snapshots: &[SnapshotId],
) -> Result<Vec<FastRestore>, Ec2Error> {
    let ids = filter("snapshot-id", snapshots.iter().map(SnapshotId::as_str));
    let builder = client.describe_fast_snapshot_restores().filters(ids);
    pages::all(|token| one_page(client, builder.clone().set_next_token(token))).await
}

async fn one_page(
    client: &Paced<Client>,
    builder: DescribeFastSnapshotRestoresFluentBuilder,
) -> Result<Page<FastRestore>, Ec2Error> {
    let action = Action::DescribeFastSnapshotRestores;
    let reply = call(client, action, || builder.clone().send()).await?;
    read(action, reply, |reply| {
        let items = reply.fast_snapshot_restores.unwrap_or_default();
        page(items, reply.next_token, |item| fast_restore(&item))
    })
}

fn fast_restore(item: &DescribeFastSnapshotRestoreSuccessItem) -> Result<FastRestore, Unreadable> {
    Ok(FastRestore {
        snapshot: parsed(item.snapshot_id.as_deref(), "snapshotId")?,
        zone: parsed(item.availability_zone.as_deref(), "availabilityZone")?,
        state: parsed(item.state.as_ref().map(AsRef::as_ref), "state")?,
    })
}
