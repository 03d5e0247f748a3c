//! EC2's error codes, sorted by what the caller must do about each: the one table.
//!
//! Sources: the EC2 API reference, "Error codes for the Amazon EC2 API"; the EBS direct APIs' reference, whose codes have their reason
//! behind a dot here.
//! Doesn't answer for: calls that EC2 did not answer (`sdk::failure`).

use crate::{Action, Ec2Error, ErrorKind, Outcome};

/// Kinds with the codes that mean them. Codes that belong to several kinds are in [`kind_of`].
const KINDS: &[(ErrorKind, &[&str])] = &[
    (ErrorKind::VolumeNotFound, &["InvalidVolume.NotFound"]),
    (
        ErrorKind::SnapshotNotFound,
        &["InvalidSnapshot.NotFound", "ResourceNotFoundException"],
    ),
    (ErrorKind::InstanceNotFound, &["InvalidInstanceID.NotFound"]),
    (
        ErrorKind::AttachmentNotFound,
        &["InvalidAttachment.NotFound"],
    ),
    (
        ErrorKind::ModificationNotFound,
        &["InvalidVolumeModification.NotFound"],
    ),
    (
        ErrorKind::MalformedId,
        &[
            "InvalidVolumeID.Malformed",
            "InvalidInstanceID.Malformed",
            "InvalidSnapshotID.Malformed",
            "InvalidID",
        ],
    ),
    (ErrorKind::VolumeInUse, &["VolumeInUse"]),
    (
        ErrorKind::IncorrectState,
        &["IncorrectState", "IncorrectInstanceState", "InvalidState"],
    ),
    (
        ErrorKind::ModificationInProgress,
        &["IncorrectModificationState"],
    ),
    (
        ErrorKind::ZoneMismatch,
        &["InvalidVolume.ZoneMismatch", "InvalidVolumeID.ZoneMismatch"],
    ),
    (
        ErrorKind::IdempotentParameterMismatch,
        &["IdempotentParameterMismatch"],
    ),
    (
        ErrorKind::QuotaExceeded,
        &[
            "VolumeLimitExceeded",
            "MaxIOPSLimitExceeded",
            "SnapshotLimitExceeded",
            "ResourceLimitExceeded",
            "ServiceQuotaExceededException",
        ],
    ),
    (
        ErrorKind::CopiesUnderWay,
        &[
            "ConcurrentCopyVolumeLimitExceeded",
            "CopyVolumesLimitExceeded",
        ],
    ),
    (
        ErrorKind::InsufficientCapacity,
        &["InsufficientVolumeCapacity"],
    ),
    (
        ErrorKind::AttachmentLimitExceeded,
        &["AttachmentLimitExceeded"],
    ),
    (
        ErrorKind::ModificationRateExceeded,
        &["VolumeModificationRateExceeded"],
    ),
    (
        ErrorKind::ModificationSizeLimitExceeded,
        &["VolumeModificationSizeLimitExceeded"],
    ),
    (
        ErrorKind::SnapshotRateExceeded,
        &[
            "SnapshotCreationPerVolumeRateExceeded",
            "ConcurrentSnapshotLimitExceeded",
            "PendingSnapshotLimitExceeded",
        ],
    ),
    (ErrorKind::SnapshotInUse, &["InvalidSnapshot.InUse"]),
    (
        ErrorKind::InvalidParameter,
        &[
            "InvalidParameterValue",
            "InvalidParameterCombination",
            "InvalidParameter",
            "MissingParameter",
            "UnknownVolumeType",
            "UnknownParameter",
            "UnsupportedOperation",
            "TagLimitExceeded",
            "InvalidZone.NotFound",
            "ValidationError",
            "ValidationException",
            "InvalidNextToken",
            "InvalidPaginationToken",
        ],
    ),
    (
        ErrorKind::UnrelatedSnapshots,
        &["ValidationException.UNRELATED_SNAPSHOTS"],
    ),
    (
        ErrorKind::PageToken,
        &["ValidationException.INVALID_PAGE_TOKEN"],
    ),
    (ErrorKind::DryRun, &["DryRunOperation"]),
    (
        ErrorKind::Unauthorized,
        &[
            "UnauthorizedOperation",
            "AuthFailure",
            "Blocked",
            "OptInRequired",
            "PendingVerification",
            "ExpiredToken",
            "ExpiredTokenException",
            "RequestExpired",
            "InvalidClientTokenId",
            "MissingAuthenticationToken",
            "IncompleteSignature",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
            "AccessDenied",
            "AccessDeniedException",
            // Of the EBS direct APIs: what is not found is the key, or a grant of it.
            "ResourceNotFoundException.DEPENDENCY_RESOURCE_NOT_FOUND",
            "ResourceNotFoundException.GRANT_NOT_FOUND",
        ],
    ),
    (
        ErrorKind::Throttled,
        &[
            "RequestLimitExceeded",
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "RequestThrottled",
            "RequestThrottledException",
            "EC2ThrottledException",
            "TooManyRequestsException",
            "ConcurrentLimitExceededException",
        ],
    ),
    (
        ErrorKind::Service,
        &[
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "InternalServerException",
            "Unavailable",
            "ServiceUnavailable",
            "RequestTimeout",
        ],
    ),
];

