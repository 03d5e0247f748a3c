//! What calls have in common when there is not room for all: their class, and the tokens that EC2 has for them.
//!
//! Source of the sizes: the EC2 developer guide, "Request throttling for the Amazon EC2 API", and for the EBS direct APIs the
//! service quotas of Amazon EBS.
//! Doesn't answer for: what an account really has, which is found out call by call (`bucket`).

use std::time::Duration;

use crate::Action;

/// Calls that go before or after others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Class {
    /// A pod waits for it on a node, or a node for letting go.
    Attach,
    /// A pod will wait for it. Modifying is among it, and what a volume or a snapshot needs besides.
    Create,
    /// Nobody waits.
    Delete,
    /// Describes, of which one answers many.
    Look,
    /// The EBS direct APIs, for backups: another service with quotas of its own.
    Blocks,
}

impl Class {
    /// The class of an action.
    pub(super) fn of(action: Action) -> Self {
        match action {
            Action::AttachVolume | Action::DetachVolume => Self::Attach,
            Action::DeleteVolume | Action::DeleteSnapshot => Self::Delete,
            Action::ListSnapshotBlocks | Action::ListChangedBlocks => Self::Blocks,
            other if other.mutates() => Self::Create,
            _ => Self::Look,
        }
    }

    /// By how much later than a call of the first classes one of this class may have come and still be served after it. Where calls
    /// compete, the order is that of arrival with this added: no call is overtaken by those that come later than that.
    pub(super) fn stands_back(self) -> Duration {
        match self {
            Self::Attach | Self::Look | Self::Blocks => Duration::ZERO,
            Self::Create => Duration::from_secs(5),
            Self::Delete => Duration::from_secs(15),
        }
    }

    /// Which calls it shares room with.
    pub(super) fn lot(self) -> Lot {
        match self {
            Self::Attach | Self::Create | Self::Delete => Lot::Changes,
            Self::Look => Lot::Looks,
            Self::Blocks => Lot::Blocks,
        }
    }

    /// Its label in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Attach => "attach",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Look => "describe",
            Self::Blocks => "blocks",
        }
    }
}

/// What is kept of a caller's time for what comes after the turn, unless that is more than a quarter of it: the call itself, and, where a volume
/// is made, attached, detached or modified, the few seconds until EC2 is done. A token that is spent later than that is spent for nothing: the
/// caller is gone before the answer, and asks again.
pub(super) fn afterwards(action: Action) -> Duration {
    match action {
        Action::CreateVolume
        | Action::CopyVolumes
        | Action::AttachVolume
        | Action::DetachVolume
        | Action::ModifyVolume => Duration::from_secs(5),
        _ => Duration::from_secs(1),
    }
}

/// Classes that are counted together in what is under way, so that none of the others can take all the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lot {
    Changes,
    Looks,
    Blocks,
}

impl Lot {
    /// How many of its calls are under way at once.
    pub(super) fn most(self) -> usize {
        match self {
            Self::Changes | Self::Looks => 40,
            Self::Blocks => 16,
        }
    }
}

/// How many calls are under way at once.
///
/// Each has a connection, some 50 KiB here and a place at the endpoint. EC2 answers in 0.1 to 3 s: 40 changes under way are 13 a second
/// where each takes 3 s, more than two actions at EC2's published 5 a second, and 400 a second where each takes 0.1 s.
pub(super) const MOST_UNDER_WAY: usize = 64;

/// What EC2 lets through of one action.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Size {
    /// How many calls at once.
    pub(super) tokens: f64,
    /// How many more each second.
    pub(super) per_second: f64,
}

/// What EC2 publishes for an account of no special size.
pub(super) fn published(action: Action) -> Size {
    let (tokens, per_second) = match action {
        // Those with sizes of their own.
        Action::CreateVolume
        | Action::DeleteVolume
        | Action::CreateSnapshot
        | Action::CreateSnapshots
        | Action::DeleteSnapshot => (100.0, 5.0),
        Action::CreateTags | Action::DeleteTags => (100.0, 10.0),
        other => match Class::of(other) {
            // All other actions that change something.
            Class::Attach | Class::Create | Class::Delete => (50.0, 5.0),
            // All other actions that only tell, with a filter or in pages, as all of this driver's are.
            Class::Look => (100.0, 20.0),
            // The quota is a rate: a second of it at once.
            Class::Blocks => (50.0, 50.0),
        },
    };
    Size { tokens, per_second }
}
