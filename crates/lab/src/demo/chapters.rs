//! The story: one file a chapter, to be read in the order in which [`play`] calls them.
//!
//! Answers for: what happens, in which order, and what has to be true after each step.
//! Doesn't answer for: how requests are made and how EC2 and this machine are looked at; the players do that.

mod crashes;
mod disks;
mod farewell;
mod first_life;
mod growing;
mod moves;
mod moving;
mod opening;
mod paper;
mod snapshots;

use anyhow::Result;

use super::stage::Stage;
use super::story::Story;
use lab::cloud::Cloud;
use lab::kubelet::Node;
use lab::orchestrator::{Claim, Controller};
use lab::proof::Checksum;

/// Who plays.
#[derive(Debug)]
struct Players {
    /// EC2, as the demo sees it.
    cloud: Cloud,
    /// The driver's controller.
    controller: Controller,
    /// An instance.
    here: Node,
    /// Another instance of the same zone.
    there: Node,
    /// An instance of another zone.
    elsewhere: Node,
}

/// The volume that most chapters are about, and what has been written to it.
#[derive(Debug)]
struct Hero {
    claim: Claim,
    written: Checksum,
}

/// Plays all chapters, or those that need no root.
pub(super) async fn play(story: &mut Story, stage: &mut Stage) -> Result<()> {
    let players = opening::play(story, stage).await?;
    if stage.with_disks() {
        let mut hero = first_life::play(story, &players).await?;
        moving::play(story, &players, &hero).await?;
        growing::play(story, &players, &mut hero).await?;
        snapshots::play(story, &players, &mut hero).await?;
        disks::play(story, &players).await?;
        crashes::play(story, stage, &players, &hero).await?;
        farewell::play(story, &players, &hero).await?;
    } else {
        paper::play(story, stage, &players).await?;
    }
    farewell::nothing_left(story, stage, &players).await
}
