//! What is at each place.
//!
//! Answers for: everything that there is, whether describes show it yet or not.

mod attachments;
mod calls;
mod instances;
mod overview;
mod snapshots;
mod volumes;
mod zones;

use ebs_types::{Tags, keys};

use super::place::{Asked, Place};
use super::screen::{Piece, Row, Screen, Section, text};
use super::table::{Kind, Words, table};
use crate::engine::Log;
use crate::state::World;

/// What is there.
pub(super) fn show(world: &World, log: &Log, asked: &Asked) -> Screen {
    match &asked.place {
        Place::Overview => overview::show(world, log, asked),
        Place::Zone(zone) => zones::show(world, zone, asked),
        Place::Instances => list("Instances", instances::all(world, asked), asked),
        Place::Instance(id) => instances::show(world, log, id, asked),
        Place::Volumes => list("Volumes", volumes::all(world, asked), asked),
        Place::Volume(id) => volumes::show(world, log, id, asked),
        Place::Attachments => list("Attachments", attachments::all(world, asked), asked),
        Place::Snapshots => list("Snapshots", snapshots::all(world, asked), asked),
        Place::Snapshot(id) => snapshots::show(world, log, id, asked),
        Place::Calls => list("Calls", calls::last(log, asked), asked),
        Place::Call(number) => calls::show(log, *number, asked),
        Place::Errors => list("Errors", calls::errors(log, asked), asked),
    }
}

/// A place that is one list.
fn list(title: &str, list: Section, asked: &Asked) -> Screen {
    Screen {
        title: title.to_owned(),
        trail: Vec::new(),
        note: None,
        filter: Some(asked.text.clone()),
        sections: vec![list],
    }
}

/// A place of something that there is not; calls may have named it when there was.
fn nothing(id: &str, trail: Vec<Piece>, calls: Section) -> Screen {
    Screen {
        title: id.to_owned(),
        trail,
        note: Some("There is none with this id: it is deleted, or never was."),
        filter: None,
        sections: vec![calls],
    }
}

/// How a resource is called by who made it: the claim that it is for, or its name.
fn name(tags: &Tags) -> String {
    let claim = (tags.get(keys::PVC_NAMESPACE), tags.get(keys::PVC_NAME));
    match claim {
        (Some(namespace), Some(claim)) => format!("{namespace}/{claim}"),
        _ => {
            let named = [keys::NAME, keys::VOLUME_NAME, keys::SNAPSHOT_NAME];
            let name = named.iter().find_map(|key| tags.get(key));
            name.unwrap_or_default().to_owned()
        }
    }
}

const TAGS: Kind = Kind {
    name: "tags",
    heading: "Tags",
    words: ("tag", "tags"),
    columns: &["Key", "Value"],
};

/// Tags as a list.
fn tags(tags: &Tags, asked: &Asked) -> Section {
    let row = |(key, value): &(&str, &str)| Row {
        key: (*key).to_owned(),
        cells: vec![text(key), text(value)],
    };
    let words = |(key, value): &(&str, &str), words: &mut Words| {
        words.add(key);
        words.add(value);
    };
    table(asked, TAGS, tags.iter(), words, row)
}

/// Adds tags to the words that something is found by.
fn add_tags(tags: &Tags, words: &mut Words) {
    for (key, value) in tags {
        words.add(key);
        words.add(value);
    }
}

/// What there may be none of.
fn some(value: Option<impl ToString>) -> Vec<Piece> {
    value.map(text).unwrap_or_default()
}
