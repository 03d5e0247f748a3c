//! The programs that make file systems, and how they are told what to make.
//!
//! Answers for: arguments. Doesn't answer for: running them, and what a kernel can mount.

use ebs_types::{Bytes, Ext4Options, ExtOptions, FormatOptions, FsType, Inodes, XfsOptions};

use crate::exec::{self, Program};

/// The program that makes this file system.
pub(crate) fn program(fs: FsType) -> Program {
    let (name, package) = match fs {
        FsType::Ext3 => ("mkfs.ext3", "e2fsprogs"),
        FsType::Ext4 => ("mkfs.ext4", "e2fsprogs"),
        FsType::Xfs => ("mkfs.xfs", "xfsprogs"),
        FsType::Btrfs => ("mkfs.btrfs", "btrfs-progs"),
    };
    Program { name, package }
}

/// How a program says which version it is.
pub(super) fn version_flag(fs: FsType) -> &'static str {
    match fs {
        FsType::Ext3 | FsType::Ext4 | FsType::Xfs => "-V",
        FsType::Btrfs => "--version",
    }
}

/// What is to be made.
#[derive(Debug)]
pub(super) struct Order<'a> {
    pub(super) options: &'a FormatOptions,
    /// The UUID, in text.
    pub(super) uuid: &'a str,
    /// How much of the device it may use.
    pub(super) size: Bytes,
    /// Features to leave out, each with the option that it is one of.
    pub(super) without: &'a [(&'static str, &'static str)],
}

impl Order<'_> {
    /// The program's arguments. None is forced: a device that holds a signature is refused by all but ext's. Nothing is discarded:
    /// the device is blank, and a discard might reach beyond the size that is given.
    pub(super) fn arguments(&self) -> Vec<String> {
        match self.options {
            FormatOptions::Ext3(ext) => self.ext(ext, None),
            FormatOptions::Ext4(ext, own) => self.ext(ext, Some(own)),
            FormatOptions::Xfs(xfs) => self.xfs(xfs),
            FormatOptions::Btrfs => self.btrfs(),
        }
    }

    fn ext(&self, ext: &ExtOptions, own: Option<&Ext4Options>) -> Vec<String> {
        // -F: the descriptor's path does not look like a device's name, about which mkfs would ask. Once, not twice: twice
        // would format a device that is in use. -m0: no blocks kept for root, who is not who fills a volume.
        let mut all = words(&["-q", "-F", "-m0", "-E", "nodiscard", "-U", self.uuid]);
        let mut add = |flag: &str, value: Option<u32>| {
            all.extend(value.map(|value| format!("{flag}{value}")));
        };
        add("-b", ext.block_size());
        add("-I", ext.inode_size());
        match ext.inodes() {
            Some(Inodes::BytesPer(bytes)) => add("-i", Some(bytes)),
            Some(Inodes::Number(number)) => add("-N", Some(number)),
            None => {}
        }
        let clusters = own.and_then(Ext4Options::clusters);
        add("-C", clusters.and_then(|clusters| clusters.size));
        let mut features = self.left_out("-O", "^", "");
        features.extend(clusters.map(|_| "bigalloc".to_owned()));
        let encryption = own.is_some_and(Ext4Options::encryption);
        features.extend(encryption.then(|| "encrypt".to_owned()));
        all.extend(joined("-O", &features));
        all.push(exec::DEVICE.to_owned());
        // Always KiB, whatever the block size is.
        all.push(format!("{}k", self.size.0 >> 10));
        all
    }

    fn xfs(&self, xfs: &XfsOptions) -> Vec<String> {
        let mut all = words(&["-q", "-K"]);
        let mut metadata = vec![format!("uuid={}", self.uuid)];
        metadata.extend(self.left_out("-m", "", "=0"));
        let mut inodes = self.left_out("-i", "", "=0");
        inodes.extend(xfs.inode_size().map(|size| format!("size={size}")));
        let block = xfs.block_size().map(|size| format!("size={size}"));
        all.extend(joined("-b", block.as_slice()));
        all.extend(joined("-m", &metadata));
        all.extend(joined("-d", &[format!("size={}", self.size.0)]));
        all.extend(joined("-i", &inodes));
        all.extend(joined("-n", &self.left_out("-n", "", "=0")));
        all.push(exec::DEVICE.to_owned());
        all
    }

    fn btrfs(&self) -> Vec<String> {
        let mut all = words(&["-q", "-K", "-U", self.uuid, "-b"]);
        all.push(self.size.0.to_string());
        all.extend(joined("-O", &self.left_out("-O", "^", "")));
        all.push(exec::DEVICE.to_owned());
        all
    }

    fn left_out(&self, option: &str, before: &str, after: &str) -> Vec<String> {
        let of_option = self.without.iter().filter(|(flag, _)| *flag == option);
        of_option
            .map(|(_, name)| format!("{before}{name}{after}"))
            .collect()
    }
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|word| (*word).to_owned()).collect()
}

/// The flag with its values, or nothing.
fn joined(flag: &str, values: &[String]) -> Vec<String> {
    if values.is_empty() {
        return Vec::new();
    }
    vec![flag.to_owned(), values.join(",")]
}

#[cfg(test)]
mod tests;
