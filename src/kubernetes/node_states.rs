//! Which Nodes are ready, of all there are: as a table, the form in which `kubectl get nodes` asks. A row takes some 300 bytes; a
//! whole Node has many KiB, its list of images above all, and its metadata alone do not tell.
//!
//! Columns are for people and no part of the API, so what is found is a hint: whoever acts on it reads the Node first
//! ([`super::Node::is_ready`]). A table without them is an error.

use serde::Deserialize;
use serde_json::Value;

use super::KubernetesError;
use super::list::{PageMetadata, escaped};
use super::nodes::LIST;
use super::session::{Ask, Content, Session};

/// So many rows at a time.
const PAGE: u32 = 500;

/// What the table says of one Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeState {
    /// Its name.
    pub(crate) name: String,
    /// Whether it is ready.
    pub(crate) ready: bool,
    /// Whether it is cordoned.
    pub(crate) cordoned: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table {
    #[serde(default)]
    metadata: PageMetadata,
    /// Not repeated on later pages.
    column_definitions: Option<Vec<Column>>,
    rows: Option<Vec<Row>>,
}

#[derive(Debug, Deserialize)]
struct Column {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Row {
    cells: Vec<Value>,
}

/// Where in a row the two cells are.
#[derive(Clone, Copy, Debug)]
struct Places {
    name: usize,
    status: usize,
}

impl Session {
    /// All Nodes, as the API server remembers them: a moment late, and at no cost to its storage.
    pub(super) async fn node_states(&self) -> Result<Vec<NodeState>, KubernetesError> {
        let mut states = Vec::new();
        let mut places = None;
        let mut more = String::new();
        loop {
            let table = self.table(&more).await?;
            places = table.places().or(places);
            let places = places.ok_or_else(|| KubernetesError::Unreadable {
                rule: LIST,
                reason: "the table of nodes has no columns Name and Status".to_owned(),
            })?;
            let rows = table.rows.iter().flatten();
            states.extend(rows.filter_map(|row| row.state(places)));
            more = table.metadata.next;
            if more.is_empty() {
                return Ok(states);
            }
        }
    }

    async fn table(&self, more: &str) -> Result<Table, KubernetesError> {
        // Only the first page may say of when the answer has to be: any time the server knows of.
        let from = match more {
            "" => "resourceVersion=0".to_owned(),
            more => format!("continue={}", escaped(more)),
        };
        self.call(Ask {
            rule: LIST,
            path: format!("{}?includeObject=None&limit={PAGE}&{from}", LIST.resource),
            name: "",
            content: Content::NothingForTable,
        })
        .await
    }
}

impl Table {
    fn places(&self) -> Option<Places> {
        let columns = self.column_definitions.as_ref()?;
        let place = |name| columns.iter().position(|column| column.name == name);
        Some(Places {
            name: place("Name")?,
            status: place("Status")?,
        })
    }
}

impl Row {
    /// The status is `Ready`, `NotReady` or `Unknown`, and more after a comma.
    fn state(&self, places: Places) -> Option<NodeState> {
        let text = |place: usize| self.cells.get(place)?.as_str();
        let status = text(places.status)?;
        Some(NodeState {
            name: text(places.name)?.to_owned(),
            ready: status.split(',').next() == Some("Ready"),
            cordoned: status.split(',').any(|word| word == "SchedulingDisabled"),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_tells_whether_its_node_is_ready() {
        let table: Table = serde_json::from_value(json!({
            "kind": "Table",
            "metadata": {"resourceVersion": "4711", "continue": ""},
            "columnDefinitions": [{"name": "Name", "type": "string"}, {"name": "Status", "type": "string"}],
            "rows": [
                {"cells": ["a", "Ready", "<none>"], "object": null},
                {"cells": ["b", "Ready,SchedulingDisabled"]},
                {"cells": ["c", "NotReady"]},
                {"cells": ["d", "NotReady,SchedulingDisabled"]},
                {"cells": ["e", "Unknown"]},
                {"cells": ["f"]},
            ],
        }))
        .unwrap();
        let places = table.places().unwrap();
        let rows = table.rows.iter().flatten();
        let ready: Vec<(String, bool)> = rows
            .filter_map(|row| row.state(places))
            .map(|state| (state.name, state.ready))
            .collect();
        let expected = [
            ("a", true),
            ("b", true),
            ("c", false),
            ("d", false),
            ("e", false),
        ];
        assert_eq!(
            ready,
            expected.map(|(name, ready)| (name.to_owned(), ready))
        );
    }

    #[test]
    fn a_table_of_something_else_has_no_places() {
        let table: Table = serde_json::from_value(json!({
            "columnDefinitions": [{"name": "Name"}, {"name": "Age"}],
        }))
        .unwrap();
        assert!(table.places().is_none());
    }
}
