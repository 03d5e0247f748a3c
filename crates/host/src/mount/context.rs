//! A file system on its way to being mounted: the kernel's mount API of file descriptors (fsopen(2), Linux 5.2).
//!
//! Answers for: that what was mounted can be looked at before anyone else sees it, and that a refusal carries the kernel's own words.
//! Doesn't answer for: which options, and where it is shown.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount,
};

use super::options::Parameter;

/// The most messages that are read from the kernel at once; it keeps eight.
const MOST_WORDS: usize = 16;

/// A file system being configured.
pub(super) struct Context {
    fd: OwnedFd,
}

/// What the kernel refused.
pub(super) struct Refusal {
    pub(super) errno: Errno,
    /// Its words on it; often none.
    pub(super) words: Vec<String>,
}

impl Context {
    /// A file system of the type, e.g. `ext4`.
    pub(super) fn open(fs: &str) -> Result<Self, Refusal> {
        match fsopen(fs, FsOpenFlags::FSOPEN_CLOEXEC) {
            Ok(fd) => Ok(Self { fd }),
            Err(errno) => Err(Refusal {
                errno,
                words: vec![unknown(fs, errno)],
            }),
        }
    }

    /// Mounts the device, so that nobody sees it yet: the file system's root, held by this descriptor alone. What the kernel has to
    /// say in spite of success comes with it.
    pub(super) fn mount(
        self,
        source: &Path,
        parameters: &[Parameter],
        attributes: MountAttrFlags,
    ) -> Result<(OwnedFd, Vec<String>), Refusal> {
        let steps = || {
            fsconfig_set_string(&self.fd, "source", source)?;
            for parameter in parameters {
                match &parameter.value {
                    Some(value) => fsconfig_set_string(&self.fd, &*parameter.key, &**value)?,
                    None => fsconfig_set_flag(&self.fd, &*parameter.key)?,
                }
            }
            fsconfig_create(&self.fd)?;
            fsmount(&self.fd, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        };
        match steps() {
            Ok(mount) => Ok((mount, self.words())),
            Err(errno) => Err(Refusal {
                errno,
                words: self.words(),
            }),
        }
    }

    /// What the kernel has written for this mount: a letter for its weight, a blank, the message.
    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut buffer = [0; 1024];
        while words.len() < MOST_WORDS {
            let Ok(length) = rustix::io::read(&self.fd, &mut buffer[..]) else {
                break;
            };
            let message = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
            let message = message.trim_end();
            let text = message.split_once(' ').map_or(message, |(_, text)| text);
            words.push(text.to_owned());
        }
        words
    }
}

/// Shows a mount that nobody sees yet at a place that is held open.
pub(super) fn attach(mount: &OwnedFd, target: impl AsFd) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    let nothing = OsStr::new("");
    move_mount(mount, nothing, target, nothing, flags)
}

fn unknown(fs: &str, errno: Errno) -> String {
    match errno {
        Errno::NODEV => format!("it has no file system {fs}, nor a module for it"),
        Errno::NOSYS => "it is older than Linux 5.10, which this driver needs".to_owned(),
        _ => format!("it opens no file system {fs}"),
    }
}
