//! What protects a snapshot from being deleted: EBS' snapshot lock (EC2 API reference, "LockSnapshot").

use std::time::SystemTime;

/// How a snapshot is to be locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotLock {
    /// Who can undo it.
    pub mode: LockMode,
    /// For how long it lasts.
    pub term: LockTerm,
}

/// Who can undo a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Whoever may call UnlockSnapshot.
    Governance,
    /// Nobody until it expires; for so many hours after it was set (1 to 72) still whoever may call UnlockSnapshot, at once
    /// nobody where `None`.
    Compliance {
        /// In hours.
        cool_off: Option<u8>,
    },
}

impl LockMode {
    /// The mode in EC2's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "governance",
            Self::Compliance { .. } => "compliance",
        }
    }
}

/// For how long a lock lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockTerm {
    /// So many days (1 to 36,500) from when the snapshot is completed.
    Days(u16),
    /// Until then.
    Until(SystemTime),
}

impl SnapshotLock {
    /// The hours that a cooling-off period can have.
    pub const COOL_OFF_HOURS: std::ops::RangeInclusive<u8> = 1..=72;

    /// The days that a lock can last.
    pub const DAYS: std::ops::RangeInclusive<u16> = 1..=36_500;

    /// Whether it would have expired by `now`: nothing is left to lock.
    #[must_use]
    pub fn is_over(&self, now: SystemTime) -> bool {
        matches!(self.term, LockTerm::Until(end) if end <= now)
    }
}
