//! The kinds of describe that can be shared: what each asks by, how much one call takes, and what a missing answer means.
//!
//! Doesn't answer for: when a call leaves (`batch`, `watch`), nor whether "not found" is sure (`sightings`); what is seen is told to it.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::sync::Arc;

use async_trait::async_trait;
use ebs_types::{InstanceId, SnapshotId, VolumeId, VolumeState};

use super::sightings::{Sighting, Sightings, Subject};
use crate::{
    Action, Ec2, Ec2Error, ErrorKind, Instance, Modification, Outcome, Snapshot, SnapshotQuery,
    Volume, VolumeQuery, VolumeStatus, VolumeStatusQuery,
};

/// A describe of many by key.
#[async_trait]
pub(super) trait Lookup: Send + Sync + 'static {
    /// What it asks by.
    type Key: Clone + Eq + Hash + Display + Send + Sync + 'static;
    /// What it learns of each.
    type Value: Clone + PartialEq + Send + Sync + 'static;

    /// The call it makes.
    const ACTION: Action;

    /// The most keys that EC2 takes in one call.
    const MOST: usize;

    /// One call, for at most [`Lookup::MOST`] distinct keys.
    async fn describe(
        &self,
        keys: &[Self::Key],
    ) -> Result<HashMap<Self::Key, Self::Value>, Ec2Error>;

    /// What it means that a successful answer does not speak of `key`.
    fn absent(key: &Self::Key) -> Result<Self::Value, Ec2Error>;

    /// Of what a "not found" to `key` speaks.
    fn subject(key: &Self::Key) -> Option<Subject>;
}

/// What every lookup needs.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) api: Arc<dyn Ec2>,
    pub(super) sightings: Arc<Sightings>,
}

impl Source {
    /// Notes what EC2 shows, and corrects the state of a volume that was deleted from here.
    pub(super) fn saw_volume(&self, mut volume: Volume) -> Volume {
        let sighting = self.sightings.saw(&Subject::Volume(volume.id.clone()));
        if sighting == Sighting::Outdated && !volume.state.is_gone() {
            volume.state = VolumeState::Deleting;
        }
        for attachment in &volume.attachments {
            self.sightings.saw(&Subject::Attachment(
                volume.id.clone(),
                attachment.instance.clone(),
            ));
        }
        volume
    }

    /// Notes what EC2 shows; false for a snapshot that was deleted from here.
    pub(super) fn saw_snapshot(&self, snapshot: &Snapshot) -> bool {
        let subject = Subject::Snapshot(snapshot.id.clone());
        self.sightings.saw(&subject) == Sighting::Current
    }
}

impl Source {
    /// The snapshots that the query finds, by a tag of theirs, oldest first.
    pub(super) async fn snapshots_by(
        &self,
        query: &SnapshotQuery,
        tag: fn(&Snapshot) -> Option<&str>,
    ) -> Result<HashMap<String, Vec<Snapshot>>, Ec2Error> {
        let mut snapshots = self.api.describe_snapshots(query).await?.items;
        snapshots.retain(|snapshot| self.saw_snapshot(snapshot));
        snapshots.sort_by(|a, b| (a.started, &a.id).cmp(&(b.started, &b.id)));
        let mut by_tag: HashMap<String, Vec<Snapshot>> = HashMap::new();
        for snapshot in snapshots {
            if let Some(value) = tag(&snapshot) {
                by_tag.entry(value.to_owned()).or_default().push(snapshot);
            }
        }
        Ok(by_tag)
    }
}

/// EC2 left `what` out of a successful answer: the same as its error code for it.
fn left_out<L: Lookup>(kind: ErrorKind, what: impl Display) -> Ec2Error {
    Ec2Error {
        action: L::ACTION,
        kind,
        outcome: Outcome::NotDone,
        code: None,
        message: format!("EC2's answer has no {what}"),
        request_id: None,
    }
}

/// Volumes by id.
pub(super) struct VolumesById(pub(super) Source);

#[async_trait]
impl Lookup for VolumesById {
    type Key = VolumeId;
    type Value = Volume;

    const ACTION: Action = Action::DescribeVolumes;
    const MOST: usize = 500;

    async fn describe(&self, ids: &[VolumeId]) -> Result<HashMap<VolumeId, Volume>, Ec2Error> {
        let query = VolumeQuery::Ids(ids.to_vec());
        let volumes = self.0.api.describe_volumes(&query).await?.items;
        Ok(volumes
            .into_iter()
            .map(|volume| self.0.saw_volume(volume))
            .map(|volume| (volume.id.clone(), volume))
            .collect())
    }

    fn absent(id: &VolumeId) -> Result<Volume, Ec2Error> {
        Err(left_out::<Self>(
            ErrorKind::VolumeNotFound,
            format_args!("volume {id}"),
        ))
    }

    fn subject(id: &VolumeId) -> Option<Subject> {
        Some(Subject::Volume(id.clone()))
    }
}

/// The status of volumes, by their ids.
pub(super) struct StatusesById(pub(super) Source);

#[async_trait]
impl Lookup for StatusesById {
    type Key = VolumeId;
    type Value = VolumeStatus;

    const ACTION: Action = Action::DescribeVolumeStatus;
    const MOST: usize = 500;

    async fn describe(
        &self,
        ids: &[VolumeId],
    ) -> Result<HashMap<VolumeId, VolumeStatus>, Ec2Error> {
        let query = VolumeStatusQuery::Ids(ids.to_vec());
        let statuses = self.0.api.describe_volume_status(&query).await?.items;
        Ok(statuses
            .into_iter()
            .map(|status| (status.volume.clone(), status))
            .collect())
    }

