//! The rule of one group a name as a law over any history of faults, cancellations, restarts and volumes that come and go.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ebs_types::keys;
use ec2::{Action, Attachment};
use proptest::prelude::*;
use tokio::time::timeout;

use super::super::testing::{FakeEc2, Fault, Try, one_try, paused, refused, service, take_group};
use super::tests::{HERE, attached, delete, ids};
use crate::status::is_final;

/// Tries, each with whether its volumes are detached meanwhile.
fn tries() -> impl Strategy<Value = Vec<(Try, bool)>> {
    let create = prop_oneof![
        2 => refused(),
        2 => Just(Fault::LoseReply),
        1 => Just(Fault::Hang),
        1 => Just(Fault::Vanish),
    ];
    let detached = proptest::bool::weighted(0.2);
    proptest::collection::vec((one_try(create), detached), 1..6)
}

/// How many groups there are, each of both volumes.
fn groups(fake: &FakeEc2) -> usize {
    let state = fake.state();
    let cuts = state
        .snapshots
        .values()
        .map(|snapshot| &snapshot.tags[keys::GROUP_SNAPSHOT_CUT]);
    let cuts: BTreeSet<_> = cuts.collect();
    assert_eq!(state.snapshots.len(), 2 * cuts.len(), "half a group");
    cuts.len()
}

/// Takes both volumes away from their instance, or gives them back.
fn attach(fake: &FakeEc2, attachments: &[Vec<Attachment>]) {
    let mut state = fake.state();
    for (volume, attachments) in state.volumes.values_mut().zip(attachments) {
        volume.attachments.clone_from(attachments);
    }
}

/// Plays the history, then tries until it works, and deletes the group. Panics where the law is broken.
async fn play(history: &[(Try, bool)], lag: u64, undeletable: Option<Fault>) {
    let fake = FakeEc2::new();
    let mut process = service(&fake);
    let volumes = attached(&fake, &process, HERE, &["a", "b"]).await;
    let there: Vec<_> = {
        let state = fake.state();
        state
            .volumes
            .values()
            .map(|v| v.attachments.clone())
            .collect()
    };
    fake.state().lag = Duration::from_secs(lag);
    for (next, detached) in history {
        if next.restart_before {
            process = service(&fake);
        }
        fake.forget_faults();
        let faults = [
            (Action::CreateSnapshots, next.create),
            (Action::DescribeSnapshots, next.look),
        ];
        for (action, fault) in faults {
            fault
                .into_iter()
                .for_each(|fault| fake.fault(action, fault));
        }
        if *detached {
            attach(&fake, &[vec![], vec![]]);
        }
        let answer = take_group(&process, "group", &volumes);
        let answer = timeout(Duration::from_secs(next.deadline), answer).await;
        attach(&fake, &there);
        match answer {
            Ok(Err(status)) if is_final(status.code()) => {
                assert_eq!(groups(&fake), 0, "{status:?} says that there is no group");
            }
            Ok(Ok(_)) => assert_eq!(groups(&fake), 1, "success means one group"),
            Ok(Err(_)) | Err(_) => assert!(groups(&fake) <= 1, "no doubles"),
        }
    }
    fake.forget_faults();
    let last = take_group(&process, "group", &volumes).await.unwrap();
    assert_eq!(groups(&fake), 1);
    gone(&fake, &ids(&last), undeletable).await;
}

async fn gone(fake: &Arc<FakeEc2>, members: &[String], fault: Option<Fault>) {
    fault
        .into_iter()
        .for_each(|fault| fake.fault(Action::DeleteSnapshot, fault));
    let first = delete(&service(fake), "group", members).await;
    assert!(
        first.is_err() || fake.state().snapshots.is_empty(),
        "success means none"
    );
    fake.forget_faults();
    delete(&service(fake), "group", members).await.unwrap();
    assert!(fake.state().snapshots.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn final_means_none_and_success_means_one(
        history in tries(),
        lag in 0_u64..5,
        undeletable in proptest::option::of(prop_oneof![refused(), Just(Fault::LoseReply)]),
    ) {
        paused(play(&history, lag, undeletable));
    }
}
