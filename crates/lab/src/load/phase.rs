//! The steps of volumes' lives that load is made of.
//!
//! Answers for: their order, and what of EC2 each takes: the action that changes something, and EC2's own time for it.
//! Doesn't answer for: the requests; see [`super::volume`].

use serde::{Deserialize, Serialize};

/// A step, in the order in which they are taken: every volume is through one before any begins the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Phase {
    /// CreateVolume, empty, 1 GiB.
    Create,
    /// ControllerExpandVolume to 2 GiB.
    Expand,
    /// CreateSnapshot, until it is accepted: EC2 copies later.
    Snapshot,
    /// ControllerPublishVolume to one of the instances in turn.
    Publish,
    /// ControllerUnpublishVolume from there.
    Unpublish,
    /// DeleteSnapshot; there if both snapshots and deletions are asked for.
    DeleteSnapshot,
    /// DeleteVolume.
    Delete,
}

impl Phase {
    /// All of them, in order.
    pub(super) const ALL: [Self; 7] = [
        Self::Create,
        Self::Expand,
        Self::Snapshot,
        Self::Publish,
        Self::Unpublish,
        Self::DeleteSnapshot,
        Self::Delete,
    ];

    /// As it is written on the command line and in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Expand => "expand",
            Self::Snapshot => "snapshot",
            Self::Publish => "publish",
            Self::Unpublish => "unpublish",
            Self::DeleteSnapshot => "delete-snapshot",
            Self::Delete => "delete",
        }
    }

    /// The phase of this name.
    ///
    /// # Errors
    /// A sentence with the names there are.
    pub(super) fn named(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|phase| phase.name() == text);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|phase| phase.name()).collect();
            format!("{text:?} is not one of {}", names.join(", "))
        })
    }

    /// The action that EC2 must be called for once.
    pub(super) fn action(self) -> &'static str {
        match self {
            Self::Create => "CreateVolume",
            Self::Expand => "ModifyVolume",
            Self::Snapshot => "CreateSnapshot",
            Self::Publish => "AttachVolume",
            Self::Unpublish => "DetachVolume",
            Self::DeleteSnapshot => "DeleteSnapshot",
            Self::Delete => "DeleteVolume",
        }
    }

    /// The emulator's setting for how long EC2 takes until the caller can be answered; nothing is waited for where there is none.
    pub(super) fn own_time(self) -> Option<&'static str> {
        match self {
            Self::Create => Some("create_ms"),
            Self::Expand => Some("modify_ms"),
            Self::Publish => Some("attach_ms"),
            Self::Unpublish => Some("detach_ms"),
            Self::Snapshot | Self::DeleteSnapshot | Self::Delete => None,
        }
    }
}

/// The phases that are gone through when these are asked for: in order, each once, with those that they need.
pub(super) fn in_order(asked: &[Phase]) -> Vec<Phase> {
    let asks = |phase| asked.contains(&phase);
    let needed = |phase: &Phase| match phase {
        Phase::Create => true,
        Phase::Publish => asks(Phase::Publish) || asks(Phase::Unpublish),
        Phase::Snapshot => asks(Phase::Snapshot) || asks(Phase::DeleteSnapshot),
        Phase::DeleteSnapshot => {
            asks(Phase::DeleteSnapshot) || asks(Phase::Snapshot) && asks(Phase::Delete)
        }
        other => asks(*other),
    };
    Phase::ALL.into_iter().filter(needed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_come_in_their_order_with_what_they_need() {
        use Phase::*;
        assert_eq!(
            in_order(&[Delete, Unpublish, Snapshot, Delete]),
            [Create, Snapshot, Publish, Unpublish, DeleteSnapshot, Delete]
        );
        assert_eq!(in_order(&[Expand]), [Create, Expand]);
        assert!(Phase::named("expand").is_ok_and(|phase| phase == Expand));
        let refused = Phase::named("attach").unwrap_err();
        assert!(refused.contains("\"attach\"") && refused.contains("publish"));
    }
}
