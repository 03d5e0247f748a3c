//! The power fails: at any write of mkfs, of mounting, of growing, and under a program that was told that its data is safe.

use std::collections::HashMap;
use std::sync::Arc;

use nvme::disk::{Disk, Done, Loss, Stop};
use nvme::lab::Lab;
use nvme::node::Node;
use nvme::random::Random;
use nvme::volume::{FILE_SYSTEMS, GIB, Kind, Volume};

use crate::ledger::{Journal, Ledger};
use crate::world::{POD, plug, start_using, stop_using, unplug};

/// How much a volume grows at a time, and how large it gets.
const STEP: u64 = GIB / 4;
const ROOM: u64 = 3 * GIB;

/// What the machine is doing when its power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// A blank volume is formatted.
    Format,
    /// A volume is mounted that the last power cut left as it was.
    Mount,
    /// A file system grows while a program appends to a file.
    Grow,
    /// A database commits.
    Commit(Journal),
    /// A program appends to a file, or writes to a device, and syncs.
    Append,
}

const MOMENTS: [Moment; 6] = [
    Moment::Format,
    Moment::Mount,
    Moment::Grow,
    Moment::Commit(Journal::WriteAhead),
    Moment::Commit(Journal::Rollback),
    Moment::Append,
];

/// What all the cuts came to.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    cuts: usize,
    loss: Loss,
    acknowledged: usize,
}

/// A volume and what it must hold.
#[derive(Debug)]
struct Subject {
    volume: Volume,
    ledger: Ledger,
}

#[tokio::test]
async fn a_volume_can_always_be_staged_again_and_has_what_was_acknowledged() {
    let lab = Arc::new(Lab::of("cuts").unwrap());
    let mut random = lab.random();
    let cuts = if Lab::soaks() { 200 } else { 20 };
    let mut subjects: Vec<Subject> = Vec::new();
    let mut deck: Vec<(Kind, Moment)> = Vec::new();
    let mut sum = Sum::default();
    let mut failures = Vec::new();
    let formats = changes_of_formats(&lab, &mut random).await;
    while sum.cuts < cuts {
        let Some((kind, moment)) = deck.pop() else {
            deck = all_combinations();
            random.shuffle(&mut deck);
            continue;
        };
        let usable =
            |subject: &Subject| subject.volume.kind == kind && subject.volume.size + STEP <= ROOM;
        let known = subjects
            .iter()
            .position(usable)
            .filter(|_| moment != Moment::Format);
        let known = known.map(|index| subjects.swap_remove(index));
        // In a task of its own, so that the cuts after one that fails are made as well.
        let bound = formats.get(kind.name()).copied().unwrap_or(0) + 10;
        let cut = cut(Arc::clone(&lab), random.fork(), kind, moment, bound, known);
        match tokio::spawn(cut).await {
            Ok((subject, more)) => {
                subjects.push(subject);
                sum.cuts += more.cuts;
                sum.loss.unflushed += more.loss.unflushed;
                sum.loss.lost += more.loss.lost;
                sum.acknowledged += more.acknowledged;
            }
            Err(_) => {
                sum.cuts += 1;
                failures.push(format!("{} in {moment:?}", kind.name()));
            }
        }
    }
    println!(
        "cuts: {} power cuts, {} of {} unflushed granules lost, {} acknowledged writes and commits of theirs there afterwards",
        sum.cuts, sum.loss.lost, sum.loss.unflushed, sum.acknowledged
    );
    assert!(
        failures.is_empty(),
        "{} cuts ended badly: {failures:#?}",
        failures.len()
    );
    assert!(
        sum.loss.lost > 0 && sum.acknowledged > 0,
        "nothing was at stake: {sum:?}"
    );
}

fn all_combinations() -> Vec<(Kind, Moment)> {
    let mut all = vec![(Kind::Block, Moment::Append)];
    for kind in FILE_SYSTEMS {
        all.extend(MOMENTS.map(|moment| (kind, moment)));
    }
    all
}

/// How many changes and flushes it takes to stage a blank volume, by file system: a power cut can come before each of them.
async fn changes_of_formats(lab: &Lab, random: &mut Random) -> HashMap<&'static str, u64> {
    let mut node = Node::boot(lab, 8).await.unwrap();
    let volumes = FILE_SYSTEMS.map(|kind| Volume::blank(lab, random, kind, GIB).unwrap());
    let all: Vec<&Volume> = volumes.iter().collect();
    plug(&mut node, &all, random).await;
    start_using(&node, &all).await;
    let count = |volume: &Volume| {
        volume
            .disk
            .log()
            .iter()
            .filter(|done| **done != Done::Read)
            .count() as u64
    };
    volumes
        .iter()
        .map(|volume| (volume.kind.name(), count(volume)))
        .collect()
}

