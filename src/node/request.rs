//! The Node service's requests as typed values. Every INVALID_ARGUMENT that does not depend on this node's state ends here,
//! and so does every NOT_FOUND of a volume id that EC2 can never have given.
//!
//! An id of the wrong form is judged last: a request that is wrong in itself says so even if it names no volume that can exist.

use std::collections::HashMap;

use csi::v1::volume_capability::AccessType;
use csi::v1::{
    NodeExpandVolumeRequest, NodeGetVolumeHealthRequest, NodeGetVolumeStatsRequest,
    NodePublishVolumeRequest, NodeStageVolumeRequest, NodeUnpublishVolumeRequest,
    NodeUnstageVolumeRequest, VolumeCapability,
};
use ebs_types::{
    CapacityRange, FormatParameters, READ_ONLY_KEY, SOURCE_SNAPSHOT_KEY, SOURCE_VOLUME_KEY,
    VolumeHandle,
};
use host::{Part, Wanted};

use super::error::NodeError;
use super::path::CleanPath;
use crate::capability::Capability;
use crate::status::InvalidRequest;

/// Mount the volume once for this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) volume: VolumeHandle,
    /// The device to stage.
    pub(super) wanted: Wanted,
    pub(super) staging: CleanPath,
    pub(super) capability: Capability,
    /// Whether nobody on this node may write.
    pub(super) read_only: bool,
    /// The snapshot or volume that its contents come from, for messages.
    pub(super) source: Option<String>,
    /// How a file system is to be made on it; judged only where one is made, so that a volume that has one can be used whatever its
    /// context says.
    pub(super) format: FormatParameters,
}

/// Undo [`Stage`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unstage {
    pub(super) volume: VolumeHandle,
    pub(super) staging: CleanPath,
}

/// Show the volume to one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Publish {
    pub(super) volume: VolumeHandle,
    /// The device to publish.
    pub(super) wanted: Wanted,
    pub(super) staging: CleanPath,
    pub(super) target: CleanPath,
    pub(super) capability: Capability,
    pub(super) read_only: bool,
}

/// Undo [`Publish`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unpublish {
    pub(super) volume: VolumeHandle,
    pub(super) target: CleanPath,
}

/// Make the file system as large as its device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expand {
    pub(super) volume: VolumeHandle,
    /// Where the volume is staged or published.
    pub(super) path: CleanPath,
    /// Where it is staged, if the caller says so.
    pub(super) staging: Option<CleanPath>,
    pub(super) range: CapacityRange,
    /// Whether the caller says that it is a raw device.
    pub(super) block: bool,
}

/// Measure the volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stats {
    pub(super) volume: VolumeHandle,
    /// Where the volume is staged or published.
    pub(super) path: CleanPath,
}

impl TryFrom<NodeStageVolumeRequest> for Stage {
    type Error = NodeError;

    fn try_from(request: NodeStageVolumeRequest) -> Result<Self, NodeError> {
        present(&request.volume_id)?;
        let staging = CleanPath::parse("staging_target_path", &request.staging_target_path)?;
        let capability = capability(
            &request.volume_id,
            request.volume_capability,
            &request.volume_context,
        )?;
        let part = part(&request.volume_context)?;
        let volume = volume(&request.volume_id)?;
        Ok(Self {
            wanted: wanted(&volume, part, &request.publish_context),
            volume,
            staging,
            read_only: capability.mode.is_read_only() || is_read_only(&request.publish_context),
            capability,
            format: FormatParameters::of_context(&request.volume_context),
            source: source(&request.volume_context),
        })
    }
}

impl TryFrom<NodeUnstageVolumeRequest> for Unstage {
    type Error = NodeError;

    fn try_from(request: NodeUnstageVolumeRequest) -> Result<Self, NodeError> {
        present(&request.volume_id)?;
        let staging = CleanPath::parse("staging_target_path", &request.staging_target_path)?;
        Ok(Self {
            volume: volume(&request.volume_id)?,
            staging,
        })
    }
}

impl TryFrom<NodePublishVolumeRequest> for Publish {
    type Error = NodeError;

    fn try_from(request: NodePublishVolumeRequest) -> Result<Self, NodeError> {
        present(&request.volume_id)?;
        let target = CleanPath::parse("target_path", &request.target_path)?;
        let staging = CleanPath::parse("staging_target_path", &request.staging_target_path)?;
        let capability = capability(
            &request.volume_id,
            request.volume_capability,
            &request.volume_context,
        )?;
        let part = part(&request.volume_context)?;
        let volume = volume(&request.volume_id)?;
        Ok(Self {
            wanted: wanted(&volume, part, &request.publish_context),
            volume,
            staging,
            target,
            read_only: request.readonly
                || capability.mode.is_read_only()
                || is_read_only(&request.publish_context),
            capability,
        })
    }
}

impl TryFrom<NodeUnpublishVolumeRequest> for Unpublish {
    type Error = NodeError;

    fn try_from(request: NodeUnpublishVolumeRequest) -> Result<Self, NodeError> {
        present(&request.volume_id)?;
        let target = CleanPath::parse("target_path", &request.target_path)?;
        Ok(Self {
            volume: volume(&request.volume_id)?,
            target,
        })
    }
}

impl TryFrom<NodeExpandVolumeRequest> for Expand {
    type Error = NodeError;

