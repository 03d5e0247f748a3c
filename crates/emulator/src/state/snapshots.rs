//! CreateSnapshot, DeleteSnapshot, and the way of a snapshot from `pending` to `completed`.

use std::collections::BTreeMap;

use ebs_types::{Outpost, SnapshotId, SnapshotState, Tags, VolumeState};

use super::{Ctx, Event, RegionState, outposts};
use crate::model::{
    ApiError, CreateFailure, CreateSnapshot, Effect, Reply, Script, Snapshot, Store, Volume,
};

impl RegionState {
    pub(super) fn create_snapshot(
        &mut self,
        ctx: &mut Ctx<'_>,
        request: &CreateSnapshot,
        script: Script,
    ) -> Result<Reply, ApiError> {
        let volume = self.volume(&request.volume)?;
        if !matches!(volume.state(), VolumeState::Available | VolumeState::InUse) {
            return Err(ApiError::incorrect_state(format!(
                "The volume '{}' is '{}'",
                volume.id,
                volume.state()
            )));
        }
        let outpost = request.outpost.as_ref();
        let tags = request.tags.clone();
        let snapshot = plan(ctx, volume, outpost, &request.description, tags)?;
        ctx.effects.push(Effect::CreateSnapshots {
            of: vec![(volume.id.clone(), snapshot.id.clone())],
        });
        self.begin_snapshot(ctx, &snapshot, script);
        Ok(Reply::Snapshot(snapshot))
    }

    /// Keeps a new snapshot, and lets it be completed in time unless a fault wants something else.
    pub(super) fn begin_snapshot(
        &mut self,
        ctx: &mut Ctx<'_>,
        snapshot: &Snapshot,
        script: Script,
    ) {
        if let Some(mut volume) = self.volumes.get_mut(&snapshot.volume)
            && volume.outpost.is_some()
        {
            volume.lineage = Some(match snapshot.outpost {
                Some(_) => Store::Outpost,
                None => Store::Region,
            });
        }
        let id = snapshot.id.clone();
        let delay = ctx.settings.delays.snapshot;
        match (script.failure, script.stuck) {
            (Some(how), _) => ctx.later(delay, Event::SnapshotFails(id, how)),
            (None, true) => {}
            (None, false) => ctx.later(delay, Event::SnapshotDone(id)),
        }
        self.snapshots.insert(snapshot.clone());
    }

    pub(super) fn delete_snapshot(
        &mut self,
        ctx: &mut Ctx<'_>,
        id: &SnapshotId,
    ) -> Result<Reply, ApiError> {
        let snapshot = self.snapshot(id)?;
        super::locks::refuse_locked(snapshot, ctx.now)?;
        self.snapshots.remove(id);
        ctx.effects.push(Effect::DeleteSnapshot {
            snapshot: id.clone(),
        });
        Ok(Reply::Done)
    }

    pub(super) fn snapshot_done(&mut self, ctx: &Ctx<'_>, id: &SnapshotId) {
        if let Some(mut snapshot) = self.snapshots.get_mut(id)
            && snapshot.state == SnapshotState::Pending
        {
            snapshot.state = SnapshotState::Completed;
            snapshot.completed = Some(ctx.now);
        }
    }

    pub(super) fn snapshot_fails(
        &mut self,
        ctx: &mut Ctx<'_>,
        id: &SnapshotId,
        how: CreateFailure,
    ) {
        match how {
            CreateFailure::Vanish => {
                // Gone already is as good.
                let _ = self.delete_snapshot(ctx, id);
            }
            CreateFailure::Error => {
                if let Some(mut snapshot) = self.snapshots.get_mut(id) {
                    snapshot.state = SnapshotState::Error;
                }
            }
        }
    }
}

/// A snapshot of the volume, as it begins, where it is to be kept.
pub(super) fn plan(
    ctx: &mut Ctx<'_>,
    volume: &Volume,
    outpost: Option<&Outpost>,
    description: &str,
    tags: Tags,
) -> Result<Snapshot, ApiError> {
    let store = outposts::store(outpost, volume)?;
    Ok(Snapshot {
        id: ctx.ids.draw(SnapshotId::PREFIX),
        volume: volume.id.clone(),
        size: volume.size,
        state: SnapshotState::Pending,
        description: description.to_owned(),
        encrypted: volume.encrypted || store == Store::Outpost,
        kms_key: outposts::key_of(ctx, store, volume),
        tags,
        started: ctx.now,
        completed: None,
        fast_restores: BTreeMap::new(),
        lock: None,
        outpost: outpost.cloned(),
    })
}