/// What this code means. An unknown one is [`ErrorKind::Service`] with a 5xx status and [`ErrorKind::Other`] otherwise.
fn kind_of(action: Action, status: u16, code: &str, message: &str) -> ErrorKind {
    if action == Action::AttachVolume
        && code == "InvalidParameterValue"
        && message.contains("already in use")
    {
        return ErrorKind::DeviceNameTaken;
    }
    if code.starts_with("InvalidKmsKey.") {
        return ErrorKind::InvalidParameter;
    }
    // A reason that says no more than its code (EBS direct APIs).
    let without_reason = code.split_once('.').map(|(code, _)| code);
    let without_reason = without_reason.filter(|code| code.ends_with("Exception"));
    let known = |code| KINDS.iter().find(|(_, codes)| codes.contains(&code));
    match known(code).or_else(|| known(without_reason?)) {
        Some((kind, _)) => *kind,
        None if status >= 500 => ErrorKind::Service,
        // Quotas have codes of their own, which EC2's reference does not list all.
        None if code.ends_with("LimitExceeded") => ErrorKind::QuotaExceeded,
        None => ErrorKind::Other,
    }
}

/// What a status means that came without any code: not EC2 spoke, but something on the way to it.
fn kind_without_code(status: u16) -> ErrorKind {
    match status {
        429 => ErrorKind::Throttled,
        500.. => ErrorKind::Service,
        // A success that could not be read, and refusals by proxies.
        _ => ErrorKind::Unreachable,
    }
}

impl Ec2Error {
    /// The error that an answer of EC2 with this HTTP status, error code and message stands for.
    ///
    /// [`Outcome::MayBeDone`] where the action changes something and the answer does not exclude that it did: EC2 failed inside,
    /// or reported success in words that could not be read. EC2's refusals, throttling among them, changed nothing.
    #[must_use]
    pub fn from_answer(
        action: Action,
        status: u16,
        code: Option<&str>,
        message: &str,
        request_id: Option<&str>,
    ) -> Self {
        let kind = code.map_or_else(
            || kind_without_code(status),
            |code| kind_of(action, status, code, message),
        );
        let nothing_changed = match kind {
            ErrorKind::Service => false,
            ErrorKind::Unreachable => (300..500).contains(&status),
            _ => true,
        };
        Self {
            action,
            kind,
            outcome: if nothing_changed || !action.mutates() {
                Outcome::NotDone
            } else {
                Outcome::MayBeDone
            },
            code: code.map(str::to_owned),
            message: presentable(message),
            request_id: request_id.map(str::to_owned),
        }
    }

    /// The error for a call whose answer was lost or could not be read, for the reason that `message` gives.
    #[must_use]
    pub fn unanswered(action: Action, message: &str) -> Self {
        Self::from_answer(action, 200, None, message, None)
    }
}

/// The most characters of a message that are kept.
const MESSAGE: usize = 600;

/// Where the part of a message begins that is not for people, and what to say in its place.
const NOT_FOR_PEOPLE: [(&str, &str); 2] = [
    (
        "Encoded authorization failure message:",
        "(The encoded details are in CloudTrail's record of this request: aws sts decode-authorization-message.)",
    ),
    // It quotes the signed headers, a session token among them.
    ("The Canonical String", "(The signed request is left out.)"),
];

/// EC2's message, bounded and without what must not or need not be read.
fn presentable(message: &str) -> String {
    let mut text = message.trim();
    let mut instead = String::new();
    for (start, hint) in NOT_FOR_PEOPLE {
        if let Some((before, _)) = text.split_once(start) {
            text = before.trim_end();
            instead = format!(" {hint}");
        }
    }
    let mut kept: String = text.chars().take(MESSAGE).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    if kept.is_empty() && instead.is_empty() {
        "no message".clone_into(&mut kept);
    }
    kept + &instead
}

#[cfg(test)]
mod tests;
