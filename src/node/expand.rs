//! NodeExpandVolume: the file system follows its device, which EC2 has made larger.

use std::time::Duration;

use ebs_types::{Bytes, FsType};
use host::{Device, Mount, Part, Wanted};

use super::error::NodeError;
use super::path::CleanPath;
use super::request::Expand;
use super::{NodeService, about, there};

impl NodeService {
    /// The device's size afterwards. A raw device has grown by itself.
    pub(super) async fn expand(&self, request: Expand) -> Result<Bytes, NodeError> {
        about(&request.volume);
        let _guard = self.begin(&request.volume, "NodeExpandVolume")?;
        let mount = self.host.mount_at(request.path.as_path()).await?;
        if mount.is_none() && !request.block {
            return Err(not_mounted(&request, None));
        }
        let wanted = Wanted {
            // The request does not say which part of the disk it is about; what is mounted does.
            part: mount.as_ref().map_or(Part::Disk, |mount| {
                Part::Numbered(mount.node.unwrap_or(mount.device))
            }),
            ..Wanted::disk(request.volume.clone())
        };
        let device = self.host.find(&wanted, Duration::ZERO).await?;
        match mount {
            Some(mount) if !mount.carries(&device) => {
                return Err(not_mounted(&request, Some(&mount)));
            }
            Some(mount) if mount.node.is_none() => self.grow(&request, &mount, &device).await?,
            // The device itself, or nothing: the kubelet names a directory of its own for a raw device.
            Some(_) | None => {}
        }
        large_enough(&request, &device)
    }

    async fn grow(
        &self,
        request: &Expand,
        mount: &Mount,
        device: &Device,
    ) -> Result<(), NodeError> {
        let fs: FsType = mount
            .fs_type
            .parse()
            .map_err(|_| NodeError::ForeignContents {
                volume: request.volume.clone(),
                found: mount.to_string(),
                wanted: FsType::NAMES,
            })?;
        let path = self.writable_place(request, device).await?;
        self.host.grow_mounted(device, fs, path.as_path()).await?;
        Ok(())
    }

    /// A file system that a workload is shown read-only still grows where it is staged.
    async fn writable_place<'a>(
        &self,
        request: &'a Expand,
        device: &Device,
    ) -> Result<&'a CleanPath, NodeError> {
        let Some(staging) = &request.staging else {
            return Ok(&request.path);
        };
        let mount = self.host.mount_at(staging.as_path()).await?;
        let staged = mount.is_some_and(|mount| mount.carries(device));
        Ok(if staged { staging } else { &request.path })
    }
}

fn not_mounted(request: &Expand, found: Option<&Mount>) -> NodeError {
    NodeError::NotMounted {
        volume: request.volume.clone(),
        path: request.path.clone(),
        found: there(found),
    }
}

/// The device's size, if it is what the request wants.
fn large_enough(request: &Expand, device: &Device) -> Result<Bytes, NodeError> {
    let size = device.size().map_err(|source| NodeError::Size {
        path: device.path().to_owned(),
        source,
    })?;
    match (request.range.required(), device.partition()) {
        (Some(required), Some(partition)) if size < required => Err(NodeError::PartitionTooSmall {
            volume: request.volume.clone(),
            partition,
            size,
            required,
        }),
        (Some(required), None) if size < required => Err(NodeError::DeviceTooSmall {
            volume: request.volume.clone(),
            size,
            required,
        }),
        _ => Ok(size),
    }
}
