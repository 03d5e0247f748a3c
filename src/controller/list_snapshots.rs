//! ListSnapshots: by id, by source volume, or all that drivers of EBS made, in pages of any size.

use csi::v1::{ListSnapshotsRequest, ListSnapshotsResponse, list_snapshots_response};
use ebs_types::{SnapshotId, VolumeId};
use ec2::{Ec2Error, Page, Snapshot, SnapshotQuery};

use super::error::Error;
use super::pages::{self, Entry, List, Place};
use super::{ControllerService, render};

/// Serves the RPC.
pub(super) async fn run(
    service: &ControllerService,
    message: ListSnapshotsRequest,
) -> Result<ListSnapshotsResponse, Error> {
    let volume = match message.source_volume_id.as_str() {
        "" => None,
        handle => match VolumeId::from_handle(handle) {
            Ok(volume) => Some(volume),
            // What cannot exist has no snapshots.
            Err(_) => return Ok(ListSnapshotsResponse::default()),
        },
    };
    let list = Snapshots { service, volume };
    if !message.snapshot_id.is_empty() {
        return by_id(&list, &message.snapshot_id).await;
    }
    let (entries, next_token) =
        pages::list(&list, message.max_entries, &message.starting_token).await?;
    Ok(ListSnapshotsResponse {
        entries,
        next_token,
    })
}

/// One that the caller knows, whoever made it.
async fn by_id(list: &Snapshots<'_>, id: &str) -> Result<ListSnapshotsResponse, Error> {
    let mut response = ListSnapshotsResponse::default();
    let Ok(id) = id.parse::<SnapshotId>() else {
        return Ok(response);
    };
    match list.service.cloud.snapshot(&id).await {
        Ok(snapshot) if list.volume.is_none() || list.volume == snapshot.volume => {
            response.entries.push(entry(&snapshot));
        }
        Ok(_) => {}
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(response)
}

/// The snapshots that drivers of EBS made.
struct Snapshots<'a> {
    service: &'a ControllerService,
    /// Of which volume; of all where `None`.
    volume: Option<VolumeId>,
}

#[async_trait::async_trait]
impl List for Snapshots<'_> {
    type Item = list_snapshots_response::Entry;

    const MARK: char = 's';
    const QUESTIONS: u8 = 1;
    const LARGEST_PAGE: u16 = 1_000;

    async fn page(&self, place: &Place) -> Result<Page<Entry<Self::Item>>, Ec2Error> {
        let query = SnapshotQuery::Marked {
            volume: self.volume.clone(),
            max: place.size,
            token: place.token.clone(),
        };
        let page = self.service.cloud.list_snapshots(&query).await?;
        let entries = page.items.iter().map(|snapshot| Entry {
            id: snapshot.id.to_string(),
            item: entry(snapshot),
        });
        Ok(Page {
            items: entries.collect(),
            next: page.next,
        })
    }
}

fn entry(snapshot: &Snapshot) -> list_snapshots_response::Entry {
    list_snapshots_response::Entry {
        snapshot: Some(render::snapshot(snapshot)),
    }
}

#[cfg(test)]
mod tests;
