//! `ebs-lab demo`: the whole life of a volume on this machine, played through the driver's own gRPC interface.
//!
//! Answers for: the order of the chapters, and that a machine looks after the demo as it did before, however it ended.
//! Doesn't answer for: what the driver does. The demo only asks for it, as Kubernetes would, and then looks for itself.
//!
//! Read on in [`chapters`], whose files are the story; [`stage`] is what it is played on.

mod chapters;
mod run_dir;
mod screen;
mod stage;
mod story;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::run_dir::RunDir;
use self::screen::Screen;
use self::stage::{Cast, Stage};
use self::story::Story;
use lab::leftovers::Leftovers;

/// Flags of `ebs-lab demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The driver's program [default: ebs-csi beside this program]
    #[arg(long, value_name = "PATH")]
    driver: Option<PathBuf>,
    /// Where sockets, mounts, logs and the emulated cloud's disks live during the demo; it is removed at the end
    /// [default: ebs-lab-demo-UID in $TMPDIR or /var/tmp]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Play only what needs no root: the controller's half
    #[arg(long)]
    controller_only: bool,
    /// Print plain lines on a terminal too
    #[arg(long)]
    plain: bool,
}

/// How the playing came to an end.
enum End {
    Played(Result<()>),
    Interrupted(&'static str),
}

/// Plays the story and cleans up behind it.
///
/// # Errors
/// The first step that did not hold, an interruption, or what could not be cleaned up.
pub(crate) async fn run(args: Args) -> Result<()> {
    let cast = Cast::find(args.driver)?;
    // From here on no signal ends this process before it has cleaned up.
    let mut interruption = Interruption::listen()?;
    let run_dir = RunDir::lock(args.dir)?;
    let live = std::io::stdout().is_terminal() && !args.plain;
    let mut story = Story::new(Screen::new(live), run_dir.path());
    let root = nix::unistd::geteuid().is_root();
    let with_disks = root && !args.controller_only;

    sweep(&run_dir, &mut story).await?;
    if let Err(error) = run_dir.must_suit(with_disks) {
        run_dir.remove()?;
        return Err(error);
    }
    if args.controller_only {
        story.note("only the controller's half is played, as asked")?;
    } else if !root {
        story.note(
            "not root, so no mounts and no loop devices: only the controller's half is played",
        )?;
    }
    let mut stage = Stage::new(run_dir.path().to_owned(), cast, with_disks);
    let end = tokio::select! {
        played = chapters::play(&mut story, &mut stage) => End::Played(played),
        name = interruption.next() => End::Interrupted(name),
    };
    match &end {
        End::Played(Ok(())) => {}
        End::Played(Err(error)) => story.failed(error, &stage.last_words()),
        End::Interrupted(name) => story.interrupted(name),
    }
    clean_up(stage, run_dir, &mut story).await?;
    match end {
        End::Played(Ok(())) => story.summary(),
        End::Played(Err(_)) => {
            bail!("the story did not get to its end; everything was cleaned up")
        }
        End::Interrupted(_) => bail!("interrupted; everything was cleaned up"),
    }
}

/// The signals that ask this process to end.
struct Interruption {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interruption {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot wait for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Completes with the name of the first that comes.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hang_up.recv() => "SIGHUP",
        }
    }
}

/// Removes what an earlier demo left that was killed before it could clean up.
async fn sweep(run_dir: &RunDir, story: &mut Story) -> Result<()> {
    let found = Leftovers::find(run_dir.path())?;
    if !found.is_empty() {
        story.note(&format!(
            "an earlier demo was killed and left {found}: removing that first"
        ))?;
        found.remove(run_dir.path())?;
    }
    run_dir.empty()
}

/// Ends every process of the demo and removes whatever of it is left on this machine.
async fn clean_up(stage: Stage, run_dir: RunDir, story: &mut Story) -> Result<()> {
    stage.strike().await;
    let found = Leftovers::find(run_dir.path())?;
    if !found.is_empty() {
        story.note(&format!("cleaning up {found}"))?;
    }
    let still_there = found.remove(run_dir.path());
    let removed = run_dir.remove();
    still_there.and(removed)
}
