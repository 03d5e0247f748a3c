//! The code for each error of the Controller service.

use tonic::{Code, Status};

use super::{Rpc, ec2};
use crate::controller::Error;

/// The status that answers an RPC which failed with this error.
pub(crate) fn controller(rpc: Rpc, error: &Error) -> Status {
    let mut message = error.to_string();
    let refusal = match error {
        Error::Ec2(refusal) => Some(refusal),
        Error::InDoubt { error: refusal, .. }
        | Error::SnapshotIncomplete { error: refusal, .. }
        | Error::SnapshotTakenBack { error: refusal, .. } => Some(&**refusal),
        _ => None,
    };
    if let Some(refusal) = refusal {
        message.push_str("; ");
        message.push_str(ec2::advice(refusal));
    }
    Status::new(code(rpc, error), message)
}

/// The code of [`controller`]'s status.
pub(crate) fn code(rpc: Rpc, error: &Error) -> Code {
    match error {
        Error::Ec2(error) => ec2::code(rpc, error),
        Error::SnapshotTakenBack { error, .. } => ec2::code(rpc, error),
        // Nothing of this request has begun. external-resizer must not take it for begun where it keeps to the class that it has
        // begun with: its user may choose another one meanwhile. FAILED_PRECONDITION to an expansion means "only offline" to it.
        Error::TooSoon { .. } if rpc == Rpc::ControllerExpandVolume => Code::ResourceExhausted,
        Error::ModificationUnderWay { .. } if rpc == Rpc::ControllerExpandVolume => Code::Aborted,
        other => in_every_call(other),
    }
}

/// The code of an error whose meaning is the same in every call. What EC2 said is for `ec2` to judge; unjudged it is INTERNAL.
fn in_every_call(error: &Error) -> Code {
    match error {
        Error::Invalid(_)
        | Error::NoSuchZone { .. }
        | Error::Kind(_)
        | Error::Tag(_)
        | Error::NotMembers { .. }
        | Error::OtherMembers { .. }
        | Error::OutpostRefuses { .. }
        | Error::NodeLocal { .. } => Code::InvalidArgument,
        Error::OutOfRange(_) | Error::WouldShrink { .. } => Code::OutOfRange,
        Error::NoSuchId(_)
        | Error::NoSuchGroup { .. }
        | Error::InstanceGone { .. }
        | Error::VolumeGone { .. } => Code::NotFound,
        Error::KeyRefused { .. } => Code::PermissionDenied,
        Error::Incompatible { .. } | Error::PublishedOtherwise { .. } => Code::AlreadyExists,
        // The CSI specification's code for "not in accessible_topology", which sends the scheduler to another zone.
        Error::ZoneUnavailable { .. }
        | Error::SourceElsewhere { .. }
        | Error::SnapshotElsewhere { .. }
        | Error::NoDeviceName { .. }
        | Error::InstanceFull { .. } => Code::ResourceExhausted,
        Error::SnapshotLocked { .. }
        | Error::AttachedTo { .. }
        | Error::NotTogether { .. }
        | Error::Apart { .. }
        | Error::NoZone
        | Error::SourceFailed { .. } => Code::FailedPrecondition,
        Error::CreationFailed { .. }
        | Error::SnapshotFailed { .. }
        | Error::GroupFailed { .. }
        | Error::GroupIncomplete { .. }
        | Error::ModificationFailed { .. }
        | Error::Ec2(_)
        | Error::SnapshotTakenBack { .. } => Code::Internal,
        Error::Busy(_) | Error::BadToken { .. } => Code::Aborted,
        Error::TooSoon { .. } | Error::ModificationUnderWay { .. } => Code::FailedPrecondition,
        // "Not now": an attempt may be under way, or the next one has a good chance.
        Error::InDoubt { .. }
        | Error::TryAgain { .. }
        | Error::TokensBurnt { .. }
        | Error::CameAndWent { .. }
        | Error::SnapshotNotReady { .. }
        | Error::Initializing { .. }
        | Error::SnapshotIncomplete { .. }
        | Error::OnTheMove { .. }
        | Error::GroupParted { .. }
        | Error::StillDetaching { .. }
        | Error::BusyOn { .. }
        | Error::AttachStuck { .. }
        | Error::AttachUndone { .. } => Code::Unavailable,
    }
}
