//! What a node plugin is like after much work, and when there is none.
//!
//! Answers for: its memory after many calls, its processor time without any. Doesn't answer for: how long the calls take.

use std::time::Duration;

use anyhow::Result;
use lab::orchestrator::Use;

use super::bed::{Bed, Role};
use super::figures;
use crate::measures::{MIB, Table, ratio};

/// How much work, and how long none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    stats: u32,
    stagings: u32,
    idle: Duration,
}

/// What a person waits for.
pub(super) const SHORT: Effort = Effort {
    stats: 5_000,
    stagings: 100,
    idle: Duration::from_secs(10),
};

/// What shows a leak of a few bytes.
pub(super) const LONG: Effort = Effort {
    stats: 100_000,
    stagings: 10_000,
    idle: Duration::from_secs(60),
};

/// Works, looks at the memory, does nothing, looks at the processor time.
pub(super) async fn measure(effort: Effort, bed: &Bed, table: &mut Table) -> Result<()> {
    let (_, node) = bed.callers()?;
    let (claim, context) = bed.attached("endurance", Use::Ext4).await?;
    node.stage(&claim, &context).await?;
    node.publish(&claim, "pod", &context, false).await?;
    for _ in 0..effort.stats {
        node.stats(&claim, "pod").await?;
    }
    node.unpublish(&claim, "pod").await?;
    node.unstage(&claim).await?;
    for _ in 0..effort.stagings {
        node.stage(&claim, &context).await?;
        node.unstage(&claim).await?;
    }
    bed.remove(&claim).await?;
    let memory = bed.idle_memory(Role::Node).await?;
    table.add(&figures::MEMORY_AFTER, ratio(memory, MIB));

    let before = bed.node_time()?;
    tokio::time::sleep(effort.idle).await;
    let taken = bed.node_time()?.saturating_sub(before);
    let share = taken.as_secs_f64() / effort.idle.as_secs_f64() * 100.0;
    table.add(&figures::IDLE_CPU, share);
    let Effort {
        stats, stagings, ..
    } = effort;
    table.note(format!(
        "\"all that\": {stats} NodeGetVolumeStats and {stagings} stagings after the calls above"
    ));
    Ok(())
}
