//! The Controller and GroupController services: volumes and snapshots in EC2.
//!
//! Answers for: the trait of the RPCs, and what they share. Each operation is in its own file below: parse, guard, do, render.
//! Doesn't answer for: pacing and sharing of EC2 calls (`ec2::Cloud`), codes of errors (`status`), anything on a node.

mod attempts;
mod attributes;
mod capabilities;
mod class_tags;
mod content_source;
mod create_snapshot;
mod create_volume;
mod delete_snapshot;
mod delete_volume;
mod device_names;
mod error;
mod expand;
mod get_snapshot;
mod get_volume;
mod group_snapshots;
mod initialization;
mod list_snapshots;
mod list_volumes;
#[cfg(test)]
mod lives;
mod modification;
mod modify;
mod origin;
mod pages;
mod params;
mod publish;
mod published;
mod recent;
mod render;
mod request;
mod sharing;
#[cfg(test)]
mod simulation;
mod site;
mod snapshot_class;
mod snapshot_extras;
mod speed;
mod tags;
mod template;
#[cfg(test)]
mod testing;
mod topology;
mod unpublish;
mod validate;
mod volume_health;
mod volume_spec;
mod zones;

use std::sync::OnceLock;
use std::time::Duration;

use csi::v1::controller_server::Controller;
use csi::v1::{
    ControllerExpandVolumeRequest, ControllerExpandVolumeResponse,
    ControllerGetCapabilitiesRequest, ControllerGetCapabilitiesResponse,
    ControllerGetVolumeHealthRequest, ControllerGetVolumeHealthResponse,
    ControllerGetVolumeRequest, ControllerGetVolumeResponse, ControllerListVolumeHealthRequest,
    ControllerListVolumeHealthResponse, ControllerModifyVolumeRequest,
    ControllerModifyVolumeResponse, ControllerPublishVolumeRequest,
    ControllerPublishVolumeResponse, ControllerUnpublishVolumeRequest,
    ControllerUnpublishVolumeResponse, CreateSnapshotRequest, CreateSnapshotResponse,
    CreateVolumeRequest, CreateVolumeResponse, DeleteSnapshotRequest, DeleteSnapshotResponse,
    DeleteVolumeRequest, DeleteVolumeResponse, GetCapacityRequest, GetCapacityResponse,
    GetSnapshotRequest, GetSnapshotResponse, ListSnapshotsRequest, ListSnapshotsResponse,
    ListVolumesRequest, ListVolumesResponse, ValidateVolumeCapabilitiesRequest,
    ValidateVolumeCapabilitiesResponse,
};
use ebs_types::Tags;
use ec2::Cloud;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use self::attempts::Attempts;
pub(crate) use self::class_tags::InvalidTags;
use self::device_names::DeviceNames;
pub(crate) use self::error::Error;
use self::modification::Desk;
use self::published::Published;
use self::recent::Recent;
pub(crate) use self::volume_health::{Checkup, VOLUME_DELETED};
use self::zones::Zones;
use crate::inflight::{Busy, Guard, InFlight, Key};
use crate::status::{self, Rpc};
use crate::telemetry;

/// What the operator decides about the Controller service.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Tags that every volume and snapshot gets. They don't replace the driver's own.
    pub(crate) extra_tags: Tags,
    /// The Kubernetes cluster whose resources these are; named in their tags.
    pub(crate) cluster_id: Option<String>,
    /// Whether handles of node-local volumes are taken.
    pub(crate) node_local_volumes: bool,
    /// What becomes of a class' tag that cannot be had.
    pub(crate) invalid_tags: InvalidTags,
    /// How long an attachment may be `attaching` before it is undone and made anew. EC2 takes 1 to 6 s.
    pub(crate) attach_patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            extra_tags: Tags::new(),
            cluster_id: None,
            node_local_volumes: false,
            invalid_tags: InvalidTags::default(),
            attach_patience: Duration::from_secs(90),
        }
    }
}

/// The Controller service.
pub(crate) struct ControllerService {
    cloud: Cloud,
    settings: Settings,
    in_flight: InFlight,
    /// Attempts to make volumes, by name.
    volumes: Attempts,
    /// KMS keys that work.
    keys: create_volume::Keys,
    /// Snapshots that EC2 may not show yet, by name.
    recent_snapshots: Recent,
    /// Group snapshots that EC2 may not show yet, by name.
    recent_groups: Recent,
    /// When this process took up snapshots: its first request for one or a group. A standby replica begins when it becomes the leader.
    first_snapshot: OnceLock<Instant>,
    device_names: DeviceNames,
    published: Published,
    /// Who modifies which volume.
    modifications: Desk,
    /// The region's zones.
    zones: Zones,
}

impl ControllerService {
    /// The service over this cloud.
    pub(crate) fn new(cloud: Cloud, settings: Settings) -> Self {
        Self {
            cloud,
            settings,
            in_flight: InFlight::default(),
            volumes: Attempts::default(),
            keys: create_volume::Keys::default(),
            recent_snapshots: Recent::default(),
            recent_groups: Recent::default(),
            first_snapshot: OnceLock::new(),
            device_names: DeviceNames::default(),
            published: Published::default(),
            modifications: Desk::default(),
            zones: Zones::default(),
        }
    }

    /// When this process took up snapshots; now, if nobody has asked for one yet.
    fn took_up_snapshots(&self) -> Instant {
        *self.first_snapshot.get_or_init(Instant::now)
    }

    /// Takes `key` for an RPC and names it in the RPC's log lines.
    fn begin(&self, key: Key, rpc: Rpc) -> Result<Guard, Busy> {
        telemetry::about(&key);
        self.in_flight.begin(key, rpc.name())
    }
}

