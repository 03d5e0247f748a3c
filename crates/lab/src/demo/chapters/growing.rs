//! Volumes grow while pods use them, and never shrink.
//!
//! Growing a mounted ext4 takes CAP_SYS_RESOURCE, which containers and sandboxes often lack. The driver then says so, and
//! the file system grows when it is staged the next time; the story tells which of the two this machine shows.

use std::path::Path;

use anyhow::{Error, Result, bail, ensure};
use ebs_types::{Bytes, GIB};
use tonic::{Code, Status};

use super::{Hero, Players, moves};
use crate::demo::story::{Proof, Story, refused};
use lab::failure;
use lab::orchestrator::{Claim, Order, Use, exactly_gib, gib_or_more};
use lab::proof;

/// The pod that uses the hero since it has moved.
const POD: &str = "reader";

pub(super) async fn play(story: &mut Story, players: &Players, hero: &mut Hero) -> Result<()> {
    story.chapter("Growing, and never shrinking")?;
    grow_volume(story, players, &hero.claim).await?;
    story
        .refusal("shrink it to 1 GiB again", async {
            let answer = players.controller.expand(&hero.claim, exactly_gib(1)).await;
            let proof = refused(answer, &[Code::OutOfRange])?;
            let seen = moves::volume_is(&players.cloud, &hero.claim.id, "in-use").await?;
            ensure!(seen.gib == 2, "EC2 has {} GiB now", seen.gib);
            Ok(proof.and(seen.to_string()))
        })
        .await?;
    grow_ext4(story, players, hero).await?;
    grow_xfs(story, players).await
}

/// ControllerExpandVolume from 1 to 2 GiB.
async fn grow_volume(story: &mut Story, players: &Players, claim: &Claim) -> Result<()> {
    story
        .step("grow the volume in EC2 to 2 GiB", async {
            let (bytes, node_too) = players.controller.expand(claim, gib_or_more(2)).await?;
            ensure!(bytes == Bytes(2 * GIB).to_csi(), "it has {bytes} bytes");
            ensure!(node_too, "a node has nothing to do, it says");
            let seen = moves::volume_is(&players.cloud, &claim.id, "in-use").await?;
            ensure!(seen.gib == 2, "EC2 has {} GiB", seen.gib);
            Ok(Proof::shown(seen.to_string()))
        })
        .await
}

/// The hero's ext4: at once where this machine allows it, at the next stage where not.
async fn grow_ext4(story: &mut Story, players: &Players, hero: &Hero) -> Result<()> {
    let node = &players.there;
    let target = node.target_path(&hero.claim, POD);
    let at_once = story
        .step("grow the mounted ext4", async {
            let before = proof::filesystem_size(&target)?;
            match node.expand(&hero.claim, POD, 2).await {
                Ok(_) => Ok(Proof::of(true, grown(&target, before)?)),
                Err(error) if lacks_capability(&error) => {
                    let told = error.downcast_ref::<Status>().map(failure::answer);
                    Ok(Proof::of(false, told.unwrap_or_default()).and(
                        "this machine withholds CAP_SYS_RESOURCE: the next stage will grow it",
                    ))
                }
                Err(error) => Err(error),
            }
        })
        .await?;
    if at_once {
        story.figure("mounted ext4 grows", "online");
    } else {
        story.figure(
            "mounted ext4 grows",
            "at the next stage: no CAP_SYS_RESOURCE here",
        );
        let before = proof::filesystem_size(&target)?;
        moves::take_away(story, players, node, &hero.claim, POD).await?;
        moves::bring(story, players, node, &hero.claim, POD).await?;
        story
            .step("the ext4 has grown before it was mounted", async {
                Ok(Proof::shown(grown(&target, before)?))
            })
            .await?;
    }
    story
        .step("the files are still the same", async {
            let read = proof::read_files(&target)?;
            read.must_be(&hero.written)?;
            Ok(Proof::shown(read.to_string()))
        })
        .await
}

/// A second volume, with xfs, which grows mounted on every machine.
async fn grow_xfs(story: &mut Story, players: &Players) -> Result<()> {
    let node = &players.here;
    let order = Order::new("pvc-xfs", 1, Use::Xfs, &node.zone);
    let claim = moves::create(story, players, "1 GiB of gp3 for xfs", &order).await?;
    let target = moves::bring(story, players, node, &claim, "xfs").await?;
    let written = story
        .step("the pod writes 8 files", async {
            let written = proof::write_files(&target, "xfs")?;
            let shown = written.to_string();
            Ok(Proof::of(written, shown))
        })
        .await?;
    grow_volume(story, players, &claim).await?;
    story
        .step("grow the mounted xfs", async {
            let before = proof::filesystem_size(&target)?;
            node.expand(&claim, "xfs", 2).await?;
            proof::read_files(&target)?.must_be(&written)?;
            Ok(Proof::shown(grown(&target, before)?).and(format!("{written}, unchanged")))
        })
        .await?;
    moves::take_away(story, players, node, &claim, "xfs").await?;
    moves::delete(story, players, &claim).await
}

/// Whether the driver says that it may not grow a mounted file system here.
fn lacks_capability(error: &Error) -> bool {
    error.downcast_ref::<Status>().is_some_and(|status| {
        status.code() == Code::FailedPrecondition && status.message().contains("CAP_SYS_RESOURCE")
    })
}

/// What statfs says, which must be nearly twice as much as `before`.
fn grown(target: &Path, before: u64) -> Result<String> {
    let after = proof::filesystem_size(target)?;
    if after < before + before / 2 {
        bail!("the file system has {after} bytes, after {before} before");
    }
    let mib = |bytes: u64| bytes >> 20;
    Ok(format!("{} MiB → {} MiB", mib(before), mib(after)))
}
