//! [`Host`] on this very machine.
//!
//! Answers for: joining the parts, keeping blocking calls off the runtime's threads, and writers in jobs. Doesn't answer for:
//! how each part does its work.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ebs_types::{FormatOptions, FsType, VolumeHandle};

use crate::exec::Programs;
use crate::find::{Events, FIRST_PAUSE, Finder};
use crate::format::{Maker, mkfs};
use crate::jobs::Jobs;
use crate::measuring::Measuring;
use crate::tasks::blocking;
use crate::{
    BlankDevice, Busy, CheckError, Contents, Device, FindError, FormatError, GrowError, Grown,
    Host, InspectError, Kernel, LinuxStatistics, Mount, MountError, MountOptions, Standing, Stats,
    StatsError, Trouble, Wanted, check, grow, health, inspect, mount, stats,
};

/// The model of an EBS volume's NVMe controller (EBS user guide, "Map NVMe volumes").
pub const EBS_MODEL: &str = "Amazon Elastic Block Store";

/// Where this machine's devices and programs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSettings {
    /// Where device nodes are, `/dev`.
    pub dev_dir: PathBuf,
    /// Where sysfs is, `/sys`.
    pub sys_dir: PathBuf,
    /// Where mkfs, fsck and the like are.
    pub programs: Programs,
    /// What can be mounted.
    pub kernel: Kernel,
    /// Whether xfs is made without what kernels before 5.10 lack.
    pub legacy_xfs: bool,
    /// NVMe models that are taken for EBS volumes. Anything but Amazon's own is for laboratories.
    pub models: Vec<String>,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            dev_dir: "/dev".into(),
            sys_dir: "/sys".into(),
            programs: Programs::default(),
            kernel: Kernel::running(),
            legacy_xfs: false,
            models: vec![EBS_MODEL.to_owned()],
        }
    }
}

/// This machine's kernel.
#[derive(Debug)]
pub struct LinuxHost {
    finder: Finder,
    programs: Programs,
    maker: Maker,
    jobs: Jobs,
    measuring: Measuring,
}

impl LinuxHost {
    /// Touches nothing yet.
    #[must_use]
    pub fn new(settings: HostSettings) -> Self {
        let HostSettings {
            dev_dir,
            sys_dir,
            programs,
            kernel,
            legacy_xfs,
            models,
        } = settings;
        let finder = Finder {
            dev_dir,
            sys_dir,
            models,
            first_pause: FIRST_PAUSE,
            events: Events::default(),
        };
        Self {
            maker: Maker {
                programs: programs.clone(),
                finder: finder.clone(),
                kernel,
                legacy_xfs,
                versions: Arc::default(),
            },
            finder,
            programs,
            jobs: Jobs::default(),
            measuring: Measuring::default(),
        }
    }

    /// What the same machine's volumes count about themselves.
    #[must_use]
    pub fn statistics(&self) -> LinuxStatistics {
        LinuxStatistics::new(self.finder.clone())
    }
}

#[cfg(test)]
impl LinuxHost {
    /// What formats, to be stopped between its steps.
    pub(crate) fn maker(&self) -> &Maker {
        &self.maker
    }
}

#[async_trait]
impl Host for LinuxHost {
    fn idle(&self, volume: &VolumeHandle) -> Result<(), Busy> {
        self.jobs.idle(volume)
    }

    async fn find(&self, wanted: &Wanted, wait: Duration) -> Result<Device, FindError> {
        self.jobs.idle(&wanted.volume)?;
        self.finder.find(wanted, wait).await
    }

    async fn lost(&self, mount: &Mount) -> Result<bool, MountError> {
        let (finder, mount) = (self.finder.clone(), mount.clone());
        let lost = blocking(move || finder.lost(&mount)).await;
        lost.map_err(|(path, source)| MountError::Kernel {
            action: "read",
            path,
            source,
            hint: String::new(),
        })
    }

    async fn inspect(&self, device: &Device) -> Result<Contents, InspectError> {
        self.jobs.idle(device.volume())?;
        inspect::inspect(&self.programs, device).await
    }

