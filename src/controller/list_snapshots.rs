//! ListSnapshots: by id, by source volume, or all that drivers of EBS made, in pages of any size.
//!
//! EC2's pages have at least 5 entries, so smaller ones are cut out of EC2's: a token of ours says which page of EC2's and how many of its
//! entries the caller has seen.

use std::str::FromStr;

use csi::v1::list_snapshots_response::Entry;
use csi::v1::{ListSnapshotsRequest, ListSnapshotsResponse};
use ebs_types::{SnapshotId, VolumeId};
use ec2::{ErrorKind, Snapshot, SnapshotQuery};

use super::error::Error;
use super::{ControllerService, render};
use crate::status::InvalidRequest;

/// EC2's limits for DescribeSnapshots' `MaxResults`.
const SMALLEST_PAGE: u16 = 5;
const LARGEST_PAGE: u16 = 1_000;

/// Serves the RPC.
pub(super) async fn run(
    service: &ControllerService,
    message: ListSnapshotsRequest,
) -> Result<ListSnapshotsResponse, Error> {
    let max = max_entries(message.max_entries)?;
    if !message.snapshot_id.is_empty() {
        return by_id(service, &message).await;
    }
    let start = match message.starting_token.as_str() {
        "" => Place::beginning(max),
        token => token.parse().map_err(|_| bad_token(token))?,
    };
    let volume = match message.source_volume_id.as_str() {
        "" => None,
        handle => match VolumeId::from_handle(handle) {
            Ok(volume) => Some(volume),
            Err(_) => return Ok(ListSnapshotsResponse::default()),
        },
    };
    page(service, volume, start, max).await
}

/// At most how many entries; 0 in the request means no limit, for which EC2's largest page is one.
fn max_entries(value: i32) -> Result<u16, InvalidRequest> {
    match u16::try_from(value) {
        Ok(0) => Ok(LARGEST_PAGE),
        Ok(max) => Ok(max.min(LARGEST_PAGE)),
        Err(_) if value > 0 => Ok(LARGEST_PAGE),
        Err(_) => Err(InvalidRequest::value(
            "max_entries",
            value.to_string(),
            "it must not be negative; 0 means no limit",
        )),
    }
}

async fn by_id(
    service: &ControllerService,
    message: &ListSnapshotsRequest,
) -> Result<ListSnapshotsResponse, Error> {
    let Ok(id) = message.snapshot_id.parse::<SnapshotId>() else {
        return Ok(ListSnapshotsResponse::default());
    };
    match service.cloud.snapshot(&id).await {
        Ok(snapshot) if is_of(&snapshot, &message.source_volume_id) => {
            Ok(response([&snapshot], None))
        }
        Ok(_) => Ok(ListSnapshotsResponse::default()),
        Err(error) if error.is_not_found() => Ok(ListSnapshotsResponse::default()),
        Err(error) => Err(error.into()),
    }
}

/// Whether it was taken of the volume with this handle; of any where that is empty.
fn is_of(snapshot: &Snapshot, handle: &str) -> bool {
    handle.is_empty()
        || VolumeId::from_handle(handle).is_ok_and(|id| snapshot.volume.as_ref() == Some(&id))
}

async fn page(
    service: &ControllerService,
    volume: Option<VolumeId>,
    mut place: Place,
    max: u16,
) -> Result<ListSnapshotsResponse, Error> {
    loop {
        let query = SnapshotQuery::Owned {
            // A user who names a volume gets what there is of it; a list of all is of what drivers made.
            marked: volume.is_none(),
            volume: volume.clone(),
            max: place.page,
            token: place.token.clone(),
        };
        let answer = service.cloud.api().describe_snapshots(&query).await;
        let page = answer.map_err(|error| match &place.token {
            Some(token) if error.kind == ErrorKind::InvalidParameter => bad_token(token),
            _ => error.into(),
        })?;
        let shown: Vec<&Snapshot> = page
            .items
            .iter()
            .skip(place.seen)
            .take(usize::from(max))
            .collect();
        let seen = place.seen + shown.len();
        let next = if seen < page.items.len() {
            Some(Place { seen, ..place })
        } else {
            page.next.clone().map(|token| Place {
                token: Some(token),
                ..Place::beginning(max)
            })
        };
        match next {
            // EC2 may answer a page without entries and still have more.
            Some(next) if shown.is_empty() => place = next,
            next => return Ok(response(shown, next.as_ref())),
        }
    }
}

fn response<'a>(
    snapshots: impl IntoIterator<Item = &'a Snapshot>,
    next: Option<&Place>,
) -> ListSnapshotsResponse {
    ListSnapshotsResponse {
        entries: snapshots
            .into_iter()
            .map(|snapshot| Entry {
                snapshot: Some(render::snapshot(snapshot)),
            })
            .collect(),
        next_token: next.map(Place::to_token).unwrap_or_default(),
    }
}

fn bad_token(token: &str) -> Error {
    Error::BadToken {
        token: token.to_owned(),
    }
}

/// A place in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// EC2's page size, the same as when EC2 gave the token.
    page: u16,
    /// How many entries of EC2's page the caller has seen.
    seen: usize,
    /// EC2's token for the page; `None` for the first.
    token: Option<String>,
}

/// What marks a token as ours, with the version of its form.
const MARK: &str = "p1";

impl Place {
    fn beginning(max: u16) -> Self {
        Self {
            page: max.clamp(SMALLEST_PAGE, LARGEST_PAGE),
            seen: 0,
            token: None,
        }
    }

    fn to_token(&self) -> String {
        let token = self.token.as_deref().unwrap_or_default();
        format!("{MARK}:{}:{}:{token}", self.page, self.seen)
    }
}

/// Not a token of ours.
struct NotOurs;

impl FromStr for Place {
    type Err = NotOurs;

    fn from_str(text: &str) -> Result<Self, NotOurs> {
        let mut parts = text.splitn(4, ':');
        let (Some(MARK), Some(page), Some(seen), Some(token)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotOurs);
        };
        let page = page.parse().map_err(|_| NotOurs)?;
        if !(SMALLEST_PAGE..=LARGEST_PAGE).contains(&page) {
            return Err(NotOurs);
        }
        Ok(Self {
            page,
            seen: seen.parse().map_err(|_| NotOurs)?,
            token: (!token.is_empty()).then(|| token.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests;
