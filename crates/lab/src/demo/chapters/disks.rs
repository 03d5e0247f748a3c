//! A raw block volume, and that a disk which holds data is never formatted.

use std::os::unix::fs::FileTypeExt as _;

use anyhow::{Result, ensure};
use tonic::Code;

use super::{Players, moves};
use crate::demo::story::{Proof, Story, refused};
use lab::orchestrator::{Order, Use};
use lab::proof;

/// The pod that gets the device.
const POD: &str = "database";

pub(super) async fn play(story: &mut Story, players: &Players) -> Result<()> {
    story.chapter("A raw block volume")?;
    let Players { here, there, .. } = players;
    let order = Order::new("pvc-raw", 1, Use::Block, &here.zone);
    let claim = moves::create(story, players, "1 GiB of gp3 as a raw device", &order).await?;
    let target = moves::bring(story, players, here, &claim, POD).await?;
    let written = story
        .step("the pod writes to the device itself", async {
            let kind = std::fs::metadata(&target)?.file_type();
            ensure!(kind.is_block_device(), "it is no block device: {kind:?}");
            let written = proof::write_device(&target, "raw")?;
            let shown = written.to_string();
            Ok(Proof::of(written, shown))
        })
        .await?;
    moves::take_away(story, players, here, &claim, POD).await?;

    let context = moves::attach(story, players, there, &claim).await?;
    story
        .refusal("stage it as ext4, which would format it", async {
            let answer = there.stage_as(&claim, Use::Ext4, &context).await;
            refused(answer, &[Code::FailedPrecondition])
        })
        .await?;
    moves::stage(story, there, &claim, &context).await?;
    let target = moves::publish(story, there, &claim, POD, &context).await?;
    story
        .step("the data is untouched", async {
            let read = proof::read_device(&target)?;
            read.must_be(&written)?;
            Ok(Proof::shown(read.to_string()))
        })
        .await?;
    moves::take_away(story, players, there, &claim, POD).await?;
    moves::delete(story, players, &claim).await
}