    fn try_from(request: NodeExpandVolumeRequest) -> Result<Self, NodeError> {
        present(&request.volume_id)?;
        let range = request.capacity_range.unwrap_or_default();
        let range = CapacityRange::new(range.required_bytes, range.limit_bytes)?;
        let path = place("volume_path", &request.volume_path)?;
        let staging = match request.staging_target_path.as_str() {
            "" => None,
            staging => Some(place("staging_target_path", staging)?),
        };
        let access = request
            .volume_capability
            .and_then(|asked| asked.access_type);
        Ok(Self {
            volume: volume(&request.volume_id)?,
            path,
            staging,
            range,
            block: matches!(access, Some(AccessType::Block(_))),
        })
    }
}

/// Say how the volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) volume: VolumeHandle,
    /// What the request calls it.
    pub(super) id: String,
    /// Where it is published and staged, as far as the caller says.
    pub(super) paths: Vec<CleanPath>,
}

impl TryFrom<NodeGetVolumeHealthRequest> for Health {
    type Error = NodeError;

    fn try_from(request: NodeGetVolumeHealthRequest) -> Result<Self, NodeError> {
        present(&request.volume_id)?;
        let named = [
            ("volume_publish_path", &request.volume_publish_path),
            ("staging_target_path", &request.staging_target_path),
        ];
        let named = named.into_iter().filter(|(_, path)| !path.is_empty());
        let paths = named.map(|(field, path)| place(field, path));
        let paths = paths.collect::<Result<_, _>>()?;
        Ok(Self {
            volume: volume(&request.volume_id)?,
            id: request.volume_id,
            paths,
        })
    }
}

impl TryFrom<NodeGetVolumeStatsRequest> for Stats {
    type Error = NodeError;

    fn try_from(request: NodeGetVolumeStatsRequest) -> Result<Self, NodeError> {
        present(&request.volume_id)?;
        let path = place("volume_path", &request.volume_path)?;
        Ok(Self {
            volume: volume(&request.volume_id)?,
            path,
        })
    }
}

/// Whether ControllerPublishVolume said so.
fn is_read_only(published: &HashMap<String, String>) -> bool {
    published.get(READ_ONLY_KEY).map(String::as_str) == Some("true")
}

fn source(context: &HashMap<String, String>) -> Option<String> {
    [
        (SOURCE_SNAPSHOT_KEY, "snapshot"),
        (SOURCE_VOLUME_KEY, "volume"),
    ]
    .iter()
    .find_map(|(key, what)| Some(format!("{what} {}", context.get(*key)?)))
}

/// Key of the volume context by which PersistentVolumes of node-local volumes name their file system, as the Go driver has it.
const FS_TYPE_KEY: &str = "ebs.csi.aws.com/fsType";

/// How the volume is to be used. Where the request itself names no file system, the volume context may.
fn capability(
    volume_id: &str,
    mut asked: Option<VolumeCapability>,
    context: &HashMap<String, String>,
) -> Result<Capability, InvalidRequest> {
    const FIELD: &str = "volume_capability";
    let access = asked.as_mut().and_then(|asked| asked.access_type.as_mut());
    let named = context
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(FS_TYPE_KEY));
    if let (Some(AccessType::Mount(mount)), Some((_, fs))) = (access, named)
        && mount.fs_type.is_empty()
    {
        mount.fs_type.clone_from(fs);
    }
    if VolumeHandle::is_node_local(volume_id) {
        Capability::parse_node_local(FIELD, asked.as_ref())
    } else {
        Capability::parse(FIELD, asked.as_ref())
    }
}

fn present(volume_id: &str) -> Result<(), InvalidRequest> {
    if volume_id.is_empty() {
        return Err(InvalidRequest::Missing {
            field: "volume_id",
            hint: "give the id that CreateVolume answered, vol-…",
        });
    }
    Ok(())
}

fn volume(volume_id: &str) -> Result<VolumeHandle, NodeError> {
    Ok(volume_id.parse()?)
}

/// Key of the volume context, as other drivers and Kubernetes' in-tree volumes have it.
const PARTITION_KEY: &str = "partition";
/// Key of the publish context: the device name that the controller attached the volume under.
const DEVICE_PATH_KEY: &str = "devicePath";

/// The part of the disk that the volume context asks for. Its keys are read without regard to case.
fn part(context: &HashMap<String, String>) -> Result<Part, InvalidRequest> {
    let asked = context
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(PARTITION_KEY));
    let Some((key, value)) = asked else {
        return Ok(Part::Disk);
    };
    match value.as_str() {
        "" | "0" => Ok(Part::Disk),
        number if number.starts_with(|c: char| c.is_ascii_digit() && c != '0') => number
            .parse()
            .map(Part::Partition)
            .map_err(|_| unusable_partition(key, value)),
        _ => Err(unusable_partition(key, value)),
    }
}

fn unusable_partition(key: &str, value: &str) -> InvalidRequest {
    InvalidRequest::value(
        format!("volume_context.{key}"),
        value,
        "give the number of a partition, 1 to 255, or 0 or nothing for the whole disk",
    )
}

fn wanted(volume: &VolumeHandle, part: Part, published: &HashMap<String, String>) -> Wanted {
    Wanted {
        volume: volume.clone(),
        part,
        // A hint: one that can't be read is none.
        attached_as: published
            .get(DEVICE_PATH_KEY)
            .and_then(|name| name.parse().ok()),
    }
}

/// A path at which a volume should be. Where it should be and cannot be, it is not found (CSI specification, NodeGetVolumeStats
/// and NodeExpandVolume): these RPCs create nothing at the path, so that a strange one does no harm.
fn place(field: &'static str, path: &str) -> Result<CleanPath, NodeError> {
    match CleanPath::parse(field, path) {
        Err(InvalidRequest::Value { value, .. }) => Err(NodeError::NoPlace { path: value }),
        parsed => Ok(parsed?),
    }
}

#[cfg(test)]
mod tests;
