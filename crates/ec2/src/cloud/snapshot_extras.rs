//! What a snapshot can have besides its data: fast restores and a lock.

use std::collections::HashMap;

use async_trait::async_trait;
use ebs_types::{SnapshotId, SnapshotLock, Zone};

use super::Cloud;
use super::lookup::{Lookup, Source};
use super::sightings::Subject;
#[cfg(doc)]
use crate::ErrorKind;
use crate::{Action, Ec2Error, FastRestore, LockedSnapshot};

/// Fast restores by snapshot.
pub(super) struct FastRestoresBySnapshot(pub(super) Source);

#[async_trait]
impl Lookup for FastRestoresBySnapshot {
    type Key = SnapshotId;
    type Value = Vec<FastRestore>;

    const ACTION: Action = Action::DescribeFastSnapshotRestores;
    const MOST: usize = 200;

    async fn describe(
        &self,
        ids: &[SnapshotId],
    ) -> Result<HashMap<SnapshotId, Vec<FastRestore>>, Ec2Error> {
        let mut by_id: HashMap<_, Vec<_>> = HashMap::new();
        for item in self.0.api.describe_fast_restores(ids).await? {
            by_id.entry(item.snapshot.clone()).or_default().push(item);
        }
        Ok(by_id)
    }

    fn absent(_id: &SnapshotId) -> Result<Vec<FastRestore>, Ec2Error> {
        Ok(Vec::new())
    }

    fn subject(_id: &SnapshotId) -> Option<Subject> {
        None
    }
}

/// Locks by snapshot.
pub(super) struct LocksBySnapshot(pub(super) Source);

#[async_trait]
impl Lookup for LocksBySnapshot {
    type Key = SnapshotId;
    type Value = Option<LockedSnapshot>;

    const ACTION: Action = Action::DescribeLockedSnapshots;
    const MOST: usize = 200;

    async fn describe(
        &self,
        ids: &[SnapshotId],
    ) -> Result<HashMap<SnapshotId, Option<LockedSnapshot>>, Ec2Error> {
        let locked = self.0.api.describe_locked_snapshots(ids).await?;
        Ok(locked
            .into_iter()
            .map(|lock| (lock.snapshot.clone(), Some(lock)))
            .collect())
    }

    fn absent(_id: &SnapshotId) -> Result<Option<LockedSnapshot>, Ec2Error> {
        Ok(None)
    }

    fn subject(id: &SnapshotId) -> Option<Subject> {
        Some(Subject::Snapshot(id.clone()))
    }
}

impl Cloud {
    /// The fast restores of a snapshot, zone by zone, also those that were turned off a while ago. EC2 may not show new ones yet.
    ///
    /// # Errors
    /// [`Ec2Error`], never for want of them.
    pub async fn fast_restores(&self, id: &SnapshotId) -> Result<Vec<FastRestore>, Ec2Error> {
        self.fast_restores.get(id.clone()).await
    }

    /// [`crate::Ec2::enable_fast_restores`].
    ///
    /// # Errors
    /// As there; [`ErrorKind::SnapshotNotFound`] is sure.
    pub async fn enable_fast_restores(
        &self,
        id: &SnapshotId,
        zones: &[Zone],
    ) -> Result<(), Ec2Error> {
        let subject = Subject::Snapshot(id.clone());
        let ask = || self.api.enable_fast_restores(id, zones);
        self.surely(|_| subject.clone(), ask).await
    }

    /// [`crate::Ec2::lock_snapshot`].
    ///
    /// # Errors
    /// As there; [`ErrorKind::SnapshotNotFound`] is sure.
    pub async fn lock_snapshot(
        &self,
        id: &SnapshotId,
        lock: &SnapshotLock,
    ) -> Result<(), Ec2Error> {
        let subject = Subject::Snapshot(id.clone());
        let ask = || self.api.lock_snapshot(id, lock);
        self.surely(|_| subject.clone(), ask).await
    }

    /// The lock that a snapshot has or had; `None` where EC2 shows none: there was none, or EC2 does not show it yet.
    ///
    /// # Errors
    /// [`Ec2Error`]; [`ErrorKind::SnapshotNotFound`] is sure.
    pub async fn snapshot_lock(&self, id: &SnapshotId) -> Result<Option<LockedSnapshot>, Ec2Error> {
        let subject = Subject::Snapshot(id.clone());
        self.surely(|_| subject.clone(), || self.locks.get(id.clone()))
            .await
    }
}
