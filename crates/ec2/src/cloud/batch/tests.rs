use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use proptest::prelude::*;
use tokio::time::{sleep, timeout};

use super::*;
use crate::cloud::fake::{Fake, LATENCY, refusal, trouble, volume, volume_id};
use crate::cloud::lookup::{Source, VolumesById};
use crate::cloud::sightings::Sightings;
use crate::{Action, ErrorKind};

fn batch(fake: &Arc<Fake>) -> Arc<Batch<VolumesById>> {
    let source = Source {
        api: fake.clone(),
        sightings: Arc::new(Sightings::new(Duration::from_secs(10))),
    };
    Batch::new(VolumesById(source), CloudMetrics::default())
}

fn fake_with(volumes: usize) -> Arc<Fake> {
    let fake = Fake::new();
    for number in 0..volumes {
        fake.put(volume(number, "name"));
    }
    fake
}

/// How many keys each call so far asked for.
fn sizes(fake: &Fake) -> Vec<usize> {
    fake.calls().iter().map(|call| call.keys).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_leaves_at_once_and_the_rest_share_the_next() {
    let fake = fake_with(100);
    let batch = batch(&fake);
    let first = tokio::spawn({
        let batch = Arc::clone(&batch);
        async move { batch.get(volume_id(0)).await }
    });
    sleep(LATENCY / 2).await;
    let rest = join_all((0..100).map(|number| batch.get(volume_id(number)))).await;
    for (number, found) in rest.into_iter().enumerate() {
        assert_eq!(found.unwrap().id, volume_id(number));
    }
    first.await.unwrap().unwrap();
    // The first one's answer was under way before the hundred asked, so volume 0 is asked for again.
    assert_eq!(sizes(&fake), [1, 100]);
}

#[tokio::test(start_paused = true)]
async fn no_call_asks_for_more_than_ec2_takes() {
    let fake = fake_with(1_200);
    let tickets = batch(&fake).ask((0..1_200).map(volume_id));
    assert!(
        join_all(tickets)
            .await
            .into_iter()
            .all(|answer| answer.unwrap().is_ok())
    );
    let mut sizes = sizes(&fake);
    sizes.sort_unstable();
    assert_eq!(sizes, [200, 500, 500]);
}

/// One volume of a kind that is newer than the driver must not take the others down with it.
#[tokio::test(start_paused = true)]
async fn one_unreadable_volume_fails_its_own_waiter_only() {
    let fake = fake_with(100);
    fake.garble(70);
    let tickets = batch(&fake).ask((0..100).map(volume_id));
    for (number, answer) in join_all(tickets).await.into_iter().enumerate() {
        match answer.unwrap() {
            Ok(found) => assert_eq!(found.id, volume_id(number)),
            Err(error) => assert_eq!((number, error.kind), (70, ErrorKind::Unreadable)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_unknown_id_fails_its_own_waiter_only() {
    let fake = fake_with(100);
    let tickets = batch(&fake).ask((0..=100).map(volume_id));
    let answers: Vec<_> = join_all(tickets).await;
    for (number, answer) in answers.into_iter().enumerate() {
        match answer.unwrap() {
            Ok(found) => assert_eq!(found.id, volume_id(number)),
            Err(error) => {
                assert_eq!((number, error.kind), (100, ErrorKind::VolumeNotFound));
            }
        }
    }
    assert_eq!(sizes(&fake), [101, 100]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_id_that_is_not_named_is_found_by_halving() {
    let fake = fake_with(64);
    fake.keep_ids_to_itself();
    let tickets = batch(&fake).ask((1..=64).map(volume_id));
    let failed = join_all(tickets)
        .await
        .into_iter()
        .filter(|answer| answer.as_ref().unwrap().is_err())
        .count();
    assert_eq!(failed, 1);
    assert_eq!(sizes(&fake).len(), 1 + 2 * 6);
}

#[tokio::test(start_paused = true)]
async fn trouble_of_ec2_is_everybodys_and_is_not_repeated() {
    let fake = fake_with(10);
    fake.fail_next(trouble(Action::DescribeVolumes, "RequestLimitExceeded"));
    let tickets = batch(&fake).ask((0..10).map(volume_id));
    for answer in join_all(tickets).await {
        assert_eq!(answer.unwrap().unwrap_err().kind, ErrorKind::Throttled);
    }
    assert_eq!(sizes(&fake), [10]);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_harms_nobody_and_costs_nothing() {
    let fake = fake_with(10);
    let batch = batch(&fake);
    // The one whose call is in flight leaves.
    assert!(timeout(LATENCY / 2, batch.get(volume_id(0))).await.is_err());
    let stays = batch.ask([volume_id(1)]);
    // Another one leaves before its call.
    drop(batch.ask([volume_id(2)]));
    for ticket in stays {
        assert_eq!(ticket.await.unwrap().unwrap().id, volume_id(1));
    }
    assert_eq!(sizes(&fake), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn after_a_panic_the_next_one_is_served() {
    struct Panics(std::sync::atomic::AtomicBool);
    #[async_trait::async_trait]
    impl Lookup for Panics {
        type Key = String;
        type Value = ();
        const ACTION: Action = Action::DescribeVolumes;
        const MOST: usize = 1;
        async fn describe(&self, _: &[String]) -> Result<HashMap<String, ()>, Ec2Error> {
            let first = !self.0.swap(true, std::sync::atomic::Ordering::SeqCst);
            assert!(!first, "the first call panics");
            Ok(HashMap::new())
        }
        fn absent(_: &String) -> Result<(), Ec2Error> {
            Ok(())
        }
        fn subject(_: &String) -> Option<crate::cloud::sightings::Subject> {
            None
        }
    }
    let batch = Batch::new(Panics(false.into()), CloudMetrics::default());
    let cut = batch.get("a".to_owned()).await.unwrap_err();
    assert_eq!(cut.kind, ErrorKind::Unreachable);
    batch.get("a".to_owned()).await.unwrap();
}

#[test]
fn a_short_id_is_not_found_inside_a_longer_one() {
    let message = "The volume 'vol-12345678abcdef012' does not exist.";
    assert!(names(message, "vol-12345678abcdef012"));
    assert!(!names(message, "vol-12345678"));
    assert!(names("vol-12345678abcdef012, vol-12345678", "vol-12345678"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the mix of known and unknown ids, and whether or not EC2 names them: each waiter gets its own answer.
    #[test]
    fn everybody_gets_the_own_answer(
        wanted in prop::collection::vec(0_usize..40, 1..60),
        unknown in prop::collection::hash_set(0_usize..40, 0..10),
        named in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let fake = Fake::new();
            for number in (0..40).filter(|number| !unknown.contains(number)) {
                fake.put(volume(number, "name"));
            }
            if !named {
                fake.keep_ids_to_itself();
            }
            let tickets = batch(&fake).ask(wanted.iter().copied().map(volume_id));
            for (number, answer) in wanted.iter().zip(join_all(tickets).await) {
                match answer.unwrap() {
                    Ok(found) => {
                        assert!(!unknown.contains(number));
                        assert_eq!(found.id, volume_id(*number));
                    }
                    Err(error) => {
                        assert!(unknown.contains(number));
                        assert_eq!(error.kind, ErrorKind::VolumeNotFound);
                    }
                }
            }
        });
    }

    /// The keys of a failed call are either answered or asked for again, never both, and every round gets smaller.
    #[test]
    fn dividing_loses_nothing(count in 2_usize..50, blamed in prop::collection::vec(0_usize..60, 0..5)) {
        let keys: Vec<_> = (0..count).map(volume_id).collect();
        let message = blamed.iter().map(|number| volume_id(*number).to_string()).collect::<Vec<_>>().join(", ");
        let error = refusal(Action::DescribeVolumes, "InvalidVolume.NotFound", &message);
        let (failed, rest) = divide(&error, keys.clone());
        let mut together: Vec<_> = failed.into_iter().chain(rest.iter().flatten().cloned()).collect();
        together.sort();
        prop_assert_eq!(together, keys);
        prop_assert!(rest.iter().all(|group| !group.is_empty() && group.len() < count));
    }
}
