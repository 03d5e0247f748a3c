//! Snapshots, and what was made from them.

use ebs_types::{SnapshotId, Zone};

use super::{add_tags, calls, name, nothing, some, tags, volumes};
use crate::engine::Log;
use crate::model::{Lock, LockMode, LockTerm, Snapshot, Volume};
use crate::page::place::{Asked, Place};
use crate::page::screen::{Cell, Piece, Row, Screen, Section, facts, text};
use crate::page::table::{Kind, Words, table};
use crate::state::{RegionState, World};

const SNAPSHOTS: Kind = Kind {
    name: "snapshots",
    heading: "Snapshots",
    words: ("snapshot", "snapshots"),
    columns: &["Snapshot", "Name", "State", "Volume", "Size", "Taken"],
};

/// All of them.
pub(super) fn all(world: &World, asked: &Asked) -> Section {
    let all = world
        .regions()
        .flat_map(|(_, region)| region.snapshots.values());
    list(all, asked)
}

/// Those of a volume.
pub(super) fn of_volume(region: &RegionState, volume: &Volume, asked: &Asked) -> Section {
    list(region.snapshots_of(&volume.id), asked)
}

fn list<'a>(all: impl Iterator<Item = &'a Snapshot>, asked: &Asked) -> Section {
    let row = |snapshot: &&Snapshot| Row {
        key: snapshot.id.to_string(),
        cells: vec![
            vec![Piece::id(snapshot.id.as_str())],
            text(name(&snapshot.tags)),
            vec![Piece::state(snapshot.state.as_str())],
            vec![Piece::id(snapshot.volume.as_str())],
            text(snapshot.size),
            text(snapshot.started),
        ],
    };
    let words = |snapshot: &&Snapshot, words: &mut Words| {
        words.add(snapshot.id.as_str());
        words.add(snapshot.state.as_str());
        words.add(snapshot.volume.as_str());
        words.add(&snapshot.description);
        add_tags(&snapshot.tags, words);
    };
    table(asked, SNAPSHOTS, all, words, row)
}

/// One of them.
pub(super) fn show(world: &World, log: &Log, id: &SnapshotId, asked: &Asked) -> Screen {
    let found = world
        .regions()
        .find_map(|(_, region)| Some((region, region.snapshots.get(id)?)));
    let calls = calls::naming(log, id.as_str(), asked);
    let trail = vec![Piece::link("Snapshots", &Place::Snapshots)];
    let Some((region, snapshot)) = found else {
        return nothing(id.as_str(), trail, calls);
    };
    Screen {
        title: id.to_string(),
        trail,
        note: None,
        filter: None,
        sections: vec![
            facts("details", "Details", details(snapshot)),
            volumes::made_from(region, id, asked),
            tags(&snapshot.tags, asked),
            calls,
        ],
    }
}

fn details(snapshot: &Snapshot) -> Vec<(&'static str, Cell)> {
    let fast: Vec<String> = snapshot.fast_restores.keys().map(Zone::to_string).collect();
    vec![
        ("State", vec![Piece::state(snapshot.state.as_str())]),
        ("Name", text(name(&snapshot.tags))),
        ("Volume", vec![Piece::id(snapshot.volume.as_str())]),
        ("Size", text(snapshot.size)),
        ("Description", text(&snapshot.description)),
        ("Key", some(snapshot.kms_key.as_ref())),
        ("Outpost", some(snapshot.outpost.as_ref())),
        ("Taken", text(snapshot.started)),
        ("Completed", some(snapshot.completed)),
        ("Fast restores asked for in", text(fast.join(", "))),
        ("Locked", some(snapshot.lock.as_ref().map(locked))),
    ]
}

fn locked(lock: &Lock) -> String {
    let mode = match lock.mode {
        LockMode::Governance => "governance",
        LockMode::Compliance => "compliance",
    };
    match lock.term {
        LockTerm::Days(days) => format!("{mode}, for {days} days"),
        LockTerm::Until(end) => format!("{mode}, until {end}"),
    }
}
