//! CreateSnapshots.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{self, InstanceSpecification, ResourceType, SnapshotState};
use ebs_types::VolumeId;

use super::snapshot;
use crate::sdk::convert::{Unreadable, read, tag_specifications};
use crate::sdk::retry::{Paced, call};
use crate::{Action, CreateSnapshots, Ec2Error, Snapshot};

pub(in crate::sdk) async fn create(
    client: &Paced<Client>,
    request: &CreateSnapshots,
) -> Result<Vec<Snapshot>, Ec2Error> {
    let action = Action::CreateSnapshots;
    let excluded = request.excluded.iter().map(VolumeId::to_string).collect();
    let of = InstanceSpecification::builder()
        .instance_id(request.instance.as_str())
        .exclude_boot_volume(request.exclude_root)
        .set_exclude_data_volume_ids(Some(excluded))
        .build();
    let builder = client
        .create_snapshots()
        .instance_specification(of)
        .description(&request.description)
        .set_tag_specifications(tag_specifications(ResourceType::Snapshot, &request.tags));
    let reply = call(client, action, || builder.clone().send()).await?;
    read(action, reply, |reply| {
        let snapshots = reply.snapshots.unwrap_or_default().into_iter();
        snapshots.map(one).collect()
    })
}

/// The reply's own type in that of describes. It says the same of a new snapshot.
fn one(made: types::SnapshotInfo) -> Result<Snapshot, Unreadable> {
    let described = types::Snapshot::builder()
        .set_snapshot_id(made.snapshot_id)
        .set_volume_id(made.volume_id)
        // EC2-compatible endpoints need not say: it has just begun.
        .state(made.state.unwrap_or(SnapshotState::Pending))
        .set_volume_size(made.volume_size)
        .set_start_time(made.start_time)
        .set_tags(made.tags)
        .build();
    snapshot(described)
}
