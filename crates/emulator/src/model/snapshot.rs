//! Snapshots.

use std::collections::BTreeMap;
use std::time::Duration;

use ebs_types::{
    FastRestoreState, Gibibytes, LockState, Outpost, SnapshotId, SnapshotState, Tags, VolumeId,
    Zone,
};
use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) id: SnapshotId,
    pub(crate) volume: VolumeId,
    pub(crate) size: Gibibytes,
    pub(crate) state: SnapshotState,
    pub(crate) description: String,
    pub(crate) encrypted: bool,
    pub(crate) kms_key: Option<String>,
    pub(crate) tags: Tags,
    /// The point in time it holds.
    pub(crate) started: Timestamp,
    pub(crate) completed: Option<Timestamp>,
    /// When fast restores were asked for, by zone; states saved before this was kept have none.
    #[serde(default)]
    pub(crate) fast_restores: BTreeMap<Zone, Timestamp>,
    #[serde(default)]
    pub(crate) lock: Option<Lock>,
    /// The Outpost that keeps it, the region otherwise; states saved before this was kept have none.
    #[serde(default)]
    pub(crate) outpost: Option<Outpost>,
}

/// How a snapshot was locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lock {
    pub(crate) mode: LockMode,
    pub(crate) term: LockTerm,
    /// For compliance mode, in hours.
    pub(crate) cool_off: Option<u32>,
    pub(crate) created: Timestamp,
}

/// Who can undo a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LockMode {
    Governance,
    Compliance,
}

/// For how long a lock lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LockTerm {
    Days(u32),
    Until(Timestamp),
}

/// Fast restores of a snapshot in one zone, as they are described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FastRestore {
    pub(crate) snapshot: SnapshotId,
    pub(crate) zone: Zone,
    pub(crate) state: FastRestoreState,
    pub(crate) enabling: Timestamp,
}

/// A snapshot's lock, as it is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LockedSnapshot {
    pub(crate) snapshot: SnapshotId,
    pub(crate) lock: Lock,
    pub(crate) state: LockState,
    pub(crate) starts: Option<Timestamp>,
    pub(crate) cools_off: Option<Timestamp>,
    pub(crate) expires: Option<Timestamp>,
}

impl Snapshot {
    /// Its fast restores. `optimizing` is how long EBS takes to fetch the blocks, once the snapshot is completed.
    pub(crate) fn fast_restores(
        &self,
        now: Timestamp,
        optimizing: Duration,
    ) -> impl Iterator<Item = FastRestore> {
        self.fast_restores.iter().map(move |(zone, enabling)| {
            let begins = self.completed.map(|completed| completed.max(*enabling));
            let state = match begins {
                None => FastRestoreState::Enabling,
                Some(begins) if now < begins + optimizing => FastRestoreState::Optimizing,
                Some(_) => FastRestoreState::Enabled,
            };
            FastRestore {
                snapshot: self.id.clone(),
                zone: zone.clone(),
                state,
                enabling: *enabling,
            }
        })
    }

    /// Its lock, if it was ever locked. Days count from when it is completed.
    pub(crate) fn locked(&self, now: Timestamp) -> Option<LockedSnapshot> {
        let lock = self.lock?;
        let starts = self.completed.map(|completed| completed.max(lock.created));
        let expires = match lock.term {
            LockTerm::Until(end) => Some(end),
            LockTerm::Days(days) => starts.map(|start| start + hours(days.saturating_mul(24))),
        };
        let cools_off = lock.cool_off.map(|period| lock.created + hours(period));
        let state = if expires.is_some_and(|end| end <= now) {
            LockState::Expired
        } else {
            match lock.mode {
                LockMode::Governance => LockState::Governance,
                LockMode::Compliance if cools_off.is_some_and(|end| now < end) => {
                    LockState::ComplianceCoolOff
                }
                LockMode::Compliance => LockState::Compliance,
            }
        };
        Some(LockedSnapshot {
            snapshot: self.id.clone(),
            lock,
            state,
            starts,
            cools_off,
            expires,
        })
    }
}

fn hours(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 3_600)
}
