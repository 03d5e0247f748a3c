//! NodePublishVolume: the staged file system, or the device itself, shown to one workload.

use std::time::Duration;

use ebs_types::Access;
use host::{Device, MountOptions};

use super::error::NodeError;
use super::path::CleanPath;
use super::request::Publish;
use super::target::{self, Kind};
use super::{NodeService, about, blocking, there};
use crate::capability::AccessMode;
use crate::inflight::Guard;

const RPC: &str = "NodePublishVolume";

impl NodeService {
    /// Success as well where it is published there already.
    pub(super) async fn publish(&self, request: Publish) -> Result<(), NodeError> {
        about(&request.volume);
        let _guards = self.begin_publish(&request)?;
        if let Access::Mount(wanted) = &request.capability.access {
            // They took effect when the volume was staged; a wrong one is told all the same.
            MountOptions::parse(&wanted.flags)?;
        }
        let device = self.host.find(&request.wanted, Duration::ZERO).await?;
        if request.capability.mode == AccessMode::SingleWriter {
            self.only_here(&request, &device).await?;
        }
        match request.capability.access {
            Access::Block => self.publish_block(&request, &device).await,
            Access::Mount(_) => self.publish_mount(&request, &device).await,
        }
    }

    /// Publishing for several workloads goes on at once. For a single one it has the volume for itself, so that two requests
    /// cannot both find it unpublished.
    fn begin_publish(&self, request: &Publish) -> Result<(Guard, Option<Guard>), NodeError> {
        let target = self.begin_target(&request.target, RPC)?;
        let single = match request.capability.mode {
            AccessMode::SingleWriter => Some(self.begin(&request.volume, RPC)?),
            AccessMode::Writer | AccessMode::Reader | AccessMode::MultiWriter => None,
        };
        Ok((target, single))
    }

    /// Refuses a volume for a single workload that is published to another one.
    async fn only_here(&self, request: &Publish, device: &Device) -> Result<(), NodeError> {
        // The mounts' own paths, because those of the request may lead there through symbolic links.
        let staged = self.host.mount_at(request.staging.as_path()).await?;
        let published = self.host.mount_at(request.target.as_path()).await?;
        let own: Vec<_> = staged
            .into_iter()
            .chain(published)
            .map(|mount| mount.target)
            .collect();
        let mounts = self.host.mounts_of(device).await?;
        match mounts
            .into_iter()
            .find(|mount| !own.contains(&mount.target))
        {
            None => Ok(()),
            Some(elsewhere) => Err(NodeError::SingleWriter {
                volume: request.volume.clone(),
                published: elsewhere.target,
            }),
        }
    }

    async fn publish_block(&self, request: &Publish, device: &Device) -> Result<(), NodeError> {
        self.make(&request.target, Kind::File).await?;
        let target = request.target.as_path();
        Ok(self
            .host
            .bind_block(device, target, request.read_only)
            .await?)
    }

    async fn publish_mount(&self, request: &Publish, device: &Device) -> Result<(), NodeError> {
        let staged = self.host.mount_at(request.staging.as_path()).await?;
        if !staged.as_ref().is_some_and(|mount| mount.carries(device)) {
            return Err(NodeError::NotStaged {
                volume: request.volume.clone(),
                staging: request.staging.clone(),
                found: there(staged.as_ref()),
            });
        }
        self.make(&request.target, Kind::Directory).await?;
        let (staging, target) = (request.staging.as_path(), request.target.as_path());
        Ok(self.host.bind(staging, target, request.read_only).await?)
    }

    /// Makes the target, unless something is mounted on it: what that is, is judged by binding.
    async fn make(&self, target: &CleanPath, kind: Kind) -> Result<(), NodeError> {
        if self.host.mount_at(target.as_path()).await?.is_some() {
            return Ok(());
        }
        let target = target.clone();
        blocking(move || target::make(&target, kind)).await
    }
}
