//! The EBS direct APIs: paths and query strings in, JSON out (EBS direct APIs reference; AWS restJson1 protocol).
//!
//! Doesn't answer for: HTTP itself (`server`), what is listed (`state`, `backing`).

use ebs_types::SnapshotId;
use serde_json::{Value, json};

use super::{Action, Call, Request, urlencoded};
use crate::model::{ApiError, BLOCK_BYTES, Block, BlockPlace, BlockQuery, Blocks, Reply};

/// The bounds of `maxResults`; less counts as the least.
const PAGE: (usize, usize) = (100, 10_000);

/// What a path and a query string ask for; `None` where the path is none of these APIs'.
pub(crate) fn read(path: &str, query: &str) -> Option<(Action, Result<Call, ApiError>)> {
    let path = path.strip_prefix("/snapshots/")?;
    let (id, what) = path.split_once('/')?;
    let action = match what {
        "blocks" => Action::ListSnapshotBlocks,
        "changedblocks" => Action::ListChangedBlocks,
        _ => return None,
    };
    Some((action, read_query(action, id, query)))
}

/// The parameters of such a request, as they were given, as far as they can be read.
pub(crate) fn parameters(path: &str, query: &str) -> Vec<(String, String)> {
    let id = path.split('/').nth(2).unwrap_or_default();
    let mut given = vec![("snapshotId".to_owned(), id.to_owned())];
    given.extend(urlencoded::pairs(query.as_bytes()).unwrap_or_default());
    given
}

fn read_query(action: Action, id: &str, query: &str) -> Result<Call, ApiError> {
    let pairs = urlencoded::pairs(query.as_bytes())
        .map_err(|wrong| ApiError::validation("INVALID_PARAMETER_VALUE", wrong.to_string()))?;
    let value = |name: &str| {
        let found = pairs.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    };
    let base = match action {
        Action::ListChangedBlocks => {
            let missing = || {
                let message = "firstSnapshotId: name the snapshot to compare with";
                ApiError::validation("INVALID_PARAMETER_VALUE", message)
            };
            Some(snapshot(value("firstSnapshotId").ok_or_else(missing)?)?)
        }
        _ => None,
    };
    let index = number("startingBlockIndex", value("startingBlockIndex"))?;
    let place = match value("pageToken") {
        Some(token) => BlockPlace::Token(token.to_owned()),
        None => BlockPlace::Index(index.unwrap_or(0)),
    };
    let max = number("maxResults", value("maxResults"))?;
    let max = max.map_or(PAGE.1, |max| usize::try_from(max).unwrap_or(usize::MAX));
    if max > PAGE.1 {
        let message = format!("maxResults: {max} is more than {}", PAGE.1);
        return Err(ApiError::validation("INVALID_PARAMETER_VALUE", message));
    }
    let query = BlockQuery {
        snapshot: snapshot(id)?,
        base,
        place,
        max: max.max(PAGE.0),
    };
    Ok(Call {
        request: Request::Blocks(query),
        dry_run: false,
    })
}

fn snapshot(id: &str) -> Result<SnapshotId, ApiError> {
    id.parse().map_err(|_| {
        let message = format!("The snapshot ID '{id}' is not valid.");
        ApiError::validation("INVALID_SNAPSHOT_ID", message)
    })
}

fn number(name: &str, value: Option<&str>) -> Result<Option<u32>, ApiError> {
    // Integers of these APIs have a sign, and no list begins below zero.
    let read = |text: &str| text.parse::<i32>().ok().and_then(|n| u32::try_from(n).ok());
    let checked = value.map(|text| {
        read(text).ok_or_else(|| {
            let message = format!("{name}: {text:?} is not a number from 0 on");
            ApiError::validation("INVALID_PARAMETER_VALUE", message)
        })
    });
    checked.transpose()
}

/// Writes the reply to a call.
pub(crate) fn reply(reply: &Reply) -> String {
    let Reply::Blocks(page) = reply else {
        return json!({}).to_string();
    };
    let (list, items): (_, Vec<Value>) = match &page.base {
        None => (
            "Blocks",
            page.blocks
                .iter()
                .map(|block| written(page, block))
                .collect(),
        ),
        Some(base) => (
            "ChangedBlocks",
            page.blocks
                .iter()
                .map(|block| changed(page, base, block))
                .collect(),
        ),
    };
    json!({
        list: items,
        "BlockSize": BLOCK_BYTES,
        // Seconds since 1970, as this protocol has times.
        "ExpiryTime": page.expires.0 / 1000,
        "NextToken": page.next,
        "VolumeSize": page.size.0,
    })
    .to_string()
}

fn written(page: &Blocks, block: &Block) -> Value {
    json!({"BlockIndex": block.index, "BlockToken": token(&page.snapshot, block)})
}

fn changed(page: &Blocks, base: &SnapshotId, block: &Block) -> Value {
    let first = block.in_base.then(|| token(base, block));
    let second = block.in_snapshot.then(|| token(&page.snapshot, block));
    json!({"BlockIndex": block.index, "FirstBlockToken": first, "SecondBlockToken": second})
}

/// Opaque to callers, and in the characters that tokens are made of.
fn token(snapshot: &SnapshotId, block: &Block) -> String {
    let digits = snapshot.as_str().trim_start_matches(SnapshotId::PREFIX);
    format!("{digits}{:08x}", block.index)
}

/// A code without its reason, for the header that carries it.
pub(crate) fn error_type(error: &ApiError) -> &str {
    error.code.split('.').next().unwrap_or_default()
}

/// Writes an error document.
pub(crate) fn error(error: &ApiError) -> String {
    let reason = error.code.split_once('.').map(|(_, reason)| reason);
    json!({"Message": error.message, "Reason": reason}).to_string()
}

#[cfg(test)]
mod tests;
