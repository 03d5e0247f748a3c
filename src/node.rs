//! The Node service: volumes as devices, mounts and file systems of this machine. It has no AWS credentials and calls no cloud.
//!
//! Answers for: the order of steps of each RPC, one file an operation. Doesn't answer for: how a step is done (`host`), what codes
//! errors have (`status`).
//!
//! Each operation may be repeated and may be cut off at any point: the next try looks at the device and at the mounts, not at what
//! this process remembers. What changes something goes on when its caller has gone, and keeps its volume or target meanwhile: an
//! unmount that takes longer than its caller waits must not end beneath a volume that another call has found staged.

mod capabilities;
mod error;
mod expand;
mod health;
mod info;
mod lost;
mod path;
mod publish;
mod request;
mod stage;
mod stats;
mod target;
mod unpublish;
mod unstage;

use std::sync::Arc;
use std::time::Duration;

use csi::v1::node_server::Node;
use csi::v1::{
    NodeExpandVolumeRequest, NodeExpandVolumeResponse, NodeGetCapabilitiesRequest,
    NodeGetCapabilitiesResponse, NodeGetInfoRequest, NodeGetInfoResponse,
    NodeGetStorageHealthRequest, NodeGetStorageHealthResponse, NodeGetVolumeHealthRequest,
    NodeGetVolumeHealthResponse, NodeGetVolumeStatsRequest, NodeGetVolumeStatsResponse,
    NodePublishVolumeRequest, NodePublishVolumeResponse, NodeStageVolumeRequest,
    NodeStageVolumeResponse, NodeUnpublishVolumeRequest, NodeUnpublishVolumeResponse,
    NodeUnstageVolumeRequest, NodeUnstageVolumeResponse,
};
use ebs_types::VolumeHandle;
use host::{Host, Mount};
use tonic::{Request, Response, Status};

pub(crate) use error::NodeError;
pub(crate) use target::TargetError;

use crate::capability::NODE_LOCAL_OFF;
use crate::inflight::{Guard, InFlight, Key};
use crate::metadata::Metadata;
use crate::status::InvalidRequest;
use crate::telemetry;
use path::CleanPath;
use request::{Expand, Health, Publish, Stage, Stats, Unpublish, Unstage};

/// What the operator decides about the Node service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How long an attached volume's device may take to appear before NodeStageVolume gives up.
    pub(crate) device_timeout: Duration,
    /// Whether handles of node-local volumes are taken.
    pub(crate) node_local_volumes: bool,
}

/// The Node service. Clones share everything.
#[derive(Clone)]
pub(crate) struct NodeService {
    host: Arc<dyn Host>,
    metadata: Arc<Metadata>,
    settings: Settings,
    in_flight: InFlight,
}

impl NodeService {
    /// The service over this kernel.
    pub(crate) fn new(host: Arc<dyn Host>, metadata: Arc<Metadata>, settings: Settings) -> Self {
        Self {
            host,
            metadata,
            settings,
            in_flight: InFlight::default(),
        }
    }

    /// The operations under way: a process that ends waits for them, with or without callers.
    pub(crate) fn operations(&self) -> InFlight {
        self.in_flight.clone()
    }

    /// Whether the volume is of a kind that this node takes. What is there already is undone whatever it is.
    fn takes(&self, volume: &VolumeHandle) -> Result<(), InvalidRequest> {
        match volume {
            VolumeHandle::Local(_) if !self.settings.node_local_volumes => Err(
                InvalidRequest::value("volume_id", volume.to_string(), NODE_LOCAL_OFF),
            ),
            VolumeHandle::Local(_) | VolumeHandle::Ebs(_) => Ok(()),
        }
    }

    /// Takes a volume for one operation that changes it.
    fn begin(&self, volume: &VolumeHandle, rpc: &'static str) -> Result<Guard, NodeError> {
        Ok(self.in_flight.begin(Key::from(volume), rpc)?)
    }

    /// Takes a target path: several workloads' targets of one volume don't wait for each other.
    fn begin_target(&self, target: &CleanPath, rpc: &'static str) -> Result<Guard, NodeError> {
        let key = Key::Target(target.as_path().to_owned());
        telemetry::about(&key);
        Ok(self.in_flight.begin(key, rpc)?)
    }
}

