//! LockSnapshot, UnlockSnapshot (EC2 API reference; EBS user guide, "Amazon EBS snapshot lock").
//!
//! EC2's reference does not name the code with which it refuses what a lock forbids; `OperationNotPermitted` is this emulator's.

use ebs_types::{LockState, SnapshotId};

use super::{Ctx, RegionState};
use crate::model::{
    ApiError, Lock, LockMode, LockSnapshot, LockTerm, LockedSnapshot, Reply, Snapshot, Timestamp,
};

impl RegionState {
    /// Locks, or changes a lock as far as it allows it.
    pub(super) fn lock_snapshot(
        &mut self,
        ctx: &Ctx<'_>,
        request: &LockSnapshot,
    ) -> Result<Reply, ApiError> {
        check(request, ctx.now)?;
        let before = self.snapshot(&request.snapshot)?;
        let mut after = before.clone();
        after.lock = Some(Lock {
            mode: request.mode,
            term: request.term,
            cool_off: request.cool_off,
            created: ctx.now,
        });
        let locked = after
            .locked(ctx.now)
            .ok_or_else(|| ApiError::internal("a lock that is none"))?;
        if let Some(old) = before.locked(ctx.now)
            && old.state == LockState::Compliance
        {
            check_extension(&old, &locked)?;
        }
        self.snapshots.insert(after);
        Ok(Reply::Locked(locked))
    }

    pub(super) fn unlock_snapshot(
        &mut self,
        ctx: &Ctx<'_>,
        id: &SnapshotId,
    ) -> Result<Reply, ApiError> {
        let state = self.snapshot(id)?.locked(ctx.now).map(|lock| lock.state);
        match state {
            None | Some(LockState::Expired) => {
                Err(not_permitted(format!("The snapshot '{id}' is not locked.")))
            }
            Some(LockState::Compliance) => Err(not_permitted(format!(
                "The snapshot '{id}' is locked in compliance mode and cannot be unlocked."
            ))),
            Some(LockState::Governance | LockState::ComplianceCoolOff) => {
                if let Some(mut snapshot) = self.snapshots.get_mut(id) {
                    snapshot.lock = None;
                }
                Ok(Reply::Unlocked(id.clone()))
            }
        }
    }
}

/// Refuses to delete what is locked.
pub(super) fn refuse_locked(snapshot: &Snapshot, now: Timestamp) -> Result<(), ApiError> {
    match snapshot.locked(now) {
        Some(lock) if lock.state != LockState::Expired => Err(not_permitted(format!(
            "The snapshot '{}' is locked and cannot be deleted.",
            snapshot.id
        ))),
        _ => Ok(()),
    }
}

fn check(request: &LockSnapshot, now: Timestamp) -> Result<(), ApiError> {
    match request.term {
        LockTerm::Days(days) if !(1..=36_500).contains(&days) => {
            return Err(ApiError::value(format!(
                "LockDuration of {days} is invalid; expected 1 to 36500 days"
            )));
        }
        LockTerm::Until(end) if end <= now => {
            return Err(ApiError::value(format!(
                "ExpirationDate {end} is not in the future"
            )));
        }
        LockTerm::Days(_) | LockTerm::Until(_) => {}
    }
    match (request.mode, request.cool_off) {
        (_, None) => Ok(()),
        (LockMode::Governance, Some(_)) => Err(ApiError::combination(
            "CoolOffPeriod is not supported for lock mode governance",
        )),
        (LockMode::Compliance, Some(hours)) if (1..=72).contains(&hours) => Ok(()),
        (LockMode::Compliance, Some(hours)) => Err(ApiError::value(format!(
            "CoolOffPeriod of {hours} is invalid; expected 1 to 72 hours"
        ))),
    }
}

/// What is locked in compliance mode for good can only be locked for longer.
fn check_extension(old: &LockedSnapshot, new: &LockedSnapshot) -> Result<(), ApiError> {
    let longer = match (old.lock.term, new.lock.term) {
        (LockTerm::Days(old), LockTerm::Days(new)) => new > old,
        _ => new.expires > old.expires,
    };
    if longer && new.lock.mode == LockMode::Compliance && new.lock.cool_off.is_none() {
        return Ok(());
    }
    Err(not_permitted(format!(
        "The snapshot '{}' is locked in compliance mode: its lock can only be extended.",
        old.snapshot
    )))
}

fn not_permitted(message: String) -> ApiError {
    ApiError::client("OperationNotPermitted", message)
}
