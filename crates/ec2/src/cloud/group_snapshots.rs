//! The members of group snapshots.

use std::collections::HashMap;

use async_trait::async_trait;

use super::Cloud;
use super::lookup::{Lookup, Source};
use super::sightings::Subject;
use crate::{Action, Ec2Error, Snapshot, SnapshotQuery};

/// Snapshots by the tag `CSIVolumeGroupSnapshotName`, oldest first.
pub(super) struct SnapshotsByGroup(pub(super) Source);

#[async_trait]
impl Lookup for SnapshotsByGroup {
    type Key = String;
    type Value = Vec<Snapshot>;

    const ACTION: Action = Action::DescribeSnapshots;
    const MOST: usize = 200;

    async fn describe(&self, names: &[String]) -> Result<HashMap<String, Vec<Snapshot>>, Ec2Error> {
        let query = SnapshotQuery::Groups(names.to_vec());
        self.0.snapshots_by(&query, Snapshot::group).await
    }

    fn absent(_name: &String) -> Result<Vec<Snapshot>, Ec2Error> {
        Ok(Vec::new())
    }

    fn subject(_name: &String) -> Option<Subject> {
        None
    }
}

impl Cloud {
    /// The account's own snapshots whose tag `CSIVolumeGroupSnapshotName` is `name`, oldest first. EC2 may not show new ones yet, nor
    /// all of one call's at once: see [`Cloud::group_members_surely`].
    ///
    /// # Errors
    /// [`Ec2Error`], never for want of such a snapshot.
    pub async fn group_members(&self, name: &str) -> Result<Vec<Snapshot>, Ec2Error> {
        self.snapshots_by_group.get(name.to_owned()).await
    }

    /// [`Cloud::group_members`], but what is not yet `enough` is the answer only once EC2 has repeated it past the consistency
    /// window, counted from this call's begin.
    ///
    /// # Errors
    /// As [`Cloud::group_members`].
    pub async fn group_members_surely(
        &self,
        name: &str,
        enough: impl Fn(&[Snapshot]) -> bool,
    ) -> Result<Vec<Snapshot>, Ec2Error> {
        self.enough_surely(enough, || self.group_members(name))
            .await
    }
}