/// One power cut, or two, and what was there afterwards; one within a format comes before any of `bound` changes.
async fn cut(
    lab: Arc<Lab>,
    mut random: Random,
    kind: Kind,
    moment: Moment,
    bound: u64,
    known: Option<Subject>,
) -> (Subject, Sum) {
    let mut sum = Sum::default();
    let mut subject = known.unwrap_or_else(|| Subject {
        volume: Volume::growing(&lab, &mut random, kind, GIB, ROOM).unwrap(),
        ledger: Ledger::default(),
    });
    let Subject { volume, ledger } = &mut subject;
    let mut node = boot_with(&lab, volume, &mut random).await;
    let before = ledger.acknowledged();
    if moment == Moment::Mount {
        start_using(&node, &[volume]).await;
        stop_after(&volume.disk, &mut random, 200);
        ledger.append(&node, volume).await;
        sum.lose(node.cut_power(&[volume], &mut random).await.unwrap());
        node = boot_with(&lab, volume, &mut random).await;
    }
    live_until_cut(&mut node, volume, ledger, moment, bound, &mut random).await;
    let acknowledged = ledger.acknowledged() - before;
    let loss = node.cut_power(&[volume], &mut random).await.unwrap();
    sum.lose(loss);
    println!(
        "cuts: {} in {moment:?}, {} of {} unflushed granules lost, {acknowledged} writes acknowledged",
        kind.name(),
        loss.lost,
        loss.unflushed
    );
    let mut node = boot_with(&lab, volume, &mut random).await;
    start_using(&node, &[volume]).await;
    ledger.check(&node, volume).await;
    sum.acknowledged += acknowledged;
    stop_using(&node, &[volume]).await;
    unplug(&mut node, &[volume], &mut random).await;
    (subject, sum)
}

impl Sum {
    const fn lose(&mut self, loss: Loss) {
        self.cuts += 1;
        self.loss.unflushed += loss.unflushed;
        self.loss.lost += loss.lost;
    }
}

async fn boot_with(lab: &Lab, volume: &Volume, random: &mut Random) -> Node {
    let mut node = Node::boot(lab, 8).await.unwrap();
    plug(&mut node, &[volume], random).await;
    node
}

/// The disk stands still after any number of changes below a bound.
fn stop_after(disk: &Disk, random: &mut Random, bound: u64) {
    let changes = random.below(bound);
    disk.stop(if random.percent(50) {
        Stop::After(changes)
    } else {
        Stop::AtFlushAfter(changes)
    });
}

/// Does what the moment is about until the volume's disk stands still, or to its end where that comes first.
async fn live_until_cut(
    node: &mut Node,
    volume: &mut Volume,
    ledger: &mut Ledger,
    moment: Moment,
    bound: u64,
    random: &mut Random,
) {
    match moment {
        // A cut that comes after the last change is one of a fresh file system.
        Moment::Format => {
            stop_after(&volume.disk, random, bound);
            until_cut(volume, node.stage(volume)).await;
        }
        Moment::Mount => {
            stop_after(&volume.disk, random, 40);
            until_cut(volume, node.stage(volume)).await;
        }
        Moment::Grow => {
            start_using(node, &[volume]).await;
            node.grow(volume, volume.size + STEP).await.unwrap();
            stop_after(&volume.disk, random, 80);
            let plugin = node.plugin();
            let growing = plugin.expand(volume, POD);
            tokio::join!(until_cut(volume, growing), ledger.append(node, volume));
        }
        Moment::Commit(journal) => {
            start_using(node, &[volume]).await;
            stop_after(&volume.disk, random, 400);
            ledger.commit(node, volume, journal).await;
        }
        Moment::Append => {
            start_using(node, &[volume]).await;
            stop_after(&volume.disk, random, 200);
            ledger.append(node, volume).await;
        }
    }
}

async fn until_cut<T>(volume: &Volume, work: impl Future<Output = anyhow::Result<T>>) {
    tokio::select! {
        () = volume.disk.stopped() => {}
        done = work => {
            if let Err(error) = done {
                panic!("{} ({}): {error:#}", volume.id, volume.kind.name());
            }
        }
    }
}
