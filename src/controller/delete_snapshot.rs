//! DeleteSnapshot: act and read the error.

use csi::v1::{DeleteSnapshotRequest, DeleteSnapshotResponse};
use ebs_types::{LockState, SnapshotId, utc};
use ec2::{Ec2Error, LockedSnapshot, Outcome};

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
        delete(service, snapshot, Rpc::DeleteSnapshot).await?;
    }
    Ok(DeleteSnapshotResponse {})
}

/// Deletes a snapshot for this RPC. One that is gone already is deleted.
pub(super) async fn delete(
    service: &ControllerService,
    snapshot: SnapshotId,
    rpc: Rpc,
) -> Result<(), Error> {
    let _guard = service.begin(Key::Snapshot(snapshot.clone()), rpc)?;
    match service.cloud.delete_snapshot(&snapshot).await {
        Err(error) if !error.is_not_found() => Err(explained(service, snapshot, error).await),
        _ => Ok(()),
    }
}

/// EC2's reference does not name the code for a lock, so that the lock itself is looked for.
async fn explained(service: &ControllerService, snapshot: SnapshotId, error: Ec2Error) -> Error {
    if error.is_transient() || error.outcome == Outcome::MayBeDone {
        return error.into();
    }
    match service.cloud.snapshot_lock(&snapshot).await {
        Ok(Some(lock)) if lock.state != LockState::Expired => Error::SnapshotLocked {
            lock: words(&lock),
            snapshot,
            error: Box::new(error),
        },
        _ => error.into(),
    }
}

fn words(lock: &LockedSnapshot) -> String {
    let end = lock.expires.map_or_else(
        || "for days that count from when it is completed".to_owned(),
        |end| format!("until {}", utc::time(end)),
    );
    let id = &lock.snapshot;
    match lock.state {
        LockState::Compliance => format!(
            "it is locked {end}, in compliance mode, which nobody can undo; it is deleted with the first try after that"
        ),
        LockState::ComplianceCoolOff => {
            let until = lock
                .cools_off
                .map_or_else(|| "its cooling-off period".to_owned(), utc::time);
            format!(
                "it is locked {end}, in compliance mode, which can be undone until {until}: \
                 aws ec2 unlock-snapshot --snapshot-id {id}"
            )
        }
        LockState::Governance | LockState::Expired => format!(
            "it is locked {end}; wait, or unlock it: aws ec2 unlock-snapshot --snapshot-id {id}"
        ),
    }
}
