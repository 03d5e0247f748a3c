//! The names of format options, and numbers as they are written there.

use super::InvalidFormatOption;
use crate::FsType;

/// A format option by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatKey {
    /// Bytes of a block.
    BlockSize,
    /// Bytes of an inode.
    InodeSize,
    /// Bytes of the volume for each inode.
    BytesPerInode,
    /// Inodes in all.
    NumberOfInodes,
    /// Whether space is given out in clusters.
    Ext4BigAlloc,
    /// Bytes of such a cluster.
    Ext4ClusterSize,
    /// Whether directories can be encrypted.
    Ext4EncryptionSupport,
}

impl FormatKey {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::BlockSize,
        Self::InodeSize,
        Self::BytesPerInode,
        Self::NumberOfInodes,
        Self::Ext4BigAlloc,
        Self::Ext4ClusterSize,
        Self::Ext4EncryptionSupport,
    ];

    /// Its name among a StorageClass' parameters.
    #[must_use]
    pub fn parameter(self) -> &'static str {
        match self {
            Self::BlockSize => "blockSize",
            Self::InodeSize => "inodeSize",
            Self::BytesPerInode => "bytesPerInode",
            Self::NumberOfInodes => "numberOfInodes",
            Self::Ext4BigAlloc => "ext4BigAlloc",
            Self::Ext4ClusterSize => "ext4ClusterSize",
            Self::Ext4EncryptionSupport => "ext4EncryptionSupport",
        }
    }

    /// Its name in a volume's context: the same in lower case, as the Go driver writes it.
    #[must_use]
    pub fn context(self) -> String {
        self.parameter().to_lowercase()
    }

    /// Whether it is true or false.
    pub(super) fn is_switch(self) -> bool {
        match self {
            Self::Ext4BigAlloc | Self::Ext4EncryptionSupport => true,
            Self::BlockSize
            | Self::InodeSize
            | Self::BytesPerInode
            | Self::NumberOfInodes
            | Self::Ext4ClusterSize => false,
        }
    }

    /// Whether this file system has it.
    pub(super) fn is_for(self, fs: FsType) -> bool {
        match (self, fs) {
            (_, FsType::Btrfs) => false,
            (_, FsType::Ext4) => true,
            (key, FsType::Ext3) => key.is_general() || key.is_ext(),
            (key, FsType::Xfs) => key.is_general(),
        }
    }

    /// The file systems that have it, for messages.
    pub(super) fn owners(self) -> &'static str {
        if self.is_general() {
            "ext3, ext4 or xfs"
        } else if self.is_ext() {
            "ext3 or ext4"
        } else {
            "ext4"
        }
    }

    fn is_general(self) -> bool {
        matches!(self, Self::BlockSize | Self::InodeSize)
    }

    fn is_ext(self) -> bool {
        matches!(self, Self::BytesPerInode | Self::NumberOfInodes)
    }

    pub(super) fn refuse(self, value: &str, allowed: String) -> InvalidFormatOption {
        InvalidFormatOption {
            key: self,
            value: value.to_owned(),
            allowed,
        }
    }
}

/// A number, with the suffix k, m or g that the programs behind these options take too.
pub(super) fn number(text: &str) -> Option<u32> {
    let text = text.trim().to_lowercase();
    let shift = match text.chars().last()? {
        'k' => 10,
        'm' => 20,
        'g' => 30,
        _ => 0,
    };
    let digits = text.trim_end_matches(['k', 'm', 'g']);
    if shift > 0 && text.len() - digits.len() != 1 {
        return None;
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u32>().ok()?.checked_mul(1 << shift)
}
