//! LockSnapshot, DescribeLockedSnapshots.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::describe_locked_snapshots::builders::DescribeLockedSnapshotsFluentBuilder;
use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types::{self, LockedSnapshotsInfo};
use ebs_types::{LockMode, LockTerm, SnapshotId, SnapshotLock};

use crate::sdk::convert::{Unreadable, parsed, read, time};
use crate::sdk::pages::{self, page};
use crate::sdk::retry::{Paced, call};
use crate::{Action, Ec2Error, LockedSnapshot, Page};

pub(in crate::sdk) async fn lock(
    client: &Paced<Client>,
    snapshot: &SnapshotId,
    lock: &SnapshotLock,
) -> Result<(), Ec2Error> {
    let builder = client
        .lock_snapshot()
        .snapshot_id(snapshot.as_str())
        .lock_mode(types::LockMode::from(lock.mode.as_str()));
    let builder = match lock.mode {
        LockMode::Governance => builder,
        LockMode::Compliance { cool_off } => builder.set_cool_off_period(cool_off.map(i32::from)),
    };
    let builder = match lock.term {
        LockTerm::Days(days) => builder.lock_duration(i32::from(days)),
        LockTerm::Until(end) => builder.expiration_date(DateTime::from(end)),
    };
    call(client, Action::LockSnapshot, || builder.clone().send()).await?;
    Ok(())
}

pub(in crate::sdk) async fn describe(
    client: &Paced<Client>,
    snapshots: &[SnapshotId],
) -> Result<Vec<LockedSnapshot>, Ec2Error> {
    let ids = snapshots.iter().map(SnapshotId::to_string).collect();
    let builder = client
        .describe_locked_snapshots()
        .set_snapshot_ids(Some(ids));
    pages::all(|token| one_page(client, builder.clone().set_next_token(token))).await
}

async fn one_page(
    client: &Paced<Client>,
    builder: DescribeLockedSnapshotsFluentBuilder,
) -> Result<Page<LockedSnapshot>, Ec2Error> {
    let action = Action::DescribeLockedSnapshots;
    let reply = call(client, action, || builder.clone().send()).await?;
    read(action, reply, |reply| {
        let items = reply.snapshots.unwrap_or_default();
        page(items, reply.next_token, |item| locked(&item))
    })
}

fn locked(item: &LockedSnapshotsInfo) -> Result<LockedSnapshot, Unreadable> {
    let read = |at: Option<DateTime>, field| at.map(|at| time(Some(at), field)).transpose();
    Ok(LockedSnapshot {
        snapshot: parsed(item.snapshot_id.as_deref(), "snapshotId")?,
        state: parsed(item.lock_state.as_ref().map(AsRef::as_ref), "lockState")?,
        expires: read(item.lock_expires_on, "lockExpiresOn")?,
        cools_off: read(item.cool_off_period_expires_on, "coolOffPeriodExpiresOn")?,
    })
}
