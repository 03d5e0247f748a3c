//! NodeStageVolume: the volume's device, checked or formatted, mounted once for this node.
//!
//! Two rules hold before all others: what is not blank is never formatted, and what is mounted is never mounted over.

use ebs_types::{Access, FsType};
use host::{Contents, Device, GrowError, Mount, MountOptions, Standing};
use nix::libc::EOPNOTSUPP;

use super::error::NodeError;
use super::request::Stage;
use super::{NodeService, about, blocking, target, to_the_end};

impl NodeService {
    /// Success as well where the volume is staged already; a device that has grown since is made use of in any case.
    pub(super) async fn stage(&self, request: Stage) -> Result<(), NodeError> {
        const RPC: &str = "NodeStageVolume";
        about(&request.volume);
        self.takes(&request.volume)?;
        let guards = (
            self.begin(&request.volume, RPC)?,
            self.begin_target(&request.staging, RPC)?,
        );
        // Waiting for the device ends with the caller; nothing has been changed by then.
        let wait = self.settings.device_timeout;
        let device = self.host.find(&request.wanted, wait).await?;
        let node = self.clone();
        to_the_end(async move {
            let _guards = guards;
            node.stage_device(&request, &device).await
        })
        .await
    }

    async fn stage_device(&self, request: &Stage, device: &Device) -> Result<(), NodeError> {
        let Access::Mount(wanted) = &request.capability.access else {
            // A raw device has nothing to stage: that it is there is all that publish needs.
            return Ok(());
        };
        let mut options = MountOptions::parse(&wanted.flags)?;
        if request.read_only {
            options = options.read_only();
        }
        let (fs, at) = (wanted.fs, request.staging.as_path());
        match self.host.standing(device, fs, at).await? {
            Standing::Complete if !options.is_read_only() => Ok(()),
            Standing::Complete | Standing::Taken => {
                self.stage_over(request, device, fs, &options).await
            }
            Standing::Free => self.stage_new(request, device, fs, &options).await,
        }
    }

    /// Something is mounted at the staging path, which may be a mount of before its device was pulled out.
    async fn stage_over(
        &self,
        request: &Stage,
        device: &Device,
        fs: FsType,
        options: &MountOptions,
    ) -> Result<(), NodeError> {
        let at = &request.staging;
        match self.living_mount(&request.volume, at, device).await? {
            Some(found) => self.staged(request, device, &found, fs, options).await,
            None => self.stage_new(request, device, fs, options).await,
        }
    }

    /// Something that is alive is mounted at the staging path.
    async fn staged(
        &self,
        request: &Stage,
        device: &Device,
        found: &Mount,
        fs: FsType,
        options: &MountOptions,
    ) -> Result<(), NodeError> {
        let same = found.carries(device) && found.fs_type == fs.as_str();
        if !same || found.made_read_only != options.is_read_only() {
            return Err(NodeError::Occupied {
                path: request.staging.clone(),
                found: found.to_string(),
                volume: request.volume.clone(),
                mode: if options.is_read_only() {
                    "read-only"
                } else {
                    "writable"
                },
            });
        }
        if options.is_read_only() {
            return Ok(());
        }
        self.grow_staged(request, device, fs).await
    }

    async fn stage_new(
        &self,
        request: &Stage,
        device: &Device,
        fs: FsType,
        options: &MountOptions,
    ) -> Result<(), NodeError> {
        let staging = request.staging.clone();
        blocking(move || target::make(&staging, target::Kind::Directory)).await?;
        let formatted = self.prepare(request, device, fs, options).await?;
        self.host
            .mount(device, request.staging.as_path(), fs, options)
            .await?;
        if formatted || options.is_read_only() {
            return Ok(());
        }
        self.grow_staged(request, device, fs).await
    }

    /// Makes sure that the device holds a sound file system of this type, as large as the device where that can be done
    /// before mounting. Says whether it was made just now. For a reader, who may be one of several, nothing is written.
    async fn prepare(
        &self,
        request: &Stage,
        device: &Device,
        fs: FsType,
        options: &MountOptions,
    ) -> Result<bool, NodeError> {
        let found = match self.host.inspect(device).await? {
            Contents::Blank(blank) => {
                if let Some(source) = &request.source {
                    return Err(NodeError::BlankCopy {
                        volume: request.volume.clone(),
                        origin: source.clone(),
                    });
                }
                if options.is_read_only() {
                    return Err(NodeError::BlankReadOnly {
                        volume: request.volume.clone(),
                    });
                }
                self.host.format(blank, request.format.for_fs(fs)?).await?;
                return Ok(true);
            }
            Contents::Filesystem(found) if found.fs == fs => {
                if options.is_read_only() || self.is_mounted(device).await? {
                    return Ok(false);
                }
                self.host.check(device, fs).await?;
                self.host.grow_before_mount(device, fs).await?;
                return Ok(false);
            }
            Contents::Filesystem(found) => found.to_string(),
            Contents::Other { what } => what,
        };
        Err(NodeError::ForeignContents {
            volume: request.volume.clone(),
            found,
            wanted: fs.as_str(),
        })
    }

    /// Whether the file system is in use elsewhere on this node: published while its staging mount was taken away, or staged by a
    /// kubelet whose paths were others. It is sound then, as far as one may ask, and must not be checked.
    async fn is_mounted(&self, device: &Device) -> Result<bool, NodeError> {
        let mounts = self.host.mounts_of(device).await?;
        Ok(mounts.iter().any(|mount| mount.node.is_none()))
    }

    /// Grows what is mounted. Where only a process with more capabilities could, or the kernel can't, the volume is staged all the same: its data can be
    /// used, and the next staging grows it before it is mounted.
    async fn grow_staged(
        &self,
        request: &Stage,
        device: &Device,
        fs: FsType,
    ) -> Result<(), NodeError> {
        let staging = request.staging.as_path();
        match self.host.grow_mounted(device, fs, staging).await {
            Err(error) if leaves_it_usable(&error) => {
                tracing::warn!(%error, "the volume is staged, its file system is smaller than its device");
                Ok(())
            }
            grown => {
                grown?;
                Ok(())
            }
        }
    }
}

/// Whether nothing is wrong with what did not grow: this process may not, or the kernel can't grow what is mounted (ext4 with
/// `sparse_super2`).
fn leaves_it_usable(error: &GrowError) -> bool {
    match error {
        GrowError::NeedsCapability { .. } => true,
        GrowError::Kernel { source, .. } => source.raw_os_error() == Some(EOPNOTSUPP),
        _ => false,
    }
}
