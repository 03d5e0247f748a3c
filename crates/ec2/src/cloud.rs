//! EC2 as the controller uses it: calls that ask for the same are shared, states are awaited together, and "not found"
//! is believed only when it is sure.
//!
//! Answers for: how many describes leave and when, and the rule on [`Ec2Error::is_not_found`].
//! Doesn't answer for: what a call does ([`crate::Ec2`]), nor what an answer means to CSI.

mod batch;
mod crowd;
mod group_snapshots;
mod listing;
mod lookup;
mod metrics;
mod sightings;
mod single;
mod snapshot_extras;
mod sure;
mod watch;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use ebs_types::{InstanceId, InstanceType, ListedLimit, SnapshotId, Tags, VolumeId};

use self::batch::Batch;
use self::group_snapshots::SnapshotsByGroup;
use self::lookup::{
    InstancesById, Modifications, SnapshotsById, SnapshotsByName, Source, StatusesById,
    VolumesById, VolumesByName,
};
pub use self::metrics::CloudMetrics;
use self::sightings::{Sightings, Subject};
use self::single::Single;
use self::snapshot_extras::{FastRestoresBySnapshot, LocksBySnapshot};
pub use self::watch::{Begun, Change};
use self::watch::{Pace, Watch};
use crate::{
    Action, AttachVolume, Attachment, AvailabilityZone, CopyVolume, CreateSnapshot, CreateVolume,
    Ec2, Ec2Error, ErrorKind, Instance, Modification, ModifyVolume, Snapshot, Volume,
};

/// How a [`Cloud`] paces itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloudSettings {
    /// How long EC2 may take to show what it has accepted. Default 10 s; seen in practice: up to 4 s.
    pub consistency_window: Duration,
    /// The shortest time between two looks at the same thing that is awaited. Default 50 ms.
    pub watch_min: Duration,
    /// The longest time between two looks at the same thing that is awaited. Default 2 s.
    pub watch_max: Duration,
}

impl Default for CloudSettings {
    fn default() -> Self {
        Self {
            consistency_window: Duration::from_secs(10),
            watch_min: Duration::from_millis(50),
            watch_max: Duration::from_secs(2),
        }
    }
}

/// EC2 with shared and awaited calls. Cheap to clone; all clones share.
///
/// Gone is gone only when sure: an error for which [`Ec2Error::is_not_found`] leaves one of these methods only after EC2
/// has repeated it past the consistency window, or when this process saw the resource longer than the window ago, or
/// when EC2 accepted its deletion from this process. Until then the method waits and asks again.
/// [`ErrorKind::MalformedId`] leaves at once. [`Cloud::api`] is outside this rule.
///
/// Every method may be dropped at any point without harm to other callers. All but [`Cloud::new`] need a tokio runtime.
#[derive(Clone)]
pub struct Cloud {
    api: Arc<dyn Ec2>,
    settings: CloudSettings,
    metrics: CloudMetrics,
    sightings: Arc<Sightings>,
    source: Source,
    volumes: Arc<Batch<VolumesById>>,
    statuses: Arc<Batch<StatusesById>>,
    volumes_by_name: Arc<Batch<VolumesByName>>,
    snapshots: Arc<Batch<SnapshotsById>>,
    snapshots_by_name: Arc<Batch<SnapshotsByName>>,
    snapshots_by_group: Arc<Batch<SnapshotsByGroup>>,
    fast_restores: Arc<Batch<FastRestoresBySnapshot>>,
    locks: Arc<Batch<LocksBySnapshot>>,
    instances: Arc<Batch<InstancesById>>,
    modifications: Arc<Batch<Modifications>>,
    zones: Arc<Single<(), Arc<[AvailabilityZone]>>>,
    instance_types: Arc<Single<InstanceType, Option<ListedLimit>>>,
    volume_watch: Arc<Watch<VolumesById>>,
    name_watch: Arc<Watch<VolumesByName>>,
    modification_watch: Arc<Watch<Modifications>>,
}

