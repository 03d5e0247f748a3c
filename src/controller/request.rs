//! Fields that several requests share: ids and names.

use ebs_types::{InstanceId, SnapshotId, VolumeId};

use super::error::Error;
use crate::status::InvalidRequest;

/// A field that must not be empty.
///
/// # Errors
/// [`InvalidRequest::Missing`].
pub(super) fn required<'a>(
    field: &'static str,
    value: &'a str,
    hint: &'static str,
) -> Result<&'a str, InvalidRequest> {
    if value.is_empty() {
        Err(InvalidRequest::Missing { field, hint })
    } else {
        Ok(value)
    }
}

/// The request's `volume_id`, not yet parsed: what an id that cannot exist means depends on the RPC.
pub(super) fn volume_id(value: &str) -> Result<&str, InvalidRequest> {
    required("volume_id", value, "give the volume's id, vol-…")
}

/// Parses a volume handle.
///
/// # Errors
/// [`Error::NoSuchId`]: no volume can have it.
pub(super) fn volume(handle: &str) -> Result<VolumeId, Error> {
    Ok(VolumeId::from_handle(handle)?)
}

/// Parses a snapshot id.
///
/// # Errors
/// [`Error::NoSuchId`]: no snapshot can have it.
pub(super) fn snapshot(id: &str) -> Result<SnapshotId, Error> {
    Ok(id.parse::<SnapshotId>()?)
}

/// Parses a node id.
///
/// # Errors
/// [`Error::NoSuchId`]: no node can have it.
pub(super) fn instance(id: &str) -> Result<InstanceId, Error> {
    Ok(id.parse::<InstanceId>()?)
}
