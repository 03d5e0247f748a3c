//! Walks every kind of EC2 error in every RPC.

use ::ec2::{Action, Ec2Error, ErrorKind, Outcome};
use rstest::rstest;

use super::*;
use crate::controller::Error;

const RPCS: [Rpc; 20] = [
    Rpc::CreateVolume,
    Rpc::DeleteVolume,
    Rpc::ControllerPublishVolume,
    Rpc::ControllerUnpublishVolume,
    Rpc::ValidateVolumeCapabilities,
    Rpc::ControllerExpandVolume,
    Rpc::ControllerModifyVolume,
    Rpc::CreateSnapshot,
    Rpc::DeleteSnapshot,
    Rpc::ListSnapshots,
    Rpc::GetSnapshot,
    Rpc::CreateVolumeGroupSnapshot,
    Rpc::DeleteVolumeGroupSnapshot,
    Rpc::GetVolumeGroupSnapshot,
    Rpc::ListVolumes,
    Rpc::ControllerGetVolume,
    Rpc::ControllerGetVolumeHealth,
    Rpc::ControllerListVolumeHealth,
    Rpc::GetMetadataAllocated,
    Rpc::GetMetadataDelta,
];

const KINDS: [ErrorKind; 30] = [
    ErrorKind::VolumeNotFound,
    ErrorKind::SnapshotNotFound,
    ErrorKind::InstanceNotFound,
    ErrorKind::AttachmentNotFound,
    ErrorKind::ModificationNotFound,
    ErrorKind::MalformedId,
    ErrorKind::VolumeInUse,
    ErrorKind::IncorrectState,
    ErrorKind::ModificationInProgress,
    ErrorKind::ZoneMismatch,
    ErrorKind::DeviceNameTaken,
    ErrorKind::IdempotentParameterMismatch,
    ErrorKind::QuotaExceeded,
    ErrorKind::CopiesUnderWay,
    ErrorKind::InsufficientCapacity,
    ErrorKind::AttachmentLimitExceeded,
    ErrorKind::ModificationRateExceeded,
    ErrorKind::ModificationSizeLimitExceeded,
    ErrorKind::SnapshotRateExceeded,
    ErrorKind::SnapshotInUse,
    ErrorKind::InvalidParameter,
    ErrorKind::UnrelatedSnapshots,
    ErrorKind::PageToken,
    ErrorKind::DryRun,
    ErrorKind::Unauthorized,
    ErrorKind::Throttled,
    ErrorKind::NoTurn,
    ErrorKind::Service,
    ErrorKind::Unreachable,
    ErrorKind::Other,
];

fn failed(kind: ErrorKind, outcome: Outcome, answered: bool) -> Error {
    Error::Ec2(Ec2Error {
        action: Action::CreateVolume,
        kind,
        outcome,
        code: answered.then(|| "TheCode".to_owned()),
        message: "the words".to_owned(),
        request_id: Some("the-request".to_owned()),
    })
}

fn every() -> impl Iterator<Item = (Rpc, ErrorKind)> {
    RPCS.into_iter()
        .flat_map(|rpc| KINDS.into_iter().map(move |kind| (rpc, kind)))
}

#[test]
fn a_call_that_may_have_taken_effect_is_never_final() {
    for (rpc, kind) in every() {
        let status = controller(rpc, &failed(kind, Outcome::MayBeDone, true));
        assert_eq!(status.code(), Code::Unavailable, "{rpc} {kind:?}");
    }
}

#[test]
fn not_now_is_always_unavailable() {
    for rpc in RPCS {
        for kind in [
            ErrorKind::Throttled,
            ErrorKind::NoTurn,
            ErrorKind::Service,
            ErrorKind::Unreachable,
        ] {
            let status = controller(rpc, &failed(kind, Outcome::NotDone, true));
            assert_eq!(status.code(), Code::Unavailable, "{rpc} {kind:?}");
        }
        let no_credentials = failed(ErrorKind::Unauthorized, Outcome::NotDone, false);
        assert_eq!(controller(rpc, &no_credentials).code(), Code::Unavailable);
    }
}

#[test]
fn every_refusal_has_a_code_and_says_what_ec2_said_and_what_to_do() {
    for (rpc, kind) in every() {
        let status = controller(rpc, &failed(kind, Outcome::NotDone, true));
        assert!(
            !matches!(status.code(), Code::Ok | Code::Unknown),
            "{rpc} {kind:?}"
        );
        for part in ["TheCode", "the words", "the-request", "; "] {
            assert!(
                status.message().contains(part),
                "{rpc} {kind:?}: {}",
                status.message()
            );
        }
    }
}

#[rstest]
#[case(Rpc::CreateVolume, ErrorKind::QuotaExceeded, Code::ResourceExhausted)]
#[case(
    Rpc::CreateVolume,
    ErrorKind::InsufficientCapacity,
    Code::ResourceExhausted
)]
#[case(Rpc::CreateVolume, ErrorKind::InvalidParameter, Code::InvalidArgument)]
#[case(Rpc::CreateVolume, ErrorKind::SnapshotNotFound, Code::NotFound)]
#[case(Rpc::CreateVolume, ErrorKind::Unauthorized, Code::PermissionDenied)]
#[case(Rpc::DeleteVolume, ErrorKind::VolumeInUse, Code::FailedPrecondition)]
#[case(
    Rpc::ControllerPublishVolume,
    ErrorKind::AttachmentLimitExceeded,
    Code::ResourceExhausted
)]
#[case(
    Rpc::ControllerPublishVolume,
    ErrorKind::InstanceNotFound,
    Code::NotFound
)]
#[case(
    Rpc::ControllerPublishVolume,
    ErrorKind::ZoneMismatch,
    Code::FailedPrecondition
)]
#[case(
    Rpc::ControllerExpandVolume,
    ErrorKind::InvalidParameter,
    Code::OutOfRange
)]
#[case(
    Rpc::ControllerExpandVolume,
    ErrorKind::ModificationSizeLimitExceeded,
    Code::OutOfRange
)]
#[case(
    Rpc::ControllerExpandVolume,
    ErrorKind::ModificationInProgress,
    Code::Aborted
)]
#[case(
    Rpc::DeleteSnapshot,
    ErrorKind::SnapshotInUse,
    Code::FailedPrecondition
)]
fn refusals_have_the_codes_of_the_specification(
    #[case] rpc: Rpc,
    #[case] kind: ErrorKind,
    #[case] code: Code,
) {
    assert_eq!(
        controller(rpc, &failed(kind, Outcome::NotDone, true)).code(),
        code
    );
}

#[test]
fn a_look_that_failed_is_never_final() {
    for (rpc, kind) in every() {
        let Error::Ec2(error) = failed(kind, Outcome::NotDone, true) else {
            unreachable!("failed() makes this variant")
        };
        let what = "a volume named \"pvc\"".to_owned();
        let status = controller(
            rpc,
            &Error::InDoubt {
                what,
                error: Box::new(error),
            },
        );
        assert!(!is_final(status.code()), "{rpc} {kind:?}");
    }
}

#[test]
fn only_four_codes_leave_it_open() {
    let open: Vec<Code> = (0..=16)
        .map(Code::from_i32)
        .filter(|code| !is_final(*code))
        .collect();
    assert_eq!(
        open,
        [
            Code::Cancelled,
            Code::DeadlineExceeded,
            Code::Aborted,
            Code::Unavailable
        ]
    );
}
