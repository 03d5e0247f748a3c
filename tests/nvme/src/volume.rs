//! Volumes: an id, a disk, and what it is used for.
//!
//! Answers for: volumes with ids that nothing else has, and what CSI calls them.
//! Doesn't answer for: where a volume is plugged.

use std::collections::HashMap;

use anyhow::Result;
use csi::v1::VolumeCapability;
use csi::v1::volume_capability::access_mode::Mode;
use csi::v1::volume_capability::{AccessMode, AccessType, BlockVolume, MountVolume};

use crate::disk::Disk;
use crate::lab::Lab;
use crate::random::Random;

/// A gibibyte, in bytes.
pub const GIB: u64 = 1 << 30;

/// What a volume is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file system of this name.
    FileSystem(&'static str),
    /// A raw block device.
    Block,
}

/// Each file system.
pub const FILE_SYSTEMS: [Kind; 4] = [
    Kind::FileSystem("ext4"),
    Kind::FileSystem("xfs"),
    Kind::FileSystem("btrfs"),
    Kind::FileSystem("ext3"),
];

impl Kind {
    /// What the tests' reports call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FileSystem(name) => name,
            Self::Block => "block",
        }
    }
}

/// A volume.
#[derive(Debug)]
pub struct Volume {
    /// `vol-…`, its CSI handle.
    pub id: String,
    /// What it is used for.
    pub kind: Kind,
    /// Its CSI volume context.
    pub context: HashMap<String, String>,
    /// Bytes that its device has.
    pub size: u64,
    /// What holds its bytes, and more if it is to grow.
    pub disk: Disk,
}

impl Volume {
    /// A blank volume of so many bytes.
    pub fn blank(lab: &Lab, random: &mut Random, kind: Kind, size: u64) -> Result<Self> {
        Self::growing(lab, random, kind, size, size)
    }

    /// A blank volume of so many bytes, with room for so many.
    pub fn growing(
        lab: &Lab,
        random: &mut Random,
        kind: Kind,
        size: u64,
        room: u64,
    ) -> Result<Self> {
        let id = format!("vol-0{:016x}", random.number());
        let disk = Disk::blank(lab.dir(), &id, room)?;
        Ok(Self {
            id,
            kind,
            context: HashMap::new(),
            size,
            disk,
        })
    }

    /// The serial number of its controller: the id without hyphen.
    #[must_use]
    pub fn serial(&self) -> String {
        self.id.replace('-', "")
    }

    /// How kubelet asks for it.
    #[must_use]
    pub fn capability(&self) -> VolumeCapability {
        let access_type = match self.kind {
            Kind::Block => AccessType::Block(BlockVolume {}),
            Kind::FileSystem(name) => AccessType::Mount(MountVolume {
                fs_type: name.to_owned(),
                ..MountVolume::default()
            }),
        };
        VolumeCapability {
            access_mode: Some(AccessMode {
                mode: Mode::SingleNodeWriter.into(),
            }),
            access_type: Some(access_type),
        }
    }
}
