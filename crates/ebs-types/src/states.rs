//! The states that EC2 reports, with EC2's spellings (EC2 API reference: Volume, VolumeAttachment, VolumeModification, Snapshot,
//! DescribeFastSnapshotRestoreSuccessItem, LockedSnapshotsInfo, InstanceState).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A state that this driver does not know; it may be newer than the driver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a known {kind} state")]
pub struct UnknownState {
    /// The kind of resource.
    pub kind: &'static str,
    /// What EC2 said.
    pub value: String,
}

macro_rules! states {
    ($(#[$doc:meta])* $name:ident, $kind:literal, { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// The state in EC2's spelling.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl FromStr for $name {
            type Err = UnknownState;

            fn from_str(text: &str) -> Result<Self, UnknownState> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(UnknownState { kind: $kind, value: text.to_owned() }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

states!(
    /// A volume's state.
    VolumeState, "volume", {
        /// Being made; it may still become [`VolumeState::Error`].
        Creating = "creating",
        /// Attached nowhere.
        Available = "available",
        /// Attached, or on its way to or from an instance.
        InUse = "in-use",
        /// Delete was accepted.
        Deleting = "deleting",
        /// Gone; still described for a while.
        Deleted = "deleted",
        /// The create failed after it was accepted, for example by a KMS denial.
        Error = "error",
    }
);
states!(
    /// The state of a volume's attachment to one instance.
    AttachmentState, "attachment", {
        /// On its way; may hang.
        Attaching = "attaching",
        /// The instance has the device.
        Attached = "attached",
        /// On its way out.
        Detaching = "detaching",
        /// Gone; usually the entry is gone too.
        Detached = "detached",
        /// Detach waits, because the instance still uses the device.
        Busy = "busy",
    }
);
states!(
    /// The state of the latest modification of a volume.
    ModificationState, "modification", {
        /// Not yet usable.
        Modifying = "modifying",
        /// The new size is usable; performance is still on its way.
        Optimizing = "optimizing",
        /// Done.
        Completed = "completed",
        /// Did not happen.
        Failed = "failed",
    }
);
states!(
    /// A snapshot's state.
    SnapshotState, "snapshot", {
        /// The point in time is taken; blocks are still being copied.
        Pending = "pending",
        /// Ready to create volumes from.
        Completed = "completed",
        /// The copy failed.
        Error = "error",
        /// In the recycle bin.
        Recoverable = "recoverable",
        /// On its way out of the recycle bin.
        Recovering = "recovering",
    }
);
states!(
    /// An instance's state.
    InstanceState, "instance", {
        /// Starting.
        Pending = "pending",
        /// Up.
        Running = "running",
        /// Terminating.
        ShuttingDown = "shutting-down",
        /// Gone; still described for a while.
        Terminated = "terminated",
        /// Stopping.
        Stopping = "stopping",
        /// Down; keeps its attachments.
        Stopped = "stopped",
    }
);

states!(
    /// The state of fast restores of a snapshot in one zone.
    FastRestoreState, "fast snapshot restore", {
        /// Asked for.
        Enabling = "enabling",
        /// EBS fetches the blocks: an hour for each TiB.
        Optimizing = "optimizing",
        /// Volumes of that zone begin with all their blocks.
        Enabled = "enabled",
        /// Somebody turned it off.
        Disabling = "disabling",
        /// Off; still described for a while.
        Disabled = "disabled",
    }
);
states!(
    /// The state of a snapshot's lock.
    LockState, "snapshot lock", {
        /// Whoever may can unlock it.
        Governance = "governance",
        /// Nobody can unlock it.
        Compliance = "compliance",
        /// Not yet in force: whoever may can unlock it.
        ComplianceCoolOff = "compliance-cooloff",
        /// Over: the snapshot can be deleted.
        Expired = "expired",
    }
);

impl VolumeState {
    /// Whether the volume is on its way out or gone: it cannot serve any request again.
    #[must_use]
    pub fn is_gone(self) -> bool {
        matches!(self, Self::Deleting | Self::Deleted)
    }
}

impl InstanceState {
    /// Whether the instance will never use a volume again.
    #[must_use]
    pub fn is_gone(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_read_back() {
        for state in [
            VolumeState::Creating,
            VolumeState::InUse,
            VolumeState::Error,
        ] {
            assert_eq!(state.as_str().parse::<VolumeState>().unwrap(), state);
        }
        assert_eq!(
            "shutting-down".parse::<InstanceState>().unwrap(),
            InstanceState::ShuttingDown
        );
        assert_eq!(
            "warming".parse::<VolumeState>().unwrap_err().to_string(),
            r#""warming" is not a known volume state"#
        );
    }
}
