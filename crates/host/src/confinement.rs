//! What this process may do beyond what every process may: the list in docs/SECURITY.md, and nothing else from the start on.
//!
//! Answers for: giving up every capability that is not on the list, for this process and for the programs that it starts. Doesn't
//! answer for: what a container runtime grants; what is not there is not missed here.
//!
//! Capabilities belong to threads: this has to come before the process has a second one.

#![expect(unsafe_code, reason = "fcntl(2) on a descriptor that is not ours")]

use std::io;

use nix::libc;
use rustix::io::Errno;
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities, capabilities_secure_bits,
    capability_is_in_bounding_set, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_capabilities_secure_bits, set_no_new_privs,
};

use crate::mount::kernel_log;

/// What a process does, which decides what it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// It works on this machine's devices and mounts.
    Node,
    /// It speaks to others over the network.
    Network,
}

impl Duty {
    /// The capabilities that it takes.
    fn needs(self) -> CapabilitySet {
        match self {
            // SYS_ADMIN: mount and unmount (mount_namespaces(7)), grow xfs and btrfs, NVMe admin commands.
            // SYS_RESOURCE: grow a mounted ext4 (EXT4_IOC_RESIZE_FS asks for it).
            // DAC_READ_SEARCH: open the root directory of a volume that belongs to a workload's user and that only that user may read, for
            // the ioctls that measure it and make it grow. Writing there is never needed.
            Self::Node => {
                CapabilitySet::SYS_ADMIN
                    | CapabilitySet::SYS_RESOURCE
                    | CapabilitySet::DAC_READ_SEARCH
            }
            Self::Network => CapabilitySet::empty(),
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confinement {
    /// What this process has kept, as the mask that /proc/PID/status shows.
    pub kept: u64,
    /// What it should have and was never given, as such a mask.
    pub missing: u64,
    /// Whether the bounding set was cut down too, which takes CAP_SETPCAP.
    pub bounded: bool,
}

/// Gives up what the duty does not take, in this thread and in those that it starts later.
///
/// # Errors
/// The kernel's, where it does not let a process have less.
pub fn confine(duty: Duty) -> io::Result<Confinement> {
    // The right to open it is one of those that go.
    kernel_log::open();
    let needs = duty.needs();
    let held = capabilities(None)?;
    let bounded = held.effective.contains(CapabilitySet::SETPCAP);
    if bounded {
        bound(needs)?;
    }
    match clear_ambient_capability_set() {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(errno) => return Err(errno.into()),
    }
    let kept = held.permitted.intersection(needs);
    set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    // No program that is started has more, by whatever bits its file carries.
    set_no_new_privs(true)?;
    keep_inherited_files()?;
    Ok(Confinement {
        kept: kept.bits(),
        missing: needs.difference(kept).bits(),
        bounded,
    })
}

/// Keeps files that this process was started with, beyond its three streams, from the programs that it starts. Its own have the flag
/// from the beginning.
fn keep_inherited_files() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(fd) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if fd > 2 {
            // SAFETY: no memory is involved, and the descriptor stays whose it is. The only one that has been closed since is that of
            // the directory: the answer is an error that matters to nobody.
            let _closed_by_now = unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

/// A capability that the program being started is given, until this is dropped.
#[derive(Debug)]
pub(crate) struct Lent;

impl Lent {
    /// Lends the capability to programs that this thread starts, where they would have none and this process has it. A program that
    /// goes without says itself what it lacks.
    pub(crate) fn to_programs(one: CapabilitySet) -> Option<Self> {
        let bits = capabilities_secure_bits().ok()?;
        if !bits.contains(CapabilitiesSecureBits::NO_ROOT) {
            return None;
        }
        let mut sets = capabilities(None).ok()?;
        sets.inheritable = one;
        set_capabilities(None, sets).ok()?;
        let lent = Self;
        configure_capability_in_ambient_set(one, true).ok()?;
        Some(lent)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let taken = clear_ambient_capability_set().and_then(|()| capabilities(None));
        let taken = taken.and_then(|mut sets| {
            sets.inheritable = CapabilitySet::empty();
            set_capabilities(None, sets)
        });
        if let Err(error) = taken {
            tracing::warn!(%error, "a capability that was lent to a program is still lent to the next");
        }
    }
}

/// Takes everything else out of the bounding set, and the automatism by which a program that root starts has capabilities at all: fsck
/// and the like open a device that is root's, which takes none.
fn bound(needs: CapabilitySet) -> io::Result<()> {
    for bit in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        if needs.contains(one) {
            continue;
        }
        match capability_is_in_bounding_set(one) {
            Ok(true) => remove_capability_from_bounding_set(one)?,
            Ok(false) => {}
            // Beyond the last one that this kernel knows.
            Err(_) => break,
        }
    }
    let bits = CapabilitiesSecureBits::NO_ROOT | CapabilitiesSecureBits::NO_ROOT_LOCKED;
    Ok(set_capabilities_secure_bits(bits)?)
}
