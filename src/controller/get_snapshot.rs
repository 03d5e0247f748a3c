//! GetSnapshot: one snapshot, whoever made it.

use csi::v1::{GetSnapshotRequest, GetSnapshotResponse};
use ebs_types::SnapshotState;

use super::error::Error;
use super::{ControllerService, render, request};

/// Serves the RPC.
pub(super) async fn run(
    service: &ControllerService,
    message: GetSnapshotRequest,
) -> Result<GetSnapshotResponse, Error> {
    let hint = "give the snapshot's id, snap-…";
    let id = request::required("snapshot_id", &message.snapshot_id, hint)?;
    let snapshot = service.cloud.snapshot(&request::snapshot(id)?).await?;
    // "Not ready yet" would be waited for without end.
    if snapshot.state == SnapshotState::Error {
        return Err(Error::SnapshotFailed {
            name: snapshot.name().unwrap_or_default().to_owned(),
            snapshot: snapshot.id,
            state: snapshot.state,
        });
    }
    Ok(GetSnapshotResponse {
        snapshot: Some(render::snapshot(&snapshot)),
    })
}
