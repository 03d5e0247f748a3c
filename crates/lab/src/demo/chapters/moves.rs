//! What volumes go through in every chapter: brought to a pod, taken away from it, deleted.
//!
//! Answers for: these steps with their proofs.
//! Doesn't answer for: which volume, where to and when.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::Players;
use crate::demo::story::{Proof, Story};
use lab::cloud::{Cloud, SeenVolume};
use lab::kubelet::Node;
use lab::machine::{self, Mount};
use lab::orchestrator::{Claim, Order, Use};
use nix::sys::stat::{major, minor};

/// CreateVolume; EC2 must have exactly that volume.
pub(super) async fn create(
    story: &mut Story,
    players: &Players,
    what: &str,
    order: &Order,
) -> Result<Claim> {
    story
        .step(format!("create {what}"), async {
            let claim = players.controller.create(order).await?;
            let seen = volume_is(&players.cloud, &claim.id, "available").await?;
            ensure!(
                u64::from(seen.gib) == order.gib,
                "EC2 made {} GiB",
                seen.gib
            );
            ensure!(seen.zone == order.zone, "EC2 made it in {}", seen.zone);
            Ok(Proof::of(claim, seen.to_string()))
        })
        .await
}

/// Everything from the attachment to the pod's view: where the pod sees the volume.
pub(super) async fn bring(
    story: &mut Story,
    players: &Players,
    node: &Node,
    claim: &Claim,
    pod: &str,
) -> Result<PathBuf> {
    let publish_context = attach(story, players, node, claim).await?;
    stage(story, node, claim, &publish_context).await?;
    publish(story, node, claim, pod, &publish_context).await
}

/// ControllerPublishVolume; EC2 must say `attached`.
pub(super) async fn attach(
    story: &mut Story,
    players: &Players,
    node: &Node,
    claim: &Claim,
) -> Result<HashMap<String, String>> {
    story
        .step(format!("attach it to {}", node.name), async {
            let context = players.controller.attach(claim, node).await?;
            let seen = volume_is(&players.cloud, &claim.id, "in-use").await?;
            let attached = seen.attachments.iter().any(|attachment| {
                attachment.instance == node.instance && attachment.state == "attached"
            });
            ensure!(attached, "EC2 does not say so: {seen}");
            Ok(Proof::of(context, seen.to_string()))
        })
        .await
}

/// NodeStageVolume; a file system must be mounted there afterwards.
pub(super) async fn stage(
    story: &mut Story,
    node: &Node,
    claim: &Claim,
    publish_context: &HashMap<String, String>,
) -> Result<()> {
    story
        .step(format!("stage it on {}", node.name), async {
            node.stage(claim, publish_context).await?;
            match claim.usage {
                Use::Block => Ok(Proof::shown("a raw block volume: nothing to mount yet")),
                Use::Ext3 | Use::Ext4 | Use::Xfs | Use::Btrfs => {
                    let mount = mounted(&node.staging_path(claim))?;
                    ensure!(mount.fs == claim.usage.to_string(), "mounted {mount}");
                    Ok(Proof::shown(mount.to_string()))
                }
            }
        })
        .await
}

/// NodePublishVolume; the pod must see a mount.
pub(super) async fn publish(
    story: &mut Story,
    node: &Node,
    claim: &Claim,
    pod: &str,
    publish_context: &HashMap<String, String>,
) -> Result<PathBuf> {
    story
        .step(format!("publish it to pod {pod} on {}", node.name), async {
            let target = node.publish(claim, pod, publish_context, false).await?;
            let mount = mounted(&target)?;
            let shown = match claim.usage {
                Use::Block => block_device(&target)?,
                Use::Ext3 | Use::Ext4 | Use::Xfs | Use::Btrfs => mount.to_string(),
            };
            Ok(Proof::of(target, shown))
        })
        .await
}

/// NodeUnpublishVolume, NodeUnstageVolume, ControllerUnpublishVolume; nothing of it may be left on the node.
pub(super) async fn take_away(
    story: &mut Story,
    players: &Players,
    node: &Node,
    claim: &Claim,
    pod: &str,
) -> Result<()> {
    story
        .step(
            format!("unpublish and unstage it on {}", node.name),
            async {
                node.unpublish(claim, pod).await?;
                node.unstage(claim).await?;
                for path in [node.target_path(claim, pod), node.staging_path(claim)] {
                    let still = machine::mount_at(&path)?;
                    ensure!(still.is_none(), "still mounted: {}", path.display());
                }
                let target = node.target_path(claim, pod);
                ensure!(!target.exists(), "{} is still there", target.display());
                Ok(Proof::shown("no mount, no target path"))
            },
        )
        .await?;
    detach(story, players, node, claim).await
}

/// ControllerUnpublishVolume; EC2 must say `available`.
pub(super) async fn detach(
    story: &mut Story,
    players: &Players,
    node: &Node,
    claim: &Claim,
) -> Result<()> {
    story
        .step(format!("detach it from {}", node.name), async {
            players.controller.detach(claim, node).await?;
            let seen = volume_is(&players.cloud, &claim.id, "available").await?;
            ensure!(seen.attachments.is_empty(), "still attached: {seen}");
            Ok(Proof::shown(seen.to_string()))
        })
        .await
}

/// DeleteVolume; EC2 must not have it any more.
pub(super) async fn delete(story: &mut Story, players: &Players, claim: &Claim) -> Result<()> {
    story
        .step("delete it", async {
            players.controller.delete(claim).await?;
            match players.cloud.volume(&claim.id).await? {
                None => Ok(Proof::shown(format!("EC2: no volume {}", claim.id))),
                Some(seen) => bail!("still there: {seen}"),
            }
        })
        .await
}

/// The volume as EC2 has it, which must be in this state.
pub(super) async fn volume_is(cloud: &Cloud, id: &str, state: &str) -> Result<SeenVolume> {
    let seen = cloud
        .volume(id)
        .await?
        .with_context(|| format!("EC2 has no volume {id}"))?;
    ensure!(seen.state == state, "expected {state}, but {seen}");
    Ok(seen)
}

/// What is mounted at `path`, where something must be.
pub(super) fn mounted(path: &Path) -> Result<Mount> {
    machine::mount_at(path)?.with_context(|| format!("nothing is mounted at {}", path.display()))
}

/// The block device that a pod sees at `path`, by its number: its name differs between here and there.
fn block_device(path: &Path) -> Result<String> {
    let meta = fs::metadata(path)?;
    ensure!(
        meta.file_type().is_block_device(),
        "{} is no block device",
        path.display()
    );
    let (major, minor) = (major(meta.rdev()), minor(meta.rdev()));
    Ok(format!(
        "block device {major}:{minor} at {}",
        path.display()
    ))
}
