//! The controller's half of the story, for who is not root: volumes exist in EC2 only, and nothing is mounted.

use anyhow::{Result, ensure};
use tonic::Code;

use super::{Players, crashes, moves, snapshots};
use crate::demo::stage::Stage;
use crate::demo::story::{Proof, Story, refused};
use lab::orchestrator::{Claim, Order, Use, exactly_gib, gib_or_more};

pub(super) async fn play(story: &mut Story, stage: &mut Stage, players: &Players) -> Result<()> {
    story.chapter("A volume's life in EC2")?;
    let order = Order::new("pvc-paper", 1, Use::Ext4, &players.here.zone);
    let claim = moves::create(story, players, "1 GiB of gp3", &order).await?;
    refuse_attachments(story, players, &claim).await?;
    change_size(story, players, &claim).await?;

    let snapshot = story
        .step("take a snapshot", async {
            let id = players.controller.snapshot(&claim, "snap-paper").await?;
            let shown = format!("{id} is ready to use");
            Ok(Proof::of(id, shown))
        })
        .await?;
    let order =
        Order::new("pvc-paper-restored", 2, Use::Ext4, &players.here.zone).from_snapshot(&snapshot);
    let restored = moves::create(story, players, "2 GiB from the snapshot", &order).await?;
    moves::delete(story, players, &restored).await?;
    snapshots::delete(story, players, &snapshot).await?;
    moves::detach(story, players, &players.there, &claim).await?;
    moves::delete(story, players, &claim).await?;

    story.chapter("The controller and EC2 are killed, and it goes on")?;
    crashes::kill_controller(story, stage, players).await?;
    crashes::kill_cloud(story, stage, players).await
}

/// The volume moves to another instance, and goes to no other zone and no second instance.
async fn refuse_attachments(story: &mut Story, players: &Players, claim: &Claim) -> Result<()> {
    let Players {
        controller,
        here,
        there,
        elsewhere,
        ..
    } = players;
    story
        .refusal("attach it in another zone", async {
            let answer = controller.attach(claim, elsewhere).await;
            refused(answer, &[Code::FailedPrecondition, Code::InvalidArgument])
        })
        .await?;
    moves::attach(story, players, here, claim).await?;
    moves::detach(story, players, here, claim).await?;
    moves::attach(story, players, there, claim).await?;
    story
        .refusal(format!("attach it to {} too", here.name), async {
            let answer = controller.attach(claim, here).await;
            refused(answer, &[Code::FailedPrecondition])
        })
        .await
}

/// The volume grows, and does not shrink.
async fn change_size(story: &mut Story, players: &Players, claim: &Claim) -> Result<()> {
    story
        .step("grow it to 2 GiB", async {
            players.controller.expand(claim, gib_or_more(2)).await?;
            let seen = moves::volume_is(&players.cloud, &claim.id, "in-use").await?;
            ensure!(seen.gib == 2, "EC2 has {} GiB", seen.gib);
            Ok(Proof::shown(seen.to_string()))
        })
        .await?;
    story
        .refusal("shrink it to 1 GiB again", async {
            let answer = players.controller.expand(claim, exactly_gib(1)).await;
            refused(answer, &[Code::OutOfRange])
        })
        .await
}
