//! A snapshot keeps a moment; a volume restored from it begins there.

use anyhow::{Result, ensure};

use super::{Hero, Players, moves};
use crate::demo::story::{Proof, Story};
use lab::orchestrator::{Order, Use};
use lab::proof;

/// The pod that uses the hero.
const POD: &str = "reader";

pub(super) async fn play(story: &mut Story, players: &Players, hero: &mut Hero) -> Result<()> {
    story.chapter("A snapshot, and a volume restored from it")?;
    let snapshot = take(story, players, hero).await?;
    let then = hero.written.clone();
    let target = players.there.target_path(&hero.claim, POD);
    hero.written = story
        .step("the pod goes on writing", async {
            let now = proof::write_files(&target, "second")?;
            ensure!(now != then, "nothing has changed");
            let shown = now.to_string();
            Ok(Proof::of(now, shown))
        })
        .await?;

    let order =
        Order::new("pvc-restored", 2, Use::Ext4, &players.here.zone).from_snapshot(&snapshot);
    let claim = moves::create(story, players, "2 GiB from the snapshot", &order).await?;
    let target = moves::bring(story, players, &players.here, &claim, "restored").await?;
    story
        .step("the restored files are those of then", async {
            let restored = proof::read_files(&target)?;
            restored.must_be(&then)?;
            Ok(Proof::shown(format!("{restored}, as at the snapshot")))
        })
        .await?;
    moves::take_away(story, players, &players.here, &claim, "restored").await?;
    moves::delete(story, players, &claim).await?;
    delete(story, players, &snapshot).await
}

/// CreateSnapshot of the hero, while it is in use, and the same once more.
async fn take(story: &mut Story, players: &Players, hero: &Hero) -> Result<String> {
    story
        .step("take a snapshot, twice under one name", async {
            let id = players
                .controller
                .snapshot(&hero.claim, "snap-hero")
                .await?;
            let again = players
                .controller
                .snapshot(&hero.claim, "snap-hero")
                .await?;
            ensure!(id == again, "two snapshots: {id} and {again}");
            let all = players.cloud.snapshots().await?;
            ensure!(all.len() == 1, "EC2 has {} snapshots", all.len());
            let seen = all.iter().find(|seen| seen.id == id);
            let state = seen.map_or("gone", |seen| seen.state.as_str());
            ensure!(state == "completed", "it is {state}");
            let shown = format!("EC2: {id} is {state}, and there is no second one");
            Ok(Proof::of(id, shown))
        })
        .await
}

/// DeleteSnapshot; EC2 must not have it any more.
pub(super) async fn delete(story: &mut Story, players: &Players, id: &str) -> Result<()> {
    story
        .step("delete the snapshot", async {
            players.controller.delete_snapshot(id).await?;
            let all = players.cloud.snapshots().await?;
            ensure!(all.iter().all(|seen| seen.id != id), "it is still there");
            Ok(Proof::shown(format!("EC2: no snapshot {id}")))
        })
        .await
}
