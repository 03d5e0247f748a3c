//! Instances, and what is attached to them.

use ebs_types::{InstanceId, Zone};

use super::{add_tags, attachments, calls, name, nothing, some, tags};
use crate::engine::Log;
use crate::model::Instance;
use crate::page::place::{Asked, Place};
use crate::page::screen::{Piece, Row, Screen, Section, facts, text};
use crate::page::table::{Kind, Words, table};
use crate::state::{RegionState, World};

const INSTANCES: Kind = Kind {
    name: "instances",
    heading: "Instances",
    words: ("instance", "instances"),
    columns: &[
        "Instance", "Name", "State", "Type", "Zone", "Address", "Volumes",
    ],
};

/// All of them.
pub(super) fn all(world: &World, asked: &Asked) -> Section {
    let all = world.regions().flat_map(|(_, region)| {
        let instances = region.instances.values();
        instances.map(move |instance| (region, instance))
    });
    list(all, asked)
}

/// Those of a zone.
pub(super) fn of_zone(region: &RegionState, zone: &Zone, asked: &Asked) -> Section {
    let all = region.instances.values();
    let all = all.filter(|instance| instance.zone == *zone);
    list(all.map(|instance| (region, instance)), asked)
}

fn list<'a>(all: impl Iterator<Item = (&'a RegionState, &'a Instance)>, asked: &Asked) -> Section {
    let row = |(region, instance): &(&RegionState, &Instance)| Row {
        key: instance.id.to_string(),
        cells: vec![
            vec![Piece::id(instance.id.as_str())],
            text(name(&instance.tags)),
            vec![Piece::state(instance.state.as_str())],
            text(&instance.instance_type),
            zone(&instance.zone),
            text(&instance.private_ip),
            text(region.attached_to(&instance.id).count()),
        ],
    };
    let words = |(_, instance): &(&RegionState, &Instance), words: &mut Words| {
        words.add(instance.id.as_str());
        words.add(instance.state.as_str());
        words.add(instance.instance_type.as_str());
        words.add(instance.zone.as_str());
        words.add(&instance.private_ip);
        add_tags(&instance.tags, words);
    };
    table(asked, INSTANCES, all, words, row)
}

/// One of them.
pub(super) fn show(world: &World, log: &Log, id: &InstanceId, asked: &Asked) -> Screen {
    let found = world
        .regions()
        .find_map(|(_, region)| Some((region, region.instances.get(id)?)));
    let calls = calls::naming(log, id.as_str(), asked);
    let Some((region, instance)) = found else {
        let trail = vec![Piece::link("Instances", &Place::Instances)];
        return nothing(id.as_str(), trail, calls);
    };
    let details = [
        ("State", vec![Piece::state(instance.state.as_str())]),
        ("Name", text(name(&instance.tags))),
        ("Type", text(&instance.instance_type)),
        ("Zone", zone(&instance.zone)),
        ("Outpost", some(instance.outpost.as_ref())),
        ("Address", text(&instance.private_ip)),
        ("Started", text(instance.launched)),
    ];
    Screen {
        title: id.to_string(),
        trail: vec![
            Piece::link("Zones", &Place::Overview),
            Piece::link(&instance.zone, &Place::Zone(instance.zone.clone())),
        ],
        note: None,
        filter: None,
        sections: vec![
            facts("details", "Details", details),
            attachments::of_instance(region, instance, asked),
            tags(&instance.tags, asked),
            calls,
        ],
    }
}

/// A zone, as a link.
pub(super) fn zone(zone: &Zone) -> Vec<Piece> {
    vec![Piece::link(zone, &Place::Zone(zone.clone()))]
}
