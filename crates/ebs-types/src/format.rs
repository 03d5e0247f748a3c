//! How a file system is to be made: the options of a StorageClass, and the same in a volume's context.
//!
//! Answers for: which file system takes which option, and which values. Doesn't answer for: mkfs's spelling of them, and what the
//! kernel of a node can mount.
//!
//! Ranges are those of mke2fs(8) and mkfs.xfs(8). What depends on the volume's size (more inodes than fit) is mkfs's to say.

mod key;

use std::collections::HashMap;

pub use key::FormatKey;

use crate::FsType;

/// The blocks that mkfs makes where it is not told: both of its kinds, on volumes of EBS's sizes.
const DEFAULT_BLOCK: u32 = 4096;

/// Options for making a file system, of that file system alone and with values that it takes. Only [`FormatParameters`] and
/// [`FormatOptions::defaults`] make them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatOptions {
    /// ext3.
    Ext3(ExtOptions),
    /// ext4.
    Ext4(ExtOptions, Ext4Options),
    /// XFS.
    Xfs(XfsOptions),
    /// btrfs, which takes none.
    Btrfs,
}

/// Options of ext3 and ext4.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtOptions {
    block_size: Option<u32>,
    inode_size: Option<u32>,
    inodes: Option<Inodes>,
}

/// How many inodes an ext file system gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inodes {
    /// One for so many bytes of the volume.
    BytesPer(u32),
    /// So many in all.
    Number(u32),
}

/// Options of ext4 alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ext4Options {
    clusters: Option<Clusters>,
    encryption: bool,
}

/// Space is given out in clusters of several blocks (bigalloc).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clusters {
    /// In bytes; `None` leaves it to mkfs.
    pub size: Option<u32>,
}

/// Options of XFS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XfsOptions {
    block_size: Option<u32>,
    inode_size: Option<u32>,
}

impl ExtOptions {
    /// Bytes of a block, a power of two from 1 KiB to 64 KiB.
    #[must_use]
    pub fn block_size(&self) -> Option<u32> {
        self.block_size
    }

    /// Bytes of an inode, a power of two from 128 to a block.
    #[must_use]
    pub fn inode_size(&self) -> Option<u32> {
        self.inode_size
    }

    /// How many inodes.
    #[must_use]
    pub fn inodes(&self) -> Option<Inodes> {
        self.inodes
    }
}

impl Ext4Options {
    /// Whether space is given out in clusters, and of what size.
    #[must_use]
    pub fn clusters(&self) -> Option<Clusters> {
        self.clusters
    }

    /// Whether directories can be encrypted (fscrypt).
    #[must_use]
    pub fn encryption(&self) -> bool {
        self.encryption
    }
}

impl XfsOptions {
    /// Bytes of a block, a power of two from 1 KiB to 64 KiB.
    #[must_use]
    pub fn block_size(&self) -> Option<u32> {
        self.block_size
    }

    /// Bytes of an inode, a power of two from 512 to 2 KiB, at most half a block.
    #[must_use]
    pub fn inode_size(&self) -> Option<u32> {
        self.inode_size
    }
}

impl FormatOptions {
    /// The options of a file system that is made as mkfs makes it by itself.
    #[must_use]
    pub fn defaults(fs: FsType) -> Self {
        match fs {
            FsType::Ext3 => Self::Ext3(ExtOptions::default()),
            FsType::Ext4 => Self::Ext4(ExtOptions::default(), Ext4Options::default()),
            FsType::Xfs => Self::Xfs(XfsOptions::default()),
            FsType::Btrfs => Self::Btrfs,
        }
    }

    /// The file system that they are for.
    #[must_use]
    pub fn fs(&self) -> FsType {
        match self {
            Self::Ext3(_) => FsType::Ext3,
            Self::Ext4(..) => FsType::Ext4,
            Self::Xfs(_) => FsType::Xfs,
            Self::Btrfs => FsType::Btrfs,
        }
    }

    /// Bytes of a block, where they are asked for.
    #[must_use]
    pub fn block_size(&self) -> Option<u32> {
        match self {
            Self::Ext3(ext) | Self::Ext4(ext, _) => ext.block_size,
            Self::Xfs(xfs) => xfs.block_size,
            Self::Btrfs => None,
        }
    }
}

/// A format option that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is {value:?}: {allowed}", .key.parameter())]
pub struct InvalidFormatOption {
    /// Which.
    pub key: FormatKey,
    /// What was given.
    pub value: String,
    /// What is allowed, or what to do.
    pub allowed: String,
}

/// Format options as they are given, before it is known for which file system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormatParameters(Vec<(FormatKey, String)>);

