use std::ops::ControlFlow::{Break, Continue};

use ebs_types::VolumeState;
use futures::future::join_all;
use tokio::time::{advance, sleep, timeout};

use super::*;
use crate::cloud::fake::{Fake, trouble, volume, volume_id};
use crate::cloud::lookup::{Source, VolumesById};
use crate::{Action, ErrorKind, Volume};

const PACE: Pace = Pace {
    min: Duration::from_millis(100),
    max: Duration::from_secs(2),
};
const WINDOW: Duration = Duration::from_secs(10);

fn watch(fake: &Arc<Fake>) -> Arc<Watch<VolumesById>> {
    let sightings = Arc::new(Sightings::new(WINDOW));
    let batch = Batch::new(VolumesById(Source {
        api: fake.clone(),
        sightings: Arc::clone(&sightings),
    }));
    Watch::new(batch, sightings, PACE)
}

fn available(volume: &Volume) -> ControlFlow<VolumeState> {
    match volume.state {
        VolumeState::Creating => Continue(()),
        state => Break(state),
    }
}

fn fake_with(volumes: usize) -> Arc<Fake> {
    let fake = Fake::new();
    for number in 0..volumes {
        fake.put(volume(number, "name"));
    }
    fake
}

#[tokio::test(start_paused = true)]
async fn all_waiters_ride_one_describe_per_tick() {
    let fake = fake_with(100);
    let watch = watch(&fake);
    let waiters = join_all((0..100).map(|number| {
        let watch = Arc::clone(&watch);
        async move { watch.until(volume_id(number), available).await }
    }));
    let become_available = async {
        sleep(Duration::from_secs(2)).await;
        for number in 0..100 {
            fake.set_state(number, VolumeState::Available);
        }
    };
    let (states, ()) = tokio::join!(waiters, become_available);
    assert!(
        states
            .into_iter()
            .all(|state| state.unwrap() == VolumeState::Available)
    );
    let calls = fake.calls();
    assert!(calls.iter().all(|call| call.keys == 100), "{calls:?}");
    assert!((3..=8).contains(&calls.len()), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn the_pauses_grow_while_nothing_changes_and_shrink_when_something_does() {
    let fake = fake_with(1);
    let watch = watch(&fake);
    let start = Instant::now();
    let change = async {
        sleep(Duration::from_secs(30)).await;
        fake.set_state(0, VolumeState::Error);
    };
    let (state, ()) = tokio::join!(watch.until(volume_id(0), available), change);
    assert_eq!(state.unwrap(), VolumeState::Error);
    let took = start.elapsed();
    assert!(
        took <= Duration::from_secs(30) + PACE.max + PACE.min,
        "{took:?}"
    );
    let calls = fake.calls();
    let gaps: Vec<_> = calls
        .windows(2)
        .map(|pair| pair[1].at - pair[0].at)
        .collect();
    assert!(gaps.is_sorted(), "{gaps:?}");
    assert_eq!(calls[0].at - start, PACE.min);
    assert!(calls.len() < 30, "{}", calls.len());
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_gets_a_soon_look_and_the_others_ride_along() {
    let fake = fake_with(2);
    let watch = watch(&fake);
    let early = tokio::spawn({
        let watch = Arc::clone(&watch);
        async move { watch.until(volume_id(0), available).await }
    });
    sleep(Duration::from_secs(60)).await;
    fake.calls();
    let start = Instant::now();
    fake.set_state(0, VolumeState::Available);
    fake.set_state(1, VolumeState::Available);
    watch.until(volume_id(1), available).await.unwrap();
    assert!(start.elapsed() <= PACE.min * 2);
    early.await.unwrap().unwrap();
    assert!(start.elapsed() <= PACE.min * 2);
    assert_eq!(fake.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_nobody_waits() {
    let fake = fake_with(1);
    let watch = watch(&fake);
    let cut = timeout(Duration::from_secs(5), watch.until(volume_id(0), available)).await;
    assert!(cut.is_err());
    fake.calls();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(fake.calls(), []);
    assert!(!watch.waiters().ticking);
    // And starts again for the next one.
    fake.set_state(0, VolumeState::Available);
    watch.until(volume_id(0), available).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_waiter_leaving_harms_no_other() {
    let fake = fake_with(1);
    let watch = watch(&fake);
    let stays = watch.until(volume_id(0), available);
    let leaves = timeout(Duration::from_secs(3), watch.until(volume_id(0), available));
    let change = async {
        sleep(Duration::from_secs(6)).await;
        fake.set_state(0, VolumeState::Available);
    };
    let (stays, leaves, ()) = tokio::join!(stays, leaves, change);
    assert_eq!(stays.unwrap(), VolumeState::Available);
    assert!(leaves.is_err());
}

#[tokio::test(start_paused = true)]
async fn trouble_of_ec2_slows_it_down_and_does_not_end_it() {
    let fake = fake_with(1);
    fake.set_state(0, VolumeState::Available);
    for code in ["RequestLimitExceeded", "InternalError", "Unavailable"] {
        fake.fail_next(trouble(Action::DescribeVolumes, code));
    }
    let watch = watch(&fake);
    watch.until(volume_id(0), available).await.unwrap();
    let calls = fake.calls();
    let gaps: Vec<_> = calls
        .windows(2)
        .map(|pair| pair[1].at - pair[0].at)
        .collect();
    assert_eq!(gaps.len(), 3);
    assert!(gaps[0] >= PACE.min * 2 && gaps.is_sorted(), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_ec2_is_reported_when_patience_is_over() {
    let fake = fake_with(1);
    for _ in 0..100 {
        fake.fail_next(trouble(Action::DescribeVolumes, "Unavailable"));
    }
    let start = Instant::now();
    let error = watch(&fake)
        .until(volume_id(0), available)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Service);
    let took = start.elapsed();
    assert!(
        took >= PATIENCE && took <= PATIENCE + PACE.max * 2,
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn throttling_never_ends_it() {
    let fake = fake_with(1);
    fake.set_state(0, VolumeState::Available);
    for _ in 0..100 {
        fake.fail_next(trouble(Action::DescribeVolumes, "RequestLimitExceeded"));
    }
    let start = Instant::now();
    let state = watch(&fake).until(volume_id(0), available).await;
    assert_eq!(state.unwrap(), VolumeState::Available);
    assert!(start.elapsed() > PATIENCE * 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_it() {
    let fake = fake_with(1);
    fake.fail_next(trouble(Action::DescribeVolumes, "UnauthorizedOperation"));
    let error = watch(&fake)
        .until(volume_id(0), available)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorized);
}

#[tokio::test(start_paused = true)]
async fn not_found_is_waited_out_and_believed_when_sure() {
    let fake = fake_with(1);
    let watch = watch(&fake);
    let shows_late = async {
        sleep(Duration::from_secs(4)).await;
        let mut late = volume(7, "late");
        late.state = VolumeState::Available;
        fake.put(late);
    };
    let (state, ()) = tokio::join!(watch.until(volume_id(7), available), shows_late);
    assert_eq!(state.unwrap(), VolumeState::Available);

    let start = Instant::now();
    let error = watch.until(volume_id(8), available).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::VolumeNotFound);
    let took = start.elapsed();
    assert!(took >= WINDOW && took < WINDOW + PACE.max, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_what_was_seen_before_it_asked() {
    let fake = fake_with(1);
    let watch = watch(&fake);
    let first = tokio::spawn({
        let watch = Arc::clone(&watch);
        async move { watch.until(volume_id(0), available).await }
    });
    // The first one's look is in flight now.
    sleep(PACE.min + Duration::from_millis(5)).await;
    assert_eq!(fake.calls().len(), 1);
    let second = tokio::spawn({
        let watch = Arc::clone(&watch);
        async move {
            watch
                .until(volume_id(0), |volume: &Volume| Break(volume.state))
                .await
        }
    });
    tokio::task::yield_now().await;
    advance(Duration::from_millis(1)).await;
    fake.set_state(0, VolumeState::Error);
    assert_eq!(second.await.unwrap().unwrap(), VolumeState::Error);
    assert_eq!(first.await.unwrap().unwrap(), VolumeState::Error);
}
