//! As a law over any history of faults, cuts and restarts: what is wanted comes about, by one modification for each wish at most.

use std::time::Duration;

use ec2::{Action, ErrorKind};
use proptest::prelude::*;
use tokio::time::{sleep, timeout};
use tonic::Code;

use super::super::testing::{FakeEc2, Fault, paused, service};
use super::tests::{completed, expand, modify, seen, volume};

/// What a try of the sidecar meets.
#[derive(Clone, Copy, Debug)]
struct Try {
    fault: Option<(Action, Fault)>,
    restart_before: bool,
    completed_before: bool,
    /// In milliseconds: how long the sidecar waits for both answers.
    deadline: u64,
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let fault = prop_oneof![
        3 => Just(Fault::LoseReply),
        1 => Just(Fault::Hang),
        1 => Just(Fault::Refuse(ErrorKind::Throttled)),
        1 => Just(Fault::Refuse(ErrorKind::Unreachable)),
        1 => Just(Fault::Refuse(ErrorKind::ModificationRateExceeded)),
        1 => Just(Fault::Refuse(ErrorKind::QuotaExceeded)),
    ];
    let action = prop_oneof![
        4 => Just(Action::ModifyVolume),
        1 => Just(Action::CreateTags),
    ];
    let one = (
        proptest::option::weighted(0.8, (action, fault)),
        any::<bool>(),
        any::<bool>(),
        1_u64..5_000,
    );
    let one = one.prop_map(|(fault, restart_before, completed_before, deadline)| Try {
        fault,
        restart_before,
        completed_before,
        deadline,
    });
    proptest::collection::vec(one, 1..6)
}

const CLASS: [(&str, &str); 2] = [("iops", "4000"), ("tagSpecification_1", "team=storage")];

/// Plays the history, then tries until it works. Panics where the law is broken.
async fn play(history: &[Try]) {
    let fake = FakeEc2::new();
    let mut process = service(&fake);
    let volume = volume(&process, &[]).await;
    for step in history {
        if step.restart_before {
            process = service(&fake);
        }
        if step.completed_before {
            completed(&fake);
        }
        if let Some((action, fault)) = step.fault {
            fake.fault(action, fault);
        }
        let both = async {
            tokio::join!(
                expand(&process, &volume, 200),
                modify(&process, &volume, &CLASS)
            )
        };
        let Ok((size, modified)) = timeout(Duration::from_millis(step.deadline), both).await else {
            continue;
        };
        for code in [size.err(), modified.err()].into_iter().flatten() {
            assert_ne!(code.code(), Code::InvalidArgument, "{code:?}");
            assert_ne!(code.code(), Code::OutOfRange, "{code:?}");
        }
    }
    fake.forget_faults();
    while expand(&process, &volume, 200).await.is_err() {
        sleep(Duration::from_secs(2)).await;
        completed(&fake);
    }
    while modify(&process, &volume, &CLASS).await.is_err() {
        sleep(Duration::from_secs(2)).await;
        completed(&fake);
    }
    let is = seen(&fake);
    assert_eq!((is.size.0, is.iops), (200, Some(4_000)));
    assert_eq!(is.tags["team"], "storage");
    let accepted = fake.state().modified;
    assert!(accepted <= 2, "{accepted} modifications for two wishes");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn one_modification_for_each_wish_at_most(history in tries()) {
        paused(async {
            timeout(Duration::from_secs(3_600), play(&history)).await.expect("it works at last");
        });
    }
}
