//! DeleteSnapshot: act and read the error.

use csi::v1::{DeleteSnapshotRequest, DeleteSnapshotResponse};
use ebs_types::SnapshotId;

use super::error::Error;
use super::{ControllerService, request};
use crate::inflight::Key;
use crate::status::Rpc;

/// Serves the RPC.
pub(super) async fn run(
    service: &ControllerService,
    message: DeleteSnapshotRequest,
) -> Result<DeleteSnapshotResponse, Error> {
    let id = request::required(
        "snapshot_id",
        &message.snapshot_id,
        "give the snapshot's id, snap-…",
    )?;
    // An id that no snapshot can have names none: deleted, as far as the caller is concerned.
    if let Ok(snapshot) = id.parse::<SnapshotId>() {
        let _guard = service.begin(Key::Snapshot(snapshot.clone()), Rpc::DeleteSnapshot)?;
        match service.cloud.delete_snapshot(&snapshot).await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(DeleteSnapshotResponse {})
}
