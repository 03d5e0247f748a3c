use std::collections::HashSet;

use rstest::rstest;

use super::*;

/// Every code that the driver tells apart, with the status EC2 sends it with.
const CODES: &[(u16, &str, ErrorKind, Outcome)] = {
    use ErrorKind as K;
    use Outcome::{MayBeDone, NotDone};
    &[
        (400, "InvalidVolume.NotFound", K::VolumeNotFound, NotDone),
        (400, "InvalidVolumeID.Malformed", K::MalformedId, NotDone),
        (
            400,
            "InvalidSnapshot.NotFound",
            K::SnapshotNotFound,
            NotDone,
        ),
        (
            400,
            "InvalidInstanceID.NotFound",
            K::InstanceNotFound,
            NotDone,
        ),
        (400, "InvalidInstanceID.Malformed", K::MalformedId, NotDone),
        (
            400,
            "InvalidAttachment.NotFound",
            K::AttachmentNotFound,
            NotDone,
        ),
        (
            400,
            "InvalidVolumeModification.NotFound",
            K::ModificationNotFound,
            NotDone,
        ),
        (400, "InvalidNextToken", K::InvalidParameter, NotDone),
        (400, "InvalidPaginationToken", K::InvalidParameter, NotDone),
        (400, "IncorrectState", K::IncorrectState, NotDone),
        (400, "IncorrectInstanceState", K::IncorrectState, NotDone),
        (
            400,
            "IncorrectModificationState",
            K::ModificationInProgress,
            NotDone,
        ),
        (400, "VolumeInUse", K::VolumeInUse, NotDone),
        (400, "InvalidVolume.ZoneMismatch", K::ZoneMismatch, NotDone),
        (400, "VolumeLimitExceeded", K::QuotaExceeded, NotDone),
        (400, "MaxIOPSLimitExceeded", K::QuotaExceeded, NotDone),
        (400, "SnapshotLimitExceeded", K::QuotaExceeded, NotDone),
        (
            400,
            "AttachmentLimitExceeded",
            K::AttachmentLimitExceeded,
            NotDone,
        ),
        (
            500,
            "InsufficientVolumeCapacity",
            K::InsufficientCapacity,
            NotDone,
        ),
        (
            400,
            "VolumeModificationRateExceeded",
            K::ModificationRateExceeded,
            NotDone,
        ),
        (
            400,
            "VolumeModificationSizeLimitExceeded",
            K::ModificationSizeLimitExceeded,
            NotDone,
        ),
        (
            400,
            "SnapshotCreationPerVolumeRateExceeded",
            K::SnapshotRateExceeded,
            NotDone,
        ),
        (
            400,
            "ConcurrentSnapshotLimitExceeded",
            K::SnapshotRateExceeded,
            NotDone,
        ),
        (400, "InvalidSnapshot.InUse", K::SnapshotInUse, NotDone),
        (400, "TagLimitExceeded", K::InvalidParameter, NotDone),
        (400, "InvalidParameterValue", K::InvalidParameter, NotDone),
        (
            400,
            "InvalidParameterCombination",
            K::InvalidParameter,
            NotDone,
        ),
        (400, "MissingParameter", K::InvalidParameter, NotDone),
        (400, "UnknownVolumeType", K::InvalidParameter, NotDone),
        (400, "UnknownParameter", K::InvalidParameter, NotDone),
        (400, "UnsupportedOperation", K::InvalidParameter, NotDone),
        (
            400,
            "InvalidKmsKey.InvalidState",
            K::InvalidParameter,
            NotDone,
        ),
        (400, "InvalidKmsKey.NotFound", K::InvalidParameter, NotDone),
        (
            400,
            "IdempotentParameterMismatch",
            K::IdempotentParameterMismatch,
            NotDone,
        ),
        (412, "DryRunOperation", K::DryRun, NotDone),
        (403, "UnauthorizedOperation", K::Unauthorized, NotDone),
        (401, "AuthFailure", K::Unauthorized, NotDone),
        (403, "Blocked", K::Unauthorized, NotDone),
        (401, "OptInRequired", K::Unauthorized, NotDone),
        (400, "ExpiredToken", K::Unauthorized, NotDone),
        (503, "RequestLimitExceeded", K::Throttled, NotDone),
        (400, "Throttling", K::Throttled, NotDone),
        (
            404,
            "ResourceNotFoundException",
            K::SnapshotNotFound,
            NotDone,
        ),
        (
            404,
            "ResourceNotFoundException.SNAPSHOT_NOT_FOUND",
            K::SnapshotNotFound,
            NotDone,
        ),
        (
            404,
            "ResourceNotFoundException.GRANT_NOT_FOUND",
            K::Unauthorized,
            NotDone,
        ),
        (400, "ValidationException", K::InvalidParameter, NotDone),
        (
            400,
            "ValidationException.INVALID_BLOCK",
            K::InvalidParameter,
            NotDone,
        ),
        (
            400,
            "ValidationException.UNRELATED_SNAPSHOTS",
            K::UnrelatedSnapshots,
            NotDone,
        ),
        (
            400,
            "ValidationException.INVALID_PAGE_TOKEN",
            K::PageToken,
            NotDone,
        ),
        (
            403,
            "AccessDeniedException.SOMETHING_NEW",
            K::Unauthorized,
            NotDone,
        ),
        (
            402,
            "ServiceQuotaExceededException",
            K::QuotaExceeded,
            NotDone,
        ),
        (
            400,
            "RequestThrottledException.ACCOUNT_THROTTLED",
            K::Throttled,
            NotDone,
        ),
        (500, "InternalServerException", K::Service, MayBeDone),
        (500, "InternalError", K::Service, MayBeDone),
        (500, "InternalFailure", K::Service, MayBeDone),
        (503, "Unavailable", K::Service, MayBeDone),
        (503, "ServiceUnavailable", K::Service, MayBeDone),
        (500, "SomethingNew", K::Service, MayBeDone),
        (400, "SomethingNew", K::Other, NotDone),
        (400, "InvalidAction", K::Other, NotDone),
    ]
};