    fn absent(id: &VolumeId) -> Result<VolumeStatus, Ec2Error> {
        Err(left_out::<Self>(
            ErrorKind::VolumeNotFound,
            format_args!("status of volume {id}"),
        ))
    }

    fn subject(id: &VolumeId) -> Option<Subject> {
        Some(Subject::Volume(id.clone()))
    }
}

/// Volumes by the tag `CSIVolumeName`, oldest first, without those on their way out.
pub(super) struct VolumesByName(pub(super) Source);

#[async_trait]
impl Lookup for VolumesByName {
    type Key = String;
    type Value = Vec<Volume>;

    const ACTION: Action = Action::DescribeVolumes;
    const MOST: usize = 200;

    async fn describe(&self, names: &[String]) -> Result<HashMap<String, Vec<Volume>>, Ec2Error> {
        let query = VolumeQuery::Names(names.to_vec());
        let shown = self.0.api.describe_volumes(&query).await?.items.into_iter();
        let mut volumes: Vec<Volume> = shown
            .map(|volume| self.0.saw_volume(volume))
            .filter(|volume| !volume.state.is_gone())
            .collect();
        volumes.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        let mut by_name: HashMap<String, Vec<Volume>> = HashMap::new();
        for volume in volumes {
            if let Some(name) = volume.name() {
                by_name.entry(name.to_owned()).or_default().push(volume);
            }
        }
        Ok(by_name)
    }

    fn absent(_name: &String) -> Result<Vec<Volume>, Ec2Error> {
        Ok(Vec::new())
    }

    fn subject(_name: &String) -> Option<Subject> {
        None
    }
}

/// Snapshots by id.
pub(super) struct SnapshotsById(pub(super) Source);

#[async_trait]
impl Lookup for SnapshotsById {
    type Key = SnapshotId;
    type Value = Snapshot;

    const ACTION: Action = Action::DescribeSnapshots;
    const MOST: usize = 1_000;

    async fn describe(
        &self,
        ids: &[SnapshotId],
    ) -> Result<HashMap<SnapshotId, Snapshot>, Ec2Error> {
        let query = SnapshotQuery::Ids(ids.to_vec());
        let snapshots = self.0.api.describe_snapshots(&query).await?.items;
        Ok(snapshots
            .into_iter()
            .filter(|snapshot| self.0.saw_snapshot(snapshot))
            .map(|snapshot| (snapshot.id.clone(), snapshot))
            .collect())
    }

    fn absent(id: &SnapshotId) -> Result<Snapshot, Ec2Error> {
        Err(left_out::<Self>(
            ErrorKind::SnapshotNotFound,
            format_args!("snapshot {id}"),
        ))
    }

    fn subject(id: &SnapshotId) -> Option<Subject> {
        Some(Subject::Snapshot(id.clone()))
    }
}

/// Snapshots by the tag `CSIVolumeSnapshotName`, oldest first.
pub(super) struct SnapshotsByName(pub(super) Source);

#[async_trait]
impl Lookup for SnapshotsByName {
    type Key = String;
    type Value = Vec<Snapshot>;

    const ACTION: Action = Action::DescribeSnapshots;
    const MOST: usize = 200;

    async fn describe(&self, names: &[String]) -> Result<HashMap<String, Vec<Snapshot>>, Ec2Error> {
        let query = SnapshotQuery::Names(names.to_vec());
        self.0.snapshots_by(&query, Snapshot::name).await
    }

    fn absent(_name: &String) -> Result<Vec<Snapshot>, Ec2Error> {
        Ok(Vec::new())
    }

    fn subject(_name: &String) -> Option<Subject> {
        None
    }
}

/// Instances by id.
pub(super) struct InstancesById(pub(super) Source);

#[async_trait]
impl Lookup for InstancesById {
    type Key = InstanceId;
    type Value = Instance;

    const ACTION: Action = Action::DescribeInstances;
    const MOST: usize = 100;

    async fn describe(
        &self,
        ids: &[InstanceId],
    ) -> Result<HashMap<InstanceId, Instance>, Ec2Error> {
        let instances = self.0.api.describe_instances(ids).await?;
        Ok(instances
            .into_iter()
            .inspect(|instance| {
                self.0
                    .sightings
                    .saw(&Subject::Instance(instance.id.clone()));
            })
            .map(|instance| (instance.id.clone(), instance))
            .collect())
    }

    fn absent(id: &InstanceId) -> Result<Instance, Ec2Error> {
        Err(left_out::<Self>(
            ErrorKind::InstanceNotFound,
            format_args!("instance {id}"),
        ))
    }

    fn subject(id: &InstanceId) -> Option<Subject> {
        Some(Subject::Instance(id.clone()))
    }
}

/// The latest modifications by volume.
pub(super) struct Modifications(pub(super) Source);

#[async_trait]
impl Lookup for Modifications {
    type Key = VolumeId;
    type Value = Modification;

    const ACTION: Action = Action::DescribeVolumesModifications;
    const MOST: usize = 200;

    async fn describe(
        &self,
        ids: &[VolumeId],
    ) -> Result<HashMap<VolumeId, Modification>, Ec2Error> {
        let modifications = self.0.api.describe_volumes_modifications(ids).await?;
        Ok(modifications
            .into_iter()
            .inspect(|modification| {
                self.0
                    .sightings
                    .saw(&Subject::Modification(modification.volume.clone()));
            })
            .map(|modification| (modification.volume.clone(), modification))
            .collect())
    }

    fn absent(id: &VolumeId) -> Result<Modification, Ec2Error> {
        Err(left_out::<Self>(
            ErrorKind::ModificationNotFound,
            format_args!("modification of volume {id}"),
        ))
    }

    fn subject(id: &VolumeId) -> Option<Subject> {
        Some(Subject::Modification(id.clone()))
    }
}
