//! The node's calls, one after the other on one volume, on ext4 and on xfs.
//!
//! Answers for: how long each takes, and how much of that programs and the kernel do. Doesn't answer for: many at once.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use csi::v1::NodeGetCapabilitiesRequest;
use lab::kubelet::Node;
use lab::orchestrator::{Claim, Use};
use tokio::time::Instant;

use super::bed::Bed;
use super::figures;
use super::work_log::WorkLog;
use crate::measures::{Table, median, millis};

/// A call in the state in which it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    StageBlank,
    StageAgain,
    StageFormatted,
    Publish,
    PublishAgain,
    Stats,
    Expand,
    Unpublish,
    Unstage,
}

impl Call {
    /// How often it is made in each run: what changes nothing can be made again at once, and is too short to be measured once.
    fn times(self) -> u32 {
        match self {
            StageAgain | PublishAgain | Stats | Expand => 10,
            StageBlank | StageFormatted | Publish | Unpublish | Unstage => 1,
        }
    }
}

use Call::{
    Expand, Publish, PublishAgain, StageAgain, StageBlank, StageFormatted, Stats, Unpublish,
    Unstage,
};

/// What a call may take, in milliseconds, and what it takes with the Go driver; of two values the first is for ext4.
#[derive(Debug)]
struct Known {
    call: Call,
    name: &'static str,
    /// All of it.
    at_most: [Option<f64>; 2],
    /// What is neither a program's nor the kernel's.
    own_at_most: Option<f64>,
    go_driver: [Option<f64>; 2],
}

const fn known(
    call: Call,
    name: &'static str,
    at_most: [Option<f64>; 2],
    own_at_most: Option<f64>,
    go_driver: [Option<f64>; 2],
) -> Known {
    Known {
        call,
        name,
        at_most,
        own_at_most,
        go_driver,
    }
}

const NONE: [Option<f64>; 2] = [None, None];

const fn both(value: f64) -> [Option<f64>; 2] {
    [Some(value), Some(value)]
}

const fn each(ext4: f64, xfs: f64) -> [Option<f64>; 2] {
    [Some(ext4), Some(xfs)]
}

/// In the order in which a volume goes through them.
const CALLS: [Known; 9] = [
    known(
        StageBlank,
        "stage, blank",
        each(17.0, 24.0),
        Some(2.0),
        each(24.0, 31.3),
    ),
    known(
        StageAgain,
        "stage, staged already",
        both(0.5),
        None,
        each(2.6, 2.4),
    ),
    known(Publish, "publish", NONE, Some(1.0), each(3.4, 3.2)),
    known(
        PublishAgain,
        "publish, published already",
        NONE,
        Some(1.0),
        each(0.22, 0.23),
    ),
    known(Stats, "stats", NONE, Some(0.1), each(0.20, 0.18)),
    known(
        Expand,
        "expand, nothing to do",
        NONE,
        Some(1.0),
        [None, Some(6.9)],
    ),
    known(Unpublish, "unpublish", NONE, Some(1.0), each(1.9, 2.1)),
    known(Unstage, "unstage", NONE, Some(1.0), each(2.7, 3.6)),
    known(
        StageFormatted,
        "stage, formatted before",
        [Some(8.0), None],
        Some(2.0),
        each(22.3, 23.2),
    ),
];

/// What a call took in each run: in all, and of it programs and the kernel.
#[derive(Debug, Default)]
struct Times {
    all: Vec<Duration>,
    work: Vec<Duration>,
}

/// Measures and adds a line for each call.
pub(super) async fn measure(runs: u32, bed: &Bed, table: &mut Table) -> Result<()> {
    let way = there_and_back(runs, bed).await?;
    table.add(&figures::NOTHING, millis(way));
    for (at, usage) in [Use::Ext4, Use::Xfs].into_iter().enumerate() {
        let mut times: Vec<Times> = CALLS.iter().map(|_| Times::default()).collect();
        for n in 0..runs {
            run(bed, &format!("{usage}-{n}"), usage, &mut times).await?;
        }
        for (known, times) in CALLS.iter().zip(times) {
            add(table, known, (at, usage), times, way);
        }
    }
    Ok(())
}

/// How long a call takes that does nothing.
async fn there_and_back(runs: u32, bed: &Bed) -> Result<Duration> {
    let (_, node) = bed.callers()?;
    let mut client = node.client();
    let mut log = bed.work_log()?;
    let mut times = Vec::new();
    for _ in 0..runs * 10 {
        // As before each of the calls below.
        log.next()?;
        let begin = Instant::now();
        client
            .node_get_capabilities(NodeGetCapabilitiesRequest {})
            .await?;
        times.push(begin.elapsed());
    }
    Ok(median(times))
}

fn add(table: &mut Table, known: &Known, (at, usage): (usize, Use), times: Times, way: Duration) {
    let own: Vec<Duration> = times
        .all
        .iter()
        .zip(&times.work)
        .map(|(all, work)| all.saturating_sub(*work).saturating_sub(way))
        .collect();
    let (all, work, own) = (median(times.all), median(times.work), median(own));
    let of = |values: [Option<f64>; 2]| values.get(at).copied().flatten();
    let name = format!("{usage}: {}", known.name);
    table.add_time(name, all, of(known.at_most), of(known.go_driver));
    if work > Duration::ZERO {
        table.add_time("  programs and kernel".to_owned(), work, None, None);
    }
    if known.own_at_most.is_some() {
        let name = "  the driver's own".to_owned();
        table.add_time(name, own, known.own_at_most, None);
    }
}

/// A volume's whole life, each call timed.
async fn run(bed: &Bed, name: &str, usage: Use, times: &mut [Times]) -> Result<()> {
    let (claim, context) = bed.attached(name, usage).await?;
    let (_, node) = bed.callers()?;
    // The first call of a connection also makes it.
    node.info().await?;
    let mut log = bed.work_log()?;
    for (known, times) in CALLS.iter().zip(times) {
        for _ in 0..known.call.times() {
            log.next()?;
            let begin = Instant::now();
            perform(known.call, &node, &claim, &context).await?;
            times.all.push(begin.elapsed());
            times.work.push(told(&mut log, known.call)?);
        }
    }
    node.unstage(&claim).await?;
    bed.remove(&claim).await
}

fn told(log: &mut WorkLog, call: Call) -> Result<Duration> {
    let work = log.next()?;
    ensure!(
        work > Duration::ZERO || !matches!(call, StageBlank | StageFormatted | Unstage),
        "the node plugin's log does not tell how long its programs took"
    );
    Ok(work)
}

async fn perform(
    call: Call,
    node: &Node,
    claim: &Claim,
    context: &HashMap<String, String>,
) -> Result<()> {
    match call {
        StageBlank | StageAgain | StageFormatted => node.stage(claim, context).await,
        Publish | PublishAgain => node.publish(claim, "pod", context, false).await.map(drop),
        Stats => node.stats(claim, "pod").await.map(drop),
        Expand => node.expand(claim, "pod", 1).await.map(drop),
        Unpublish => node.unpublish(claim, "pod").await,
        Unstage => node.unstage(claim).await,
    }
}
