//! Every error of this driver as a gRPC status: the one place that decides codes.
//!
//! Answers for: the code of each error in each RPC (exhaustive matches, so that a new error cannot be forgotten), and which codes are final.
//! Doesn't answer for: the words of an error, which its own type gives.
//!
//! external-provisioner takes every code except Canceled, DeadlineExceeded, Unavailable and Aborted as "nothing was made, stop"
//! ([`is_final`]), so throttling, failures of EC2 and refused connections are always UNAVAILABLE.

mod controller;
mod ec2;
mod node;
mod snapshot_metadata;

use std::fmt;

use tonic::{Code, Status};

pub(crate) use self::controller::{code as controller_code, controller};
pub(crate) use self::snapshot_metadata::snapshot_metadata;
use crate::inflight::Busy;

/// An RPC whose errors depend on EC2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rpc {
    CreateVolume,
    DeleteVolume,
    ControllerPublishVolume,
    ControllerUnpublishVolume,
    ValidateVolumeCapabilities,
    ControllerExpandVolume,
    ControllerModifyVolume,
    CreateSnapshot,
    DeleteSnapshot,
    ListSnapshots,
    GetSnapshot,
    CreateVolumeGroupSnapshot,
    DeleteVolumeGroupSnapshot,
    GetVolumeGroupSnapshot,
    ListVolumes,
    ControllerGetVolume,
    ControllerGetVolumeHealth,
    ControllerListVolumeHealth,
    GetMetadataAllocated,
    GetMetadataDelta,
}

impl Rpc {
    /// The name as CSI writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CreateVolume => "CreateVolume",
            Self::DeleteVolume => "DeleteVolume",
            Self::ControllerPublishVolume => "ControllerPublishVolume",
            Self::ControllerUnpublishVolume => "ControllerUnpublishVolume",
            Self::ValidateVolumeCapabilities => "ValidateVolumeCapabilities",
            Self::ControllerExpandVolume => "ControllerExpandVolume",
            Self::ControllerModifyVolume => "ControllerModifyVolume",
            Self::CreateSnapshot => "CreateSnapshot",
            Self::DeleteSnapshot => "DeleteSnapshot",
            Self::ListSnapshots => "ListSnapshots",
            Self::GetSnapshot => "GetSnapshot",
            Self::CreateVolumeGroupSnapshot => "CreateVolumeGroupSnapshot",
            Self::DeleteVolumeGroupSnapshot => "DeleteVolumeGroupSnapshot",
            Self::GetVolumeGroupSnapshot => "GetVolumeGroupSnapshot",
            Self::ListVolumes => "ListVolumes",
            Self::ControllerGetVolume => "ControllerGetVolume",
            Self::ControllerGetVolumeHealth => "ControllerGetVolumeHealth",
            Self::ControllerListVolumeHealth => "ControllerListVolumeHealth",
            Self::GetMetadataAllocated => "GetMetadataAllocated",
            Self::GetMetadataDelta => "GetMetadataDelta",
        }
    }
}

impl fmt::Display for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A request that cannot be right whatever the state of the world: INVALID_ARGUMENT.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidRequest {
    /// A field that must be set is not.
    #[error("{field} is missing: {hint}")]
    Missing {
        /// The field's path in the request.
        field: &'static str,
        /// What to put there.
        hint: &'static str,
    },
    /// A field's value is not one of those allowed.
    #[error("{field} is {value:?}: {allowed}")]
    Value {
        /// The field's path in the request.
        field: String,
        /// What was given.
        value: String,
        /// What is allowed, or what to do.
        allowed: String,
    },
}

impl InvalidRequest {
    /// [`InvalidRequest::Value`], from anything that can be written.
    pub(crate) fn value(
        field: impl Into<String>,
        value: impl Into<String>,
        allowed: impl fmt::Display,
    ) -> Self {
        Self::Value {
            field: field.into(),
            value: value.into(),
            allowed: allowed.to_string(),
        }
    }
}

impl From<InvalidRequest> for Status {
    fn from(error: InvalidRequest) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

impl From<Busy> for Status {
    fn from(error: Busy) -> Self {
        Self::aborted(error.to_string())
    }
}

/// Whether a caller takes this code as "nothing exists, no attempt is under way".
pub(crate) fn is_final(code: Code) -> bool {
    match code {
        Code::Cancelled | Code::DeadlineExceeded | Code::Unavailable | Code::Aborted => false,
        Code::Ok
        | Code::Unknown
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss
        | Code::Unauthenticated => true,
    }
}

#[cfg(test)]
mod tests;
