//! EnableFastSnapshotRestores (EBS user guide, "Amazon EBS fast snapshot restore").
//!
//! Here EBS takes as long to fetch the blocks as to complete a snapshot. EC2's reference does not name the codes of single zones'
//! errors; these are this emulator's.

use ebs_types::{Gibibytes, SnapshotId, Zone};

use super::{Ctx, RegionState};
use crate::model::{ApiError, EnableFastRestores, FastRestoresAsked, Reply};

/// The most snapshots of a region that can have fast restores: the default of EBS' quota.
const MOST: usize = 5;

/// The largest snapshot that can have them.
const LARGEST: Gibibytes = Gibibytes(16_384);

impl RegionState {
    pub(super) fn enable_fast_restores(
        &mut self,
        ctx: &Ctx<'_>,
        request: &EnableFastRestores,
    ) -> Result<Reply, ApiError> {
        for id in &request.snapshots {
            self.snapshot(id)?;
        }
        for zone in &request.zones {
            self.known_zone(zone)?;
        }
        let mut asked = FastRestoresAsked::default();
        for id in &request.snapshots {
            for zone in &request.zones {
                match self.enable_fast_restore(ctx, id, zone) {
                    Ok(()) => {}
                    Err(error) => asked.unsuccessful.push((id.clone(), zone.clone(), error)),
                }
            }
            let snapshot = self.snapshot(id)?;
            let restores = snapshot.fast_restores(ctx.now, ctx.settings.delays.snapshot);
            asked
                .successful
                .extend(restores.filter(|restore| request.zones.contains(&restore.zone)));
        }
        Ok(Reply::FastRestoresAsked(asked))
    }

    /// Where they are on already, they stay on.
    fn enable_fast_restore(
        &mut self,
        ctx: &Ctx<'_>,
        id: &SnapshotId,
        zone: &Zone,
    ) -> Result<(), ApiError> {
        let others = self.snapshots.values();
        let others = others.filter(|other| &other.id != id && !other.fast_restores.is_empty());
        let full = others.count() >= MOST;
        let snapshot = self.snapshots.get_mut(id);
        let mut snapshot = snapshot.ok_or_else(|| ApiError::no_snapshot(id))?;
        if let Some(arn) = &snapshot.outpost {
            return Err(ApiError::value(format!(
                "Snapshot '{id}' is stored on the Outpost '{arn}', which has no fast snapshot restore"
            )));
        }
        if snapshot.size > LARGEST {
            return Err(ApiError::value(format!(
                "Snapshot '{id}' has {} GiB; fast snapshot restore takes at most {}",
                snapshot.size.0, LARGEST.0
            )));
        }
        if full && snapshot.fast_restores.is_empty() {
            return Err(ApiError::client(
                "FastSnapshotRestoreLimitExceeded",
                format!(
                    "You have reached the limit of {MOST} snapshots with fast snapshot restore"
                ),
            ));
        }
        snapshot
            .fast_restores
            .entry(zone.clone())
            .or_insert(ctx.now);
        Ok(())
    }
}
