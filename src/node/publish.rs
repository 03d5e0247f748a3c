//! NodePublishVolume: the staged file system, or the device itself, shown to one workload.

use std::path::Path;
use std::time::Duration;

use ebs_types::Access;
use host::{Device, Mount, MountError, MountOptions};

use super::error::NodeError;
use super::path::CleanPath;
use super::request::Publish;
use super::target::{self, Kind};
use super::{NodeService, about, blocking};
use crate::capability::AccessMode;
use crate::inflight::Guard;

const RPC: &str = "NodePublishVolume";

impl NodeService {
    /// Success as well where it is published there already.
    pub(super) async fn publish(&self, request: Publish) -> Result<(), NodeError> {
        about(&request.volume);
        self.takes(&request.volume)?;
        let _guards = self.begin_publish(&request)?;
        if let Access::Mount(wanted) = &request.capability.access {
            // They took effect when the volume was staged; a wrong one is told all the same.
            MountOptions::parse(&wanted.flags)?;
        }
        let device = self.host.find(&request.wanted, Duration::ZERO).await?;
        if request.capability.mode == AccessMode::SingleWriter {
            self.only_here(&request, &device).await?;
        }
        match self.publish_device(&request, &device).await {
            // What is in the way may have been this volume, before its device was pulled out.
            Err(_)
                if self
                    .make_way(&request.volume, &request.target, &device)
                    .await? =>
            {
                self.publish_device(&request, &device).await
            }
            published => published,
        }
    }

    async fn publish_device(&self, request: &Publish, device: &Device) -> Result<(), NodeError> {
        match request.capability.access {
            Access::Block => self.publish_block(request, device).await,
            Access::Mount(_) => self.publish_mount(request, device).await,
        }
    }

    /// Publishing for several workloads goes on at once. For a single one it has the volume for itself, so that two requests
    /// cannot both find it unpublished.
    fn begin_publish(&self, request: &Publish) -> Result<(Guard, Option<Guard>), NodeError> {
        let target = self.begin_target(&request.target, RPC)?;
        let single = match request.capability.mode {
            AccessMode::SingleWriter => Some(self.begin(&request.volume, RPC)?),
            AccessMode::Writer
            | AccessMode::Reader
            | AccessMode::MultiWriter
            | AccessMode::Readers
            | AccessMode::Writers => None,
        };
        Ok((target, single))
    }

    /// Refuses a volume for a single workload that is published to another one.
    async fn only_here(&self, request: &Publish, device: &Device) -> Result<(), NodeError> {
        // By the kernel's number of each mount: its path may be another, through a link above the kubelet's directories.
        let staged = self.host.mount_at(request.staging.as_path()).await?;
        let published = self.host.mount_at(request.target.as_path()).await?;
        let own: Vec<_> = [staged, published]
            .into_iter()
            .flatten()
            .map(|mount| mount.id)
            .collect();
        let mounts = self.host.mounts_of(device).await?;
        let target = request.target.as_path();
        let elsewhere =
            |mount: &Mount| !own.contains(&mount.id) && !is_kubelets_own(&mount.target, target);
        match mounts.into_iter().find(elsewhere) {
            None => Ok(()),
            Some(elsewhere) => Err(NodeError::SingleWriter {
                volume: request.volume.clone(),
                published: elsewhere.target,
            }),
        }
    }

    async fn publish_block(&self, request: &Publish, device: &Device) -> Result<(), NodeError> {
        make(&request.target, Kind::File).await?;
        let target = request.target.as_path();
        let host = &self.host;
        Ok(host.bind_block(device, target, request.read_only).await?)
    }

    async fn publish_mount(&self, request: &Publish, device: &Device) -> Result<(), NodeError> {
        let (staging, target) = (request.staging.as_path(), request.target.as_path());
        let made = make(&request.target, Kind::Directory).await?;
        let bound = self
            .host
            .bind(device, staging, target, request.read_only)
            .await;
        let Err(MountError::NotMounted { found, .. }) = bound else {
            return Ok(bound?);
        };
        if made {
            let target = request.target.clone();
            blocking(move || target::remove(&target)).await?;
        }
        Err(NodeError::NotStaged {
            volume: request.volume.clone(),
            staging: request.staging.clone(),
            found,
        })
    }
}

/// What the kubelet makes of this very publication, which its next try finds: the mounts of a pod's subPaths, below
/// `pods/UID/volume-subpaths`, and of a raw device the map file `volumeDevices/PV/dev/UID`.
fn is_kubelets_own(mount: &Path, target: &Path) -> bool {
    let below_pods = target.iter().skip_while(|part| *part != "pods").nth(1);
    // The target of a raw device is called like the pod.
    let Some(pod) = below_pods.or_else(|| target.file_name()) else {
        return false;
    };
    let is_subpath = mount.iter().any(|part| part == "volume-subpaths");
    let directory = mount.parent().and_then(Path::file_name);
    let is_map = mount.file_name() == Some(pod) && directory == Some("dev".as_ref());
    is_map || (is_subpath && mount.iter().any(|part| part == pod))
}

/// Makes the target, unless something is mounted on it. Says whether it was made.
async fn make(target: &CleanPath, kind: Kind) -> Result<bool, NodeError> {
    let target = target.clone();
    blocking(move || target::make(&target, kind)).await
}
