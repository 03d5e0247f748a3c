//! The last calls, those that were refused or reset, and each by itself.

use super::{some, text};
use crate::engine::{Ending, Log, Record};
use crate::page::place::{Asked, Place};
use crate::page::screen::{Cell, Content, Piece, Row, Screen, Section, Tone, facts};
use crate::page::table::{Kind, Words, table};

/// Calls of any ending.
pub(super) const CALLS: Kind = Kind {
    name: "calls",
    heading: "Last calls",
    words: ("call", "calls"),
    columns: &["Call", "Time", "Action", "About", "Answer"],
};

/// Calls that were refused or reset.
pub(super) const ERRORS: Kind = Kind {
    name: "errors",
    heading: "Last errors",
    words: ("error", "errors"),
    ..CALLS
};

const PARAMETERS: Kind = Kind {
    name: "parameters",
    heading: "Parameters",
    words: ("parameter", "parameters"),
    columns: &["Name", "Value"],
};

/// So many ids of a call are shown in its row.
const ABOUT: usize = 3;

/// All that are kept.
pub(super) fn last(log: &Log, asked: &Asked) -> Section {
    list(log.all(), CALLS, asked)
}

/// Those that were refused or reset.
pub(super) fn errors(log: &Log, asked: &Asked) -> Section {
    list(log.errors(), ERRORS, asked)
}

/// Those that name this.
pub(super) fn naming(log: &Log, id: &str, asked: &Asked) -> Section {
    let kind = Kind {
        heading: "Last calls that named it",
        ..CALLS
    };
    list(log.naming(id).into_iter(), kind, asked)
}

/// A few of many, without a count, which would be that of the few.
pub(super) fn few<'a>(
    calls: impl Iterator<Item = &'a Record>,
    kind: Kind,
    asked: &Asked,
) -> Section {
    let mut section = list(calls, kind, asked);
    if let Content::Table(table) = &mut section.body
        && !table.rows.is_empty()
    {
        table.summary = "the latest first".to_owned();
    }
    section
}

fn list<'a>(calls: impl Iterator<Item = &'a Record>, kind: Kind, asked: &Asked) -> Section {
    let row = |call: &&Record| Row {
        key: call.number.to_string(),
        cells: vec![
            vec![Piece::link(call.number, &Place::Call(call.number))],
            text(call.at),
            text(&call.action),
            about(call),
            answer(call),
        ],
    };
    let words = |call: &&Record, words: &mut Words| {
        words.add(&call.action);
        words.add(&call.request_id);
        for name in &call.names {
            words.add(name);
        }
        for (name, value) in &call.parameters {
            words.add(name);
            words.add(value);
        }
        for piece in answer(call) {
            words.add(&piece.text);
        }
    };
    table(asked, kind, calls, words, row)
}

/// The first of what it named.
fn about(call: &Record) -> Cell {
    let mut cell = ids(call.names.iter().take(ABOUT));
    let more = call.names.len().saturating_sub(ABOUT);
    if more > 0 {
        cell.push(Piece::text(format!(" and {more} more")));
    }
    cell
}

fn ids<'a>(all: impl Iterator<Item = &'a String>) -> Cell {
    let mut cell = Cell::new();
    for id in all {
        if !cell.is_empty() {
            cell.push(Piece::text(", "));
        }
        cell.push(Piece::id(id));
    }
    cell
}

fn answer(call: &Record) -> Cell {
    match &call.ending {
        Ending::Answered => vec![Piece::tone("answered", Tone::Good)],
        Ending::Reset => vec![Piece::tone("connection reset", Tone::Bad)],
        Ending::Refused(error) => {
            let bad = call.error().is_some();
            let tone = if bad { Tone::Bad } else { Tone::Good };
            let message = Piece::text(format!(" {}", error.message));
            vec![Piece::tone(&error.code, tone), message]
        }
    }
}

/// One of them.
pub(super) fn show(log: &Log, number: u64, asked: &Asked) -> Screen {
    let mut screen = Screen {
        title: format!("Call {number}"),
        trail: vec![Piece::link("Calls", &Place::Calls)],
        note: None,
        filter: None,
        sections: Vec::new(),
    };
    let Some(call) = log.get(number) else {
        screen.note = Some("It is not kept: so many were made since, or none has this number.");
        return screen;
    };
    screen.title = format!("Call {number}: {}", call.action);
    screen.sections = vec![
        facts("details", "Details", details(call)),
        parameters(call, asked),
    ];
    screen
}

fn details(call: &Record) -> Vec<(&'static str, Cell)> {
    let refusal = match &call.ending {
        Ending::Refused(error) => Some(error),
        Ending::Answered | Ending::Reset => None,
    };
    let status = refusal.map(|error| error.status);
    vec![
        ("Action", text(&call.action)),
        ("Answer", answer(call)),
        ("HTTP status", some(status)),
        ("Request id", text(&call.request_id)),
        ("Time", text(call.at)),
        ("Took", text(format!("{} ms", call.took.as_millis()))),
        ("Region", text(&call.region)),
        ("About", ids(call.names.iter())),
    ]
}

fn parameters(call: &Record, asked: &Asked) -> Section {
    let row = |(name, value): &&(String, String)| Row {
        key: name.clone(),
        cells: vec![text(name), vec![Piece::id(value)]],
    };
    let words = |(name, value): &&(String, String), words: &mut Words| {
        words.add(name);
        words.add(value);
    };
    let all = call.parameters.iter();
    let mut section = table(asked, PARAMETERS, all, words, row);
    if let Content::Table(table) = &mut section.body
        && call.left_out > 0
    {
        table.summary = format!(
            "{}, and {} more that are not kept",
            table.summary, call.left_out
        );
    }
    section
}
