//! What is asked of either RPC, parsed once.

use std::num::NonZeroUsize;

use csi::v1::{GetMetadataAllocatedRequest, GetMetadataDeltaRequest};
use ebs_types::SnapshotId;

use super::error::Error;
use crate::status::InvalidRequest;

/// A request that makes sense, whatever there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    /// The snapshot whose blocks are listed.
    pub(super) snapshot: SnapshotId,
    /// Only the blocks that differ from this one's.
    pub(super) base: Option<SnapshotId>,
    /// The first byte that is of interest.
    pub(super) from: u64,
    /// The most blocks in one message; ours to choose if `None`.
    pub(super) most: Option<NonZeroUsize>,
}

impl Ask {
    /// Reads a request for all blocks of a snapshot.
    pub(super) fn allocated(request: &GetMetadataAllocatedRequest) -> Result<Self, Error> {
        Ok(Self {
            snapshot: snapshot("snapshot_id", &request.snapshot_id)?,
            base: None,
            from: offset(request.starting_offset)?,
            most: most(request.max_results)?,
        })
    }

    /// Reads a request for the blocks that differ.
    pub(super) fn delta(request: &GetMetadataDeltaRequest) -> Result<Self, Error> {
        let base = snapshot("base_snapshot_id", &request.base_snapshot_id)?;
        Ok(Self {
            snapshot: snapshot("target_snapshot_id", &request.target_snapshot_id)?,
            base: Some(base),
            from: offset(request.starting_offset)?,
            most: most(request.max_results)?,
        })
    }
}

/// Not "not found" as elsewhere in this driver: here nothing is to be made or undone, and the id is the mistake.
fn snapshot(field: &'static str, id: &str) -> Result<SnapshotId, InvalidRequest> {
    if id.is_empty() {
        let hint = "give the snapshot's handle, snap-…";
        return Err(InvalidRequest::Missing { field, hint });
    }
    id.parse().map_err(|_| {
        InvalidRequest::value(
            field,
            id,
            "a snapshot's handle is snap- and 8 or 17 hexadecimal digits",
        )
    })
}

fn offset(offset: i64) -> Result<u64, InvalidRequest> {
    let allowed = "give a byte of the volume, from 0 on; to go on with a list, the first byte behind the last block of it";
    u64::try_from(offset)
        .map_err(|_| InvalidRequest::value("starting_offset", offset.to_string(), allowed))
}

fn most(count: i32) -> Result<Option<NonZeroUsize>, InvalidRequest> {
    let allowed = "give the most blocks that a message may have, or 0 for any number";
    usize::try_from(count)
        .map(NonZeroUsize::new)
        .map_err(|_| InvalidRequest::value("max_results", count.to_string(), allowed))
}