/// Names the volume in the log lines of the RPC at hand.
fn about(volume: &VolumeHandle) {
    telemetry::about(&Key::from(volume));
}

/// Does blocking work on a thread that may block.
async fn blocking<T: Send + 'static, E: Into<NodeError> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, NodeError> {
    host::blocking(work).await.map_err(Into::into)
}

/// Does work to its end, whether or not its caller stays.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, NodeError>> + Send + 'static,
) -> Result<T, NodeError> {
    host::to_the_end(telemetry::in_current_rpc(work)).await?
}

/// What is mounted at a path, for messages.
fn there(found: Option<&Mount>) -> String {
    found.map_or_else(
        || "nothing is mounted there".to_owned(),
        |mount| format!("there is {mount}"),
    )
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Node for NodeService {
    async fn node_stage_volume(
        &self,
        request: Request<NodeStageVolumeRequest>,
    ) -> Answer<NodeStageVolumeResponse> {
        let wanted = Stage::try_from(request.into_inner())?;
        self.stage(wanted).await?;
        Ok(Response::new(NodeStageVolumeResponse {}))
    }

    async fn node_unstage_volume(
        &self,
        request: Request<NodeUnstageVolumeRequest>,
    ) -> Answer<NodeUnstageVolumeResponse> {
        let wanted = Unstage::try_from(request.into_inner())?;
        let node = self.clone();
        to_the_end(async move { node.unstage(wanted).await }).await?;
        Ok(Response::new(NodeUnstageVolumeResponse {}))
    }

    async fn node_publish_volume(
        &self,
        request: Request<NodePublishVolumeRequest>,
    ) -> Answer<NodePublishVolumeResponse> {
        let wanted = Publish::try_from(request.into_inner())?;
        let node = self.clone();
        to_the_end(async move { node.publish(wanted).await }).await?;
        Ok(Response::new(NodePublishVolumeResponse {}))
    }

    async fn node_unpublish_volume(
        &self,
        request: Request<NodeUnpublishVolumeRequest>,
    ) -> Answer<NodeUnpublishVolumeResponse> {
        let wanted = Unpublish::try_from(request.into_inner())?;
        let node = self.clone();
        to_the_end(async move { node.unpublish(wanted).await }).await?;
        Ok(Response::new(NodeUnpublishVolumeResponse {}))
    }

    async fn node_expand_volume(
        &self,
        request: Request<NodeExpandVolumeRequest>,
    ) -> Answer<NodeExpandVolumeResponse> {
        let wanted = Expand::try_from(request.into_inner())?;
        let node = self.clone();
        let capacity = to_the_end(async move { node.expand(wanted).await }).await?;
        Ok(Response::new(NodeExpandVolumeResponse {
            capacity_bytes: capacity.to_csi(),
        }))
    }

    async fn node_get_volume_stats(
        &self,
        request: Request<NodeGetVolumeStatsRequest>,
    ) -> Answer<NodeGetVolumeStatsResponse> {
        let wanted = Stats::try_from(request.into_inner())?;
        Ok(Response::new(self.stats(wanted).await?))
    }

    async fn node_get_info(
        &self,
        _request: Request<NodeGetInfoRequest>,
    ) -> Answer<NodeGetInfoResponse> {
        let identity = self.metadata.identity().await.map_err(NodeError::from)?;
        Ok(Response::new(info::response(&identity)))
    }

    async fn node_get_capabilities(
        &self,
        _request: Request<NodeGetCapabilitiesRequest>,
    ) -> Answer<NodeGetCapabilitiesResponse> {
        Ok(Response::new(capabilities::response()))
    }

    async fn node_get_volume_health(
        &self,
        request: Request<NodeGetVolumeHealthRequest>,
    ) -> Answer<NodeGetVolumeHealthResponse> {
        let wanted = Health::try_from(request.into_inner())?;
        Ok(Response::new(self.volume_health(wanted).await?))
    }

    async fn node_get_storage_health(
        &self,
        _request: Request<NodeGetStorageHealthRequest>,
    ) -> Answer<NodeGetStorageHealthResponse> {
        Ok(Response::new(self.storage_health().await?))
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
