//! EC2's error documents as values: a code, a message and the HTTP status they come with.
//! Codes and statuses are those of the EC2 API reference, "Error codes".

use std::fmt;

use ebs_types::{InstanceId, SnapshotId, VolumeId};

/// A refused call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// EC2's code.
    pub(crate) code: String,
    /// A sentence for people.
    pub(crate) message: String,
    /// The HTTP status.
    pub(crate) status: u16,
}

impl ApiError {
    /// A refusal that is the caller's to mend: HTTP 400.
    pub(crate) fn client(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            status: 400,
        }
    }

    /// A failure inside: HTTP 500, `InternalError`.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self {
            code: "InternalError".to_owned(),
            message: message.into(),
            status: 500,
        }
    }

    /// Too many requests: HTTP 503, `RequestLimitExceeded`.
    pub(crate) fn throttled() -> Self {
        Self {
            code: "RequestLimitExceeded".to_owned(),
            message: "Request limit exceeded.".to_owned(),
            status: 503,
        }
    }

    /// What a dry run answers when the call would have worked: HTTP 412.
    pub(crate) fn dry_run() -> Self {
        Self {
            code: "DryRunOperation".to_owned(),
            message: "Request would have succeeded, but DryRun flag is set.".to_owned(),
            status: 412,
        }
    }

    /// `InvalidParameterValue`.
    pub(crate) fn value(message: impl Into<String>) -> Self {
        Self::client("InvalidParameterValue", message)
    }

    /// `InvalidParameterCombination`.
    pub(crate) fn combination(message: impl Into<String>) -> Self {
        Self::client("InvalidParameterCombination", message)
    }

    /// `MissingParameter`.
    pub(crate) fn missing(parameter: &str) -> Self {
        Self::client(
            "MissingParameter",
            format!("The request must contain the parameter {parameter}"),
        )
    }

    /// `IncorrectState`.
    pub(crate) fn incorrect_state(message: impl Into<String>) -> Self {
        Self::client("IncorrectState", message)
    }

    /// `InvalidVolume.NotFound`.
    pub(crate) fn no_volume(id: &VolumeId) -> Self {
        Self::client(
            "InvalidVolume.NotFound",
            format!("The volume '{id}' does not exist."),
        )
    }

    /// `InvalidSnapshot.NotFound`.
    pub(crate) fn no_snapshot(id: &SnapshotId) -> Self {
        Self::client(
            "InvalidSnapshot.NotFound",
            format!("The snapshot '{id}' does not exist."),
        )
    }

    /// `InvalidInstanceID.NotFound`.
    pub(crate) fn no_instance(id: &InstanceId) -> Self {
        Self::client(
            "InvalidInstanceID.NotFound",
            format!("The instance ID '{id}' does not exist"),
        )
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.code, self.status, self.message)
    }
}
