//! What a caller's tries meet in the tests of laws over any history.

use ec2::ErrorKind;
use proptest::prelude::*;

use super::Fault;

/// What the next try of the caller meets.
#[derive(Clone, Copy, Debug)]
pub(in crate::controller) struct Try {
    /// The call that does the work.
    pub(in crate::controller) create: Option<Fault>,
    /// The look before it.
    pub(in crate::controller) look: Option<Fault>,
    pub(in crate::controller) restart_before: bool,
    /// In seconds.
    pub(in crate::controller) deadline: u64,
}

/// A refusal of EC2's.
pub(in crate::controller) fn refused() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(ErrorKind::Throttled),
        Just(ErrorKind::Unreachable),
        Just(ErrorKind::QuotaExceeded),
        Just(ErrorKind::InvalidParameter),
        Just(ErrorKind::Unauthorized),
        Just(ErrorKind::IncorrectState),
        Just(ErrorKind::Other),
    ]
    .prop_map(Fault::Refuse)
}

/// A try whose work meets one of these faults, or none.
pub(in crate::controller) fn one_try(
    create: impl Strategy<Value = Fault>,
) -> impl Strategy<Value = Try> {
    let one = (
        proptest::option::weighted(0.8, create),
        proptest::option::weighted(0.2, refused()),
        any::<bool>(),
        1_u64..60,
    );
    one.prop_map(|(create, look, restart_before, deadline)| Try {
        create,
        look,
        restart_before,
        deadline,
    })
}
