//! What the running kernel can mount.
//!
//! Answers for: its release, its page size, and which features it knows of each file system. Doesn't answer for: which features a
//! file system has (`inspect`), and leaving them out when one is made (`format`).
//!
//! A feature counts as known where the kernel's release has it or the kernel lists it in `/sys/fs/<type>/features`: distributions
//! bring newer features to older releases.

use std::fs;
use std::path::{Path, PathBuf};

use ebs_types::FsType;

use crate::inspect::{Features, Found};

/// The kernel under this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The first two numbers of its release, 6 and 12 for 6.12.30.
    pub release: (u32, u32),
    /// Bytes of a page of memory.
    pub page_size: u64,
    /// Where it lists file systems' features, `/sys/fs`.
    pub listed: PathBuf,
}

/// One feature: its bit, its name and the release that brought it.
struct Feature(u64, &'static str, (u32, u32));

const fn since(bit: u64, name: &'static str, major: u32, minor: u32) -> Feature {
    Feature(bit, name, (major, minor))
}

/// A release that is still to come: for features that no kernel has.
const NEVER: u32 = u32::MAX;

// fs/ext4/ext4.h: EXT4_FEATURE_INCOMPAT_SUPP and EXT4_FEATURE_RO_COMPAT_SUPP by the release that first had each.
const EXT_INCOMPAT: &[Feature] = &[
    since(0x2, "filetype", 2, 6),
    since(0x4, "needs_recovery", 2, 6),
    since(0x10, "meta_bg", 2, 6),
    since(0x40, "extents", 2, 6),
    since(0x80, "64bit", 2, 6),
    since(0x100, "mmp", 3, 0),
    since(0x200, "flex_bg", 2, 6),
    since(0x400, "ea_inode", 4, 13),
    since(0x2000, "metadata_csum_seed", 4, 4),
    since(0x4000, "large_dir", 4, 13),
    since(0x8000, "inline_data", 3, 8),
    since(0x1_0000, "encrypt", 4, 1),
    since(0x2_0000, "casefold", 5, 2),
];
const EXT_RO_COMPAT: &[Feature] = &[
    since(0x1, "sparse_super", 2, 6),
    since(0x2, "large_file", 2, 6),
    since(0x4, "btree_dir", 2, 6),
    since(0x8, "huge_file", 2, 6),
    since(0x10, "uninit_bg", 2, 6),
    since(0x20, "dir_nlink", 2, 6),
    since(0x40, "extra_isize", 2, 6),
    since(0x100, "quota", 3, 6),
    since(0x200, "bigalloc", 3, 2),
    since(0x400, "metadata_csum", 3, 6),
    since(0x1000, "read-only", 4, 0),
    since(0x2000, "project", 4, 5),
    since(0x8000, "verity", 5, 4),
    since(0x1_0000, "orphan_present", 5, 15),
];
// fs/xfs/libxfs/xfs_format.h: XFS_SB_FEAT_INCOMPAT_ALL and XFS_SB_FEAT_RO_COMPAT_ALL, likewise.
const XFS_INCOMPAT: &[Feature] = &[
    since(0x1, "ftype", 3, 13),
    since(0x2, "sparse inodes", 4, 2),
    since(0x4, "meta_uuid", 4, 3),
    since(0x8, "bigtime", 5, 10),
    since(0x10, "needsrepair", 5, 11),
    since(0x20, "nrext64", 5, 19),
    since(0x40, "exchange", 6, 10),
    since(0x80, "parent", 6, 10),
    since(0x100, "metadir", 6, 13),
    since(0x200, "zoned", 6, 15),
    since(0x400, "zone gaps", 6, 15),
];
const XFS_RO_COMPAT: &[Feature] = &[
    since(0x1, "finobt", 3, 16),
    since(0x2, "rmapbt", 4, 8),
    since(0x4, "reflink", 4, 9),
    since(0x8, "inobtcount", 5, 10),
];
// fs/btrfs/fs.h: BTRFS_FEATURE_INCOMPAT_SUPP and BTRFS_FEATURE_COMPAT_RO_SUPP, likewise; names as in sysfs.
const BTRFS_INCOMPAT: &[Feature] = &[
    since(0x1, "mixed_backref", 2, 6),
    since(0x2, "default_subvol", 2, 6),
    since(0x4, "mixed_groups", 2, 6),
    since(0x8, "compress_lzo", 2, 6),
    since(0x10, "compress_zstd", 4, 14),
    since(0x20, "big_metadata", 3, 4),
    since(0x40, "extended_iref", 3, 7),
    since(0x80, "raid56", 3, 9),
    since(0x100, "skinny_metadata", 3, 10),
    since(0x200, "no_holes", 3, 14),
    since(0x400, "metadata_uuid", 5, 0),
    since(0x800, "raid1c34", 5, 5),
    since(0x1000, "zoned", 5, 12),
    since(0x2000, "extent_tree_v2", NEVER, 0),
    since(0x4000, "raid_stripe_tree", NEVER, 0),
    since(0x1_0000, "simple_quota", 6, 7),
];
const BTRFS_RO_COMPAT: &[Feature] = &[
    since(0x1, "free_space_tree", 4, 5),
    since(0x2, "free_space_tree_valid", 4, 9),
    since(0x4, "verity", 5, 15),
    since(0x8, "block_group_tree", 6, 1),
];

impl Kernel {
    /// The kernel that runs this process. One whose release can't be read counts as the newest: its own words at the mount decide.
    #[must_use]
    pub fn running() -> Self {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease");
        Self {
            release: release
                .ok()
                .and_then(|text| numbers(&text))
                .unwrap_or((NEVER, NEVER)),
            page_size: page_size(),
            listed: "/sys/fs".into(),
        }
    }

    /// What the file system has that this kernel can't mount for writing, in words; empty if nothing.
    pub(crate) fn lacks(&self, found: &Found) -> Vec<String> {
        let fs = found.filesystem.fs;
        let Features {
            incompat,
            ro_compat,
            block_size,
        } = found.features;
        let (strict, lenient) = tables(fs);
        let mut lacking = self.unknown(fs, incompat, strict);
        lacking.extend(self.unknown(fs, ro_compat, lenient));
        if !self.takes_blocks(fs, block_size) {
            lacking.push(self.blocks_refused(block_size));
        }
        lacking
    }

    /// Whether a file system of such blocks can be mounted: most can have none larger than a page.
    pub(crate) fn takes_blocks(&self, fs: FsType, block_size: u64) -> bool {
        let larger = block_size > self.page_size;
        match fs {
            FsType::Ext3 | FsType::Ext4 => !larger || self.lists(FsType::Ext4, "blocksize_gt_ps"),
            FsType::Xfs => !larger || self.release >= (6, 12),
            FsType::Btrfs => match fs::read_to_string(self.place(fs, "supported_sectorsizes")) {
                Ok(list) => list
                    .split_whitespace()
                    .any(|size| size == block_size.to_string()),
                Err(_) => block_size == self.page_size,
            },
        }
    }

    /// Why such blocks can't be had, in words.
    pub(crate) fn blocks_refused(&self, block_size: u64) -> String {
        format!(
            "blocks of {block_size} bytes where pages have {}",
            self.page_size
        )
    }

    fn unknown(&self, fs: FsType, bits: u64, table: &[Feature]) -> Vec<String> {
        let known = table
            .iter()
            .filter(|Feature(_, name, release)| self.release >= *release || self.lists(fs, name));
        let known = known.fold(0, |known, Feature(bit, ..)| known | bit);
        let missing = bits & !known;
        let named = table
            .iter()
            .filter(|Feature(bit, ..)| missing & bit != 0)
            .map(|Feature(_, name, _)| (*name).to_owned());
        let in_table = table.iter().fold(0, |all, Feature(bit, ..)| all | bit);
        let unnamed = missing & !in_table;
        let unnamed = (unnamed != 0).then(|| format!("unknown features {unnamed:#x}"));
        named.chain(unnamed).collect()
    }

    fn lists(&self, fs: FsType, name: &str) -> bool {
        self.place(fs, name).exists()
    }

    fn place(&self, fs: FsType, name: &str) -> PathBuf {
        let driver = if fs.is_ext() { FsType::Ext4 } else { fs };
        let features = Path::new(driver.as_str()).join("features");
        self.listed.join(features).join(name)
    }
}

fn tables(fs: FsType) -> (&'static [Feature], &'static [Feature]) {
    match fs {
        FsType::Ext3 | FsType::Ext4 => (EXT_INCOMPAT, EXT_RO_COMPAT),
        FsType::Xfs => (XFS_INCOMPAT, XFS_RO_COMPAT),
        FsType::Btrfs => (BTRFS_INCOMPAT, BTRFS_RO_COMPAT),
    }
}

/// The first two numbers of a version, `6.12` in `v6.12.30-1`.
pub(crate) fn numbers(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().trim_start_matches('v').split('.');
    let major = parts.next()?.parse().ok()?;
    let digits = |part: &str| -> String { part.chars().take_while(char::is_ascii_digit).collect() };
    let minor = digits(parts.next()?).parse().ok()?;
    Some((major, minor))
}

/// Bytes of a page, as the kernel tells every process when it starts (getauxval(3), AT_PAGESZ).
fn page_size() -> u64 {
    const AT_PAGESZ: u64 = 6;
    const USUAL: u64 = 4096;
    let told = fs::read("/proc/self/auxv").unwrap_or_default();
    let (words, _) = told.as_chunks();
    let mut words = words.iter().map(|word| u64::from_ne_bytes(*word));
    while let (Some(key), Some(value)) = (words.next(), words.next()) {
        if key == AT_PAGESZ {
            return value;
        }
    }
    USUAL
}

#[cfg(test)]
mod tests;