fn create(status: u16, code: Option<&str>, message: &str) -> Ec2Error {
    Ec2Error::from_answer(Action::CreateVolume, status, code, message, Some("req-1"))
}

#[test]
fn every_code_has_its_kind_and_outcome() {
    for (status, code, kind, outcome) in CODES {
        let error = create(*status, Some(code), "words");
        assert_eq!((error.kind, error.outcome), (*kind, *outcome), "{code}");
        assert_eq!(error.code.as_deref(), Some(*code));
    }
}

#[test]
fn no_code_is_listed_twice() {
    let mut seen = HashSet::new();
    for code in KINDS.iter().flat_map(|(_, codes)| *codes) {
        assert!(seen.insert(code), "{code}");
    }
}

#[rstest]
#[case(200, ErrorKind::Unreachable, Outcome::MayBeDone)]
#[case(301, ErrorKind::Unreachable, Outcome::NotDone)]
#[case(403, ErrorKind::Unreachable, Outcome::NotDone)]
#[case(429, ErrorKind::Throttled, Outcome::NotDone)]
#[case(502, ErrorKind::Service, Outcome::MayBeDone)]
fn without_a_code_the_status_decides(
    #[case] status: u16,
    #[case] kind: ErrorKind,
    #[case] outcome: Outcome,
) {
    let error = create(status, None, "");
    assert_eq!((error.kind, error.outcome), (kind, outcome));
}

#[test]
fn a_taken_device_name_is_told_from_other_bad_values() {
    let words =
        "Invalid value '/dev/xvdba' for unixDevice. Attachment point /dev/xvdba is already in use";
    let kind = |action, words| {
        Ec2Error::from_answer(action, 400, Some("InvalidParameterValue"), words, None).kind
    };
    assert_eq!(
        kind(Action::AttachVolume, words),
        ErrorKind::DeviceNameTaken
    );
    assert_eq!(
        kind(Action::AttachVolume, "else"),
        ErrorKind::InvalidParameter
    );
    assert_eq!(
        kind(Action::CreateVolume, words),
        ErrorKind::InvalidParameter
    );
}

#[test]
fn a_failed_look_has_changed_nothing() {
    let error = Ec2Error::from_answer(
        Action::DescribeVolumes,
        500,
        Some("InternalError"),
        "",
        None,
    );
    assert_eq!(error.outcome, Outcome::NotDone);
    assert!(error.is_transient());
}

#[test]
fn messages_are_for_people() {
    let error = create(
        403,
        Some("UnauthorizedOperation"),
        "You are not authorized to perform: ec2:CreateVolume. Encoded authorization failure message: AbC123secret",
    );
    assert_eq!(
        error.to_string(),
        "EC2 CreateVolume failed: UnauthorizedOperation: You are not authorized to perform: ec2:CreateVolume. \
         (The encoded details are in CloudTrail's record of this request: aws sts decode-authorization-message.) (request id req-1)"
    );
    let error = create(
        403,
        Some("SignatureDoesNotMatch"),
        "No match. The Canonical String for this request should have been 'x-amz-security-token:secret'",
    );
    assert!(!error.to_string().contains("secret"));
    assert!(
        create(400, Some("X"), &"é".repeat(10_000))
            .message
            .chars()
            .count()
            <= 700
    );
    assert_eq!(create(500, None, "").message, "no message");
}
