//! DeleteVolumeGroupSnapshot: all that carries the group's name, whichever call made it.

use std::collections::BTreeSet;

use csi::v1::{DeleteVolumeGroupSnapshotRequest, DeleteVolumeGroupSnapshotResponse};
use ebs_types::SnapshotId;
use futures::stream::{self, StreamExt as _};

use crate::controller::error::Error;
use crate::controller::{ControllerService, delete_snapshot, request};
use crate::inflight::Key;
use crate::status::Rpc;

/// How many members are deleted at once.
const AT_ONCE: usize = 8;

const RPC: Rpc = Rpc::DeleteVolumeGroupSnapshot;

/// Serves the RPC.
pub(super) async fn run(
    service: &ControllerService,
    message: DeleteVolumeGroupSnapshotRequest,
) -> Result<DeleteVolumeGroupSnapshotResponse, Error> {
    let hint = "give the group snapshot's id, which is its name";
    let group = request::required("group_snapshot_id", &message.group_snapshot_id, hint)?;
    let _guard = service.begin(Key::GroupSnapshot(group.to_owned()), RPC)?;
    // An id that no snapshot can have names none: deleted, as far as the caller is concerned.
    let listed = message.snapshot_ids.iter();
    let listed: BTreeSet<SnapshotId> = listed.filter_map(|id| id.parse().ok()).collect();
    let found = super::find(service, group, &listed).await?;
    if !found.foreign.is_empty() {
        let others = found.foreign.iter().map(SnapshotId::as_str);
        return Err(Error::NotMembers {
            group: group.to_owned(),
            snapshots: others.collect::<Vec<_>>().join(", "),
        });
    }
    let members = found.cuts.into_iter().flat_map(|cut| cut.members);
    // One that cannot be deleted keeps none of the others: the rest goes with the next try.
    let deleted: Vec<Result<(), Error>> = stream::iter(members)
        .map(|member| delete_snapshot::delete(service, member.id, RPC))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    deleted.into_iter().collect::<Result<(), _>>()?;
    Ok(DeleteVolumeGroupSnapshotResponse {})
}
