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
use tokio::signal::unix::{SignalKind, signal};

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
    /// [default: ebs-lab-demo-UID in the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Play only what needs no root: the controller's half
    #[arg(long)]
    controller_only: bool,
    /// Print plain lines on a terminal too
    #[arg(long)]
    plain: bool,
}

/// Plays the story and cleans up behind it.
///
/// # Errors
/// The first step that did not hold, an interruption, or what could not be cleaned up.
pub(crate) async fn run(args: Args) -> Result<()> {
    let cast = Cast::find(args.driver)?;
    let run_dir = RunDir::lock(args.dir)?;
    let live = std::io::stdout().is_terminal() && !args.plain;
    let mut story = Story::new(Screen::new(live), run_dir.path());
    let root = nix::unistd::geteuid().is_root();

    sweep(&run_dir, &mut story).await?;
    if args.controller_only {
        story.note("only the controller's half is played, as asked")?;
    } else if !root {
        story.note(
            "not root, so no mounts and no loop devices: only the controller's half is played",
        )?;
    }
    let with_disks = root && !args.controller_only;
    let mut stage = Stage::new(run_dir.path().to_owned(), cast, with_disks);
    let told = tokio::select! {
        told = chapters::play(&mut story, &mut stage) => told,
        signal = interruption() => match signal {
            Ok(name) => Err(anyhow::anyhow!("interrupted by {name}")),
            Err(error) => Err(error),
        },
    };
    if let Err(error) = &told {
        story.failed(error, &stage.last_words());
    }
    let cleaned = clean_up(stage, run_dir, &mut story).await;
    cleaned?;
    match told {
        Ok(()) => story.summary(),
        Err(_) => bail!("the story did not get to its end; everything was cleaned up"),
    }
}

/// Completes with the name of the signal that asks this process to end.
async fn interruption() -> Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let mut hang_up = signal(SignalKind::hangup()).context("cannot wait for signals")?;
    Ok(tokio::select! {
        _ = interrupt.recv() => "Ctrl-C",
        _ = terminate.recv() => "SIGTERM",
        _ = hang_up.recv() => "SIGHUP",
    })
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
