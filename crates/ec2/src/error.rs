//! What EC2 answers when it does not do as asked, sorted by what the caller must do about it.

use std::fmt;

/// An action of the EC2 API, or of the EBS direct APIs, that the driver calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are EC2's own")]
pub enum Action {
    CreateVolume,
    CopyVolumes,
    DeleteVolume,
    DescribeVolumes,
    DescribeVolumeStatus,
    AttachVolume,
    DetachVolume,
    ModifyVolume,
    DescribeVolumesModifications,
    CreateSnapshot,
    CreateSnapshots,
    DeleteSnapshot,
    EnableFastSnapshotRestores,
    DescribeFastSnapshotRestores,
    LockSnapshot,
    DescribeLockedSnapshots,
    CreateTags,
    DeleteTags,
    DescribeSnapshots,
    DescribeInstances,
    DescribeAvailabilityZones,
    DescribeInstanceTypes,
    ListSnapshotBlocks,
    ListChangedBlocks,
}

impl Action {
    /// Whether the call changes anything.
    #[must_use]
    pub fn mutates(self) -> bool {
        match self {
            Self::CreateVolume
            | Self::CopyVolumes
            | Self::DeleteVolume
            | Self::AttachVolume
            | Self::DetachVolume
            | Self::ModifyVolume
            | Self::CreateSnapshot
            | Self::CreateSnapshots
            | Self::DeleteSnapshot
            | Self::EnableFastSnapshotRestores
            | Self::LockSnapshot
            | Self::CreateTags
            | Self::DeleteTags => true,
            Self::DescribeVolumes
            | Self::DescribeVolumeStatus
            | Self::DescribeVolumesModifications
            | Self::DescribeSnapshots
            | Self::DescribeFastSnapshotRestores
            | Self::DescribeLockedSnapshots
            | Self::DescribeInstances
            | Self::DescribeAvailabilityZones
            | Self::DescribeInstanceTypes
            | Self::ListSnapshotBlocks
            | Self::ListChangedBlocks => false,
        }
    }

    /// Its name, as the API has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateVolume => "CreateVolume",
            Self::CopyVolumes => "CopyVolumes",
            Self::DeleteVolume => "DeleteVolume",
            Self::DescribeVolumes => "DescribeVolumes",
            Self::DescribeVolumeStatus => "DescribeVolumeStatus",
            Self::AttachVolume => "AttachVolume",
            Self::DetachVolume => "DetachVolume",
            Self::ModifyVolume => "ModifyVolume",
            Self::DescribeVolumesModifications => "DescribeVolumesModifications",
            Self::CreateSnapshot => "CreateSnapshot",
            Self::CreateSnapshots => "CreateSnapshots",
            Self::DeleteSnapshot => "DeleteSnapshot",
            Self::EnableFastSnapshotRestores => "EnableFastSnapshotRestores",
            Self::DescribeFastSnapshotRestores => "DescribeFastSnapshotRestores",
            Self::LockSnapshot => "LockSnapshot",
            Self::DescribeLockedSnapshots => "DescribeLockedSnapshots",
            Self::CreateTags => "CreateTags",
            Self::DeleteTags => "DeleteTags",
            Self::DescribeSnapshots => "DescribeSnapshots",
            Self::DescribeInstances => "DescribeInstances",
            Self::DescribeAvailabilityZones => "DescribeAvailabilityZones",
            Self::DescribeInstanceTypes => "DescribeInstanceTypes",
            Self::ListSnapshotBlocks => "ListSnapshotBlocks",
            Self::ListChangedBlocks => "ListChangedBlocks",
        }
    }

    /// The service whose action it is.
    fn service(self) -> &'static str {
        match self {
            Self::ListSnapshotBlocks | Self::ListChangedBlocks => "EBS",
            _ => "EC2",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a failed call may have changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It changed nothing.
    NotDone,
    /// It may have taken effect: the reply was lost, or EC2 failed inside.
    MayBeDone,
}

