//! [`Ec2`] over the AWS SDK: the only place that names it.
//!
//! Answers for: making a client, turning requests and replies between our types and the SDK's, and repeating what is harmless
//! to repeat. One file for each kind of resource.
//! Doesn't answer for: which calls are made ([`crate::Cloud`]) and when they leave (`pace`), nor what an error code means (`classify`).

mod blocks;
mod connect;
mod convert;
mod failure;
#[cfg(feature = "in-process")]
mod in_process;
mod instance_types;
mod instances;
mod pages;
mod proxy;
mod retry;
mod snapshots;
mod volumes;
mod zones;

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ec2::Client;
use ebs_types::{
    InstanceId, InstanceType, ListedLimit, SnapshotId, SnapshotLock, Tags, VolumeId, Zone,
};
use prometheus_client::registry::Registry;
use tokio::sync::OnceCell;

use self::connect::Plan;
pub use self::connect::{ConnectError, SdkSettings};
pub use self::proxy::{InvalidProxy, Proxy};
use self::retry::Paced;
use crate::pace::Pacer;
use crate::{
    AttachVolume, Attachment, AvailabilityZone, CopyVolume, CreateSnapshot, CreateSnapshots,
    CreateVolume, Ec2, Ec2Error, FastRestore, Instance, LockedSnapshot, Modification, ModifyVolume,
    Page, Snapshot, SnapshotQuery, Volume, VolumeQuery, VolumeStatus, VolumeStatusQuery,
};

/// EC2 and the EBS direct APIs, through the AWS SDK. Cheap to clone.
///
/// The SDK's clients are made at their first calls: its TLS and credential chains take longer than all else that a process does
/// before it can answer that it lives.
#[derive(Clone, Debug)]
pub struct SdkEc2 {
    plan: Arc<Plan>,
    /// What both clients are made of: they share credentials.
    shared: Arc<OnceCell<SdkConfig>>,
    client: Arc<OnceCell<Paced<Client>>>,
    blocks: Arc<OnceCell<Paced<aws_sdk_ebs::Client>>>,
    pacer: Arc<Pacer>,
}

impl SdkEc2 {
    /// Shows how calls to EC2 go, under names that begin with `api_request_` and `ec2_`.
    pub fn register(&self, registry: &mut Registry) {
        self.pacer.metrics().register(&self.pacer, registry);
    }

    async fn client(&self) -> &Paced<Client> {
        let make = || async {
            let client = self.plan.client(self.shared().await);
            Paced::new(client, &self.pacer)
        };
        self.client.get_or_init(make).await
    }

    async fn blocks_client(&self) -> &Paced<aws_sdk_ebs::Client> {
        let make = || async {
            let client = self.plan.blocks_client(self.shared().await);
            Paced::new(client, &self.pacer)
        };
        self.blocks.get_or_init(make).await
    }

    async fn shared(&self) -> &SdkConfig {
        // Large, and needed once: no call holds room for it.
        let load = || Box::pin(self.plan.load());
        self.shared.get_or_init(load).await
    }
}

#[async_trait]
impl Ec2 for SdkEc2 {
    async fn create_volume(&self, request: &CreateVolume) -> Result<Volume, Ec2Error> {
        volumes::create(self.client().await, request).await
    }

    async fn copy_volume(&self, request: &CopyVolume) -> Result<Volume, Ec2Error> {
        volumes::copy(self.client().await, request).await
    }

    async fn delete_volume(&self, volume: &VolumeId) -> Result<(), Ec2Error> {
        volumes::delete(self.client().await, volume).await
    }

    async fn describe_volumes(&self, query: &VolumeQuery) -> Result<Page<Volume>, Ec2Error> {
        volumes::describe(self.client().await, query).await
    }

    async fn describe_volume_status(
        &self,
        query: &VolumeStatusQuery,
    ) -> Result<Page<VolumeStatus>, Ec2Error> {
        volumes::status::describe(self.client().await, query).await
    }

    async fn attach_volume(&self, request: &AttachVolume) -> Result<Attachment, Ec2Error> {
        volumes::attachment::attach(self.client().await, request).await
    }

    async fn detach_volume(
        &self,
        volume: &VolumeId,
        instance: &InstanceId,
    ) -> Result<Attachment, Ec2Error> {
        volumes::attachment::detach(self.client().await, volume, instance).await
    }

    async fn modify_volume(&self, request: &ModifyVolume) -> Result<Modification, Ec2Error> {
        volumes::modification::modify(self.client().await, request).await
    }

    async fn describe_volumes_modifications(
        &self,
        volumes: &[VolumeId],
    ) -> Result<Vec<Modification>, Ec2Error> {
        volumes::modification::describe(self.client().await, volumes).await
    }

    async fn create_snapshot(&self, request: &CreateSnapshot) -> Result<Snapshot, Ec2Error> {
        snapshots::create(self.client().await, request).await
    }

    async fn create_snapshots(&self, request: &CreateSnapshots) -> Result<Vec<Snapshot>, Ec2Error> {
        snapshots::together::create(self.client().await, request).await
    }

    async fn delete_snapshot(&self, snapshot: &SnapshotId) -> Result<(), Ec2Error> {
        snapshots::delete(self.client().await, snapshot).await
    }

    async fn enable_fast_restores(
        &self,
        snapshot: &SnapshotId,
        zones: &[Zone],
    ) -> Result<(), Ec2Error> {
        snapshots::fast_restores::enable(self.client().await, snapshot, zones).await
    }

    async fn describe_fast_restores(
        &self,
        snapshots: &[SnapshotId],
    ) -> Result<Vec<FastRestore>, Ec2Error> {
        snapshots::fast_restores::describe(self.client().await, snapshots).await
    }

    async fn lock_snapshot(
        &self,
        snapshot: &SnapshotId,
        lock: &SnapshotLock,
    ) -> Result<(), Ec2Error> {
        snapshots::locks::lock(self.client().await, snapshot, lock).await
    }

    async fn describe_locked_snapshots(
        &self,
        snapshots: &[SnapshotId],
    ) -> Result<Vec<LockedSnapshot>, Ec2Error> {
        snapshots::locks::describe(self.client().await, snapshots).await
    }

    async fn create_tags(&self, volume: &VolumeId, tags: &Tags) -> Result<(), Ec2Error> {
        volumes::tagging::create(self.client().await, volume, tags).await
    }

    async fn delete_tags(&self, volume: &VolumeId, keys: &[String]) -> Result<(), Ec2Error> {
        volumes::tagging::delete(self.client().await, volume, keys).await
    }

    async fn describe_snapshots(&self, query: &SnapshotQuery) -> Result<Page<Snapshot>, Ec2Error> {
        snapshots::describe(self.client().await, query).await
    }

    async fn describe_instances(&self, ids: &[InstanceId]) -> Result<Vec<Instance>, Ec2Error> {
        instances::describe(self.client().await, ids).await
    }

    async fn describe_availability_zones(&self) -> Result<Vec<AvailabilityZone>, Ec2Error> {
        zones::describe(self.client().await).await
    }

    async fn describe_instance_type(
        &self,
        instance_type: &InstanceType,
    ) -> Result<Option<ListedLimit>, Ec2Error> {
        instance_types::describe(self.client().await, instance_type).await
    }
}

#[cfg(test)]
mod canned;
#[cfg(test)]
mod tests;
