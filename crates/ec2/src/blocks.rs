//! The blocks of snapshots, as the EBS direct APIs list them: a service of its own beside EC2, with errors of the same kinds.
//!
//! Doesn't answer for: what is in a block.

use async_trait::async_trait;
use ebs_types::SnapshotId;

use crate::{Ec2Error, Page};

/// The size of a block in bytes (EBS user guide, "Concepts for EBS direct APIs"). A reply that says otherwise is refused as unreadable.
pub const BLOCK_BYTES: u32 = 512 * 1024;

/// Which blocks to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockQuery {
    /// The snapshot whose blocks they are.
    pub snapshot: SnapshotId,
    /// Only the blocks that differ from those of this one; without it all that were ever written.
    pub base: Option<SnapshotId>,
    /// Where the page begins.
    pub place: BlockPlace,
    /// The most blocks on it, 100 to 10,000. There may be fewer, or none, and further pages all the same.
    pub max: u16,
}

/// Where a page of blocks begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockPlace {
    /// With the first block of this index or a higher one.
    Index(u32),
    /// Where the page ended that gave this token, which is good for an hour.
    Token(String),
}

/// The EBS direct APIs, as far as the driver needs them: they look, and change nothing.
#[async_trait]
pub trait Blocks: Send + Sync + 'static {
    /// ListSnapshotBlocks, or with a base ListChangedBlocks: one page of block indices, in ascending order.
    ///
    /// Failures inside EBS and lost replies are repeated a few times; throttling is passed on.
    async fn list_blocks(&self, query: &BlockQuery) -> Result<Page<u32>, Ec2Error>;
}
