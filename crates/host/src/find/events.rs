//! Waking whoever waits for a device when the kernel, or an emulator in its place, has something new.
//!
//! Answers for: one watcher for all who wait, and none while nobody does. Doesn't answer for: what has happened; an event only says
//! that another look is worth it. Events can be lost, so that who waits looks again by itself now and then as well.
//!
//! Two sources. The kernel tells of devices by netlink (`NETLINK_KOBJECT_UEVENT`, netlink(7)), once their nodes and their entries in sysfs
//! are there. Directories that only stand for `/dev` and `/sys` are watched as such (inotify(7)).

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use nix::unistd::read;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

/// The kernel's own messages; udev's are of the second group.
const KERNEL_GROUP: u32 = 1;
/// Kernel messages are at most 2 KiB (`UEVENT_BUFFER_SIZE` in linux/kobject.h) and a header.
const MESSAGE: usize = 8 << 10;

/// The watcher of a machine; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    running: Arc<Mutex<Option<watch::Sender<()>>>>,
}

impl Events {
    /// Takes part in the watcher, which is started if nobody does yet. It ends with the last receiver.
    pub(crate) fn listen(&self, places: impl FnOnce() -> Vec<PathBuf>) -> watch::Receiver<()> {
        let mut running = self.lock();
        if let Some(sender) = &*running {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(());
        *running = Some(sender.clone());
        tokio::spawn(self.clone().watch(sender, Sources::open(&places())));
        receiver
    }

    async fn watch(self, sender: watch::Sender<()>, sources: Sources) {
        loop {
            tokio::select! {
                () = sources.next() => {
                    sender.send_replace(());
                }
                () = sender.closed() => {
                    // Nobody can join while the lock is held.
                    let mut running = self.lock();
                    if sender.receiver_count() == 0 {
                        *running = None;
                        return;
                    }
                }
            }
        }
    }

    /// Whether anybody waits.
    #[cfg(test)]
    pub(crate) fn are_awaited(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<watch::Sender<()>>> {
        // Nothing that holds the lock can panic halfway through a change.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What tells of news. One that can't be had is left out.
struct Sources {
    kernel: Option<AsyncFd<OwnedFd>>,
    directories: Option<AsyncFd<OwnedFd>>,
}

impl Sources {
    fn open(places: &[PathBuf]) -> Self {
        Self {
            kernel: had("kernel events", kernel()),
            directories: had("changes of directories", directories(places)),
        }
    }

    /// Ends when something has happened; never, if there is no source at all.
    async fn next(&self) {
        tokio::select! {
            () = next(self.kernel.as_ref(), message) => {}
            () = next(self.directories.as_ref(), changes) => {}
        }
    }
}

fn had<T>(what: &str, source: io::Result<T>) -> Option<T> {
    source
        .inspect_err(|error| tracing::warn!(%error, what, "devices are looked for without them: every few seconds"))
        .ok()
}

/// Reads until something matters.
async fn next(source: Option<&AsyncFd<OwnedFd>>, read: impl Fn(&OwnedFd) -> io::Result<bool>) {
    while let Some(source) = source {
        match source
            .async_io(Interest::READABLE, |inner| read(inner))
            .await
        {
            Ok(true) => return,
            Ok(false) => {}
            // Reading again would fail again, at once.
            Err(_) => break,
        }
    }
    std::future::pending().await
}

fn kernel() -> io::Result<AsyncFd<OwnedFd>> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        SockProtocol::NetlinkKObjectUEvent,
    )?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_GROUP))?;
    registered(socket)
}

/// Reads one message. Whoever sent it, it is only taken for a hint.
fn message(socket: &OwnedFd) -> io::Result<bool> {
    let mut buffer = [0; MESSAGE];
    match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
        Ok(length) => Ok(buffer.get(..length).is_some_and(is_about_disks)),
        // Messages were lost: they may have been about disks.
        Err(Errno::ENOBUFS) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}

/// `add@/devices/…`, then `KEY=value`, each ended by a NUL character.
fn is_about_disks(message: &[u8]) -> bool {
    message
        .split(|byte| *byte == 0)
        .any(|field| matches!(field, b"SUBSYSTEM=block" | b"SUBSYSTEM=nvme"))
}

/// Empties what inotify has told. What it was does not matter.
fn changes(inotify: &OwnedFd) -> io::Result<bool> {
    let mut buffer = [0; MESSAGE];
    Ok(read(inotify, &mut buffer)? > 0)
}

fn directories(places: &[PathBuf]) -> io::Result<AsyncFd<OwnedFd>> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    let news = AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MOVE
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_ATTRIB
        | AddWatchFlags::IN_ONLYDIR;
    for place in places {
        // One that is not there, such as `class/nvme` before the first controller, is left to the looks in between.
        let _ = inotify.add_watch(place, news);
    }
    registered(inotify.as_fd().try_clone_to_owned()?)
}

#[expect(unsafe_code, reason = "tokio has no safe form for what is not its own")]
fn registered(source: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is one open descriptor for as long as it lives, and nothing takes it out of the `AsyncFd`.
    Ok(unsafe { AsyncFd::register_with_interest(source, Interest::READABLE) }?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::testing::{TestVolume, skipped_without_root};

    /// Longer than any event takes; a test that waits this long has failed.
    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn all_who_wait_hear_of_a_new_file_and_the_watcher_ends_with_them() {
        let dir = tempfile::tempdir().unwrap();
        let events = Events::default();
        let places = || vec![dir.path().to_owned(), dir.path().join("none")];
        let mut waiting = [events.listen(places), events.listen(|| unreachable!())];
        fs::write(dir.path().join("nvme1n1"), "").unwrap();
        for one in &mut waiting {
            timeout(LONG, one.changed()).await.unwrap().unwrap();
        }
        drop(waiting);
        let ended = async {
            while events.are_awaited() {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, ended).await.unwrap();

        let mut again = events.listen(places);
        fs::remove_file(dir.path().join("nvme1n1")).unwrap();
        timeout(LONG, again.changed()).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn the_kernel_tells_of_a_new_disk() {
        if skipped_without_root() {
            return;
        }
        let events = Events::default();
        let mut waiting = events.listen(Vec::new);
        let _disk = TestVolume::unplugged(1 << 20);
        timeout(LONG, waiting.changed()).await.unwrap().unwrap();
    }

    #[test]
    fn only_news_of_disks_count() {
        let about = |subsystem: &str| {
            is_about_disks(
                format!("add@/devices/x\0ACTION=add\0SUBSYSTEM={subsystem}\0SEQNUM=7\0").as_bytes(),
            )
        };
        assert!(about("block") && about("nvme"));
        assert!(!about("net") && !about("blockish") && !is_about_disks(b""));
    }
}
