//! What clusters want in each scenario.

use std::collections::BTreeSet;
use std::time::Duration;

use super::cloud::{Ec2Side, Old};
use super::errands::{Errand, Planned};

/// So many pods start at once, each with a new volume, spread over all nodes.
pub(super) fn burst(cloud: &Ec2Side, pods: usize) -> Vec<Planned> {
    let nodes = cloud.emulator.instances();
    let starts = (0..pods).map(|number| {
        let (node, zone) = &nodes[number % nodes.len()];
        let errand = Errand::Start {
            name: format!("pvc-10000000-0000-4000-8000-{number:012}"),
            zone: zone.clone(),
            node: node.to_string(),
        };
        (Duration::ZERO, errand)
    });
    starts.collect()
}

/// The first zone's nodes are taken out of service, as many as have so many volumes: their pods move to its other nodes, all at once. At
/// the same time pods come and go elsewhere, one every `pause` until the buckets' time for the moves is over.
pub(super) fn failover(
    cloud: &Ec2Side,
    old: &[Old],
    moved: usize,
    ordinary: usize,
    pause: Duration,
) -> Vec<Planned> {
    let zone = &Ec2Side::zones()[0];
    let here: Vec<&Old> = old.iter().filter(|volume| volume.zone == *zone).collect();
    let (leave, stay) = here.split_at(moved);
    let left: BTreeSet<_> = leave.iter().map(|volume| &volume.node).collect();
    let mut targets = cloud.instances_in(zone);
    targets.retain(|node| !left.contains(node));
    assert!(!targets.is_empty() && !stay.is_empty(), "nowhere to go");
    let moves = leave.iter().enumerate().map(|(number, volume)| {
        let errand = Errand::Move {
            volume: volume.id.to_string(),
            from: volume.node.to_string(),
            to: targets[number % targets.len()].to_string(),
        };
        (Duration::ZERO, errand)
    });
    let elsewhere: Vec<&Old> = old.iter().filter(|volume| volume.zone != *zone).collect();
    let comes_and_goes = elsewhere
        .iter()
        .zip(0..)
        .take(ordinary)
        .flat_map(|(volume, number)| {
            let at = pause * number;
            let start = Errand::Start {
                name: format!("pvc-20000000-0000-4000-8000-{number:012}"),
                zone: volume.zone.clone(),
                node: volume.node.to_string(),
            };
            let end = Errand::End {
                volume: volume.id.to_string(),
                node: volume.node.to_string(),
            };
            [(at, start), (at, end)]
        });
    moves.chain(comes_and_goes).collect()
}
