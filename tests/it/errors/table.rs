//! The table, as it is in the document.

use tonic::Code;

const DOCUMENT: &str = include_str!("../../../docs/SEMANTICS.md");

/// The heading that the table is under.
const HEADING: &str = "## Errors, call by call";

/// A row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) call: String,
    pub(crate) situation: String,
    pub(crate) code: String,
}

impl Row {
    /// The codes of EC2's that the situation is about, as in "EC2 says `A`, `B`".
    pub(crate) fn refusals(&self) -> Vec<String> {
        let Some(codes) = self.situation.strip_prefix("EC2 says ") else {
            return Vec::new();
        };
        let codes = codes.split(", ");
        codes
            .map(|code| code.trim_matches('`').to_owned())
            .collect()
    }

    /// How many volumes, or snapshots, are there though the call has made none.
    pub(crate) fn there_before(&self) -> usize {
        usize::from(self.situation.starts_with("the name is"))
    }
}

/// All rows. A cell that is empty is that of the row above.
pub(crate) fn rows() -> Vec<Row> {
    let (_, section) = DOCUMENT
        .split_once(HEADING)
        .expect("the table has its heading");
    let section = section.split("\n## ").next().unwrap();
    let lines = section.lines().filter(|line| line.starts_with('|'));
    let mut rows: Vec<Row> = Vec::new();
    for line in lines.skip(2) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let ["", call, situation, code, ""] = cells[..] else {
            panic!("not three cells: {line}");
        };
        let above = rows.last().map_or("", |row| row.call.as_str());
        rows.push(Row {
            call: if call.is_empty() { above } else { call }.to_owned(),
            situation: situation.to_owned(),
            code: code.to_owned(),
        });
    }
    rows
}

/// A code as CSI writes it.
pub(crate) fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
