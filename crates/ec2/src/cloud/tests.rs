use std::ops::ControlFlow::{Break, Continue};

use ebs_types::{DeviceName, Gibibytes, ModificationState, Performance, VolumeState};
use futures::future::join_all;
use rstest::rstest;
use tokio::time::{Instant, sleep, timeout};

use super::fake::{Fake, LATENCY, instance_id, modification, refusal, trouble, volume, volume_id};
use super::*;
use crate::{Action, Outcome};

const WINDOW: Duration = Duration::from_secs(10);

fn cloud(fake: &Arc<Fake>) -> Cloud {
    Cloud::new(fake.clone(), CloudSettings::default())
}

/// The futures go into gRPC handlers, which may move between threads.
fn assert_send<T: Send>(future: T) -> T {
    future
}

#[tokio::test(start_paused = true)]
async fn a_hundred_at_once_are_few_calls() {
    let fake = Fake::new();
    for number in 0..100 {
        fake.put(volume(number, &format!("pvc-{number}")));
        fake.put_instance(number);
    }
    let cloud = cloud(&fake);
    let found = join_all((0..100).map(|number| {
        let cloud = cloud.clone();
        assert_send(async move {
            let volume = cloud.volume(&volume_id(number)).await.unwrap();
            let named = cloud.volumes_named(&format!("pvc-{number}")).await.unwrap();
            assert_eq!(named, [volume]);
            cloud.instance(&instance_id(number)).await.unwrap();
        })
    }));
    found.await;
    assert!(fake.calls().len() <= 6);
}

#[tokio::test(start_paused = true)]
async fn names_are_answered_oldest_first_without_deleted_ones() {
    let fake = Fake::new();
    for number in [3, 1, 2] {
        fake.put(volume(number, "pvc"));
    }
    fake.set_state(2, VolumeState::Deleting);
    let ids: Vec<_> = cloud(&fake)
        .volumes_named("pvc")
        .await
        .unwrap()
        .into_iter()
        .map(|volume| volume.id)
        .collect();
    assert_eq!(ids, [volume_id(1), volume_id(3)]);
}

