//! The two rules as laws over any history of faults, cancellations and restarts of one name, of a volume made anew and of a clone.

use std::time::Duration;

use ec2::Action;
use proptest::prelude::*;
use tokio::time::timeout;

use super::super::testing::{
    FakeEc2, Fault, Try, clone_request, create, create_request, one_try, paused, refused, service,
};
use super::*;

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let create = prop_oneof![
        3 => refused(),
        2 => Just(Fault::LoseReply),
        1 => Just(Fault::Hang),
        1 => Just(Fault::Stick),
        1 => Just(Fault::Vanish),
    ];
    proptest::collection::vec(one_try(create), 1..6)
}

/// Plays the history, then tries until it works. Panics where a law is broken.
async fn play(history: &[Try], lag: u64, clones: bool) {
    let fake = FakeEc2::new();
    let usable = || {
        let state = fake.state();
        let of =
            |volume: &&Volume| volume.name() == Some("pvc") && volume.state != VolumeState::Error;
        state.volumes.values().filter(of).count()
    };
    let (action, request) = if clones {
        let source = create(&service(&fake), create_request("source")).await;
        let request = clone_request("pvc", &source.unwrap().volume_id);
        (Action::CopyVolumes, request)
    } else {
        (Action::CreateVolume, create_request("pvc"))
    };
    fake.state().lag = Duration::from_secs(lag);
    let mut process = service(&fake);
    for next in history {
        if next.restart_before {
            process = service(&fake);
        }
        fake.forget_faults();
        next.create
            .into_iter()
            .for_each(|fault| fake.fault(action, fault));
        next.look
            .into_iter()
            .for_each(|fault| fake.fault(Action::DescribeVolumes, fault));
        let answer = create(&process, request.clone());
        match timeout(Duration::from_secs(next.deadline), answer).await {
            Ok(Err(status)) if is_final(status.code()) => {
                assert_eq!(usable(), 0, "{status:?} says that no volume exists");
            }
            Ok(Ok(_)) => assert_eq!(usable(), 1, "success means one volume"),
            Ok(Err(_)) | Err(_) => assert!(usable() <= 1, "no doubles"),
        }
    }
    fake.forget_faults();
    let mut last = create(&process, request.clone()).await;
    // A token burnt by each try of the history may have to be found out.
    for _ in 0..history.len() {
        if last.is_err() {
            last = create(&process, request.clone()).await;
        }
    }
    assert_eq!(usable(), 1, "{last:?}");
    assert!(last.is_ok(), "{last:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn final_means_none_and_success_means_one(history in tries(), lag in 0_u64..9, clones in any::<bool>()) {
        paused(play(&history, lag, clones));
    }
}
