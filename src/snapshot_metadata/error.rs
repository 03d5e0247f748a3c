//! Why a list of blocks was not given, or not to its end. The code of each is `status`'.

use std::time::Duration;

use ebs_types::{Bytes, SnapshotId, SnapshotState};
use ec2::Ec2Error;

use crate::status::InvalidRequest;

/// An error of a SnapshotMetadata RPC, in words for whoever makes the backup.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Invalid(#[from] InvalidRequest),
    /// EC2's or EBS's own refusal.
    #[error(transparent)]
    Ec2(#[from] Ec2Error),
    #[error("snapshot {snapshot} is {state}, and EBS lists blocks of completed snapshots alone{}", hint(*.state))]
    NotReady {
        snapshot: SnapshotId,
        state: SnapshotState,
    },
    #[error(
        "starting_offset is {offset}, beyond the end of snapshot {snapshot}, which is of a volume of {} bytes: begin before that",
        .capacity.0
    )]
    BeyondEnd {
        snapshot: SnapshotId,
        offset: u64,
        capacity: Bytes,
    },
    #[error(
        "EBS has not gone on with the list for {} s: {error}. Ask again with starting_offset {from}, where it stopped",
        .after.as_secs()
    )]
    Stalled {
        after: Duration,
        /// The first byte that the list has not come to.
        from: u64,
        error: Box<Ec2Error>,
    },
    /// Lists are in ascending order; without it blocks would be missing from a backup.
    #[error(
        "EBS listed block {index} of snapshot {snapshot} behind block {last}, against the order that its lists are in; ask again"
    )]
    OutOfOrder {
        snapshot: SnapshotId,
        index: u32,
        last: u32,
    },
}

fn hint(state: SnapshotState) -> &'static str {
    match state {
        SnapshotState::Pending => ": ask again when VolumeSnapshot's status says readyToUse",
        _ => "",
    }
}
