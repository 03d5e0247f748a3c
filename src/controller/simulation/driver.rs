//! Processes of the driver, one after the other.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use csi::v1::controller_server::Controller;
use csi::v1::{
    ControllerPublishVolumeRequest, ControllerUnpublishVolumeRequest, CreateVolumeRequest,
    DeleteVolumeRequest, TopologyRequirement,
};
use ebs_types::Zone;
use ec2::{Caller, Cloud, CloudSettings};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use super::super::testing::{capability, create_request, in_zone};
use super::super::{ControllerService, Settings};
use super::cloud::Ec2Side;

/// How long a sidecar waits for an answer: `--timeout=60s` in the chart.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// A call of a sidecar.
#[derive(Clone, Debug)]
pub(super) enum Rpc {
    Create { name: String, zone: Zone },
    Delete { volume: String },
    Publish { volume: String, node: String },
    Unpublish { volume: String, node: String },
}

impl Rpc {
    fn method(&self) -> &'static str {
        match self {
            Self::Create { .. } => "CreateVolume",
            Self::Delete { .. } => "DeleteVolume",
            Self::Publish { .. } => "ControllerPublishVolume",
            Self::Unpublish { .. } => "ControllerUnpublishVolume",
        }
    }
}

/// The driver, whichever process of it there is.
pub(super) struct Driver {
    cloud: Arc<Ec2Side>,
    /// `--ec2-mutations-per-second`.
    mutations_per_second: Option<NonZeroU32>,
    /// `None` while there is none.
    process: Mutex<Option<Arc<Process>>>,
}

/// One process.
struct Process {
    service: ControllerService,
    killed: CancellationToken,
}

impl Driver {
    /// The driver of this cloud, one process of it running.
    pub(super) async fn start(
        cloud: &Arc<Ec2Side>,
        mutations_per_second: Option<NonZeroU32>,
    ) -> Arc<Self> {
        let this = Arc::new(Self {
            cloud: Arc::clone(cloud),
            mutations_per_second,
            process: Mutex::new(None),
        });
        this.begin().await;
        this
    }

    /// Starts a process, which knows nothing of those before.
    pub(super) async fn begin(&self) {
        let client = self.cloud.client(self.mutations_per_second).await;
        let cloud = Cloud::new(Arc::new(client), CloudSettings::default());
        let process = Process {
            service: ControllerService::new(cloud, Settings::default()),
            killed: CancellationToken::new(),
        };
        *self.process() = Some(Arc::new(process));
    }

    /// Kills the process: its calls under way are answered no more.
    pub(super) fn kill(&self) {
        if let Some(process) = self.process().take() {
            process.killed.cancel();
        }
    }

    /// Makes a call, and gives the volume's id if it made one.
    pub(super) async fn call(&self, rpc: &Rpc) -> Result<Option<String>, Status> {
        let Some(process) = self.process().clone() else {
            return Err(Status::unavailable("connection refused"));
        };
        let caller = Caller {
            method: rpc.method(),
            deadline: Some(Instant::now() + DEADLINE),
        };
        // In a box of its own: a caller that waits for its turn does not hold what the call needs.
        let answer = timeout(DEADLINE, Box::pin(caller.scope(process.serve(rpc))));
        tokio::select! {
            biased;
            () = process.killed.cancelled() => Err(Status::unavailable("connection reset")),
            answer = answer => match answer {
                Ok(answer) => answer,
                Err(_) => Err(Status::deadline_exceeded("nobody waits any more")),
            },
        }
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Option<Arc<Process>>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    async fn serve(&self, rpc: &Rpc) -> Result<Option<String>, Status> {
        let service = &self.service;
        match rpc {
            Rpc::Create { name, zone } => {
                let answer = service
                    .create_volume(Request::new(creation(name, zone)))
                    .await?;
                return Ok(answer.into_inner().volume.map(|volume| volume.volume_id));
            }
            Rpc::Delete { volume } => {
                let message = DeleteVolumeRequest {
                    volume_id: volume.clone(),
                    ..DeleteVolumeRequest::default()
                };
                service.delete_volume(Request::new(message)).await?;
            }
            Rpc::Publish { volume, node } => {
                let message = ControllerPublishVolumeRequest {
                    volume_id: volume.clone(),
                    node_id: node.clone(),
                    volume_capability: Some(capability()),
                    ..ControllerPublishVolumeRequest::default()
                };
                service
                    .controller_publish_volume(Request::new(message))
                    .await?;
            }
            Rpc::Unpublish { volume, node } => {
                let message = ControllerUnpublishVolumeRequest {
                    volume_id: volume.clone(),
                    node_id: node.clone(),
                    ..ControllerUnpublishVolumeRequest::default()
                };
                service
                    .controller_unpublish_volume(Request::new(message))
                    .await?;
            }
        }
        Ok(None)
    }
}

/// What external-provisioner sends for a claim whose pod is to run in a zone.
fn creation(name: &str, zone: &Zone) -> CreateVolumeRequest {
    let there = vec![in_zone(zone.as_str())];
    CreateVolumeRequest {
        accessibility_requirements: Some(TopologyRequirement {
            requisite: there.clone(),
            preferred: there,
        }),
        ..create_request(name)
    }
}
