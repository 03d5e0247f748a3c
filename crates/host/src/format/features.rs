//! Features that a file system is made without: those that the running kernel can't mount, and all newer ones where an operator wants
//! volumes that old kernels can mount.
//!
//! Answers for: which ones, given what the installed mkfs knows. Doesn't answer for: what is on the disk afterwards (`kernel`).

use ebs_types::FsType;

use crate::kernel::Kernel;

/// A feature that mkfs may turn on by itself.
struct Optional {
    /// The option of mkfs that it is one of, and its name there.
    option: (&'static str, &'static str),
    /// The kernel's release that brought it.
    kernel: (u32, u32),
    /// The release of mkfs that knows the name.
    known_since: (u32, u32),
    /// Whether `--legacy-xfs` is about it.
    legacy: bool,
}

const fn optional(
    option: &'static str,
    name: &'static str,
    kernel: (u32, u32),
    known_since: (u32, u32),
    legacy: bool,
) -> Optional {
    Optional {
        option: (option, name),
        kernel,
        known_since,
        legacy,
    }
}

/// From the release notes of e2fsprogs, xfsprogs and btrfs-progs.
const EXT4: &[Optional] = &[optional("-O", "orphan_file", (5, 15), (1, 47), false)];
const XFS: &[Optional] = &[
    optional("-m", "rmapbt", (4, 8), (4, 8), false),
    optional("-m", "reflink", (4, 9), (4, 9), true),
    optional("-m", "bigtime", (5, 10), (5, 10), true),
    optional("-m", "inobtcount", (5, 10), (5, 10), true),
    optional("-i", "nrext64", (5, 19), (5, 19), true),
    optional("-i", "exchange", (6, 10), (6, 10), true),
    optional("-n", "parent", (6, 10), (6, 10), true),
];
const BTRFS: &[Optional] = &[optional("-O", "block-group-tree", (6, 1), (6, 1), false)];

fn of(fs: FsType) -> &'static [Optional] {
    match fs {
        FsType::Ext3 => &[],
        FsType::Ext4 => EXT4,
        FsType::Xfs => XFS,
        FsType::Btrfs => BTRFS,
    }
}

/// Whether anything is to be left out if the installed mkfs knows it.
pub(super) fn concern(fs: FsType, kernel: &Kernel, legacy_xfs: bool) -> bool {
    of(fs).iter().any(|one| one.unwanted(kernel, legacy_xfs))
}

/// What to leave out, of what an mkfs of this version knows.
pub(super) fn unwanted(
    fs: FsType,
    kernel: &Kernel,
    legacy_xfs: bool,
    version: (u32, u32),
) -> Vec<(&'static str, &'static str)> {
    let unwanted = of(fs)
        .iter()
        .filter(|one| one.unwanted(kernel, legacy_xfs) && version >= one.known_since);
    unwanted.map(|one| one.option).collect()
}

impl Optional {
    fn unwanted(&self, kernel: &Kernel, legacy_xfs: bool) -> bool {
        kernel.release < self.kernel || legacy_xfs && self.legacy
    }
}

#[cfg(test)]
mod tests;