impl FormatParameters {
    /// Takes the options out of a map of parameters: `take` gives the value of a key, spelt as in a StorageClass.
    pub fn take(mut take: impl FnMut(&'static str) -> Option<String>) -> Self {
        let given = FormatKey::ALL.map(|key| take(key.parameter()).map(|value| (key, value)));
        Self(given.into_iter().flatten().collect())
    }

    /// Reads the options in a volume's context, whose keys are read in any case: `blocksize` in those of the Go driver.
    #[must_use]
    pub fn of_context(context: &HashMap<String, String>) -> Self {
        Self::take(|key| {
            let mut entries = context.iter();
            let found = entries.find(|(name, _)| name.eq_ignore_ascii_case(key));
            found.map(|(_, value)| value.clone())
        })
    }

    /// As entries for a volume's context, numbers in full.
    pub fn to_context(&self) -> impl Iterator<Item = (String, String)> {
        self.wanted().map(|(key, value)| {
            let value = match key::number(value) {
                Some(number) => number.to_string(),
                None => value.trim().to_lowercase(),
            };
            (key.context(), value)
        })
    }

    /// The options of this file system.
    ///
    /// # Errors
    /// [`InvalidFormatOption`] for one that the file system lacks, for a value that it does not take, and for two that exclude
    /// each other.
    pub fn for_fs(&self, fs: FsType) -> Result<FormatOptions, InvalidFormatOption> {
        for (key, value) in self.wanted() {
            if !key.is_for(fs) {
                return Err(key.refuse(
                    value,
                    format!(
                        "{fs} has no such option, {} has: leave it out",
                        key.owners()
                    ),
                ));
            }
        }
        Ok(match fs {
            FsType::Ext3 => FormatOptions::Ext3(self.ext()?),
            FsType::Ext4 => {
                let ext = self.ext()?;
                let own = self.ext4(ext.block_size)?;
                FormatOptions::Ext4(ext, own)
            }
            FsType::Xfs => FormatOptions::Xfs(self.xfs()?),
            FsType::Btrfs => FormatOptions::Btrfs,
        })
    }

    /// Makes sure that nothing is asked for, as for a volume that is used as a raw device.
    ///
    /// # Errors
    /// [`InvalidFormatOption`] naming the first option.
    pub fn for_block(&self) -> Result<(), InvalidFormatOption> {
        match self.wanted().next() {
            None => Ok(()),
            Some((key, value)) => Err(key.refuse(
                value,
                "a raw block volume gets no file system: leave it out".to_owned(),
            )),
        }
    }

    /// What is asked for: a switch that is off asks for nothing.
    fn wanted(&self) -> impl Iterator<Item = (FormatKey, &str)> {
        let given = self.0.iter().map(|(key, value)| (*key, value.as_str()));
        given
            .filter(|(key, value)| !(key.is_switch() && value.trim().eq_ignore_ascii_case("false")))
    }

    fn value(&self, key: FormatKey) -> Option<&str> {
        let mut entries = self.0.iter();
        let found = entries.find(|(other, _)| *other == key);
        found.map(|(_, value)| value.as_str())
    }

    /// A size in bytes that has to be a power of two.
    fn power(
        &self,
        key: FormatKey,
        min: u32,
        max: u32,
    ) -> Result<Option<u32>, InvalidFormatOption> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        match key::number(value) {
            Some(size) if size.is_power_of_two() && (min..=max).contains(&size) => Ok(Some(size)),
            _ => Err(key.refuse(
                value,
                format!("give a power of two from {min} to {max}, in bytes"),
            )),
        }
    }

    fn range(
        &self,
        key: FormatKey,
        min: u32,
        max: u32,
    ) -> Result<Option<u32>, InvalidFormatOption> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        match key::number(value) {
            Some(number) if (min..=max).contains(&number) => Ok(Some(number)),
            _ => Err(key.refuse(value, format!("give a whole number from {min} to {max}"))),
        }
    }

    fn switch(&self, key: FormatKey) -> Result<bool, InvalidFormatOption> {
        match self.value(key).map(|value| (value, value.trim())) {
            None => Ok(false),
            Some((_, off)) if off.eq_ignore_ascii_case("false") => Ok(false),
            Some((_, on)) if on.eq_ignore_ascii_case("true") => Ok(true),
            Some((value, _)) => Err(key.refuse(value, "use true or false".to_owned())),
        }
    }

    fn ext(&self) -> Result<ExtOptions, InvalidFormatOption> {
        let block_size = self.power(FormatKey::BlockSize, 1 << 10, 64 << 10)?;
        let largest_inode = block_size.unwrap_or(DEFAULT_BLOCK);
        let inode_size = self.power(FormatKey::InodeSize, 128, largest_inode)?;
        let bytes = self.range(FormatKey::BytesPerInode, 1 << 10, 64 << 20)?;
        let number = self.range(FormatKey::NumberOfInodes, 1, u32::MAX)?;
        let inodes = match (bytes, number) {
            (Some(_), Some(number)) => {
                return Err(FormatKey::NumberOfInodes.refuse(
                    &number.to_string(),
                    "bytesPerInode is given too, which says the same in another way: keep one of them".to_owned(),
                ));
            }
            (Some(bytes), None) => Some(Inodes::BytesPer(bytes)),
            (None, number) => number.map(Inodes::Number),
        };
        Ok(ExtOptions {
            block_size,
            inode_size,
            inodes,
        })
    }

    fn ext4(&self, block_size: Option<u32>) -> Result<Ext4Options, InvalidFormatOption> {
        let smallest = (block_size.unwrap_or(DEFAULT_BLOCK) * 2).max(2 << 10);
        let size = self.power(FormatKey::Ext4ClusterSize, smallest, 256 << 20)?;
        let clusters = match (self.switch(FormatKey::Ext4BigAlloc)?, size) {
            (true, size) => Some(Clusters { size }),
            (false, None) => None,
            (false, Some(size)) => {
                return Err(FormatKey::Ext4ClusterSize.refuse(
                    &size.to_string(),
                    "there are clusters only with ext4BigAlloc: set that to true, or leave this out".to_owned(),
                ));
            }
        };
        Ok(Ext4Options {
            clusters,
            encryption: self.switch(FormatKey::Ext4EncryptionSupport)?,
        })
    }

    fn xfs(&self) -> Result<XfsOptions, InvalidFormatOption> {
        let block_size = self.power(FormatKey::BlockSize, 1 << 10, 64 << 10)?;
        let largest_inode = (block_size.unwrap_or(DEFAULT_BLOCK) / 2).min(2 << 10);
        Ok(XfsOptions {
            block_size,
            inode_size: self.power(FormatKey::InodeSize, 512, largest_inode)?,
        })
    }
}

#[cfg(test)]
mod tests;
