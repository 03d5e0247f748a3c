//! The first chapter: a cloud, a controller, and three instances with their node plugins.

use anyhow::{Context as _, Result, ensure};
use ebs_types::topology::ZONE_KEY;

use super::Players;
use crate::demo::stage::Stage;
use crate::demo::story::{Proof, Story, milliseconds};
use lab::announcement::Instance;
use lab::kubelet::Node;

pub(super) async fn play(story: &mut Story, stage: &mut Stage) -> Result<Players> {
    story.chapter("The stage: an emulated EC2, a controller, three instances")?;

    let (cloud, instances) = story
        .step("start the emulated EC2", async {
            let (cloud, instances, _) = stage.open_cloud().await?;
            ensure!(cloud.volumes().await?.is_empty(), "it begins with volumes");
            let zones: Vec<String> = instances
                .iter()
                .map(|instance| format!("{} in {}", instance.id, instance.zone))
                .collect();
            Ok(Proof::of((cloud, instances), zones.join(", ")))
        })
        .await?;
    let [here, there, elsewhere] = cast(&instances)?;

    let (controller, took) = story
        .step("start ebs-csi controller", async {
            let (controller, took) = stage.start_controller().await?;
            let shown = format!("it answers Probe after {}", milliseconds(took));
            Ok(Proof::of((controller, took), shown))
        })
        .await?;
    story.figure("controller: start to first Probe", milliseconds(took));

    let here = start_node(story, stage, "node-a1", here).await?;
    let there = start_node(story, stage, "node-a2", there).await?;
    let elsewhere = start_node(story, stage, "node-b1", elsewhere).await?;
    Ok(Players {
        cloud,
        controller,
        here,
        there,
        elsewhere,
    })
}

/// Two instances of one zone, and one of another.
fn cast(instances: &[Instance]) -> Result<[&Instance; 3]> {
    let here = instances.first().context("EC2 has no instances")?;
    let there = instances
        .iter()
        .find(|instance| instance.zone == here.zone && instance.id != here.id)
        .with_context(|| format!("EC2 has no second instance in {}", here.zone))?;
    let elsewhere = instances
        .iter()
        .find(|instance| instance.zone != here.zone)
        .with_context(|| format!("EC2 has no instance outside of {}", here.zone))?;
    Ok([here, there, elsewhere])
}

/// Starts a node plugin, which must know by itself which instance it is on.
async fn start_node(
    story: &mut Story,
    stage: &mut Stage,
    name: &str,
    instance: &Instance,
) -> Result<Node> {
    let (node, took) = story
        .step(format!("start ebs-csi node on {name}"), async {
            let (node, took) = stage.start_node(name, instance).await?;
            let info = node.info().await?;
            ensure!(
                info.node_id == instance.id,
                "it says that it is {}",
                info.node_id
            );
            let topology = info.accessible_topology.unwrap_or_default().segments;
            let zone = topology.get(ZONE_KEY);
            ensure!(
                zone == Some(&instance.zone),
                "it says that its zone is {zone:?}"
            );
            let shown = format!(
                "NodeGetInfo: {} in {}, room for {} volumes",
                info.node_id, instance.zone, info.max_volumes_per_node
            );
            Ok(Proof::of((node, took), shown))
        })
        .await?;
    story.figure(format!("{name}: start to first Probe"), milliseconds(took));
    Ok(node)
}
