//! Everything is deleted, and nothing is left: not in EC2, not in the kernel, not on the disk.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use super::{Hero, Players, moves};
use crate::demo::stage::{CONTROLLER, Stage};
use crate::demo::story::{Proof, Story};
use lab::machine;
use lab::proof;

/// The pod that uses the hero.
const POD: &str = "reader";

pub(super) async fn play(story: &mut Story, players: &Players, hero: &Hero) -> Result<()> {
    story.chapter("Farewell")?;
    let node = &players.there;
    story
        .step("the files, a last time", async {
            let read = proof::read_files(&node.target_path(&hero.claim, POD))?;
            read.must_be(&hero.written)?;
            Ok(Proof::shown(read.to_string()))
        })
        .await?;
    moves::take_away(story, players, node, &hero.claim, POD).await?;
    moves::delete(story, players, &hero.claim).await?;
    story
        .step("take away, detach and delete it once more", async {
            node.unpublish(&hero.claim, POD).await?;
            node.unstage(&hero.claim).await?;
            players.controller.detach(&hero.claim, node).await?;
            players.controller.delete(&hero.claim).await?;
            Ok(Proof::shown("what is gone stays gone; nobody complains"))
        })
        .await
}

/// Looks everywhere, and says what it took.
pub(super) async fn nothing_left(
    story: &mut Story,
    stage: &mut Stage,
    players: &Players,
) -> Result<()> {
    story.chapter("Nothing is left")?;
    story
        .step("look into EC2", async {
            let volumes = players.cloud.volumes().await?;
            ensure!(volumes.is_empty(), "volumes are left: {volumes:?}");
            let snapshots = players.cloud.snapshots().await?;
            ensure!(snapshots.is_empty(), "snapshots are left: {snapshots:?}");
            Ok(Proof::shown("no volume, no snapshot"))
        })
        .await?;
    story
        .step("look at this machine", async {
            let mounts = machine::mounts_below(stage.dir())?;
            ensure!(mounts.is_empty(), "mounts are left: {mounts:?}");
            let loops = machine::loops_below(stage.dir())?;
            ensure!(loops.is_empty(), "loop devices are left: {loops:?}");
            let bytes = disk_bytes(stage)?;
            Ok(Proof::shown("no mount, no loop device").and(bytes))
        })
        .await?;
    for name in [CONTROLLER, &players.here.name] {
        let mib = stage.memory(name)? >> 20;
        story.figure(
            format!("{name}: memory of this build"),
            format!("{mib} MiB"),
        );
    }
    story.count(players.cloud.calls().await?);
    Ok(())
}

/// That no volume's bytes are left on the disk.
fn disk_bytes(stage: &Stage) -> Result<String> {
    if !stage.with_disks() {
        return Ok("volumes had no bytes".to_owned());
    }
    for kind in ["volumes", "snapshots"] {
        let dir = stage.cloud_dir().join(kind);
        let left = fs::read_dir(&dir)
            .with_context(|| format!("cannot list {}", dir.display()))?
            .count();
        ensure!(left == 0, "{left} files are left in {}", dir.display());
    }
    Ok("no file of a volume or a snapshot".to_owned())
}
