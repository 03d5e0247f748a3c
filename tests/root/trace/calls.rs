//! Which system calls count, and what they are about.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use nix::libc;
use nix::unistd::Pid;

use super::{Scope, Step};

/// The two upper bits of an ioctl's request that hands out and takes nothing.
const IOC_READ: u64 = 2;

/// A call at its entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// The thread that makes it.
    pub(super) thread: Pid,
    /// Its number.
    pub(super) number: u64,
    /// Its arguments.
    pub(super) args: [u64; 6],
}

/// Which argument says what a call is about.
#[derive(Clone, Copy, Debug)]
enum Subject {
    Path(usize),
    Descriptor(usize),
    None,
}

/// When a call changes something.
#[derive(Clone, Copy, Debug)]
enum Changes {
    Never,
    Always,
    /// Opening changes something where it makes what it opens; the argument has the flags.
    Creating(usize),
    /// An ioctl changes something unless its request says that it only reads (ioctl(2)).
    Requested,
}

struct Known {
    number: libc::c_long,
    name: &'static str,
    subject: Subject,
    changes: Changes,
}

const fn known(
    number: libc::c_long,
    name: &'static str,
    subject: Subject,
    changes: Changes,
) -> Known {
    Known {
        number,
        name,
        subject,
        changes,
    }
}

use Changes::{Always, Creating, Never, Requested};
use Subject::{Descriptor, Path};

/// Every call by which this driver's work on the host is done, whichever of several for one purpose is taken.
const KNOWN: &[Known] = &[
    known(libc::SYS_openat, "openat", Path(1), Creating(2)),
    known(libc::SYS_openat2, "openat2", Path(1), Never),
    known(libc::SYS_read, "read", Descriptor(0), Never),
    known(libc::SYS_pread64, "pread64", Descriptor(0), Never),
    known(libc::SYS_getdents64, "getdents64", Descriptor(0), Never),
    known(libc::SYS_newfstatat, "newfstatat", Path(1), Never),
    known(libc::SYS_statx, "statx", Path(1), Never),
    known(libc::SYS_fstat, "fstat", Descriptor(0), Never),
    known(libc::SYS_statfs, "statfs", Path(0), Never),
    known(libc::SYS_fstatfs, "fstatfs", Descriptor(0), Never),
    known(libc::SYS_readlink, "readlink", Path(0), Never),
    known(libc::SYS_readlinkat, "readlinkat", Path(1), Never),
    known(libc::SYS_flock, "flock", Descriptor(0), Always),
    known(libc::SYS_ioctl, "ioctl", Descriptor(0), Requested),
    known(libc::SYS_write, "write", Descriptor(0), Always),
    known(libc::SYS_pwrite64, "pwrite64", Descriptor(0), Always),
    known(libc::SYS_fsync, "fsync", Descriptor(0), Always),
    known(libc::SYS_fdatasync, "fdatasync", Descriptor(0), Always),
    known(libc::SYS_fallocate, "fallocate", Descriptor(0), Always),
    known(libc::SYS_mkdir, "mkdir", Path(0), Always),
    known(libc::SYS_mkdirat, "mkdirat", Path(1), Always),
    known(libc::SYS_rmdir, "rmdir", Path(0), Always),
    known(libc::SYS_unlink, "unlink", Path(0), Always),
    known(libc::SYS_unlinkat, "unlinkat", Path(1), Always),
    known(libc::SYS_mount, "mount", Path(1), Always),
    known(libc::SYS_umount2, "umount2", Path(0), Always),
    known(libc::SYS_open_tree, "open_tree", Path(1), Always),
    known(libc::SYS_move_mount, "move_mount", Path(3), Always),
    known(libc::SYS_mount_setattr, "mount_setattr", Path(1), Always),
    known(libc::SYS_fsopen, "fsopen", Path(0), Always),
    known(libc::SYS_fsconfig, "fsconfig", Path(2), Always),
    known(libc::SYS_fsmount, "fsmount", Subject::None, Always),
    known(libc::SYS_memfd_create, "memfd_create", Path(0), Never),
    known(libc::SYS_vfork, "vfork", Subject::None, Always),
    known(libc::SYS_fork, "fork", Subject::None, Always),
    known(libc::SYS_clone, "clone", Subject::None, Always),
    known(libc::SYS_clone3, "clone3", Subject::None, Always),
    known(libc::SYS_wait4, "wait4", Subject::None, Always),
    known(libc::SYS_waitid, "waitid", Subject::None, Always),
];

/// The call as a step of the plugin, if it counts.
pub(super) fn step(entry: &Entry, scope: Scope) -> Option<Step> {
    let call = KNOWN
        .iter()
        .find(|call| u64::try_from(call.number).ok() == Some(entry.number))?;
    let changes = match call.changes {
        Never => false,
        Always => true,
        Creating(flags) => entry.args[flags] & u64::from(libc::O_CREAT.unsigned_abs()) != 0,
        Requested => entry.args[1] >> 30 & 3 != IOC_READ,
    };
    if scope != Scope::All && !changes {
        return None;
    }
    if call.name.starts_with("clone") && makes_a_thread(entry, call.name) {
        return None;
    }
    let subject = match call.subject {
        Path(argument) => text(entry, entry.args[argument]),
        Descriptor(argument) => node_work(entry, entry.args[argument])?,
        Subject::None => String::new(),
    };
    Some(Step {
        name: call.name,
        subject,
    })
}

/// What a descriptor leads to; nothing for those by which the runtime lives: sockets, pipes, events, the log.
fn node_work(entry: &Entry, descriptor: u64) -> Option<String> {
    let link = format!("/proc/{}/fd/{}", entry.thread, descriptor & 0xffff_ffff);
    let leads_to = fs::read_link(link).unwrap_or_else(|_| PathBuf::from("closed"));
    let leads_to = leads_to.to_string_lossy().into_owned();
    let runtime = ["socket:", "pipe:", "anon_inode:"]
        .iter()
        .any(|kind| leads_to.starts_with(kind));
    (!runtime && descriptor != 2).then_some(leads_to)
}

/// Threads are the runtime's own; programs are the node's work.
fn makes_a_thread(entry: &Entry, name: &str) -> bool {
    let flags = match name {
        "clone" => entry.args[0],
        // The first member of struct clone_args.
        _ => memory(entry.thread, entry.args[0], 8)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u64::from_le_bytes),
    };
    flags & u64::from(libc::CLONE_THREAD.unsigned_abs()) != 0
}

/// The text at an address, as long as it is one.
fn text(entry: &Entry, address: u64) -> String {
    // A text may end right before memory that can't be read.
    let bytes = [512, 64, 16]
        .into_iter()
        .find_map(|length| memory(entry.thread, address, length))
        .unwrap_or_default();
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

fn memory(thread: Pid, address: u64, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    let file = File::open(format!("/proc/{thread}/mem")).ok()?;
    let read = file.read_at(&mut bytes, address).ok()?;
    bytes.truncate(read);
    Some(bytes)
}
