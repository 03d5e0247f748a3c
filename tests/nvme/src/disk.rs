//! Disks that qemu's NVMe controllers are made of.
//!
//! Answers for: a disk as a sparse file behind a socket, what is done to it on purpose (errors, delays, a power cut at a chosen
//! request), and a log of what was asked of it.
//! Doesn't answer for: the controller, its identity, and where it is plugged.
//!
//! Each disk is served by one thread, one request after the other, so that "before" and "after" mean something. Dropping a disk
//! removes everything of it.

mod cache;
mod nbd;

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::watch;

pub use cache::{GRANULE, Loss};

use crate::random::Random;
use cache::Cache;
use nbd::{Command, Request};

/// What a disk was asked to do, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Bytes were read.
    Read,
    /// Bytes were written, through the cache if so.
    Written {
        /// The first byte.
        offset: u64,
        /// How many.
        len: u32,
        /// Whether they were durable at once.
        through: bool,
    },
    /// Zeroes were written.
    Zeroed {
        /// The first byte.
        offset: u64,
        /// How many.
        len: u32,
    },
    /// Everything before was made durable.
    Flushed,
}

impl Done {
    /// Whether the disk may hold something else since.
    #[must_use]
    pub const fn changes(&self) -> bool {
        matches!(self, Self::Written { .. } | Self::Zeroed { .. })
    }
}

/// What goes wrong on purpose.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Reads of these bytes fail.
    pub reads: Option<Range<u64>>,
    /// Writes of these bytes fail; with every one of them, flushes as well.
    pub writes: Option<Range<u64>>,
    /// Each request takes so much longer.
    pub delay: Duration,
}

/// Every byte of any disk.
pub const EVERYWHERE: Range<u64> = 0..u64::MAX;

/// A disk.
#[derive(Debug)]
pub struct Disk {
    shared: Arc<Shared>,
    file: PathBuf,
    socket: PathBuf,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Told when a fault is taken away or the disk ends, for whoever waits out a delay.
    changed: Condvar,
    frozen: watch::Sender<bool>,
}

/// When a disk stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Instead of carrying out another change, after so many.
    After(u64),
    /// Instead of carrying out the first flush after so many changes: what it would have made durable is at stake.
    AtFlushAfter(u64),
}

#[derive(Debug)]
struct State {
    cache: Cache,
    faults: Faults,
    done: Vec<Done>,
    stop: Option<Stop>,
    connection: Option<UnixStream>,
    ended: bool,
}

