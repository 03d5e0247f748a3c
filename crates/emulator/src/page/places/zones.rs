//! A zone: its instances and its volumes.

use ebs_types::Zone;

use super::{instances, volumes};
use crate::model::AvailabilityZone;
use crate::page::place::{Asked, Place};
use crate::page::screen::{Piece, Screen, facts, text};
use crate::page::table::grouped;
use crate::state::World;

pub(super) fn show(world: &World, name: &Zone, asked: &Asked) -> Screen {
    let found = world.regions().find_map(|(region, state)| {
        let zone = state.zones.iter().find(|zone| zone.name == *name)?;
        Some((region, state, zone))
    });
    let mut screen = Screen {
        title: name.to_string(),
        trail: vec![Piece::link("Zones", &Place::Overview)],
        note: None,
        filter: None,
        sections: Vec::new(),
    };
    let Some((region, state, zone)) = found else {
        screen.note = Some("There is no zone of this name.");
        return screen;
    };
    let of_zone = state.volumes.values().filter(|volume| volume.zone == *name);
    let used: u64 = of_zone.map(|volume| u64::from(volume.size.0)).sum();
    let details = [
        ("State", state_of(zone)),
        ("Region", text(region)),
        ("Id", text(&zone.id)),
        ("Volumes together", text(format!("{} GiB", grouped(used)))),
        ("Room for volumes", room(zone)),
    ];
    screen.filter = Some(asked.text.clone());
    screen.sections = vec![
        facts("details", "Details", details),
        instances::of_zone(state, name, asked),
        volumes::of_zone(state, name, asked),
    ];
    screen
}

/// Its state, as news.
pub(super) fn state_of(zone: &AvailabilityZone) -> Vec<Piece> {
    vec![Piece::state(zone.state.as_str())]
}

/// How much all of its volumes together can be, if that is bounded.
pub(super) fn room(zone: &AvailabilityZone) -> Vec<Piece> {
    let room = zone.capacity.map(|room| format!("{} GiB", grouped(room.0)));
    text(room.unwrap_or_else(|| "unlimited".to_owned()))
}
