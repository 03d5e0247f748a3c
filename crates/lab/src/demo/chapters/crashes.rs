//! Every process is killed with `kill -9` in the middle of its work; the same call, made again, goes on.

use anyhow::{Result, ensure};
use tonic::Code;

use super::{Hero, Players, moves};
use crate::demo::stage::{CLOUD, CONTROLLER, Stage};
use crate::demo::story::{Proof, Story, milliseconds, refused};
use lab::orchestrator::{Order, Use};
use lab::proof;
use lab::socket::Patience;

/// The pod that uses the hero.
const POD: &str = "reader";

pub(super) async fn play(
    story: &mut Story,
    stage: &mut Stage,
    players: &Players,
    hero: &Hero,
) -> Result<()> {
    story.chapter("Every process is killed, and it goes on")?;
    kill_node(story, stage, players, hero).await?;
    kill_controller(story, stage, players).await?;
    kill_cloud(story, stage, players).await
}

/// A pod keeps its files while the node plugin is away; the new one finds everything as it is.
async fn kill_node(
    story: &mut Story,
    stage: &mut Stage,
    players: &Players,
    hero: &Hero,
) -> Result<()> {
    let node = &players.there;
    let target = node.target_path(&hero.claim, POD);
    story
        .step(format!("kill -9 the node plugin on {}", node.name), async {
            let pid = stage.kill(&node.name).await?;
            proof::read_files(&target)?.must_be(&hero.written)?;
            let shown = format!("process {pid} is gone; the pod reads its files");
            Ok(Proof::shown(shown))
        })
        .await?;
    story
        .step("start it again; stage and publish again", async {
            let took = stage.start_again(&node.name).await?;
            let context = players.controller.attach(&hero.claim, node).await?;
            node.stage(&hero.claim, &context).await?;
            node.publish(&hero.claim, POD, &context, false).await?;
            let mounts = lab::machine::mounts_below(&target)?;
            ensure!(mounts.len() == 1, "mounted {} times", mounts.len());
            proof::read_files(&target)?.must_be(&hero.written)?;
            let shown = format!(
                "it served after {}; one mount, same files",
                milliseconds(took)
            );
            Ok(Proof::shown(shown))
        })
        .await
}

/// The controller dies while it makes a volume; the next one makes no second one.
pub(super) async fn kill_controller(
    story: &mut Story,
    stage: &mut Stage,
    players: &Players,
) -> Result<()> {
    let order = Order::new("pvc-crash", 1, Use::Ext4, &players.here.zone);
    let before = players.cloud.volumes().await?.len();
    story
        .step("kill -9 the controller inside of CreateVolume", async {
            let once = players.controller.with(Patience::ONCE);
            let (answer, killed) = tokio::join!(once.create(&order), async {
                // As soon as EC2 has the volume, whether or not the controller knows.
                while players.cloud.volumes().await?.len() == before {
                    tokio::task::yield_now().await;
                }
                stage.kill(CONTROLLER).await
            });
            let heard = if answer.is_ok() {
                "just heard"
            } else {
                "never heard"
            };
            let shown = format!(
                "process {} is gone; its caller {heard} of the volume",
                killed?
            );
            Ok(Proof::shown(shown))
        })
        .await?;
    let claim = story
        .step("start it again; create it again", async {
            stage.start_again(CONTROLLER).await?;
            let claim = players.controller.create(&order).await?;
            let seen = moves::volume_is(&players.cloud, &claim.id, "available").await?;
            let count = players.cloud.volumes().await?.len() - before;
            ensure!(count == 1, "EC2 has {count} volumes of it");
            Ok(Proof::of(claim, seen.to_string()).and("there is no second one"))
        })
        .await?;
    moves::delete(story, players, &claim).await
}

/// Without EC2 the driver says UNAVAILABLE, which makes Kubernetes wait; with EC2 back it works again.
pub(super) async fn kill_cloud(
    story: &mut Story,
    stage: &mut Stage,
    players: &Players,
) -> Result<()> {
    let order = Order::new("pvc-outage", 1, Use::Ext4, &players.here.zone);
    let before = players.cloud.volumes().await?;
    story.count(players.cloud.calls().await?);
    story
        .refusal("create a volume while EC2 is down", async {
            stage.kill(CLOUD).await?;
            let answer = players.controller.with(Patience::ONCE).create(&order).await;
            refused(answer, &[Code::Unavailable])
        })
        .await?;
    let claim = story
        .step("start EC2 again; create it again", async {
            stage.start_again(CLOUD).await?;
            let after = players.cloud.volumes().await?;
            ensure!(after == before, "EC2 has lost its memory: {after:?}");
            let claim = players.controller.create(&order).await?;
            let seen = moves::volume_is(&players.cloud, &claim.id, "available").await?;
            Ok(Proof::of(claim, "EC2 has kept every volume").and(seen.to_string()))
        })
        .await?;
    moves::delete(story, players, &claim).await
}