impl Disk {
    /// A blank disk of this many bytes, `name` in a directory.
    pub fn blank(dir: &Path, name: &str, size: u64) -> Result<Self> {
        let path = dir.join(format!("{name}.disk"));
        let socket = dir.join(format!("{name}.nbd"));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        file.set_len(size)?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                cache: Cache::new(file, size),
                faults: Faults::default(),
                done: Vec::new(),
                stop: None,
                connection: None,
                ended: false,
            }),
            changed: Condvar::new(),
            frozen: watch::Sender::new(false),
        });
        let listener = UnixListener::bind(&socket)
            .with_context(|| format!("cannot listen at {}", socket.display()))?;
        let server = Arc::clone(&shared);
        thread::spawn(move || server.listen(&listener));
        Ok(Self {
            shared,
            file: path,
            socket,
        })
    }

    /// Where qemu finds it.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Bytes of the disk.
    pub fn size(&self) -> u64 {
        self.shared.state().cache.size()
    }

    /// Replaces what goes wrong.
    pub fn inject(&self, faults: Faults) {
        self.shared.state().faults = faults;
        self.shared.changed.notify_all();
    }

    /// Nothing goes wrong from now on.
    pub fn heal(&self) {
        self.inject(Faults::default());
    }

    /// What was asked of it so far, in order.
    pub fn log(&self) -> Vec<Done> {
        self.shared.state().done.clone()
    }

    /// What has changed it so far.
    pub fn changes(&self) -> Vec<Done> {
        self.log().into_iter().filter(Done::changes).collect()
    }

    /// Lets it stand still later on: the instant of a power cut.
    pub fn stop(&self, stop: Stop) {
        self.shared.state().stop = Some(stop);
    }

    /// Waits until it stands still.
    pub async fn stopped(&self) {
        let mut frozen = self.shared.frozen.subscribe();
        // The sender lives as long as the disk.
        let _ = frozen.wait_for(|frozen| *frozen).await;
    }

    /// The power fails, and comes back. Nothing is connected any more.
    pub fn cut_power(&self, random: &mut Random) -> Result<Loss> {
        let mut state = self.shared.state();
        state.disconnect();
        state.stop = None;
        let loss = state.cache.cut_power(random)?;
        drop(state);
        self.shared.frozen.send_replace(false);
        self.shared.changed.notify_all();
        Ok(loss)
    }

    /// Reads the latest content, as a device does for its machine.
    pub fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.shared.state().cache.read(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes durable content.
    pub fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        Ok(self.shared.state().cache.write(offset, data, true)?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.ended = true;
        state.disconnect();
        drop(state);
        self.shared.changed.notify_all();
        // Lets the thread see the end.
        let _ = UnixStream::connect(&self.socket);
        let _ = fs::remove_file(&self.socket);
        let _ = fs::remove_file(&self.file);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, listener: &UnixListener) {
        for stream in listener.incoming() {
            if self.state().ended {
                return;
            }
            // A client that is killed loses its connection in any place; the next one is served.
            if let Ok(stream) = stream {
                let _ = self.serve(stream);
            }
        }
    }

    fn serve(&self, mut wire: UnixStream) -> io::Result<()> {
        let size = {
            let mut state = self.state();
            state.connection = Some(wire.try_clone()?);
            state.cache.size()
        };
        if !nbd::greet(&mut wire, size)? {
            return Ok(());
        }
        loop {
            let request = Request::read(&mut wire)?;
            if request.command == Command::Disconnect {
                return Ok(());
            }
            let result = self.carry_out(&request)?;
            request.reply(&mut wire, result)?;
            wire.flush()?;
        }
    }

    /// The result for the client; an error of its own if there is no client any more.
    fn carry_out(&self, request: &Request) -> io::Result<io::Result<Vec<u8>>> {
        let mut state = self.state();
        let delay = state.faults.delay;
        if delay > Duration::ZERO {
            state = self
                .changed
                .wait_timeout_while(state, delay, |state| {
                    !state.ended && state.faults.delay > Duration::ZERO
                })
                .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
        }
        if state.stands_still(request) {
            self.frozen.send_replace(true);
            let still = |state: &mut State| {
                !state.ended && state.connection.is_some() && state.stands_still(request)
            };
            let state_again = self.changed.wait_while(state, still);
            state = state_again.unwrap_or_else(PoisonError::into_inner);
        }
        if state.ended || state.connection.is_none() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        Ok(state.carry_out(request))
    }
}

impl State {
    fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take() {
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
    }

    fn stands_still(&self, request: &Request) -> bool {
        match (self.stop, &request.command) {
            (None, _) | (_, Command::Read | Command::Disconnect) => false,
            (Some(Stop::After(changes)), _) => changes == 0,
            (Some(Stop::AtFlushAfter(changes)), command) => {
                changes == 0 && *command == Command::Flush
            }
        }
    }

    fn carry_out(&mut self, request: &Request) -> io::Result<Vec<u8>> {
        if let Some(Stop::After(changes) | Stop::AtFlushAfter(changes)) = &mut self.stop
            && request.command != Command::Read
        {
            *changes = changes.saturating_sub(1);
        }
        let Request { offset, len, .. } = *request;
        let touched = offset..offset + u64::from(len);
        match &request.command {
            Command::Read => {
                fail_within(self.faults.reads.as_ref(), &touched)?;
                let mut bytes = vec![0; len as usize];
                self.cache.read(offset, &mut bytes)?;
                self.done.push(Done::Read);
                return Ok(bytes);
            }
            Command::Write { data, through } => {
                fail_within(self.faults.writes.as_ref(), &touched)?;
                let through = *through;
                self.cache.write(offset, data, through)?;
                self.done.push(Done::Written {
                    offset,
                    len,
                    through,
                });
            }
            Command::Zero { through } => {
                fail_within(self.faults.writes.as_ref(), &touched)?;
                self.cache.zero(offset, u64::from(len), *through)?;
                self.done.push(Done::Zeroed { offset, len });
            }
            Command::Flush => {
                if self.faults.writes == Some(EVERYWHERE) {
                    return Err(io::Error::other("flushes fail"));
                }
                self.cache.flush();
                self.done.push(Done::Flushed);
            }
            Command::Disconnect => {}
        }
        Ok(Vec::new())
    }
}

fn fail_within(bad: Option<&Range<u64>>, touched: &Range<u64>) -> io::Result<()> {
    match bad {
        Some(bad) if bad.start < touched.end && touched.start < bad.end => {
            Err(io::Error::other("these bytes fail"))
        }
        _ => Ok(()),
    }
}
