//! `ebs-lab emulate`: the emulator as a service of its own.
//!
//! Answers for: its flags, saying where it is reachable, and ending without leaving devices behind.
//! Doesn't answer for: anything that EC2 does.

mod announcement;
mod flags;

use std::io::IsTerminal as _;

use anyhow::{Context as _, Result, bail};
use emulator::{Emulator, Running};
use tokio::signal::unix::{SignalKind, signal};

use self::announcement::{Announcement, ReadyFile};
pub(crate) use self::flags::Args;

/// Serves until SIGINT or SIGTERM, then releases every device.
///
/// # Errors
/// Flags that cannot be, an emulator that cannot start, or a second signal while devices are released.
pub(crate) async fn run(args: Args) -> Result<()> {
    let level = args.log_level();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(level))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let ready_file = args.ready_file().map(ReadyFile::new);
    let config = args.config(nix::unistd::geteuid().is_root())?;

    // Listened for before there is anything to clean up.
    let mut signals = Signals::new()?;
    let running = tokio::select! {
        started = Emulator::start(config) => started.context("cannot start")?,
        name = signals.next() => bail!("ended by {name} before it was ready"),
    };
    let served = serve(&running, ready_file, &mut signals).await;
    tokio::select! {
        () = running.shutdown() => served,
        name = signals.next() => bail!("{name} again: ended with devices left behind"),
    }
}

async fn serve(
    running: &Running,
    ready_file: Option<ReadyFile>,
    signals: &mut Signals,
) -> Result<()> {
    let line = Announcement::of(running).to_line()?;
    announcement::print(&line)?;
    // Kept to the end: the file goes with the service that it announces.
    let _written = ready_file.map(|file| file.write(&line)).transpose()?;
    let name = signals.next().await;
    tracing::info!(signal = name, "ending");
    Ok(())
}

/// The signals that ask this process to end.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot wait for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