impl Cloud {
    /// Shares the calls to `api`.
    #[must_use]
    pub fn new(api: Arc<dyn Ec2>, settings: CloudSettings) -> Self {
        let sightings = Arc::new(Sightings::new(settings.consistency_window));
        let source = || Source {
            api: Arc::clone(&api),
            sightings: Arc::clone(&sightings),
        };
        let pace = Pace {
            min: settings.watch_min,
            max: settings.watch_max,
        };
        let metrics = CloudMetrics::default();
        let figures = || metrics.clone();
        let volumes = Batch::new(VolumesById(source()), figures());
        let volumes_by_name = Batch::new(VolumesByName(source()), figures());
        let modifications = Batch::new(Modifications(source()), figures());
        let known = || Arc::clone(&sightings);
        Self {
            snapshots: Batch::new(SnapshotsById(source()), figures()),
            snapshots_by_name: Batch::new(SnapshotsByName(source()), figures()),
            snapshots_by_group: Batch::new(SnapshotsByGroup(source()), figures()),
            fast_restores: Batch::new(FastRestoresBySnapshot(source()), figures()),
            locks: Batch::new(LocksBySnapshot(source()), figures()),
            instances: Batch::new(InstancesById(source()), figures()),
            statuses: Batch::new(StatusesById(source()), figures()),
            zones: Single::new(Action::DescribeAvailabilityZones, figures()),
            instance_types: Single::new(Action::DescribeInstanceTypes, figures()),
            volume_watch: Watch::new(Arc::clone(&volumes), known(), pace, figures()),
            name_watch: Watch::new(Arc::clone(&volumes_by_name), known(), pace, figures()),
            modification_watch: Watch::new(Arc::clone(&modifications), known(), pace, figures()),
            volumes,
            volumes_by_name,
            modifications,
            source: source(),
            api,
            settings,
            metrics,
            sightings,
        }
    }

    /// The raw calls: not shared, not awaited, "not found" as EC2 says it.
    #[must_use]
    pub fn api(&self) -> &dyn Ec2 {
        self.api.as_ref()
    }

    /// How this cloud paces itself.
    #[must_use]
    pub fn settings(&self) -> CloudSettings {
        self.settings
    }

    /// How the calls are shared.
    #[must_use]
    pub fn metrics(&self) -> &CloudMetrics {
        &self.metrics
    }

    /// The volume as EC2 describes it after this call began.
    ///
    /// # Errors
    /// [`Ec2Error`]; [`ErrorKind::VolumeNotFound`] is sure.
    pub async fn volume(&self, id: &VolumeId) -> Result<Volume, Ec2Error> {
        let subject = Subject::Volume(id.clone());
        self.surely(|_| subject.clone(), || self.volumes.get(id.clone()))
            .await
    }

    /// The volumes whose tag `CSIVolumeName` is `name`, oldest first, without those that are being or have been deleted.
    /// Empty may mean that EC2 doesn't show a new volume yet: see [`Cloud::volumes_named_surely`].
    ///
    /// # Errors
    /// [`Ec2Error`], never for want of such a volume.
    pub async fn volumes_named(&self, name: &str) -> Result<Vec<Volume>, Ec2Error> {
        self.volumes_by_name.get(name.to_owned()).await
    }

    /// [`Cloud::volumes_named`], but the answer is empty only once EC2 has repeated that past the consistency window,
    /// counted from this call's begin. A name that has a volume is answered at once.
    ///
    /// # Errors
    /// As [`Cloud::volumes_named`].
    pub async fn volumes_named_surely(&self, name: &str) -> Result<Vec<Volume>, Ec2Error> {
        self.some_surely(|| self.volumes_named(name)).await
    }

    /// The snapshot as EC2 describes it after this call began.
    ///
    /// # Errors
    /// [`Ec2Error`]; [`ErrorKind::SnapshotNotFound`] is sure.
    pub async fn snapshot(&self, id: &SnapshotId) -> Result<Snapshot, Ec2Error> {
        let subject = Subject::Snapshot(id.clone());
        self.surely(|_| subject.clone(), || self.snapshots.get(id.clone()))
            .await
    }

    /// The account's own snapshots whose tag `CSIVolumeSnapshotName` is `name`, oldest first.
    /// Empty may mean that EC2 doesn't show a new snapshot yet: see [`Cloud::snapshots_named_surely`].
    ///
    /// # Errors
    /// [`Ec2Error`], never for want of such a snapshot.
    pub async fn snapshots_named(&self, name: &str) -> Result<Vec<Snapshot>, Ec2Error> {
        self.snapshots_by_name.get(name.to_owned()).await
    }