#[tokio::test(start_paused = true)]
async fn not_found_leaves_only_when_sure() {
    let fake = Fake::new();
    let cloud = cloud(&fake);
    let start = Instant::now();
    let error = cloud.volume(&volume_id(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::VolumeNotFound);
    assert!(start.elapsed() >= WINDOW);
    assert!(fake.calls().len() <= 12);

    // What is known to be gone is known at once, by every method.
    let start = Instant::now();
    let error = cloud.delete_volume(&volume_id(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::VolumeNotFound);
    assert_eq!(start.elapsed(), LATENCY);
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_shows_up_late_is_found() {
    let fake = Fake::new();
    let cloud = cloud(&fake);
    let late = async {
        sleep(Duration::from_secs(3)).await;
        fake.put(volume(1, "pvc"));
    };
    let id = volume_id(1);
    let (found, ()) = tokio::join!(cloud.volume(&id), late);
    found.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_long_ago_is_gone_at_once() {
    let fake = Fake::new();
    fake.put(volume(1, "pvc"));
    let cloud = cloud(&fake);
    cloud.volumes_named("pvc").await.unwrap();
    sleep(WINDOW).await;
    fake.remove(1);
    let start = Instant::now();
    cloud.delete_volume(&volume_id(1)).await.unwrap_err();
    assert_eq!(start.elapsed(), LATENCY);
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_from_here_is_gone_at_once() {
    let fake = Fake::new();
    fake.put(volume(1, "pvc"));
    let cloud = cloud(&fake);
    cloud.delete_volume(&volume_id(1)).await.unwrap();
    let start = Instant::now();
    cloud.delete_volume(&volume_id(1)).await.unwrap_err();
    cloud.volume(&volume_id(1)).await.unwrap_err();
    assert_eq!(start.elapsed(), 2 * LATENCY);
}

/// A create that follows under the same name must not be answered with the dead volume.
#[tokio::test(start_paused = true)]
async fn what_was_deleted_from_here_is_not_shown_alive() {
    let fake = Fake::new();
    fake.put(volume(1, "pvc"));
    let cloud = cloud(&fake);
    fake.show_what_was();
    cloud.delete_volume(&volume_id(1)).await.unwrap();
    let shown = cloud.volume(&volume_id(1)).await.unwrap();
    assert_eq!(shown.state, VolumeState::Deleting);
    assert_eq!(cloud.volumes_named("pvc").await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_in_between_does_not_start_the_window_over() {
    let fake = Fake::new();
    let cloud = cloud(&fake);
    let id = volume_id(1);
    assert!(timeout(WINDOW / 2, cloud.volume(&id)).await.is_err());
    sleep(WINDOW / 2).await;
    let start = Instant::now();
    cloud.volume(&id).await.unwrap_err();
    assert_eq!(start.elapsed(), LATENCY);
}

#[tokio::test(start_paused = true)]
async fn an_attachment_made_again_is_not_gone_because_an_older_one_was_seen() {
    let fake = Fake::new();
    fake.put(volume(1, "pvc"));
    let cloud = cloud(&fake);
    let (volume, instance) = (volume_id(1), instance_id(1));
    let request = AttachVolume {
        volume: volume.clone(),
        instance: instance.clone(),
        device: DeviceName::candidates().next().unwrap(),
        card: None,
    };
    let attach = || cloud.attach_volume(&request);
    let detach = || cloud.detach_volume(&volume, &instance);
    attach().await.unwrap();
    sleep(2 * WINDOW).await;
    let start = Instant::now();
    assert_eq!(
        detach().await.unwrap_err().kind,
        ErrorKind::AttachmentNotFound
    );
    assert_eq!(start.elapsed(), LATENCY);

    attach().await.unwrap();
    let start = Instant::now();
    assert_eq!(
        detach().await.unwrap_err().kind,
        ErrorKind::AttachmentNotFound
    );
    assert!(start.elapsed() >= WINDOW - 2 * LATENCY);
}

#[rstest]
#[case("InvalidVolumeID.Malformed", ErrorKind::MalformedId)]
#[case("RequestLimitExceeded", ErrorKind::Throttled)]
#[case("VolumeInUse", ErrorKind::VolumeInUse)]
#[tokio::test(start_paused = true)]
async fn other_errors_leave_at_once(#[case] code: &str, #[case] kind: ErrorKind) {
    let fake = Fake::new();
    fake.fail_next(refusal(Action::DeleteVolume, code, ""));
    let start = Instant::now();
    let error = cloud(&fake).delete_volume(&volume_id(1)).await.unwrap_err();
    assert_eq!((error.kind, start.elapsed()), (kind, LATENCY));
}

#[tokio::test(start_paused = true)]
async fn the_outcome_is_that_of_all_attempts() {
    let fake = Fake::new();
    let mut lost = refusal(Action::DeleteVolume, "InvalidVolume.NotFound", "");
    lost.outcome = Outcome::MayBeDone;
    fake.fail_next(lost);
    let error = cloud(&fake).delete_volume(&volume_id(1)).await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.outcome, Outcome::MayBeDone);
}

#[tokio::test(start_paused = true)]
async fn an_empty_name_is_sure_only_past_the_window() {
    let fake = Fake::new();
    let cloud = cloud(&fake);
    let start = Instant::now();
    assert_eq!(cloud.volumes_named("pvc").await.unwrap(), []);
    assert_eq!(start.elapsed(), LATENCY);

    let start = Instant::now();
    assert_eq!(cloud.volumes_named_surely("pvc").await.unwrap(), []);
    assert_eq!(cloud.snapshots_named_surely("s").await.unwrap(), []);
    assert!(start.elapsed() >= 2 * WINDOW);

    let late = async {
        sleep(Duration::from_secs(3)).await;
        fake.put(volume(1, "pvc"));
    };
    let start = Instant::now();
    let (found, ()) = tokio::join!(cloud.volumes_named_surely("pvc"), late);
    assert_eq!(found.unwrap().len(), 1);
    assert!(start.elapsed() < WINDOW);

    fake.fail_next(trouble(Action::DescribeVolumes, "Unavailable"));
    let error = cloud.volumes_named_surely("other").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Service);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_watched_from_before_it_exists() {
    let fake = Fake::new();
    let cloud = cloud(&fake);
    let create = async {
        sleep(WINDOW * 2).await;
        fake.put(volume(1, "pvc"));
    };
    let mut empty = 0;
    let watch =
        assert_send(
            cloud.watch_volumes_named("pvc", Begun::Earlier, |volumes| match volumes {
                [] => {
                    empty += 1;
                    Continue(())
                }
                [first, ..] => Break(first.id.clone()),
            }),
        );
    let (found, ()) = tokio::join!(watch, create);
    assert_eq!(found.unwrap(), volume_id(1));
    assert!(empty > 0);
}

#[tokio::test(start_paused = true)]
async fn a_modification_is_none_at_once_and_surely_missing_late() {
    let fake = Fake::new();
    fake.put(volume(1, "pvc"));
    let cloud = cloud(&fake);
    let id = volume_id(1);
    assert_eq!(cloud.modification(&id).await.unwrap(), None);
    let start = Instant::now();
    let ended = |modification: &Modification| match modification.state {
        ModificationState::Modifying => Continue(()),
        state => Break(state),
    };
    let error = cloud
        .watch_modification(&id, Begun::Now, ended)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::ModificationNotFound);
    assert!(start.elapsed() >= WINDOW);

    // A modification accepted since is not missing because none was there before.
    let request = ModifyVolume {
        volume: id.clone(),
        size: Some(Gibibytes(2)),
        volume_type: None,
        performance: Performance::default(),
    };
    cloud.modify_volume(&request).await.unwrap();
    let shows = async {
        sleep(Duration::from_secs(3)).await;
        fake.put_modification(modification(1, ModificationState::Modifying));
        sleep(Duration::from_secs(3)).await;
        fake.put_modification(modification(1, ModificationState::Optimizing));
    };
    let (state, ()) = tokio::join!(cloud.watch_modification(&id, Begun::Now, ended), shows);
    assert_eq!(state.unwrap(), ModificationState::Optimizing);
}
