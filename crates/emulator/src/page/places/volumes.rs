//! Volumes, and what belongs to them.

use ebs_types::{SnapshotId, VolumeId, Zone};

use super::{add_tags, attachments, calls, instances, name, nothing, snapshots, some, tags};
use crate::engine::Log;
use crate::model::{Modification, Shape, Volume};
use crate::page::place::{Asked, Place};
use crate::page::screen::{Cell, Piece, Row, Screen, Section, facts, text};
use crate::page::table::{Kind, Words, table};
use crate::state::{RegionState, World};

const VOLUMES: Kind = Kind {
    name: "volumes",
    heading: "Volumes",
    words: ("volume", "volumes"),
    columns: &[
        "Volume",
        "Name",
        "State",
        "Size",
        "Type",
        "Zone",
        "Attached to",
    ],
};

/// All of them.
pub(super) fn all(world: &World, asked: &Asked) -> Section {
    let all = world
        .regions()
        .flat_map(|(_, region)| region.volumes.values());
    list(all, asked)
}

/// Those of a zone.
pub(super) fn of_zone(region: &RegionState, zone: &Zone, asked: &Asked) -> Section {
    let all = region.volumes.values();
    list(all.filter(|volume| volume.zone == *zone), asked)
}

/// Those that were made from a snapshot.
pub(super) fn made_from(region: &RegionState, snapshot: &SnapshotId, asked: &Asked) -> Section {
    let all = region.volumes.values();
    let all = all.filter(|volume| volume.snapshot.as_ref() == Some(snapshot));
    Section {
        heading: "Volumes made from it",
        ..list(all, asked)
    }
}

fn list<'a>(all: impl Iterator<Item = &'a Volume>, asked: &Asked) -> Section {
    let row = |volume: &&Volume| Row {
        key: volume.id.to_string(),
        cells: vec![
            vec![Piece::id(volume.id.as_str())],
            text(name(&volume.tags)),
            vec![Piece::state(volume.state().as_str())],
            text(volume.size),
            text(volume.volume_type),
            instances::zone(&volume.zone),
            attachments::briefly(volume),
        ],
    };
    let words = |volume: &&Volume, words: &mut Words| {
        words.add(volume.id.as_str());
        words.add(volume.state().as_str());
        words.add(volume.volume_type.as_str());
        words.add(volume.zone.as_str());
        for attachment in &volume.attachments {
            words.add(attachment.instance.as_str());
            words.add(attachment.device.as_str());
        }
        add_tags(&volume.tags, words);
    };
    table(asked, VOLUMES, all, words, row)
}

/// One of them.
pub(super) fn show(world: &World, log: &Log, id: &VolumeId, asked: &Asked) -> Screen {
    let found = world
        .regions()
        .find_map(|(_, region)| Some((region, region.volumes.get(id)?)));
    let calls = calls::naming(log, id.as_str(), asked);
    let Some((region, volume)) = found else {
        let trail = vec![Piece::link("Volumes", &Place::Volumes)];
        return nothing(id.as_str(), trail, calls);
    };
    let mut sections = vec![
        facts("details", "Details", details(volume)),
        attachments::of_volume(volume, asked),
    ];
    sections.extend(volume.modification.as_ref().map(modification));
    sections.push(snapshots::of_volume(region, volume, asked));
    sections.push(tags(&volume.tags, asked));
    sections.push(calls);
    Screen {
        title: id.to_string(),
        trail: vec![
            Piece::link("Zones", &Place::Overview),
            Piece::link(&volume.zone, &Place::Zone(volume.zone.clone())),
        ],
        note: None,
        filter: None,
        sections,
    }
}

fn details(volume: &Volume) -> Vec<(&'static str, Cell)> {
    let throughput = volume.throughput.map(|rate| format!("{rate} MiB/s"));
    let snapshot = volume.snapshot.as_ref().map(SnapshotId::as_str);
    let source = volume.copy_of.as_ref().map(VolumeId::as_str);
    let from = snapshot.or(source).map(|id| vec![Piece::id(id)]);
    let encrypted = match &volume.kms_key {
        Some(key) => format!("with {key}"),
        None if volume.encrypted => "yes".to_owned(),
        None => "no".to_owned(),
    };
    vec![
        ("State", vec![Piece::state(volume.state().as_str())]),
        ("Checks", vec![Piece::state(volume.health.as_str())]),
        ("Name", text(name(&volume.tags))),
        ("Zone", instances::zone(&volume.zone)),
        ("Outpost", some(volume.outpost.as_ref())),
        ("Size", text(volume.size)),
        ("Type", text(volume.volume_type)),
        ("IOPS", some(volume.iops)),
        ("Throughput", some(throughput)),
        ("Encrypted", text(encrypted)),
        ("Multi-Attach", text(yes(volume.multi_attach))),
        ("Made from", from.unwrap_or_default()),
        ("Made", text(volume.created)),
    ]
}

fn modification(of: &Modification) -> Section {
    let facts_of = [
        ("State", vec![Piece::state(of.state().as_str())]),
        ("From", text(shape(&of.from))),
        ("To", text(shape(&of.to))),
        ("Begun", text(of.started)),
        ("Ended", some(of.ended)),
        ("Why it failed", some(of.message.as_ref())),
    ];
    facts("modification", "Latest modification", facts_of)
}

/// What a modification changes, in a line.
fn shape(shape: &Shape) -> String {
    let iops = shape.iops.map(|iops| format!("{iops} IOPS"));
    let throughput = shape.throughput.map(|rate| format!("{rate} MiB/s"));
    let multi_attach = shape.multi_attach.then(|| "Multi-Attach".to_owned());
    let parts = [
        Some(shape.size.to_string()),
        Some(shape.volume_type.to_string()),
        iops,
        throughput,
        multi_attach,
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}