    /// [`Cloud::snapshots_named`], but the answer is empty only once EC2 has repeated that past the consistency window,
    /// counted from this call's begin. A name that has a snapshot is answered at once.
    ///
    /// # Errors
    /// As [`Cloud::snapshots_named`].
    pub async fn snapshots_named_surely(&self, name: &str) -> Result<Vec<Snapshot>, Ec2Error> {
        self.some_surely(|| self.snapshots_named(name)).await
    }

    /// The instance as EC2 describes it after this call began. A terminated one is still described for about an hour.
    ///
    /// # Errors
    /// [`Ec2Error`]; [`ErrorKind::InstanceNotFound`] is sure.
    pub async fn instance(&self, id: &InstanceId) -> Result<Instance, Ec2Error> {
        let subject = Subject::Instance(id.clone());
        self.surely(|_| subject.clone(), || self.instances.get(id.clone()))
            .await
    }

    /// The latest modification of a volume; `None` where EC2 shows none: it was never modified, or EC2 does not show it yet.
    ///
    /// # Errors
    /// [`Ec2Error`], never for want of a modification. [`ErrorKind::VolumeNotFound`] is sure, but need not come for a volume
    /// that doesn't exist: EC2 may just show no modification of it.
    pub async fn modification(&self, id: &VolumeId) -> Result<Option<Modification>, Ec2Error> {
        let subject = Subject::Volume(id.clone());
        let ask = || async {
            match self.modifications.get(id.clone()).await {
                Ok(modification) => Ok(Some(modification)),
                Err(error) if error.kind == ErrorKind::ModificationNotFound => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.surely(|_| subject.clone(), ask).await
    }

    /// Looks at a volume again and again until `look` breaks, and gives what it breaks with.
    ///
    /// All waiters share one describe per tick. Throttling, failures of EC2 and lost replies slow the watch down and do not
    /// end it. The deadline is the caller's, who drops the future.
    ///
    /// # Errors
    /// [`ErrorKind::VolumeNotFound`], sure, and every other refusal of EC2; nothing for which [`Ec2Error::is_transient`].
    pub async fn watch_volume<T: Send>(
        &self,
        id: &VolumeId,
        change: Change,
        begun: Begun,
        look: impl FnMut(&Volume) -> ControlFlow<T> + Send,
    ) -> Result<T, Ec2Error> {
        let watch = &self.volume_watch;
        watch.until(id.clone(), change, begun, look).await
    }

    /// [`Cloud::watch_volume`] over the volumes of one name, as [`Cloud::volumes_named`] gives them. `look` also sees empty
    /// answers: no such volume is no error here.
    ///
    /// # Errors
    /// Every refusal of EC2; nothing for which [`Ec2Error::is_transient`].
    pub async fn watch_volumes_named<T: Send>(
        &self,
        name: &str,
        begun: Begun,
        mut look: impl FnMut(&[Volume]) -> ControlFlow<T> + Send,
    ) -> Result<T, Ec2Error> {
        let (watch, name) = (&self.name_watch, name.to_owned());
        watch
            .until(name, Change::Made, begun, |volumes| look(volumes))
            .await
    }

    /// [`Cloud::watch_volume`] over the latest modification of a volume.
    ///
    /// # Errors
    /// [`ErrorKind::ModificationNotFound`], sure: EC2 shows none for longer than the consistency window;
    /// and every other refusal of EC2; nothing for which [`Ec2Error::is_transient`].
    pub async fn watch_modification<T: Send>(
        &self,
        id: &VolumeId,
        begun: Begun,
        look: impl FnMut(&Modification) -> ControlFlow<T> + Send,
    ) -> Result<T, Ec2Error> {
        let watch = &self.modification_watch;
        watch.until(id.clone(), Change::Modified, begun, look).await
    }

    /// [`Ec2::create_volume`].
    ///
    /// # Errors
    /// As there.
    pub async fn create_volume(&self, request: &CreateVolume) -> Result<Volume, Ec2Error> {
        let _coming = self.name_watch.coming();
        self.api.create_volume(request).await
    }

    /// [`Ec2::create_snapshot`].
    ///
    /// # Errors
    /// As there; "not found" as EC2 says it.
    pub async fn create_snapshot(&self, request: &CreateSnapshot) -> Result<Snapshot, Ec2Error> {
        let _busy = self.snapshots_by_name.busy();
        self.api.create_snapshot(request).await
    }

    /// [`Ec2::copy_volume`].
    ///
    /// # Errors
    /// As there; [`ErrorKind::VolumeNotFound`], of the source, is sure.
    pub async fn copy_volume(&self, request: &CopyVolume) -> Result<Volume, Ec2Error> {
        let _coming = self.name_watch.coming();
        let subject = Subject::Volume(request.source.clone());
        self.surely(|_| subject.clone(), || self.api.copy_volume(request))
            .await
    }

    /// [`Ec2::delete_volume`].
    ///
    /// # Errors
    /// As there; [`ErrorKind::VolumeNotFound`] is sure.
    pub async fn delete_volume(&self, volume: &VolumeId) -> Result<(), Ec2Error> {
        let subject = Subject::Volume(volume.clone());
        self.surely(|_| subject.clone(), || self.api.delete_volume(volume))
            .await?;
        self.sightings.ended(&subject);
        Ok(())
    }

    /// [`Ec2::attach_volume`].
    ///
    /// # Errors
    /// As there; "not found" is sure.
    pub async fn attach_volume(&self, request: &AttachVolume) -> Result<Attachment, Ec2Error> {
        let _coming = self.volume_watch.coming();
        let (volume, instance) = (&request.volume, &request.instance);
        let attachment = self
            .surely(
                |kind| of_attachment(kind, volume, instance),
                || self.api.attach_volume(request),
            )
            .await?;
        let made = Subject::Attachment(volume.clone(), instance.clone());
        self.sightings.made(&made);
        Ok(attachment)
    }

    /// [`Ec2::detach_volume`].
    ///
    /// # Errors
    /// As there; "not found" is sure.
    pub async fn detach_volume(
        &self,
        volume: &VolumeId,
        instance: &InstanceId,
    ) -> Result<Attachment, Ec2Error> {
        let _coming = self.volume_watch.coming();
        self.surely(
            |kind| of_attachment(kind, volume, instance),
            || self.api.detach_volume(volume, instance),
        )
        .await
    }

    /// [`Ec2::modify_volume`].
    ///
    /// # Errors
    /// As there; [`ErrorKind::VolumeNotFound`] is sure.
    pub async fn modify_volume(&self, request: &ModifyVolume) -> Result<Modification, Ec2Error> {
        let _coming = self.modification_watch.coming();
        let subject = Subject::Volume(request.volume.clone());
        let modification = self
            .surely(|_| subject.clone(), || self.api.modify_volume(request))
            .await?;
        let made = Subject::Modification(request.volume.clone());
        self.sightings.made(&made);
        Ok(modification)
    }

    /// [`Ec2::create_tags`].
    ///
    /// # Errors
    /// As there; [`ErrorKind::VolumeNotFound`] is sure.
    pub async fn create_tags(&self, volume: &VolumeId, tags: &Tags) -> Result<(), Ec2Error> {
        let subject = Subject::Volume(volume.clone());
        self.surely(|_| subject.clone(), || self.api.create_tags(volume, tags))
            .await
    }

    /// [`Ec2::delete_tags`].
    ///
    /// # Errors
    /// As there; [`ErrorKind::VolumeNotFound`] is sure.
    pub async fn delete_tags(&self, volume: &VolumeId, keys: &[String]) -> Result<(), Ec2Error> {
        let subject = Subject::Volume(volume.clone());
        self.surely(|_| subject.clone(), || self.api.delete_tags(volume, keys))
            .await
    }

    /// [`Ec2::delete_snapshot`].
    ///
    /// # Errors
    /// As there; [`ErrorKind::SnapshotNotFound`] is sure.
    pub async fn delete_snapshot(&self, snapshot: &SnapshotId) -> Result<(), Ec2Error> {
        let subject = Subject::Snapshot(snapshot.clone());
        self.surely(|_| subject.clone(), || self.api.delete_snapshot(snapshot))
            .await?;
        self.sightings.ended(&subject);
        Ok(())
    }
}

/// Of what a "not found" to attach or detach speaks.
fn of_attachment(kind: ErrorKind, volume: &VolumeId, instance: &InstanceId) -> Subject {
    match kind {
        ErrorKind::InstanceNotFound => Subject::Instance(instance.clone()),
        ErrorKind::AttachmentNotFound => Subject::Attachment(volume.clone(), instance.clone()),
        _ => Subject::Volume(volume.clone()),
    }
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
