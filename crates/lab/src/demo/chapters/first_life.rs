//! The first thread through everything: created, attached, formatted, mounted, written, let go.

use anyhow::{Result, ensure};
use csi::v1::volume_usage::Unit;

use super::{Hero, Players, moves};
use crate::demo::story::{Proof, Story};
use lab::orchestrator::{Order, Use};
use lab::proof;

pub(super) async fn play(story: &mut Story, players: &Players) -> Result<Hero> {
    story.chapter("A volume's first life")?;
    let order = Order::new("pvc-hero", 1, Use::Ext4, &players.here.zone);
    let node = &players.here;
    let claim = moves::create(story, players, "1 GiB of gp3 for ext4", &order).await?;

    story
        .step("create it again, under the same name", async {
            let again = players.controller.create(&order).await?;
            ensure!(again.id == claim.id, "it is another volume: {}", again.id);
            let count = players.cloud.volumes().await?.len();
            ensure!(count == 1, "EC2 has {count} volumes now");
            Ok(Proof::shown("the same volume; EC2 has 1 volume"))
        })
        .await?;

    let target = moves::bring(story, players, node, &claim, "writer").await?;
    let written = story
        .step("the pod writes 8 files", async {
            let written = proof::write_files(&target, "first")?;
            let shown = written.to_string();
            Ok(Proof::of(written, shown))
        })
        .await?;

    story
        .step("attach, stage and publish once more", async {
            let context = players.controller.attach(&claim, node).await?;
            node.stage(&claim, &context).await?;
            let target = node.publish(&claim, "writer", &context, false).await?;
            proof::read_files(&target)?.must_be(&written)?;
            Ok(Proof::shown("nothing has changed; the files are there"))
        })
        .await?;

    story
        .step("ask for its usage", async {
            let usage = node.stats(&claim, "writer").await?;
            let bytes = usage.iter().find(|usage| usage.unit() == Unit::Bytes);
            let used = bytes.map_or(0, |usage| usage.used);
            let written = i64::try_from(proof::BYTES)?;
            ensure!(used >= written, "only {used} bytes are in use");
            Ok(Proof::shown(format!("{used} bytes are in use")))
        })
        .await?;

    moves::take_away(story, players, node, &claim, "writer").await?;
    Ok(Hero { claim, written })
}