/// An operation's result as the answer to its RPC.
fn answer<T>(rpc: Rpc, result: Result<T, Error>) -> Result<Response<T>, Status> {
    result
        .map(Response::new)
        .map_err(|error| status::controller(rpc, &error))
}

fn not_offered<T>(what: &str) -> Result<Response<T>, Status> {
    Err(Status::unimplemented(format!(
        "this driver does not offer {what}; ControllerGetCapabilities says what it offers"
    )))
}

#[tonic::async_trait]
impl Controller for ControllerService {
    async fn create_volume(
        &self,
        request: Request<CreateVolumeRequest>,
    ) -> Result<Response<CreateVolumeResponse>, Status> {
        let result = create_volume::run(self, request.into_inner()).await;
        answer(Rpc::CreateVolume, result)
    }

    async fn delete_volume(
        &self,
        request: Request<DeleteVolumeRequest>,
    ) -> Result<Response<DeleteVolumeResponse>, Status> {
        let result = delete_volume::run(self, request.into_inner()).await;
        answer(Rpc::DeleteVolume, result)
    }

    async fn controller_publish_volume(
        &self,
        request: Request<ControllerPublishVolumeRequest>,
    ) -> Result<Response<ControllerPublishVolumeResponse>, Status> {
        let result = publish::run(self, request.into_inner()).await;
        answer(Rpc::ControllerPublishVolume, result)
    }

    async fn controller_unpublish_volume(
        &self,
        request: Request<ControllerUnpublishVolumeRequest>,
    ) -> Result<Response<ControllerUnpublishVolumeResponse>, Status> {
        let result = unpublish::run(self, request.into_inner()).await;
        answer(Rpc::ControllerUnpublishVolume, result)
    }

    async fn validate_volume_capabilities(
        &self,
        request: Request<ValidateVolumeCapabilitiesRequest>,
    ) -> Result<Response<ValidateVolumeCapabilitiesResponse>, Status> {
        let result = validate::run(self, request.into_inner()).await;
        answer(Rpc::ValidateVolumeCapabilities, result)
    }

    async fn controller_expand_volume(
        &self,
        request: Request<ControllerExpandVolumeRequest>,
    ) -> Result<Response<ControllerExpandVolumeResponse>, Status> {
        let result = expand::run(self, request.into_inner()).await;
        answer(Rpc::ControllerExpandVolume, result)
    }

    async fn create_snapshot(
        &self,
        request: Request<CreateSnapshotRequest>,
    ) -> Result<Response<CreateSnapshotResponse>, Status> {
        let result = create_snapshot::run(self, request.into_inner()).await;
        answer(Rpc::CreateSnapshot, result)
    }

    async fn delete_snapshot(
        &self,
        request: Request<DeleteSnapshotRequest>,
    ) -> Result<Response<DeleteSnapshotResponse>, Status> {
        let result = delete_snapshot::run(self, request.into_inner()).await;
        answer(Rpc::DeleteSnapshot, result)
    }

    async fn list_snapshots(
        &self,
        request: Request<ListSnapshotsRequest>,
    ) -> Result<Response<ListSnapshotsResponse>, Status> {
        let result = list_snapshots::run(self, request.into_inner()).await;
        answer(Rpc::ListSnapshots, result)
    }

    async fn controller_get_capabilities(
        &self,
        _request: Request<ControllerGetCapabilitiesRequest>,
    ) -> Result<Response<ControllerGetCapabilitiesResponse>, Status> {
        Ok(Response::new(capabilities::answer()))
    }

    async fn list_volumes(
        &self,
        request: Request<ListVolumesRequest>,
    ) -> Result<Response<ListVolumesResponse>, Status> {
        let result = list_volumes::run(self, request.into_inner()).await;
        answer(Rpc::ListVolumes, result)
    }

    async fn get_capacity(
        &self,
        _request: Request<GetCapacityRequest>,
    ) -> Result<Response<GetCapacityResponse>, Status> {
        not_offered("GetCapacity")
    }

    async fn get_snapshot(
        &self,
        request: Request<GetSnapshotRequest>,
    ) -> Result<Response<GetSnapshotResponse>, Status> {
        let result = get_snapshot::run(self, request.into_inner()).await;
        answer(Rpc::GetSnapshot, result)
    }

    async fn controller_get_volume(
        &self,
        request: Request<ControllerGetVolumeRequest>,
    ) -> Result<Response<ControllerGetVolumeResponse>, Status> {
        let result = get_volume::run(self, request.into_inner()).await;
        answer(Rpc::ControllerGetVolume, result)
    }

    async fn controller_modify_volume(
        &self,
        request: Request<ControllerModifyVolumeRequest>,
    ) -> Result<Response<ControllerModifyVolumeResponse>, Status> {
        let result = modify::run(self, request.into_inner()).await;
        answer(Rpc::ControllerModifyVolume, result)
    }

    async fn controller_list_volume_health(
        &self,
        request: Request<ControllerListVolumeHealthRequest>,
    ) -> Result<Response<ControllerListVolumeHealthResponse>, Status> {
        let result = volume_health::list(self, request.into_inner()).await;
        answer(Rpc::ControllerListVolumeHealth, result)
    }

    async fn controller_get_volume_health(
        &self,
        request: Request<ControllerGetVolumeHealthRequest>,
    ) -> Result<Response<ControllerGetVolumeHealthResponse>, Status> {
        let result = volume_health::get(self, request.into_inner()).await;
        answer(Rpc::ControllerGetVolumeHealth, result)
    }
}