/// What kind of refusal or failure it was. The comment gives the codes of the EC2 API reference ("Error codes").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// `InvalidVolume.NotFound`.
    VolumeNotFound,
    /// `InvalidSnapshot.NotFound`, `ResourceNotFoundException`.
    SnapshotNotFound,
    /// `InvalidInstanceID.NotFound`.
    InstanceNotFound,
    /// `InvalidAttachment.NotFound`: that volume is not attached to that instance.
    AttachmentNotFound,
    /// `InvalidVolumeModification.NotFound`: that volume was never modified.
    ModificationNotFound,
    /// `InvalidVolumeID.Malformed`, `InvalidInstanceID.Malformed` and the like: no such id can ever exist.
    MalformedId,
    /// `VolumeInUse`: attached somewhere, for the call at hand in the wrong place.
    VolumeInUse,
    /// `IncorrectState`, `IncorrectInstanceState`, `InvalidVolume.State`-like: not now, perhaps later.
    IncorrectState,
    /// `IncorrectModificationState`: the last modification has not completed.
    ModificationInProgress,
    /// `InvalidVolume.ZoneMismatch`.
    ZoneMismatch,
    /// `InvalidParameterValue` with "already in use": the device name is taken on that instance.
    DeviceNameTaken,
    /// `IdempotentParameterMismatch`: the token was used with other parameters.
    IdempotentParameterMismatch,
    /// `VolumeLimitExceeded`, `MaxIOPSLimitExceeded`, `SnapshotLimitExceeded`, `ResourceLimitExceeded`, and
    /// every `…LimitExceeded` that means nothing else: the account's quota.
    QuotaExceeded,
    /// `ConcurrentCopyVolumeLimitExceeded`, `CopyVolumesLimitExceeded`: copies of the volume, or of the region, that are not initialized yet.
    CopiesUnderWay,
    /// `InsufficientVolumeCapacity`: the zone has no room now.
    InsufficientCapacity,
    /// `AttachmentLimitExceeded`: the instance is full.
    AttachmentLimitExceeded,
    /// `VolumeModificationRateExceeded`: too soon after the last modification.
    ModificationRateExceeded,
    /// `VolumeModificationSizeLimitExceeded`: the account's quota of storage being modified.
    ModificationSizeLimitExceeded,
    /// `SnapshotCreationPerVolumeRateExceeded`, `ConcurrentSnapshotLimitExceeded`.
    SnapshotRateExceeded,
    /// `InvalidSnapshot.InUse`: an image is registered from it.
    SnapshotInUse,
    /// `InvalidParameterValue`, `InvalidParameterCombination`, `InvalidParameter`, `MissingParameter`, `UnknownVolumeType`, `UnknownParameter`,
    /// `UnsupportedOperation`, `TagLimitExceeded`, `InvalidZone.NotFound`, `InvalidNextToken`, `InvalidKmsKey.*`: asked for what cannot be had.
    InvalidParameter,
    /// `ValidationException.UNRELATED_SNAPSHOTS`: of volumes that have nothing to do with one another.
    UnrelatedSnapshots,
    /// `ValidationException.INVALID_PAGE_TOKEN`: the token of a page of blocks has expired, or is none.
    PageToken,
    /// `DryRunOperation`: it would have worked.
    DryRun,
    /// `UnauthorizedOperation`, `AuthFailure`, `Blocked`, `OptInRequired`, `ExpiredToken` and the like; no usable credentials.
    Unauthorized,
    /// `RequestLimitExceeded`, `Throttling`.
    Throttled,
    /// The call was not made: its turn among the calls to EC2 would come after its caller's deadline.
    NoTurn,
    /// `InternalError`, `InternalFailure`, `Unavailable`, `ServiceUnavailable`, any other 5xx.
    Service,
    /// No answer of EC2: refused or reset connection, timeout, a reply cut off, credentials that could not be fetched just now.
    Unreachable,
    /// EC2 answered with something that this driver cannot read, such as a state or type that is newer than it.
    Unreadable,
    /// A code that this driver does not know.
    Other,
}

/// A call to EC2 that did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct Ec2Error {
    /// Which call.
    pub action: Action,
    /// What kind of failure.
    pub kind: ErrorKind,
    /// Whether the call may have taken effect nevertheless.
    pub outcome: Outcome,
    /// EC2's code, if EC2 answered.
    pub code: Option<String>,
    /// EC2's or the connection's words, at most some 700 characters. Never holds credentials.
    pub message: String,
    /// EC2's request id, for AWS support.
    pub request_id: Option<String>,
}

impl Ec2Error {
    /// Whether repeating the same call later can succeed without anyone changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Throttled
                | ErrorKind::NoTurn
                | ErrorKind::Service
                | ErrorKind::Unreachable
                | ErrorKind::Unreadable
        )
    }

    /// Whether EC2 says that the volume, snapshot, instance, attachment or modification does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::VolumeNotFound
                | ErrorKind::SnapshotNotFound
                | ErrorKind::InstanceNotFound
                | ErrorKind::AttachmentNotFound
                | ErrorKind::ModificationNotFound
        )
    }

    fn sentence(&self) -> String {
        let code = self
            .code
            .as_deref()
            .map(|code| format!("{code}: "))
            .unwrap_or_default();
        let id = self
            .request_id
            .as_deref()
            .map(|id| format!(" (request id {id})"))
            .unwrap_or_default();
        let what = match self.kind {
            ErrorKind::NoTurn => "was not called",
            _ => "failed",
        };
        format!(
            "{} {} {what}: {code}{}{id}",
            self.action.service(),
            self.action,
            self.message
        )
    }
}
