//! What the EBS volumes that pods use here count about themselves.
//!
//! Answers for: which volumes those are, seen in the mount table and sysfs alone, so that a plugin that has just started knows
//! them too; and reading a volume's log page. Doesn't answer for: what the bytes mean (`log_page`), time limits, and who wants
//! to know.
//!
//! Everything here blocks: a device that does not answer holds its reader until the kernel gives up.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use ebs_types::VolumeId;
use nix::errno::Errno;

use crate::device::nvme;
use crate::find::{Finder, VolumeDisk};
use crate::log_page::{self, LogPage, LogPageError};
use crate::{DeviceNumber, FindError, Mount, MountError, mount};

/// An EBS volume that is staged or published here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeInUse {
    /// Which.
    pub volume: VolumeId,
    /// Its disk's directory in sysfs.
    pub disk: PathBuf,
    /// Where the kubelet has had it mounted, for the node and for pods.
    pub targets: Vec<PathBuf>,
}

/// Why the volumes in use are not known.
#[derive(Debug, thiserror::Error)]
pub enum InUseError {
    /// The mount table could not be read.
    #[error(transparent)]
    Mounts(#[from] MountError),
    /// sysfs could not.
    #[error("cannot read {path:?}: {source}")]
    Sysfs {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Why a volume's statistics could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StatisticsError {
    /// The device has none: it is no NVMe controller of EBS, or one without that log page.
    #[error("this device has no statistics: {why}")]
    Unsupported {
        /// What it said.
        why: String,
    },
    /// It is not there any more.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The kernel refused, or the controller failed.
    #[error("the log page could not be read: {0}")]
    Kernel(#[from] io::Error),
    /// What came is no such page.
    #[error(transparent)]
    Page(#[from] LogPageError),
}

/// Where statistics come from.
pub trait Statistics: Send + Sync + 'static {
    /// The volumes that are staged or published here. Blocks.
    ///
    /// # Errors
    /// Where the kernel does not show mounts or devices.
    fn in_use(&self) -> Result<Vec<VolumeInUse>, InUseError>;

    /// What a volume has counted. Blocks, for minutes if the device does not answer.
    ///
    /// # Errors
    /// [`StatisticsError::Unsupported`] where it counts nothing.
    fn read(&self, volume: &VolumeInUse) -> Result<LogPage, StatisticsError>;
}

/// This machine's.
#[derive(Clone, Debug)]
pub struct LinuxStatistics {
    finder: Finder,
}

impl LinuxStatistics {
    pub(crate) fn new(finder: Finder) -> Self {
        Self { finder }
    }
}

impl Statistics for LinuxStatistics {
    fn in_use(&self) -> Result<Vec<VolumeInUse>, InUseError> {
        let disks = self
            .finder
            .volumes()
            .map_err(|(path, source)| InUseError::Sysfs { path, source })?;
        let mut found = BTreeMap::new();
        let mounts = mount::all()?.into_iter();
        let mounts = mounts.filter(|mount| ours(&mount.target));
        // One that does not answer is no volume that could be asked either.
        for mount in mounts.filter_map(|mount| mount::on_its_device(mount).ok()) {
            let Some(disk) = disks.iter().find(|disk| shows(&mount, disk)) else {
                continue;
            };
            let in_use = found
                .entry(disk.volume.clone())
                .or_insert_with(|| VolumeInUse {
                    volume: disk.volume.clone(),
                    disk: disk.dir.clone(),
                    targets: Vec::new(),
                });
            in_use.targets.push(mount.target);
        }
        Ok(found.into_values().collect())
    }

    fn read(&self, volume: &VolumeInUse) -> Result<LogPage, StatisticsError> {
        let unsupported = |why: String| StatisticsError::Unsupported { why };
        let device = self.finder.open_seen(&volume.volume, &volume.disk)?;
        let mut page = [0; log_page::SIZE];
        match nvme::log_page(device.file(), log_page::ID, &mut page) {
            Ok(0) => Ok(LogPage::parse(&page)?),
            Ok(status) if is_refusal(status) => {
                Err(unsupported(format!("NVMe status {status:#x}")))
            }
            Ok(status) => Err(io::Error::other(format!("NVMe status {status:#x}")).into()),
            // A device that is not NVMe does not know the command.
            Err(errno @ (Errno::ENOTTY | Errno::EINVAL | Errno::EOPNOTSUPP)) => {
                Err(unsupported(errno.desc().to_owned()))
            }
            Err(errno) => Err(io::Error::from(errno).into()),
        }
    }
}

/// Whether the controller says that it has no such page: invalid opcode, field or log page (NVMe base specification, status codes;
/// the kernel adds flags above the lowest 11 bits).
fn is_refusal(status: u32) -> bool {
    matches!(status & 0x7ff, 0x001 | 0x002 | 0x109)
}

/// Whether the kubelet had a CSI volume put here: staged or as a raw device below `plugins/kubernetes.io/csi`, for a pod below
/// `volumes/kubernetes.io~csi`. Other mounts of an EBS volume, such as the root disk's, are nobody's that this driver serves.
fn ours(target: &Path) -> bool {
    let mut before = None;
    for component in target.components() {
        let Component::Normal(name) = component else {
            continue;
        };
        if name == "kubernetes.io~csi" || (name == "csi" && before == Some("kubernetes.io")) {
            return true;
        }
        before = name.to_str();
    }
    false
}

/// Whether a mount shows the disk: its file system, or the disk itself. Only a mount of a file that is called like the disk is
/// looked at for being that disk, and no other: looking could hang.
fn shows(mount: &Mount, disk: &VolumeDisk) -> bool {
    let carries = |number: DeviceNumber| disk.numbers.contains(&number);
    let named = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(&disk.name))
    };
    carries(mount.device)
        || (named(&mount.root) && DeviceNumber::of_node(&mount.target).is_some_and(carries))
}

#[cfg(test)]
mod tests;
