//! Mounts whose device was pulled out from under them: by a forced detach, or hardware that went away.
//!
//! Answers for: such a mount making way for the device that came back, which has another number and perhaps another name.
//! Doesn't answer for: undoing a mount on request, which needs no device at all.
//!
//! Nothing can be read or written through such a mount any more, and what had not been written when the device went is lost
//! with it. The volume's paths are its own, so that what lies there dead was this volume.

use std::io;

use ebs_types::VolumeHandle;
use host::{Device, Mount, MountError};
use nix::libc::EBUSY;

use super::NodeService;
use super::error::NodeError;
use super::path::CleanPath;

impl NodeService {
    /// What is mounted at one of the volume's paths, after a mount that has lost its device was taken away from there.
    pub(super) async fn living_mount(
        &self,
        volume: &VolumeHandle,
        path: &CleanPath,
        device: &Device,
    ) -> Result<Option<Mount>, NodeError> {
        let found = self.host.mount_at(path.as_path()).await?;
        match &found {
            Some(mount) if !mount.carries(device) => {
                if self.make_way(volume, path, device).await? {
                    return Ok(self.host.mount_at(path.as_path()).await?);
                }
            }
            Some(_) | None => {}
        }
        Ok(found)
    }

    /// Takes away a mount at one of the volume's paths that has lost its device: whether there was one.
    pub(super) async fn make_way(
        &self,
        volume: &VolumeHandle,
        path: &CleanPath,
        device: &Device,
    ) -> Result<bool, NodeError> {
        match self.host.mount_at(path.as_path()).await? {
            Some(found) if !found.carries(device) && self.host.lost(&found).await? => {
                self.clear(volume, path, &found).await?;
                Ok(true)
            }
            Some(_) | None => Ok(false),
        }
    }

    async fn clear(
        &self,
        volume: &VolumeHandle,
        path: &CleanPath,
        found: &Mount,
    ) -> Result<(), NodeError> {
        tracing::warn!(%path, %found, "taking away a mount whose device has gone from this machine");
        match self.host.unmount(path.as_path()).await {
            Err(MountError::Kernel { source, .. }) if is_busy(&source) => {
                Err(NodeError::LostInUse {
                    path: path.clone(),
                    found: found.to_string(),
                    volume: volume.clone(),
                })
            }
            unmounted => Ok(unmounted?),
        }
    }
}

fn is_busy(error: &io::Error) -> bool {
    error.raw_os_error() == Some(EBUSY)
}
