//! The table of errors in docs/SEMANTICS.md, row by row against EC2: each situation is brought about, and the answer has the row's code.
//!
//! A row that nothing here can bring about fails, and so does a situation here that the table lacks. What the sidecars do with a code is
//! modelled too: where they take an answer of CreateVolume, CreateSnapshot or CreateVolumeGroupSnapshot for "nothing was made", nothing is there.

mod blocks;
mod groups;
mod requests;
mod situations;
mod table;

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt as _};
use tonic::{Code, Status};

use self::situations::{Named, refused};
use self::table::Row;
use crate::outposts::world;
use crate::world::{World, leaves_open, snapshots, volumes};

/// How many situations are brought about at once.
const AT_ONCE: usize = 8;

/// What came of a row; an error says what is wrong with it.
async fn check(row: Row) -> Result<(), String> {
    let codes = row.refusals();
    if codes.is_empty() {
        let Some(named) = Named::of(&row.call, &row.situation) else {
            return Err("no situation of this name is known to tests/it/errors".to_owned());
        };
        let world = world().await;
        let answer = (named.play)(&world).await;
        return judge(&row, &world, answer).await.map(drop);
    }
    for code in codes {
        let world = world().await;
        let answer = refused(&world, &row.call, &code).await;
        let message = judge(&row, &world, answer).await?;
        for part in [code.as_str(), "request id "] {
            if !message.contains(part) {
                return Err(format!("{part:?} is not in {message:?}"));
            }
        }
    }
    Ok(())
}

/// The message, if the code is the row's and a final one tells the truth.
async fn judge(row: &Row, world: &World, answer: Result<(), Status>) -> Result<String, String> {
    let (code, message) = match answer {
        Ok(()) => (Code::Ok, String::new()),
        Err(status) => (status.code(), status.message().to_owned()),
    };
    if table::name(code) != row.code {
        return Err(format!("{code:?} {message}"));
    }
    if code == Code::Ok {
        return Ok(message);
    }
    if message.len() < 20 {
        return Err(format!("{message:?} helps nobody"));
    }
    let left = match row.call.as_str() {
        "CreateVolume" => volumes(world).await,
        "CreateSnapshot" | "CreateVolumeGroupSnapshot" => snapshots(world).await,
        _ => 0,
    };
    // One is there for some other reason where the situation says so.
    if !leaves_open(code) && left > row.there_before() {
        return Err(format!(
            "{code:?} states that nothing was made, and {left} are there"
        ));
    }
    Ok(message)
}

#[tokio::test]
async fn every_row_of_the_table_is_true() {
    let rows = table::rows();
    assert!(rows.len() > 50, "{} rows", rows.len());
    let checked = stream::iter(rows).map(|row| async {
        let name = format!("{} | {} | {}", row.call, row.situation, row.code);
        check(row).await.map_err(|wrong| format!("{name}: {wrong}"))
    });
    let wrong: Vec<_> = checked
        .buffer_unordered(AT_ONCE)
        .filter_map(async |result| result.err())
        .collect()
        .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_every_situation_once() {
    let rows = table::rows();
    let written: BTreeSet<_> = rows
        .iter()
        .map(|row| (row.call.as_str(), row.situation.as_str()))
        .collect();
    assert_eq!(written.len(), rows.len(), "a row is there twice");
    for named in Named::all() {
        let key = (named.call, named.situation);
        assert!(written.contains(&key), "the table lacks {key:?}");
    }
}

/// What external-provisioner, -attacher, -resizer and -snapshotter are told by the codes, and why those are as they are.
#[test]
fn codes_mean_to_the_sidecars_what_the_situations_are() {
    for row in table::rows() {
        let wrong = match (row.call.as_str(), row.code.as_str()) {
            // external-provisioner: the scheduler looks for another node on these alone, if EC2 makes it elsewhere.
            ("CreateVolume", "RESOURCE_EXHAUSTED") => {
                let elsewhere = ["Exceeded", "Insufficient", "another place"];
                !elsewhere.iter().any(|part| row.situation.contains(part))
            }
            // external-resizer: infeasible, which lets the user take the size back. Only what never can be had.
            ("ControllerExpandVolume", "INVALID_ARGUMENT" | "OUT_OF_RANGE") => {
                row.situation.contains("RateExceeded")
            }
            // external-resizer: in use, expand only offline, which EBS never needs.
            ("ControllerExpandVolume", "FAILED_PRECONDITION") => true,
            // A denial or a quota is never "not there".
            (_, "NOT_FOUND") => row.situation.contains("EC2 says"),
            _ => false,
        };
        assert!(!wrong, "{} | {} | {}", row.call, row.situation, row.code);
    }
}
