use std::ops::ControlFlow::{Break, Continue};

use ebs_types::VolumeState;
use futures::future::join_all;
use tokio::time::{advance, sleep, timeout};

use super::*;
use crate::cloud::fake::{Fake, LATENCY, trouble, volume, volume_id};
use crate::cloud::lookup::{Source, VolumesById};
use crate::{Action, ErrorKind, Volume};

const PACE: Pace = Pace {
    min: Duration::from_millis(50),
    max: Duration::from_secs(2),
};
const WINDOW: Duration = Duration::from_secs(10);

fn watch(fake: &Arc<Fake>) -> Arc<Watch<VolumesById>> {
    let sightings = Arc::new(Sightings::new(WINDOW));
    let source = Source {
        api: fake.clone(),
        sightings: Arc::clone(&sightings),
    };
    let metrics = CloudMetrics::default();
    let batch = Batch::new(VolumesById(source), metrics.clone());
    Watch::new(batch, sightings, PACE, metrics)
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
        async move {
            watch
                .until(volume_id(number), Change::Made, Begun::Now, available)
                .await
        }
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
    assert!((3..=30).contains(&calls.len()), "{calls:?}");
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
    let (state, ()) = tokio::join!(
        watch.until(volume_id(0), Change::Made, Begun::Now, available),
        change
    );
    assert_eq!(state.unwrap(), VolumeState::Error);
    let took = start.elapsed();
    assert!(
        took <= Duration::from_secs(30) + PACE.max + LATENCY,
        "{took:?}"
    );
    let calls = fake.calls();
    let gaps: Vec<_> = calls
        .windows(2)
        .map(|pair| pair[1].at - pair[0].at)
        .collect();
    assert!(gaps.is_sorted(), "{gaps:?}");
    assert_eq!(calls[0].at, start);
    assert!(calls.len() < 70, "{}", calls.len());
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_gets_a_soon_look_and_the_others_ride_along() {
    let fake = fake_with(2);
    let watch = watch(&fake);
    let early = tokio::spawn({
        let watch = Arc::clone(&watch);
        async move {
            watch
                .until(volume_id(0), Change::Made, Begun::Now, available)
                .await
        }
    });
    sleep(Duration::from_secs(60)).await;
    fake.calls();
    let start = Instant::now();
    fake.set_state(0, VolumeState::Available);
    fake.set_state(1, VolumeState::Available);
    watch
        .until(volume_id(1), Change::Made, Begun::Now, available)
        .await
        .unwrap();
    assert!(start.elapsed() <= PACE.min * 2);
    early.await.unwrap().unwrap();
    assert!(start.elapsed() <= PACE.min * 2);
    assert_eq!(fake.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_nobody_waits() {
    let fake = fake_with(1);
    let watch = watch(&fake);
    let cut = timeout(
        Duration::from_secs(5),
        watch.until(volume_id(0), Change::Made, Begun::Now, available),
    )
    .await;
    assert!(cut.is_err());
    fake.calls();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(fake.calls(), []);
    assert!(!watch.waiters().ticking);
    // And starts again for the next one.
    fake.set_state(0, VolumeState::Available);
    watch
        .until(volume_id(0), Change::Made, Begun::Now, available)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_waiter_leaving_harms_no_other() {
    let fake = fake_with(1);
    let watch = watch(&fake);
    let stays = watch.until(volume_id(0), Change::Made, Begun::Now, available);
    let leaves = timeout(
        Duration::from_secs(3),
        watch.until(volume_id(0), Change::Made, Begun::Now, available),
    );
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
    watch
        .until(volume_id(0), Change::Made, Begun::Now, available)
        .await
        .unwrap();
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
        .until(volume_id(0), Change::Made, Begun::Now, available)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Service);
    let took = start.elapsed();
    assert!(
        took >= seat::PATIENCE && took <= seat::PATIENCE + PACE.max * 2,
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
    let state = watch(&fake)
        .until(volume_id(0), Change::Made, Begun::Now, available)
        .await;
    assert_eq!(state.unwrap(), VolumeState::Available);
    assert!(start.elapsed() > seat::PATIENCE * 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_it() {
    let fake = fake_with(1);
    fake.fail_next(trouble(Action::DescribeVolumes, "UnauthorizedOperation"));
    let error = watch(&fake)
        .until(volume_id(0), Change::Made, Begun::Now, available)
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
    let (state, ()) = tokio::join!(
        watch.until(volume_id(7), Change::Made, Begun::Now, available),
        shows_late
    );
    assert_eq!(state.unwrap(), VolumeState::Available);

    let start = Instant::now();
    let error = watch
        .until(volume_id(8), Change::Made, Begun::Now, available)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::VolumeNotFound);
    let took = start.elapsed();
    // The window begins with the first look, which comes when the volume before was there.
    let first = Duration::from_secs(4);
    assert!(
        took >= WINDOW && took < WINDOW + first + PACE.max,
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_what_was_seen_before_it_asked() {
    let fake = fake_with(1);
    let watch = watch(&fake);
    let first = tokio::spawn({
        let watch = Arc::clone(&watch);
        async move {
            watch
                .until(volume_id(0), Change::Made, Begun::Now, available)
                .await
        }
    });
    // The first one's look is in flight now.
    sleep(LATENCY / 2).await;
    assert_eq!(fake.calls().len(), 1);
    let second = tokio::spawn({
        let watch = Arc::clone(&watch);
        async move {
            watch
                .until(volume_id(0), Change::Made, Begun::Now, |volume: &Volume| {
                    Break(volume.state)
                })
                .await
        }
    });
    tokio::task::yield_now().await;
    advance(Duration::from_millis(1)).await;
    fake.set_state(0, VolumeState::Error);
    assert_eq!(second.await.unwrap().unwrap(), VolumeState::Error);
    assert_eq!(first.await.unwrap().unwrap(), VolumeState::Error);
}

/// Waits for a volume that EC2 makes within `takes`, and says how many looks that took and how late it was told.
async fn make(fake: &Arc<Fake>, watch: &Arc<Watch<VolumesById>>, takes: u64) -> (usize, Duration) {
    fake.calls();
    fake.set_state(0, VolumeState::Creating);
    let takes = Duration::from_millis(takes);
    let start = Instant::now();
    let done = async {
        sleep(takes).await;
        fake.set_state(0, VolumeState::Available);
    };
    let waits = watch.until(volume_id(0), Change::Made, Begun::Now, available);
    let (told, ()) = tokio::join!(waits, done);
    told.unwrap();
    (fake.calls().len(), start.elapsed() - takes)
}

#[tokio::test(start_paused = true)]
async fn what_ec2_has_done_at_once_takes_one_look_at_once() {
    let fake = fake_with(1);
    let watch = watch(&fake);
    for _ in 0..20 {
        assert_eq!(make(&fake, &watch, 0).await, (1, LATENCY));
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_look_comes_when_ec2_tends_to_be_done() {
    let fake = fake_with(1);
    let watch = watch(&fake);
    // Nothing is known yet: looks from the beginning on.
    let (looks, late) = make(&fake, &watch, 1_000).await;
    assert!(
        looks <= 20 && late < Duration::from_millis(80),
        "{looks} {late:?}"
    );
    for _ in 0..50 {
        let (looks, late) = make(&fake, &watch, 1_000).await;
        assert!(
            looks <= 2 && late < Duration::from_millis(80),
            "{looks} {late:?}"
        );
    }
    // What another kind of change takes is another matter.
    let waits = watch.until(volume_id(0), Change::Attached, Begun::Now, available);
    let start = Instant::now();
    waits.await.unwrap();
    assert_eq!(start.elapsed(), LATENCY);
}

#[tokio::test(start_paused = true)]
async fn doubt_and_what_was_begun_earlier_are_looked_at_at_once() {
    let fake = fake_with(1);
    let watch = watch(&fake);
    for _ in 0..5 {
        make(&fake, &watch, 1_000).await;
    }
    fake.calls();
    for begun in [Begun::NowInDoubt, Begun::Earlier] {
        let start = Instant::now();
        watch
            .until(volume_id(0), Change::Made, begun, available)
            .await
            .unwrap();
        assert_eq!(start.elapsed(), LATENCY);
    }
    // An early look that shows nothing yet is followed by one when EC2 tends to be done.
    fake.set_state(0, VolumeState::Creating);
    fake.calls();
    let done = async {
        sleep(Duration::from_millis(900)).await;
        fake.set_state(0, VolumeState::Available);
    };
    let waits = watch.until(volume_id(0), Change::Made, Begun::NowInDoubt, available);
    let (told, ()) = tokio::join!(waits, done);
    told.unwrap();
    assert_eq!(fake.calls().len(), 2);
}

/// Changes that a bucket lets through one by one, and that EC2 does at once: few describes for them all.
#[tokio::test(start_paused = true)]
async fn what_a_bucket_spreads_rides_together() {
    const MANY: usize = 1_000;
    let fake = fake_with(MANY);
    let watch = watch(&fake);
    let each = (0..MANY).map(|number| {
        let (watch, fake) = (Arc::clone(&watch), Arc::clone(&fake));
        async move {
            let coming = watch.coming();
            sleep(Duration::from_millis(200) * u32::try_from(number).unwrap()).await;
            fake.set_state(number, VolumeState::Available);
            drop(coming);
            let start = Instant::now();
            watch
                .until(volume_id(number), Change::Made, Begun::Now, available)
                .await
                .unwrap();
            start.elapsed()
        }
    });
    let waited = join_all(each).await;
    let calls = fake.calls().len();
    assert!(calls <= MANY / 4, "{calls}");
    let most = waited.into_iter().max().unwrap();
    assert!(most <= Duration::from_millis(1_100), "{most:?}");
}

/// A burst that EC2 accepts as fast as it can be sent.
#[tokio::test(start_paused = true)]
async fn a_burst_takes_few_describes() {
    const MANY: u32 = 1_000;
    let fake = fake_with(MANY as usize);
    let watch = watch(&fake);
    let each = (0..MANY).map(|number| {
        let (watch, fake) = (Arc::clone(&watch), Arc::clone(&fake));
        async move {
            let coming = watch.coming();
            sleep(Duration::from_micros(500) * number).await;
            let number = number as usize;
            fake.set_state(number, VolumeState::Available);
            drop(coming);
            watch
                .until(volume_id(number), Change::Made, Begun::Now, available)
                .await
                .unwrap();
        }
    });
    let start = Instant::now();
    join_all(each).await;
    let (calls, took) = (fake.calls().len(), start.elapsed());
    assert!(calls <= 30, "{calls}");
    assert!(took < Duration::from_millis(700), "{took:?}");
}
