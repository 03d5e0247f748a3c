//! [`Ec2`] over the AWS SDK: the only place that names it.
//!
//! Answers for: making a client, turning requests and replies between our types and the SDK's, and repeating what is harmless
//! to repeat. One file for each kind of resource.
//! Doesn't answer for: which calls are made and when ([`crate::Cloud`]), nor what an error code means (`classify`).

mod connect;
mod convert;
mod failure;
mod instances;
mod retry;
mod snapshots;
mod volumes;
mod zones;

use async_trait::async_trait;
use ebs_types::{DeviceName, InstanceId, SnapshotId, VolumeId};

pub use self::connect::{ConnectError, SdkSettings};
use crate::{
    Attachment, AvailabilityZone, CreateSnapshot, CreateVolume, Ec2, Ec2Error, Instance,
    Modification, ModifyVolume, Page, Snapshot, SnapshotQuery, Volume, VolumeQuery,
};

/// EC2, through the AWS SDK. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SdkEc2 {
    client: aws_sdk_ec2::Client,
}

#[async_trait]
impl Ec2 for SdkEc2 {
    async fn create_volume(&self, request: &CreateVolume) -> Result<Volume, Ec2Error> {
        volumes::create(&self.client, request).await
    }

    async fn delete_volume(&self, volume: &VolumeId) -> Result<(), Ec2Error> {
        volumes::delete(&self.client, volume).await
    }

    async fn describe_volumes(&self, query: &VolumeQuery) -> Result<Page<Volume>, Ec2Error> {
        volumes::describe(&self.client, query).await
    }

    async fn attach_volume(
        &self,
        volume: &VolumeId,
        instance: &InstanceId,
        device: &DeviceName,
    ) -> Result<Attachment, Ec2Error> {
        volumes::attachment::attach(&self.client, volume, instance, device).await
    }

    async fn detach_volume(
        &self,
        volume: &VolumeId,
        instance: &InstanceId,
    ) -> Result<Attachment, Ec2Error> {
        volumes::attachment::detach(&self.client, volume, instance).await
    }

    async fn modify_volume(&self, request: &ModifyVolume) -> Result<Modification, Ec2Error> {
        volumes::modification::modify(&self.client, request).await
    }

    async fn describe_volumes_modifications(
        &self,
        volumes: &[VolumeId],
    ) -> Result<Vec<Modification>, Ec2Error> {
        volumes::modification::describe(&self.client, volumes).await
    }

    async fn create_snapshot(&self, request: &CreateSnapshot) -> Result<Snapshot, Ec2Error> {
        snapshots::create(&self.client, request).await
    }

    async fn delete_snapshot(&self, snapshot: &SnapshotId) -> Result<(), Ec2Error> {
        snapshots::delete(&self.client, snapshot).await
    }

    async fn describe_snapshots(&self, query: &SnapshotQuery) -> Result<Page<Snapshot>, Ec2Error> {
        snapshots::describe(&self.client, query).await
    }

    async fn describe_instances(&self, ids: &[InstanceId]) -> Result<Vec<Instance>, Ec2Error> {
        instances::describe(&self.client, ids).await
    }

    async fn describe_availability_zones(&self) -> Result<Vec<AvailabilityZone>, Ec2Error> {
        zones::describe(&self.client).await
    }
}

#[cfg(test)]
mod canned;
#[cfg(test)]
mod tests;
