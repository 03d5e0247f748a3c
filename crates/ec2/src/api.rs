//! The EC2 actions that the driver uses, one method each, in domain types.

use async_trait::async_trait;
use ebs_types::{
    InstanceId, InstanceType, ListedLimit, SnapshotId, SnapshotLock, Tags, VolumeId, Zone,
};

use crate::{
    AttachVolume, Attachment, AvailabilityZone, CopyVolume, CreateSnapshot, CreateSnapshots,
    CreateVolume, Ec2Error, FastRestore, Instance, LockedSnapshot, Modification, ModifyVolume,
    Page, Snapshot, SnapshotQuery, Volume, VolumeQuery, VolumeStatus, VolumeStatusQuery,
};

/// EC2, as far as the driver needs it. Each method is one action of the EC2 API and makes at most one call that takes effect;
/// retries below it happen only where repeating is harmless.
///
/// Every method fails with [`Ec2Error`], whose [`crate::Outcome`] says whether the call may have taken effect nevertheless.
#[async_trait]
pub trait Ec2: Send + Sync + 'static {
    /// CreateVolume. Returns as soon as EC2 has accepted; the volume is `creating`.
    async fn create_volume(&self, request: &CreateVolume) -> Result<Volume, Ec2Error>;

    /// CopyVolumes, which copies one volume in spite of its name. Returns as soon as EC2 has accepted, and with it the bytes of that
    /// moment; the volume is `creating`.
    async fn copy_volume(&self, request: &CopyVolume) -> Result<Volume, Ec2Error>;

    /// DeleteVolume. Returns as soon as EC2 has accepted.
    async fn delete_volume(&self, volume: &VolumeId) -> Result<(), Ec2Error>;

    /// DescribeVolumes: one page. A query by ids gives all of them in one page or fails with the first unknown one.
    async fn describe_volumes(&self, query: &VolumeQuery) -> Result<Page<Volume>, Ec2Error>;

    /// DescribeVolumeStatus: one page. A query by ids gives all of them in one page or fails with the first unknown one.
    async fn describe_volume_status(
        &self,
        query: &VolumeStatusQuery,
    ) -> Result<Page<VolumeStatus>, Ec2Error>;

    /// AttachVolume. Returns as soon as EC2 has accepted; the attachment is `attaching`.
    async fn attach_volume(&self, request: &AttachVolume) -> Result<Attachment, Ec2Error>;

    /// DetachVolume from one instance, never forced.
    async fn detach_volume(
        &self,
        volume: &VolumeId,
        instance: &InstanceId,
    ) -> Result<Attachment, Ec2Error>;

    /// ModifyVolume. Returns as soon as EC2 has accepted.
    async fn modify_volume(&self, request: &ModifyVolume) -> Result<Modification, Ec2Error>;

    /// DescribeVolumesModifications: the latest modification of each of these volumes that was ever modified.
    async fn describe_volumes_modifications(
        &self,
        volumes: &[VolumeId],
    ) -> Result<Vec<Modification>, Ec2Error>;

    /// CreateSnapshot. It has no client token: never repeat it without a look by tag.
    async fn create_snapshot(&self, request: &CreateSnapshot) -> Result<Snapshot, Ec2Error>;

    /// CreateSnapshots: one of each volume of an instance that is not left out, all of the same moment. It has no client token: never
    /// repeat it without a look by tag. A volume that has come or gone meanwhile shows in the answer alone.
    async fn create_snapshots(&self, request: &CreateSnapshots) -> Result<Vec<Snapshot>, Ec2Error>;

    /// DeleteSnapshot.
    async fn delete_snapshot(&self, snapshot: &SnapshotId) -> Result<(), Ec2Error>;

    /// EnableFastSnapshotRestores of one snapshot in these zones, at least one. A zone where they are on already stays as it is.
    ///
    /// The error is that of the first zone that EC2 refuses; others of the call may be on then.
    async fn enable_fast_restores(
        &self,
        snapshot: &SnapshotId,
        zones: &[Zone],
    ) -> Result<(), Ec2Error>;

    /// DescribeFastSnapshotRestores of at most 200 snapshots; none for those that are not there.
    async fn describe_fast_restores(
        &self,
        snapshots: &[SnapshotId],
    ) -> Result<Vec<FastRestore>, Ec2Error>;

    /// LockSnapshot. A repetition changes the lock that is there, which EC2 refuses where it is in compliance mode for good.
    async fn lock_snapshot(
        &self,
        snapshot: &SnapshotId,
        lock: &SnapshotLock,
    ) -> Result<(), Ec2Error>;

    /// DescribeLockedSnapshots by ids, at most 200: those of them that are or were locked.
    async fn describe_locked_snapshots(
        &self,
        snapshots: &[SnapshotId],
    ) -> Result<Vec<LockedSnapshot>, Ec2Error>;

    /// CreateTags: sets tags on a volume; those of equal keys are replaced.
    async fn create_tags(&self, volume: &VolumeId, tags: &Tags) -> Result<(), Ec2Error>;

    /// DeleteTags: takes the tags of these keys, at least one, from a volume, as far as they are there.
    async fn delete_tags(&self, volume: &VolumeId, keys: &[String]) -> Result<(), Ec2Error>;

    /// DescribeSnapshots: one page.
    async fn describe_snapshots(&self, query: &SnapshotQuery) -> Result<Page<Snapshot>, Ec2Error>;

    /// DescribeInstances by ids, at most 100.
    async fn describe_instances(&self, ids: &[InstanceId]) -> Result<Vec<Instance>, Ec2Error>;

    /// DescribeAvailabilityZones: the zones of the region.
    async fn describe_availability_zones(&self) -> Result<Vec<AvailabilityZone>, Ec2Error>;

    /// DescribeInstanceTypes: how many volumes instances of this type take. `None` where EC2 does not say: endpoints that are
    /// older than the field, and EC2-compatible ones. EC2 refuses a type that the region does not have.
    async fn describe_instance_type(
        &self,
        instance_type: &InstanceType,
    ) -> Result<Option<ListedLimit>, Ec2Error>;
}
