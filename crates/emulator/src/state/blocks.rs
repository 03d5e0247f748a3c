//! ListSnapshotBlocks, ListChangedBlocks: whose blocks may be listed, and where a page begins.
//!
//! Doesn't answer for: which blocks there are, which the bytes say (`backing`).
//!
//! Sources: the EBS direct APIs' reference; EBS user guide, "FAQs for EBS direct APIs".

use std::collections::BTreeSet;
use std::time::Duration;

use ebs_types::{SnapshotId, SnapshotState, VolumeId};

use super::RegionState;
use crate::config::Settings;
use crate::model::{
    ApiError, Block, BlockPlace, BlockQuery, BlockRange, Blocks, Snapshot, Timestamp,
};

/// For how long the token of a page is good.
const PAGE_TOKEN: Duration = Duration::from_mins(60);

/// For how long the token of a block is good.
const BLOCK_TOKEN: Duration = Duration::from_hours(7 * 24);

impl RegionState {
    /// What to read for a query; one block more than the page takes, which tells whether there is another page.
    pub(super) fn block_range(
        &self,
        now: Timestamp,
        settings: &Settings,
        query: &BlockQuery,
    ) -> Result<BlockRange, ApiError> {
        for id in query.snapshots() {
            self.listable(now, settings, id)?;
        }
        if let Some(base) = &query.base
            && !self.related(base, &query.snapshot)
        {
            return Err(ApiError::validation(
                "UNRELATED_SNAPSHOTS",
                format!(
                    "The snapshots '{base}' and '{}' are not of the same volume or lineage.",
                    query.snapshot
                ),
            ));
        }
        let from = match &query.place {
            BlockPlace::Index(index) => *index,
            BlockPlace::Token(token) => read_token(now, query, token)?,
        };
        Ok(BlockRange {
            snapshot: query.snapshot.clone(),
            base: query.base.clone(),
            from,
            most: query.max + 1,
        })
    }

    /// The page that comes of what was read.
    pub(super) fn block_page(
        &self,
        now: Timestamp,
        query: &BlockQuery,
        mut blocks: Vec<Block>,
    ) -> Result<Blocks, ApiError> {
        let gone = || ApiError::no_snapshot_of_blocks(&query.snapshot);
        let snapshot = self.snapshots.get(&query.snapshot).ok_or_else(gone)?;
        let more = blocks.get(query.max).map(|block| block.index);
        blocks.truncate(query.max);
        Ok(Blocks {
            snapshot: query.snapshot.clone(),
            base: query.base.clone(),
            blocks,
            size: snapshot.size,
            expires: now + BLOCK_TOKEN,
            next: more.map(|index| write_token(now, query, index)),
        })
    }

    /// A snapshot whose blocks can be listed: one that is in sight and completed.
    fn listable(
        &self,
        now: Timestamp,
        settings: &Settings,
        id: &SnapshotId,
    ) -> Result<&Snapshot, ApiError> {
        let in_sight = |snapshot: &&Snapshot| now >= snapshot.started + settings.consistency;
        let found = self.snapshots.get(id).filter(in_sight);
        let snapshot = found.ok_or_else(|| ApiError::no_snapshot_of_blocks(id))?;
        if snapshot.state != SnapshotState::Completed {
            // That it is refused is documented, the reason that goes with it is not.
            return Err(ApiError::validation(
                "INVALID_SNAPSHOT_ID",
                format!("The snapshot '{id}' is '{}'.", snapshot.state),
            ));
        }
        Ok(snapshot)
    }

    /// Whether two snapshots are of one volume, or of volumes that were made from one another.
    fn related(&self, one: &SnapshotId, other: &SnapshotId) -> bool {
        !self.lineage(one).is_disjoint(&self.lineage(other))
    }

    /// The volume of a snapshot, and those that it came from, as far as they are there.
    fn lineage(&self, snapshot: &SnapshotId) -> BTreeSet<VolumeId> {
        let volume_of = |id: &SnapshotId| self.snapshots.get(id).map(|s| s.volume.clone());
        let mut line = BTreeSet::new();
        let mut next = volume_of(snapshot);
        while let Some(id) = next {
            let volume = self.volumes.get(&id);
            line.insert(id);
            next = volume.and_then(|volume| {
                let restored = volume.snapshot.as_ref().and_then(volume_of);
                restored.or_else(|| volume.copy_of.clone())
            });
        }
        line
    }
}

/// The digits of the ids that a query names: its tokens are good for it alone.
fn asked(query: &BlockQuery) -> String {
    let digits = |id: &SnapshotId| {
        id.as_str()
            .trim_start_matches(SnapshotId::PREFIX)
            .to_owned()
    };
    query.snapshots().map(digits).collect()
}

fn write_token(now: Timestamp, query: &BlockQuery, index: u32) -> String {
    let expires = now + PAGE_TOKEN;
    format!("{index:08x}{:016x}{}", expires.0, asked(query))
}

fn read_token(now: Timestamp, query: &BlockQuery, token: &str) -> Result<u32, ApiError> {
    let read = || {
        let (index, rest) = token.split_at_checked(8)?;
        let (expires, of) = rest.split_at_checked(16)?;
        let expires = Timestamp(u64::from_str_radix(expires, 16).ok()?);
        let index = u32::from_str_radix(index, 16).ok()?;
        (of == asked(query) && now < expires).then_some(index)
    };
    read().ok_or_else(|| {
        let message = "The page token is not valid, or it has expired.";
        ApiError::validation("INVALID_PAGE_TOKEN", message)
    })
}
