//! The blocks of snapshots, as the EBS direct APIs list them (EBS user guide, "Concepts for EBS direct APIs").

use ebs_types::{Gibibytes, SnapshotId};

use crate::model::{ApiError, Timestamp};

/// The size of a block in bytes.
pub(crate) const BLOCK_BYTES: u32 = 512 * 1024;

/// Which blocks are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockQuery {
    pub(crate) snapshot: SnapshotId,
    /// Only those that differ from this one's; those that were ever written if there is none.
    pub(crate) base: Option<SnapshotId>,
    pub(crate) place: BlockPlace,
    /// The most blocks on the page.
    pub(crate) max: usize,
}

impl BlockQuery {
    /// Both snapshots, or the one.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = &SnapshotId> {
        self.base.iter().chain([&self.snapshot])
    }
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BlockPlace {
    /// With this block.
    Index(u32),
    /// Where another page ended, as its token says.
    Token(String),
}

/// A query that is allowed: what to read of the snapshots' bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockRange {
    pub(crate) snapshot: SnapshotId,
    pub(crate) base: Option<SnapshotId>,
    /// The first block that is wanted.
    pub(crate) from: u32,
    /// The most blocks that are wanted.
    pub(crate) most: usize,
}

/// A block of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) index: u32,
    /// Whether the base has it; false without one.
    pub(crate) in_base: bool,
    /// Whether the snapshot has it.
    pub(crate) in_snapshot: bool,
}

/// A page of blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    pub(crate) snapshot: SnapshotId,
    pub(crate) base: Option<SnapshotId>,
    pub(crate) blocks: Vec<Block>,
    /// The size of the snapshot's volume.
    pub(crate) size: Gibibytes,
    /// When the blocks' tokens expire.
    pub(crate) expires: Timestamp,
    /// Asks for the next page.
    pub(crate) next: Option<String>,
}

/// The errors of these APIs: a code, and behind a dot the reason that goes with it.
impl ApiError {
    /// `ValidationException` for this reason.
    pub(crate) fn validation(reason: &str, message: impl Into<String>) -> Self {
        Self::client(&format!("ValidationException.{reason}"), message)
    }

    /// `ResourceNotFoundException`, of a snapshot.
    pub(crate) fn no_snapshot_of_blocks(id: &SnapshotId) -> Self {
        Self {
            code: "ResourceNotFoundException.SNAPSHOT_NOT_FOUND".to_owned(),
            message: format!("The snapshot '{id}' does not exist."),
            status: 404,
        }
    }

    /// `RequestThrottledException`.
    pub(crate) fn request_throttled() -> Self {
        let code = "RequestThrottledException.ACCOUNT_THROTTLED";
        Self::client(code, "The request was throttled.")
    }
}