    async fn format(&self, device: BlankDevice, options: FormatOptions) -> Result<(), FormatError> {
        let maker = self.maker.clone();
        let volume = device.device().volume().clone();
        let job = mkfs::program(options.fs()).name;
        let work = async move { maker.format(&device, &options).await };
        self.jobs.run(&volume, job, work).await
    }

    async fn check(&self, device: &Device, fs: FsType) -> Result<(), CheckError> {
        let (programs, owned) = (self.programs.clone(), device.clone());
        let work = async move { check::check(&programs, &owned, fs).await };
        self.jobs.run(device.volume(), "fsck", work).await
    }

    async fn grow_before_mount(&self, device: &Device, fs: FsType) -> Result<Grown, GrowError> {
        let (programs, owned) = (self.programs.clone(), device.clone());
        let work = async move { grow::before_mount(&programs, &owned, fs).await };
        self.jobs.run(device.volume(), "resize", work).await
    }

    async fn grow_mounted(
        &self,
        device: &Device,
        fs: FsType,
        mounted_at: &Path,
    ) -> Result<Grown, GrowError> {
        let (owned, path) = (device.clone(), mounted_at.to_owned());
        let work = blocking(move || grow::mounted(&owned, fs, &path));
        self.jobs.run(device.volume(), "resize", work).await
    }

    async fn standing(
        &self,
        device: &Device,
        fs: FsType,
        mounted_at: &Path,
    ) -> Result<Standing, GrowError> {
        let (owned, path) = (device.clone(), mounted_at.to_owned());
        blocking(move || grow::standing(&owned, fs, &path)).await
    }

    async fn mount(
        &self,
        device: &Device,
        target: &Path,
        fs: FsType,
        options: &MountOptions,
    ) -> Result<(), MountError> {
        let (owned, target, options) = (device.clone(), target.to_owned(), options.clone());
        let work = blocking(move || mount::device(&owned, &target, fs, &options));
        self.jobs.run(device.volume(), "mount", work).await
    }

    async fn bind(
        &self,
        device: &Device,
        source: &Path,
        target: &Path,
        read_only: bool,
    ) -> Result<(), MountError> {
        let (device, source, target) = (device.clone(), source.to_owned(), target.to_owned());
        blocking(move || mount::bind(&device, &source, &target, read_only)).await
    }

    async fn bind_block(
        &self,
        device: &Device,
        target: &Path,
        read_only: bool,
    ) -> Result<(), MountError> {
        self.jobs.idle(device.volume())?;
        let (device, target) = (device.clone(), target.to_owned());
        blocking(move || mount::bind_block(&device, &target, read_only)).await
    }

    async fn unmount(&self, target: &Path) -> Result<(), MountError> {
        let target = target.to_owned();
        blocking(move || mount::unmount(&target)).await
    }

    async fn mount_at(&self, path: &Path) -> Result<Option<Mount>, MountError> {
        let path = path.to_owned();
        blocking(move || mount::at(&path)).await
    }

    async fn mounts_of(&self, device: &Device) -> Result<Vec<Mount>, MountError> {
        let device = device.clone();
        blocking(move || mount::of(&device)).await
    }

    async fn stats(&self, path: &Path) -> Result<Stats, StatsError> {
        let (finder, owned) = (self.finder.clone(), path.to_owned());
        let work = move || stats::stats(&finder, &owned);
        self.measuring.run(path, work).await
    }

    async fn troubles(&self, path: &Path) -> Result<Vec<Trouble>, StatsError> {
        let (finder, owned) = (self.finder.clone(), path.to_owned());
        let work = move || health::troubles(&finder, &owned);
        self.measuring.run_apart(path, work).await
    }

    async fn unsteady_controllers(&self) -> Result<Vec<String>, StatsError> {
        let finder = self.finder.clone();
        blocking(move || finder.unsteady_controllers())
            .await
            .map_err(|(path, source)| StatsError::Kernel { path, source })
    }
}

#[cfg(test)]
mod tests;
