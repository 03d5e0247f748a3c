//! GetVolumeGroupSnapshot: one group, by its name and what the caller knows of its members.

use std::collections::BTreeSet;

use csi::v1::{GetVolumeGroupSnapshotRequest, GetVolumeGroupSnapshotResponse};
use ebs_types::{SnapshotId, VolumeId};

use super::Found;
use super::cut::Cut;
use crate::controller::error::Error;
use crate::controller::{ControllerService, request};

/// Serves the RPC.
pub(super) async fn run(
    service: &ControllerService,
    message: GetVolumeGroupSnapshotRequest,
) -> Result<GetVolumeGroupSnapshotResponse, Error> {
    let hint = "give the group snapshot's id, which is its name";
    let group = request::required("group_snapshot_id", &message.group_snapshot_id, hint)?;
    let listed = message.snapshot_ids.iter();
    let ids: BTreeSet<SnapshotId> = listed.filter_map(|id| id.parse().ok()).collect();
    let found = super::find(service, group, &ids).await?;
    let cut = match message.snapshot_ids.is_empty() {
        true => oldest(group, &found)?,
        false => listed_one(group, &found, &message.snapshot_ids)?,
    };
    let group_snapshot = super::message(group, cut, VolumeId::to_string)?;
    Ok(GetVolumeGroupSnapshotResponse {
        group_snapshot: Some(group_snapshot),
    })
}

fn oldest<'a>(group: &str, found: &'a Found) -> Result<&'a Cut, Error> {
    let first = found.cuts.first().ok_or_else(|| no_such(group))?;
    let whole = found.cuts.iter().find(|cut| cut.is_complete());
    whole.ok_or_else(|| Error::GroupIncomplete {
        name: group.to_owned(),
        lacking: "some volumes".to_owned(),
        left: first.words(),
    })
}

/// The one that has these members and no others: a caller who lists them knows which one it means.
fn listed_one<'a>(group: &str, found: &'a Found, listed: &[String]) -> Result<&'a Cut, Error> {
    if found.cuts.is_empty() {
        return Err(no_such(group));
    }
    let wanted: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
    let members = |cut: &Cut| -> BTreeSet<String> {
        let ids = cut.members.iter();
        ids.map(|member| member.id.to_string()).collect()
    };
    let mut cuts = found.cuts.iter();
    let same = |cut: &&Cut| {
        members(cut)
            .iter()
            .map(String::as_str)
            .eq(wanted.iter().copied())
    };
    cuts.find(same).ok_or_else(|| {
        let there = found.cuts.iter().map(Cut::words);
        Error::OtherMembers {
            group: group.to_owned(),
            snapshots: listed.join(", "),
            there: there.collect::<Vec<_>>().join("; "),
        }
    })
}

fn no_such(group: &str) -> Error {
    Error::NoSuchGroup {
        id: group.to_owned(),
    }
}
