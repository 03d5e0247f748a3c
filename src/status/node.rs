//! The code for each error of the Node service.

use host::{
    CheckError, FindError, FormatError, GrowError, InspectError, MountError, PlaceError, StatsError,
};
use tonic::{Code, Status};

use crate::node::{NodeError, TargetError};

impl From<NodeError> for Status {
    fn from(error: NodeError) -> Self {
        Self::new(code(&error), error.to_string())
    }
}

fn code(error: &NodeError) -> Code {
    match error {
        NodeError::Invalid(_) | NodeError::MountOption(_) | NodeError::FormatOption(_) => {
            Code::InvalidArgument
        }
        NodeError::OutOfRange(_) => Code::OutOfRange,
        NodeError::NoSuchVolume(_) | NodeError::NoPlace { .. } | NodeError::NotMounted { .. } => {
            Code::NotFound
        }
        NodeError::InFlight(_) | NodeError::Writing(_) => Code::Aborted,
        NodeError::ForeignContents { .. }
        | NodeError::BlankCopy { .. }
        | NodeError::LostInUse { .. }
        | NodeError::PartitionTooSmall { .. }
        | NodeError::BlankReadOnly { .. }
        | NodeError::NotStaged { .. }
        | NodeError::SingleWriter { .. } => Code::FailedPrecondition,
        NodeError::Occupied { .. } => Code::AlreadyExists,
        // Neither is known yet and both soon will be.
        NodeError::DeviceTooSmall { .. } | NodeError::Metadata(_) => Code::Unavailable,
        NodeError::Find(error) => find(error),
        NodeError::Inspect(error) => inspect(error),
        NodeError::Format(error) => format(error),
        NodeError::Check(error) => check(error),
        NodeError::Grow(error) => grow(error),
        NodeError::Mount(error) => mount(error),
        NodeError::Stats(error) => stats(error),
        NodeError::Target(error) => target(error),
        NodeError::Size { .. } | NodeError::Lost(_) => Code::Internal,
    }
}

fn find(error: &FindError) -> Code {
    match error {
        FindError::Busy(_) => Code::Aborted,
        // The volume exists; only its device is not there yet. NOT_FOUND would say that there is no such volume.
        FindError::Missing { .. } => Code::Unavailable,
        FindError::Ambiguous { .. }
        | FindError::Unproven { .. }
        | FindError::Mismatch { .. }
        | FindError::Io { .. } => Code::Internal,
    }
}

fn inspect(error: &InspectError) -> Code {
    match error {
        InspectError::Busy(_) | InspectError::Held { .. } => Code::Aborted,
        InspectError::Unreadable { .. } | InspectError::Program { .. } => Code::Internal,
    }
}

fn format(error: &FormatError) -> Code {
    match error {
        // A blank device is held for moments, or by a mkfs that outlived an earlier process and is blank no longer when that
        // has ended: the next try looks at it anew.
        FormatError::Busy(_) | FormatError::InUse { .. } | FormatError::NotBlank { .. } => {
            Code::Aborted
        }
        FormatError::Identity(error) => find(error),
        FormatError::Inspect(error) => inspect(error),
        FormatError::TooSmall { .. } | FormatError::Unmountable { .. } => Code::FailedPrecondition,
        FormatError::Open { .. } | FormatError::Program { .. } | FormatError::NotMade { .. } => {
            Code::Internal
        }
    }
}

fn check(error: &CheckError) -> Code {
    match error {
        CheckError::Busy(_) | CheckError::InUse { .. } => Code::Aborted,
        CheckError::Damaged { .. } | CheckError::OutOfMemory { .. } => Code::FailedPrecondition,
        CheckError::Lock { .. } | CheckError::Program { .. } => Code::Internal,
    }
}

fn grow(error: &GrowError) -> Code {
    match error {
        GrowError::Busy(_) => Code::Aborted,
        GrowError::NeedsCapability { .. }
        | GrowError::ReadOnly { .. }
        | GrowError::WrongMount { .. }
        | GrowError::OtherContents { .. } => Code::FailedPrecondition,
        GrowError::Inspect(error) => inspect(error),
        GrowError::Check(error) => check(error),
        GrowError::Mount(error) => mount(error),
        GrowError::Kernel { .. } | GrowError::Program { .. } => Code::Internal,
    }
}

fn mount(error: &MountError) -> Code {
    match error {
        MountError::Busy(_) => Code::Aborted,
        MountError::Occupied { .. } => Code::AlreadyExists,
        MountError::NotMounted { .. } | MountError::Copy { .. } => Code::FailedPrecondition,
        MountError::Place(error) => place(error),
        MountError::WrongDevice { .. } | MountError::Kernel { .. } => Code::Internal,
    }
}

fn stats(error: &StatsError) -> Code {
    match error {
        // A volume whose device has gone is no longer at its path (CSI specification, NodeGetVolumeStats).
        StatsError::NotFound { .. } | StatsError::NotMounted { .. } | StatsError::Gone { .. } => {
            Code::NotFound
        }
        StatsError::Mount(error) => mount(error),
        StatsError::ShutDown { .. } | StatsError::Kernel { .. } => Code::Internal,
    }
}

fn target(error: &TargetError) -> Code {
    match error {
        TargetError::WrongKind { .. } | TargetError::HoldsData { .. } => Code::FailedPrecondition,
        TargetError::Place(error) => place(error),
    }
}

fn place(error: &PlaceError) -> Code {
    match error {
        PlaceError::Link { .. } => Code::FailedPrecondition,
        PlaceError::Io { .. } => Code::Internal,
    }
}
