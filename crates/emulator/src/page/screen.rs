//! What can be on a screen: facts and tables, whose cells are texts and links to other places.
//!
//! Doesn't answer for: how any of it looks; a text is only ever a text.

use serde::Serialize;

use super::place::Place;

/// What the page shows of one place.
#[derive(Debug, Serialize)]
pub(super) struct Screen {
    pub(super) title: String,
    /// The places around it, from the outside in.
    pub(super) trail: Vec<Piece>,
    /// What must be known of it first.
    pub(super) note: Option<&'static str>,
    /// What its lists are narrowed down to; `None` where it has no lists to narrow down.
    pub(super) filter: Option<String>,
    pub(super) sections: Vec<Section>,
}

/// A part of a screen under a heading.
#[derive(Debug, Serialize)]
pub(super) struct Section {
    /// What the query string calls it.
    pub(super) name: &'static str,
    pub(super) heading: &'static str,
    #[serde(flatten)]
    pub(super) body: Content,
}

/// What a section holds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Content {
    Facts(Vec<(&'static str, Cell)>),
    Table(Table),
}

/// A page of a list.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    /// How many there are, and which of them these are.
    pub(super) summary: String,
    /// Above the cells of each row.
    pub(super) columns: &'static [&'static str],
    pub(super) rows: Vec<Row>,
    /// Which page this is, from 1 on.
    pub(super) page: usize,
    /// How many pages there are, at least 1.
    pub(super) pages: usize,
    /// How many rows there are on all pages.
    pub(super) matching: usize,
    /// How many there would be if nothing narrowed them down.
    pub(super) total: usize,
}

/// One of a list.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// Tells it from the others of its list.
    pub(super) key: String,
    /// The first one names it.
    pub(super) cells: Vec<Cell>,
}

/// What stands in one place of a table.
pub(super) type Cell = Vec<Piece>;

/// A text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Piece {
    pub(super) text: String,
    /// Where it leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<String>,
    /// What kind of news it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tone: Option<Tone>,
}

/// Whether all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Tone {
    Good,
    /// It will be something else soon.
    Busy,
    Bad,
}

/// A text.
pub(super) fn text(text: impl ToString) -> Cell {
    vec![Piece::text(text)]
}

/// Facts, those that there are.
pub(super) fn facts(
    name: &'static str,
    heading: &'static str,
    facts: impl IntoIterator<Item = (&'static str, Cell)>,
) -> Section {
    let said = |(_, cell): &(&str, Cell)| cell.iter().any(|piece| !piece.text.is_empty());
    Section {
        name,
        heading,
        body: Content::Facts(facts.into_iter().filter(said).collect()),
    }
}

impl Piece {
    /// A text.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "numbers, references and texts alike are given as they come"
    )]
    pub(super) fn text(text: impl ToString) -> Self {
        Self {
            text: text.to_string(),
            to: None,
            tone: None,
        }
    }

    /// A text that leads to a place.
    pub(super) fn link(text: impl ToString, to: &Place) -> Self {
        Self {
            to: Some(to.to_string()),
            ..Self::text(text)
        }
    }

    /// A text that is news of this kind.
    pub(super) fn tone(text: impl ToString, tone: Tone) -> Self {
        Self {
            tone: Some(tone),
            ..Self::text(text)
        }
    }

    /// A state, in EC2's word for it.
    pub(super) fn state(word: &'static str) -> Self {
        Self::tone(word, Tone::of(word))
    }

    /// An id, as a link if it is one of a kind that has places.
    pub(super) fn id(id: &str) -> Self {
        match Place::of_id(id) {
            Some(place) => Self::link(id, &place),
            None => Self::text(id),
        }
    }
}

impl Tone {
    /// What kind of news one of EC2's words for a state is.
    fn of(word: &str) -> Self {
        match word {
            "available" | "in-use" | "attached" | "completed" | "running" | "ok" | "optimizing" => {
                Self::Good
            }
            "error" | "failed" | "busy" | "impaired" | "unavailable" | "stalled"
            | "io-disabled" | "degraded" | "severely-degraded" => Self::Bad,
            _ => Self::Busy,
        }
    }
}
