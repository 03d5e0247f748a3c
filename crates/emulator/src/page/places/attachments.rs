//! Attachments: which volume is which device of which instance.

use ebs_types::AttachmentState;

use crate::model::{Attachment, Instance, ROOT_DEVICE, Volume};
use crate::page::place::Asked;
use crate::page::screen::{Cell, Content, Piece, Row, Section, text};
use crate::page::table::{Kind, Words, table};
use crate::state::{RegionState, World};

const ATTACHMENTS: Kind = Kind {
    name: "attachments",
    heading: "Attachments",
    words: ("attachment", "attachments"),
    columns: &["Device", "Volume", "Instance", "State", "Card", "Since"],
};

type Pair<'a> = (&'a Volume, &'a Attachment);

/// All of them, in the order of the volumes.
pub(super) fn all(world: &World, asked: &Asked) -> Section {
    let volumes = world
        .regions()
        .flat_map(|(_, region)| region.volumes.values());
    list(volumes.flat_map(pairs), asked)
}

/// Those of a volume.
pub(super) fn of_volume(volume: &Volume, asked: &Asked) -> Section {
    list(pairs(volume), asked)
}

/// Those of an instance by device name, its root device among them.
pub(super) fn of_instance(region: &RegionState, instance: &Instance, asked: &Asked) -> Section {
    let volumes = region.attached_to(&instance.id);
    let pair = |volume| Some((volume, Volume::attachment_to(volume, &instance.id)?));
    let mut all: Vec<Pair<'_>> = volumes.filter_map(pair).collect();
    all.sort_by_key(|(_, attachment)| attachment.device.as_str());
    let mut section = list(all.into_iter(), asked);
    if let Content::Table(table) = &mut section.body
        && table.page == 1
    {
        table.rows.insert(0, root(instance));
        table.summary = format!("{} beside the root device", table.summary);
    }
    section
}

/// The root device is an entry of the instance alone, behind which is no volume that could be shown.
fn root(instance: &Instance) -> Row {
    Row {
        key: ROOT_DEVICE.to_owned(),
        cells: vec![
            text(ROOT_DEVICE),
            text(&instance.root),
            vec![Piece::id(instance.id.as_str())],
            vec![Piece::state(AttachmentState::Attached.as_str())],
            text(0),
            text(instance.launched),
        ],
    }
}

fn pairs(volume: &Volume) -> impl Iterator<Item = Pair<'_>> {
    let attachments = volume.attachments.iter();
    attachments.map(move |attachment| (volume, attachment))
}

fn list<'a>(all: impl Iterator<Item = Pair<'a>>, asked: &Asked) -> Section {
    let row = |(volume, attachment): &Pair<'_>| Row {
        key: format!("{} {}", volume.id, attachment.instance),
        cells: vec![
            text(attachment.device.as_str()),
            vec![Piece::id(volume.id.as_str())],
            vec![Piece::id(attachment.instance.as_str())],
            vec![Piece::state(attachment.state().as_str())],
            text(attachment.card),
            text(attachment.since),
        ],
    };
    let words = |(volume, attachment): &Pair<'_>, words: &mut Words| {
        words.add(attachment.device.as_str());
        words.add(volume.id.as_str());
        words.add(attachment.instance.as_str());
        words.add(attachment.state().as_str());
    };
    table(asked, ATTACHMENTS, all, words, row)
}

/// To which instances a volume is attached, and as what.
pub(super) fn briefly(volume: &Volume) -> Cell {
    let mut cell = Cell::new();
    for attachment in &volume.attachments {
        if !cell.is_empty() {
            cell.push(Piece::text(", "));
        }
        cell.push(Piece::id(attachment.instance.as_str()));
        cell.push(Piece::text(format!(" {}", attachment.device)));
    }
    cell
}
