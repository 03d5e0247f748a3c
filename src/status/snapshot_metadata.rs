//! The code for each error of the SnapshotMetadata service.

use tonic::{Code, Status};

use super::{Rpc, ec2};
use crate::snapshot_metadata::Error;

/// The status that answers an RPC which failed with this error, or ends its stream.
pub(crate) fn snapshot_metadata(rpc: Rpc, error: &Error) -> Status {
    let mut message = error.to_string();
    if let Error::Ec2(refusal) = error {
        message.push_str("; ");
        message.push_str(ec2::advice(refusal));
    }
    Status::new(code(rpc, error), message)
}

fn code(rpc: Rpc, error: &Error) -> Code {
    match error {
        Error::Invalid(_) => Code::InvalidArgument,
        Error::Ec2(error) => ec2::code(rpc, error),
        Error::NotReady { .. } => Code::FailedPrecondition,
        Error::BeyondEnd { .. } => Code::OutOfRange,
        Error::Stalled { .. } | Error::OutOfOrder { .. } => Code::Unavailable,
    }
}
