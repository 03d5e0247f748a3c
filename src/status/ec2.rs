//! The code and the advice for each kind of EC2 error in each RPC.

use ::ec2::{Ec2Error, ErrorKind, Outcome};
use tonic::Code;

use super::Rpc;

/// The code for an error that the operation itself had no better answer to.
pub(super) fn code(rpc: Rpc, error: &Ec2Error) -> Code {
    if error.outcome == Outcome::MayBeDone {
        return Code::Unavailable;
    }
    match error.kind {
        // "Not now": EC2 never got to decide, or says itself that it will later. A snapshot's rate is a throttle, too.
        ErrorKind::Throttled
        | ErrorKind::NoTurn
        | ErrorKind::Service
        | ErrorKind::Unreachable
        | ErrorKind::Unreadable
        | ErrorKind::IncorrectState
        | ErrorKind::DeviceNameTaken
        | ErrorKind::PageToken
        | ErrorKind::SnapshotRateExceeded => Code::Unavailable,
        // Without a code of EC2's the request never left: credentials could not be had.
        ErrorKind::Unauthorized if error.code.is_none() => Code::Unavailable,
        ErrorKind::Unauthorized => Code::PermissionDenied,
        ErrorKind::VolumeNotFound
        | ErrorKind::SnapshotNotFound
        | ErrorKind::InstanceNotFound
        | ErrorKind::AttachmentNotFound
        | ErrorKind::MalformedId => Code::NotFound,
        // The volume is there, only the record of its modification is not: looking again helps.
        ErrorKind::ModificationNotFound => Code::Unavailable,
        ErrorKind::ModificationInProgress => Code::Aborted,
        ErrorKind::VolumeInUse | ErrorKind::ZoneMismatch | ErrorKind::SnapshotInUse => {
            Code::FailedPrecondition
        }
        ErrorKind::IdempotentParameterMismatch => Code::AlreadyExists,
        // As for `Error::TooSoon`: nothing has begun, and the user may choose another class.
        ErrorKind::ModificationRateExceeded if rpc == Rpc::ControllerModifyVolume => {
            Code::FailedPrecondition
        }
        ErrorKind::QuotaExceeded
        | ErrorKind::CopiesUnderWay
        | ErrorKind::InsufficientCapacity
        | ErrorKind::AttachmentLimitExceeded
        | ErrorKind::ModificationRateExceeded => Code::ResourceExhausted,
        // external-resizer takes OUT_OF_RANGE as "cannot be had", which lets the user ask for less.
        ErrorKind::ModificationSizeLimitExceeded => Code::OutOfRange,
        ErrorKind::InvalidParameter => invalid_parameter(rpc),
        ErrorKind::UnrelatedSnapshots => Code::InvalidArgument,
        ErrorKind::DryRun | ErrorKind::Other => Code::Internal,
    }
}

/// The only parameter that an expansion sends is the size.
fn invalid_parameter(rpc: Rpc) -> Code {
    match rpc {
        Rpc::ControllerExpandVolume => Code::OutOfRange,
        Rpc::CreateVolume
        | Rpc::DeleteVolume
        | Rpc::ControllerPublishVolume
        | Rpc::ControllerUnpublishVolume
        | Rpc::ValidateVolumeCapabilities
        | Rpc::ControllerModifyVolume
        | Rpc::CreateSnapshot
        | Rpc::DeleteSnapshot
        | Rpc::ListSnapshots
        | Rpc::GetSnapshot
        | Rpc::CreateVolumeGroupSnapshot
        | Rpc::DeleteVolumeGroupSnapshot
        | Rpc::GetVolumeGroupSnapshot
        | Rpc::ListVolumes
        | Rpc::ControllerGetVolume
        | Rpc::ControllerGetVolumeHealth
        | Rpc::ControllerListVolumeHealth
        | Rpc::GetMetadataAllocated
        | Rpc::GetMetadataDelta => Code::InvalidArgument,
    }
}

/// What the reader of the message can do about it.
pub(super) fn advice(error: &Ec2Error) -> &'static str {
    let code = error.code.as_deref().unwrap_or_default();
    if code.starts_with("InvalidKmsKey.") {
        return "see that the KMS key is enabled, not about to be deleted, symmetric and in this region (docs/IAM.md)";
    }
    by_kind(error.kind)
}

/// For who waits too long for a turn.
const THROTTLED: &str = "it is queued again with the next try; if this lasts, see what else calls EC2 in this account, let AWS raise its \
     request limits, or give the sidecars fewer workers or a longer --timeout (docs/TROUBLESHOOTING.md, \"EC2 throttles\")";

fn by_kind(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Service | ErrorKind::SnapshotRateExceeded => {
            "EC2 is asked again with the next try"
        }
        ErrorKind::Throttled | ErrorKind::NoTurn => THROTTLED,
        ErrorKind::Unreachable => {
            "check the network path to EC2 and the region; it is asked again with the next try"
        }
        ErrorKind::Unreadable => {
            "a newer driver may know what EC2 says; it is asked again with the next try"
        }
        ErrorKind::IncorrectState | ErrorKind::ModificationInProgress | ErrorKind::PageToken => {
            "it is asked again with the next try, when the state may have changed"
        }
        ErrorKind::DeviceNameTaken => "another device name is tried next time",
        ErrorKind::Unauthorized => {
            "check the driver's credentials, its IAM policy and the KMS key's policy; \
             `aws sts decode-authorization-message` explains an encoded message"
        }
        ErrorKind::VolumeNotFound | ErrorKind::SnapshotNotFound | ErrorKind::InstanceNotFound => {
            "check that it was not deleted and that the driver runs in its region and account"
        }
        ErrorKind::AttachmentNotFound | ErrorKind::ModificationNotFound => {
            "look at the volume in EC2; it is asked again with the next try"
        }
        ErrorKind::MalformedId => "no such id can exist: check how it was written",
        ErrorKind::VolumeInUse => "let go of the volume where it is in use",
        ErrorKind::ZoneMismatch => "run the workload in the volume's zone",
        ErrorKind::SnapshotInUse => "deregister the image that was made from it",
        ErrorKind::IdempotentParameterMismatch => {
            "use another name, or the parameters of the first request"
        }
        ErrorKind::QuotaExceeded | ErrorKind::ModificationSizeLimitExceeded => {
            "raise the account's quota (Service Quotas, Amazon EBS) or delete what is not needed"
        }
        ErrorKind::CopiesUnderWay => {
            "EBS copies a volume once at a time, and few in a region: wait until the copies under way are initialized \
             (aws ec2 describe-volume-status), or raise the account's quota"
        }
        ErrorKind::InsufficientCapacity => "use another zone or volume type, or wait",
        ErrorKind::AttachmentLimitExceeded => "move a workload, and check the attachment limit",
        ErrorKind::ModificationRateExceeded => {
            "EBS limits how often a volume can be modified: wait, or ask for less"
        }
        ErrorKind::UnrelatedSnapshots => "name two snapshots of one volume or of its copies",
        ErrorKind::InvalidParameter => "correct the request as EC2's words say",
        ErrorKind::DryRun | ErrorKind::Other => {
            "look the code up in the EC2 API reference, \"Error codes\""
        }
    }
}
