//! Everything at a glance: how many of each kind there are, the zones, the last calls and the last errors.

use std::collections::BTreeMap;

use ebs_types::{VolumeState, Zone};

use super::{calls, zones};
use crate::engine::Log;
use crate::model::AvailabilityZone;
use crate::page::place::{Asked, Place};
use crate::page::screen::{Cell, Piece, Row, Screen, Section, facts, text};
use crate::page::table::{Kind, Words, grouped, table};
use crate::state::World;

const ZONES: Kind = Kind {
    name: "zones",
    heading: "Zones",
    words: ("zone", "zones"),
    columns: &[
        "Zone",
        "State",
        "Instances",
        "Volumes",
        "Attachments",
        "GiB",
        "Room",
    ],
};

/// So many calls are shown among all the rest.
const FEW: usize = 8;

/// What a zone has.
#[derive(Debug, Default)]
struct Tally {
    instances: usize,
    volumes: usize,
    attachments: usize,
    gib: u64,
}

pub(super) fn show(world: &World, log: &Log, asked: &Asked) -> Screen {
    let mut tallies: BTreeMap<&Zone, Tally> = BTreeMap::new();
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    let mut snapshots = 0;
    for (_, region) in world.regions() {
        for instance in region.instances.values() {
            tallies.entry(&instance.zone).or_default().instances += 1;
        }
        for volume in region.volumes.values() {
            let tally = tallies.entry(&volume.zone).or_default();
            tally.volumes += 1;
            tally.attachments += volume.attachments.len();
            tally.gib += u64::from(volume.size.0);
            *states.entry(volume.state().as_str()).or_default() += 1;
        }
        snapshots += region.snapshots.values().count();
    }
    Screen {
        title: "Overview".to_owned(),
        trail: Vec::new(),
        note: None,
        filter: None,
        sections: vec![
            totals(&tallies, &states, snapshots, log),
            zone_list(world, &tallies, asked),
            calls::few(log.errors().take(FEW), calls::ERRORS, asked),
            calls::few(log.all().take(FEW), calls::CALLS, asked),
        ],
    }
}

fn totals(
    tallies: &BTreeMap<&Zone, Tally>,
    states: &BTreeMap<&str, usize>,
    snapshots: usize,
    log: &Log,
) -> Section {
    let sum = |of: fn(&Tally) -> usize| tallies.values().map(of).sum::<usize>();
    let linked = |count: usize, to: Place| vec![Piece::link(grouped(count), &to)];
    let mut volumes = linked(sum(|tally| tally.volumes), Place::Volumes);
    for (state, count) in states {
        let state = state.parse().map_or("", VolumeState::as_str);
        volumes.push(Piece::text(format!(" · {} ", grouped(*count))));
        volumes.push(Piece::state(state));
    }
    let instances = linked(sum(|tally| tally.instances), Place::Instances);
    let attachments = linked(sum(|tally| tally.attachments), Place::Attachments);
    let ended = vec![Piece::link(grouped(log.ended()), &Place::Calls)];
    let all: [(&str, Cell); 5] = [
        ("Instances", instances),
        ("Volumes", volumes),
        ("Attachments", attachments),
        ("Snapshots", linked(snapshots, Place::Snapshots)),
        ("Calls so far", ended),
    ];
    facts("totals", "In all", all)
}

fn zone_list(world: &World, tallies: &BTreeMap<&Zone, Tally>, asked: &Asked) -> Section {
    let all = world.regions().flat_map(|(_, region)| &region.zones);
    let nothing = Tally::default();
    let row = |zone: &&AvailabilityZone| {
        let tally = tallies.get(&zone.name).unwrap_or(&nothing);
        Row {
            key: zone.name.to_string(),
            cells: vec![
                vec![Piece::link(&zone.name, &Place::Zone(zone.name.clone()))],
                zones::state_of(zone),
                text(grouped(tally.instances)),
                text(grouped(tally.volumes)),
                text(grouped(tally.attachments)),
                text(grouped(tally.gib)),
                zones::room(zone),
            ],
        }
    };
    let words = |zone: &&AvailabilityZone, words: &mut Words| words.add(zone.name.as_str());
    table(asked, ZONES, all, words, row)
}
