//! How a volume is used: as a raw block device or through a file system, and what it starts out with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::SnapshotId;

/// A file system that this driver formats and mounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FsType {
    /// ext3.
    Ext3,
    /// ext4, the default.
    #[default]
    Ext4,
    /// XFS.
    Xfs,
    /// btrfs, on one device.
    Btrfs,
}

/// A file system that this driver does not offer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{value:?} is not a file system type of this driver: use {}",
    FsType::NAMES
)]
pub struct UnknownFsType {
    /// What was given.
    pub value: String,
}

impl FsType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ext3, Self::Ext4, Self::Xfs, Self::Btrfs];
    /// Their names, for messages.
    pub const NAMES: &str = "ext3, ext4, xfs or btrfs";

    /// The name that mount(2) and `csi.storage.k8s.io/fstype` use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ext3 => "ext3",
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }

    /// Whether it is one of ext's.
    #[must_use]
    pub fn is_ext(self) -> bool {
        matches!(self, Self::Ext3 | Self::Ext4)
    }
}

impl FromStr for FsType {
    type Err = UnknownFsType;

    /// Case-sensitive, as the kernel is; the empty string is no type (callers decide on the default).
    fn from_str(text: &str) -> Result<Self, UnknownFsType> {
        match text {
            "ext3" => Ok(Self::Ext3),
            "ext4" => Ok(Self::Ext4),
            "xfs" => Ok(Self::Xfs),
            "btrfs" => Ok(Self::Btrfs),
            _ => Err(UnknownFsType {
                value: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for FsType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// CSI's access type of a volume capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// The workload gets the block device itself.
    Block,
    /// The workload gets a mounted file system.
    Mount(MountAccess),
}

/// A mounted file system: its type and the user's mount options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountAccess {
    /// The file system.
    pub fs: FsType,
    /// The user's mount options (`mountOptions` of a StorageClass or PV), one option an entry, in the user's order.
    pub flags: Vec<String>,
}

/// The key of a CSI volume context that names the snapshot a volume was made from. CreateVolume answers with it, and a node never
/// formats a volume that carries it.
pub const SOURCE_SNAPSHOT_KEY: &str = "ebs.csi.aws.com/source-snapshot";

/// The same for a volume that was cloned from another one.
pub const SOURCE_VOLUME_KEY: &str = "ebs.csi.aws.com/source-volume";

/// The key of a CSI publish context that says `true` where nobody on the node may write: ControllerPublishVolume answers with it, and the
/// node mounts the volume read-only, without formatting, checking or growing it.
pub const READ_ONLY_KEY: &str = "ebs.csi.aws.com/readonly";

/// What a new volume starts out with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Zeros.
    Empty,
    /// The contents of a snapshot; never to be formatted.
    Snapshot(SnapshotId),
}
