//! What is looked for.
//!
//! Answers for: saying it. Doesn't answer for: finding it.

use std::fmt;
use std::num::NonZeroU8;

use ebs_types::{DeviceName, VolumeHandle, VolumeId};

use crate::DeviceNumber;

/// A volume's device, as a request knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The volume.
    pub volume: VolumeHandle,
    /// The whole disk or a part of it.
    pub part: Part,
    /// Under which name it was attached, if the caller knows. It counts only on a machine whose kernel shows no NVMe at all.
    pub attached_as: Option<DeviceName>,
}

/// Which part of the volume's disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    #[default]
    Disk,
    /// The partition of this number in the disk's partition table, from 1 on.
    Partition(NonZeroU8),
    /// Whichever has this number: the disk or a partition of it; the disk if none has.
    Numbered(DeviceNumber),
}

impl Wanted {
    /// The whole disk of a volume.
    #[must_use]
    pub fn disk(volume: VolumeHandle) -> Self {
        Self {
            volume,
            part: Part::Disk,
            attached_as: None,
        }
    }
}

impl From<VolumeId> for Wanted {
    fn from(id: VolumeId) -> Self {
        Self::disk(id.into())
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk => f.write_str("the whole disk"),
            Self::Partition(number) => write!(f, "partition {number}"),
            Self::Numbered(number) => write!(f, "device {number}"),
        }
    }
}
