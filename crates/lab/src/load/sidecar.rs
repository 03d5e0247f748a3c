//! The patience of Kubernetes' sidecars: external-provisioner, -attacher, -resizer and -snapshotter.
//!
//! Answers for: how long a call may take, which answers are asked for again and after how long.
//! Doesn't answer for: asking; see [`super::drive`].
//!
//! All four put what failed back into a queue that waits `--retry-interval-start`, twice as long after each failure, up to
//! `--retry-interval-max` (their READMEs, "Command line options"). A timeout is that of the context of the call (`--timeout`).
//! The timeouts here, and the flags' defaults, are what the chart `charts/ebs-csi` gives them.

use std::collections::BTreeMap;
use std::time::Duration;

use tonic::Code;

use super::phase::Phase;

/// How a failed call is dealt with.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    /// What is not as in [`timeout`].
    pub(super) timeouts: BTreeMap<Phase, Duration>,
    /// The pause after the first failure.
    pub(super) start: Duration,
    /// The longest pause.
    pub(super) most: Duration,
    /// How long after an operation's first call it is begun again; a sidecar never gives up.
    pub(super) patience: Duration,
}

impl Policy {
    /// How long a call may take.
    pub(super) fn timeout(&self, phase: Phase) -> Duration {
        let own = self.timeouts.get(&phase).copied();
        own.unwrap_or_else(|| timeout(phase))
    }

    /// The pause after so many failures, at least one.
    pub(super) fn pause(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.start.saturating_mul(doubled).min(self.most)
    }
}

/// `--timeout` of the sidecar that makes this call, in the chart.
pub(super) fn timeout(phase: Phase) -> Duration {
    match phase {
        Phase::Publish | Phase::Unpublish => Duration::from_mins(2),
        _ => Duration::from_mins(1),
    }
}

/// Whether asking again can help. The sidecars ask again whatever the answer was: after these ones for ever in vain, until a
/// person changes the object. external-resizer takes NOT_FOUND for one of them, too.
pub(super) fn is_worth_repeating(phase: Phase, code: Code) -> bool {
    match code {
        Code::InvalidArgument
        | Code::OutOfRange
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::Unimplemented => false,
        Code::NotFound => phase != Phase::Expand,
        _ => true,
    }
}

/// Whether after this answer the operation may still be going on, or have been done, as the sidecars see it.
pub(super) fn leaves_open(code: Code) -> bool {
    matches!(
        code,
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Unavailable
            | Code::ResourceExhausted
            | Code::Aborted
            // Of the transport, or of a program that died: it says nothing of what was done.
            | Code::Unknown
            | Code::Internal
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        timeouts: BTreeMap::new(),
        start: Duration::from_secs(1),
        most: Duration::from_mins(1),
        patience: Duration::MAX,
    };

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses: Vec<u64> = (1..=8).map(|n| POLICY.pause(n).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(POLICY.pause(u32::MAX), POLICY.most);
    }

    #[test]
    fn only_what_a_person_must_mend_is_not_repeated() {
        for code in [
            Code::Aborted,
            Code::DeadlineExceeded,
            Code::Internal,
            Code::ResourceExhausted,
            Code::FailedPrecondition,
            Code::Unavailable,
        ] {
            assert!(is_worth_repeating(Phase::Create, code), "{code:?}");
        }
        for code in [
            Code::InvalidArgument,
            Code::OutOfRange,
            Code::Unimplemented,
            Code::PermissionDenied,
        ] {
            assert!(!is_worth_repeating(Phase::Create, code), "{code:?}");
            assert!(!leaves_open(code), "{code:?}");
        }
        assert!(is_worth_repeating(Phase::Publish, Code::NotFound));
        assert!(!is_worth_repeating(Phase::Expand, Code::NotFound));
    }

    #[test]
    fn timeouts_are_the_charts_unless_told() {
        let mut policy = POLICY;
        assert_eq!(policy.timeout(Phase::Create).as_secs(), 60);
        assert_eq!(policy.timeout(Phase::Publish).as_secs(), 120);
        policy
            .timeouts
            .insert(Phase::Publish, Duration::from_secs(360));
        assert_eq!(policy.timeout(Phase::Publish).as_secs(), 360);
        assert_eq!(policy.timeout(Phase::Unpublish).as_secs(), 120);
    }
}
