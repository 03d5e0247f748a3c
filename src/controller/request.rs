//! Fields that several requests share: ids and names.

use ebs_types::{DeviceName, InstanceId, SnapshotId, VolumeHandle, VolumeId};

use super::ControllerService;
use super::error::Error;
use crate::capability::NODE_LOCAL_OFF;
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

/// Parses the handle of a volume of EC2.
///
/// # Errors
/// [`Error::NoSuchId`]: no volume can have it. [`Error::NodeLocal`]: each node has another one of its own.
pub(super) fn volume(handle: &str) -> Result<VolumeId, Error> {
    if VolumeHandle::is_node_local(handle) {
        return Err(Error::NodeLocal {
            handle: handle.to_owned(),
        });
    }
    Ok(VolumeId::from_handle(handle)?)
}

/// The device name in a node-local volume's handle; `None` for the handle of any other volume.
///
/// # Errors
/// [`InvalidRequest::Value`] where no such name can be, or the operator has not asked for such volumes.
pub(super) fn node_local(
    service: &ControllerService,
    handle: &str,
) -> Result<Option<DeviceName>, InvalidRequest> {
    if !VolumeHandle::is_node_local(handle) {
        return Ok(None);
    }
    let refused = |why: String| Err(InvalidRequest::value("volume_id", handle, why));
    match handle.parse() {
        Err(error) => refused(error.to_string()),
        Ok(_) if !service.settings.node_local_volumes => refused(NODE_LOCAL_OFF.to_owned()),
        Ok(VolumeHandle::Local(name)) => Ok(Some(name)),
        Ok(VolumeHandle::Ebs(_)) => Ok(None),
    }
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

#[cfg(test)]
mod tests;
