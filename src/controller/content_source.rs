//! What a volume begins with: nothing, a snapshot's contents, or another volume's.
//!
//! Answers for: CSI's `volume_content_source` in both directions, and what a node is told, so that it never formats a copy.
//! Doesn't answer for: whether the source is there.

use std::fmt;

use csi::v1::VolumeContentSource;
use csi::v1::volume_content_source::{SnapshotSource, Type, VolumeSource};
use ebs_types::{SOURCE_SNAPSHOT_KEY, SOURCE_VOLUME_KEY, SnapshotId, VolumeId};
use ec2::Volume;

use super::error::Error;
use super::request;
use crate::status::InvalidRequest;

/// What a volume begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Nothing,
    Snapshot(SnapshotId),
    /// Another volume, and its handle as the request writes it.
    Volume(VolumeId, String),
}

impl Origin {
    /// Reads a request's `volume_content_source`.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it names nothing, or a node-local volume; [`Error::NoSuchId`] for an id that cannot exist.
    pub(super) fn parse(source: Option<&VolumeContentSource>) -> Result<Self, Error> {
        match source.map(|source| source.r#type.as_ref()) {
            None => Ok(Self::Nothing),
            Some(Some(Type::Snapshot(source))) => {
                request::snapshot(&source.snapshot_id).map(Self::Snapshot)
            }
            Some(Some(Type::Volume(source))) => {
                let handle = request::required(
                    "volume_content_source.volume.volume_id",
                    &source.volume_id,
                    "name the volume to clone, vol-…",
                )?;
                Ok(Self::Volume(request::volume(handle)?, handle.to_owned()))
            }
            Some(None) => Err(InvalidRequest::Missing {
                field: "volume_content_source.type",
                hint: "name a snapshot or a volume, or leave volume_content_source out for an empty volume",
            }
            .into()),
        }
    }

    /// That of a volume as EC2 describes it.
    pub(super) fn of(volume: &Volume) -> Self {
        match (&volume.snapshot, &volume.copy_of) {
            (Some(snapshot), _) => Self::Snapshot(snapshot.clone()),
            (None, Some(source)) => Self::Volume(source.clone(), source.to_string()),
            (None, None) => Self::Nothing,
        }
    }

    /// Whether `volume` began with the same.
    pub(super) fn is_that_of(&self, volume: &Volume) -> bool {
        match (self, Self::of(volume)) {
            (Self::Volume(wanted, _), Self::Volume(found, _)) => *wanted == found,
            (wanted, found) => *wanted == found,
        }
    }

    /// Whether it is another volume.
    pub(super) fn is_volume(&self) -> bool {
        matches!(self, Self::Volume(..))
    }

    /// As CSI writes it.
    pub(super) fn content_source(&self) -> Option<VolumeContentSource> {
        let source = match self {
            Self::Nothing => return None,
            Self::Snapshot(id) => Type::Snapshot(SnapshotSource {
                snapshot_id: id.to_string(),
            }),
            Self::Volume(_, handle) => Type::Volume(VolumeSource {
                volume_id: handle.clone(),
            }),
        };
        Some(VolumeContentSource {
            r#type: Some(source),
        })
    }

    /// What the nodes must be told: they never format a volume that is to hold what another one held, however blank it looks.
    pub(super) fn context(&self) -> Option<(String, String)> {
        match self {
            Self::Nothing => None,
            Self::Snapshot(id) => Some((SOURCE_SNAPSHOT_KEY.to_owned(), id.to_string())),
            Self::Volume(id, _) => Some((SOURCE_VOLUME_KEY.to_owned(), id.to_string())),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("no snapshot or volume"),
            Self::Snapshot(id) => id.fmt(f),
            Self::Volume(id, _) => id.fmt(f),
        }
    }
}
