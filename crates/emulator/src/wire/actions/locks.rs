//! LockSnapshot, UnlockSnapshot, DescribeLockedSnapshots.

use std::time::SystemTime;

use ebs_types::parse_instant;

use crate::model::{
    ApiError, Command, LockMode, LockSnapshot, LockTerm, LockedSnapshot, Query, Reply, Timestamp,
};
use crate::state::ACCOUNT;
use crate::wire::xml::Xml;
use crate::wire::{Form, Request};

/// The largest page (EC2 API reference, "DescribeLockedSnapshots").
const MOST: u32 = 1_000;

pub(in crate::wire) fn parse_lock(form: &mut Form) -> Result<Request, ApiError> {
    let snapshot = form.id("SnapshotId")?;
    let mode = match form.required("LockMode")?.as_str() {
        "governance" => LockMode::Governance,
        "compliance" => LockMode::Compliance,
        other => {
            return Err(ApiError::value(format!(
                "Invalid value '{other}' for LockMode: expected governance or compliance"
            )));
        }
    };
    let term = match (form.number("LockDuration")?, form.take("ExpirationDate")) {
        (Some(days), None) => LockTerm::Days(days),
        (None, Some(date)) => LockTerm::Until(instant(&date)?),
        (None, None) => return Err(ApiError::missing("LockDuration or ExpirationDate")),
        (Some(_), Some(_)) => {
            return Err(ApiError::combination(
                "LockDuration and ExpirationDate cannot be used together",
            ));
        }
    };
    let lock = LockSnapshot {
        snapshot,
        mode,
        term,
        cool_off: form.number("CoolOffPeriod")?,
    };
    Ok(Request::Change(Command::LockSnapshot(lock)))
}

fn instant(text: &str) -> Result<Timestamp, ApiError> {
    let at = parse_instant(text).map_err(|error| ApiError::value(error.to_string()))?;
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Ok(Timestamp(
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
    ))
}

pub(in crate::wire) fn parse_unlock(form: &mut Form) -> Result<Request, ApiError> {
    let id = form.id("SnapshotId")?;
    Ok(Request::Change(Command::UnlockSnapshot(id)))
}

pub(in crate::wire) fn parse_describe(form: &mut Form) -> Result<Request, ApiError> {
    let selection = form.selection("SnapshotId", MOST)?;
    Ok(Request::Look(Query::LockedSnapshots(selection)))
}

pub(in crate::wire) fn render_one(xml: &mut Xml, reply: &Reply) {
    if let Reply::Locked(locked) = reply {
        write(xml, locked);
    }
}

pub(in crate::wire) fn render_unlocked(xml: &mut Xml, reply: &Reply) {
    if let Reply::Unlocked(id) = reply {
        xml.text("snapshotId", id);
    }
}

pub(in crate::wire) fn render_page(xml: &mut Xml, reply: &Reply) {
    if let Reply::LockedSnapshots(page) = reply {
        xml.list("snapshotSet", &page.items, |xml, locked| {
            xml.text("ownerId", ACCOUNT);
            write(xml, locked);
        });
        xml.optional("nextToken", page.next.as_ref());
    }
}

fn write(xml: &mut Xml, locked: &LockedSnapshot) {
    xml.text("snapshotId", &locked.snapshot);
    xml.text("lockState", locked.state);
    if let LockTerm::Days(days) = locked.lock.term {
        xml.text("lockDuration", days);
    }
    xml.optional("coolOffPeriod", locked.lock.cool_off);
    xml.optional("coolOffPeriodExpiresOn", locked.cools_off);
    xml.text("lockCreatedOn", locked.lock.created);
    xml.optional("lockDurationStartTime", locked.starts);
    xml.optional("lockExpiresOn", locked.expires);
}
