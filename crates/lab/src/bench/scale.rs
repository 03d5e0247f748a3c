//! Many volumes of one node at once.
//!
//! Answers for: whether they hold each other up. Doesn't answer for: how fast the machine's disks are.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use lab::kubelet::Node;
use lab::orchestrator::{Claim, Use};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::bed::Bed;
use super::figures;
use crate::measures::{Limit, Table, millis};

/// How many volumes.
const VOLUMES: usize = 100;

type Volume = (Claim, HashMap<String, String>);

/// Stages them blank and at once, formatted and one after the other, formatted and at once.
pub(super) async fn measure(bed: &Bed, table: &mut Table) -> Result<()> {
    let (_, node) = bed.callers()?;
    let mut volumes = Vec::new();
    for n in 0..VOLUMES {
        volumes.push(bed.attached(&format!("many-{n}"), Use::Ext4).await?);
    }
    let blank = stage_at_once(&node, &volumes).await?;
    table.add(&figures::AT_ONCE_BLANK, millis(blank));
    unstage(&node, &volumes).await?;

    let begin = Instant::now();
    for (claim, context) in &volumes {
        node.stage(claim, context).await?;
    }
    let one_by_one = begin.elapsed();
    table.add(&figures::ONE_BY_ONE, millis(one_by_one));
    unstage(&node, &volumes).await?;

    let at_once = stage_at_once(&node, &volumes).await?;
    table.add_within(
        &figures::AT_ONCE,
        millis(at_once),
        Some(Limit::AtMost(millis(one_by_one))),
    );
    unstage(&node, &volumes).await?;
    for (claim, _) in &volumes {
        bed.remove(claim).await?;
    }
    Ok(())
}

async fn stage_at_once(node: &Node, volumes: &[Volume]) -> Result<Duration> {
    let begin = Instant::now();
    let mut calls = JoinSet::new();
    for (claim, context) in volumes {
        let (node, claim, context) = (node.clone(), claim.clone(), context.clone());
        calls.spawn(async move { node.stage(&claim, &context).await });
    }
    while let Some(staged) = calls.join_next().await {
        staged??;
    }
    Ok(begin.elapsed())
}

async fn unstage(node: &Node, volumes: &[Volume]) -> Result<()> {
    for (claim, _) in volumes {
        node.unstage(claim).await?;
    }
    Ok(())
}
