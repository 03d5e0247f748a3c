//! Lists, page by page, corrected by what this process knows: EC2's filters are the last to learn of a change.
//!
//! Doesn't answer for: pages of other sizes than EC2's.

use std::collections::HashMap;
use std::sync::Arc;

use ebs_types::{InstanceId, VolumeId};

use super::Cloud;
use super::batch::Batch;
use super::lookup::Lookup;
use super::sightings::Subject;
#[cfg(doc)]
use crate::ErrorKind;
use crate::{Ec2Error, Instance, Page, Snapshot, SnapshotQuery, Volume, VolumeQuery, VolumeStatus};

impl Cloud {
    /// One page of volumes as EC2 shows them, without those that are being or have been deleted: such a page can be empty
    /// and not the last.
    ///
    /// # Errors
    /// [`Ec2Error`], "not found" as EC2 says it.
    pub async fn list_volumes(&self, query: &VolumeQuery) -> Result<Page<Volume>, Ec2Error> {
        let Page { items, next } = self.api.describe_volumes(query).await?;
        let items = items
            .into_iter()
            .map(|volume| self.source.saw_volume(volume))
            .filter(|volume| !volume.state.is_gone())
            .collect();
        Ok(Page { items, next })
    }

    /// One page of snapshots as EC2 shows them, without those that were deleted from here: such a page can be empty and not
    /// the last.
    ///
    /// # Errors
    /// [`Ec2Error`], "not found" as EC2 says it.
    pub async fn list_snapshots(&self, query: &SnapshotQuery) -> Result<Page<Snapshot>, Ec2Error> {
        let mut page = self.api.describe_snapshots(query).await?;
        page.items
            .retain(|snapshot| self.source.saw_snapshot(snapshot));
        Ok(page)
    }

    /// The account's own snapshots of a volume, whoever made them, oldest first, without those that were deleted from here. One
    /// that was made a moment ago may be missing.
    ///
    /// # Errors
    /// [`Ec2Error`], never for want of the volume or of a snapshot.
    pub async fn snapshots_of(&self, volume: &VolumeId) -> Result<Vec<Snapshot>, Ec2Error> {
        let query = SnapshotQuery::OfVolume(volume.clone());
        let mut found = self.list_snapshots(&query).await?.items;
        found.sort_by(|a, b| (a.started, &a.id).cmp(&(b.started, &b.id)));
        Ok(found)
    }

    /// What EBS's checks say of a volume, as EC2 describes it after this call began.
    ///
    /// # Errors
    /// [`Ec2Error`]; [`ErrorKind::VolumeNotFound`] is sure.
    pub async fn volume_status(&self, id: &VolumeId) -> Result<VolumeStatus, Ec2Error> {
        let subject = Subject::Volume(id.clone());
        self.surely(|_| subject.clone(), || self.statuses.get(id.clone()))
            .await
    }

    /// These volumes, asked for together. For one that does not exist the error is EC2's latest word, not yet sure.
    /// One whose call was cut off is left out.
    pub async fn volumes(&self, ids: &[VolumeId]) -> HashMap<VolumeId, Result<Volume, Ec2Error>> {
        together(&self.volumes, ids).await
    }

    /// These instances, asked for together. For one that does not exist the error is EC2's latest word, not yet sure.
    /// One whose call was cut off is left out.
    pub async fn instances(
        &self,
        ids: &[InstanceId],
    ) -> HashMap<InstanceId, Result<Instance, Ec2Error>> {
        together(&self.instances, ids).await
    }
}

/// What EC2 says of each of these keys, in as few calls as its limit allows.
async fn together<L: Lookup>(
    batch: &Arc<Batch<L>>,
    keys: &[L::Key],
) -> HashMap<L::Key, Result<L::Value, Ec2Error>> {
    let tickets = batch.ask(keys.iter().cloned());
    let mut answers = HashMap::with_capacity(keys.len());
    for (key, ticket) in keys.iter().zip(tickets) {
        if let Ok(answer) = ticket.await {
            answers.insert(key.clone(), answer);
        }
    }
    answers
}
