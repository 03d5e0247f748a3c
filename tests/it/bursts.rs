//! A thousand calls at once: all succeed, and what they have in common EC2 is asked for once.

use std::time::Duration;

use futures::future::join_all;
use lab::orchestrator::{Claim, Controller};
use lab::socket::Patience;

use crate::world::{calls, code, leaves_open, snapshots, volumes, world};

const MANY: usize = 1_000;

/// How long it all may take on a machine that has little time for it.
const TAKES: Duration = Duration::from_mins(10);

#[tokio::test]
async fn a_thousand_volumes_and_a_thousand_snapshots_at_once() {
    let world = world().await;
    let orders: Vec<_> = (0..MANY)
        .map(|n| world.order(&format!("pvc-{n}")))
        .collect();
    let create = async |caller: Controller, n: usize| caller.create(&orders[n]).await;
    let (claims, volumes_again) = at_once(&world.controller, create).await;
    assert_eq!(volumes(&world).await, MANY);

    let take = async |caller: Controller, n: usize| {
        let claim: &Claim = &claims[n];
        caller.snapshot(claim, &format!("of-{}", claim.id)).await
    };
    let (_, snapshots_again) = at_once(&world.controller, take).await;
    assert_eq!(snapshots(&world).await, MANY);

    let asked = world.cloud.calls().await.unwrap();
    println!(
        "calls for {MANY} volumes ({volumes_again} repeated) and {MANY} snapshots ({snapshots_again} repeated): {asked:?}"
    );
    // A dry run of CreateVolume would be counted as one of its calls.
    assert!(calls(&world, "CreateVolume").await <= (MANY + volumes_again) as u64);
    assert!(calls(&world, "CreateSnapshot").await <= (MANY + snapshots_again) as u64);
    assert!(calls(&world, "DescribeInstanceTypes").await <= 1);
    assert!(calls(&world, "DescribeVolumes").await < MANY as u64 / 4);
    assert!(calls(&world, "DescribeSnapshots").await < MANY as u64 / 4);
}

/// A thousand calls, and once more, again together, what a machine that is busy with other things answered too late: as sidecars do,
/// who have to find what the first call made.
async fn at_once<T>(
    controller: &Controller,
    call: impl AsyncFn(Controller, usize) -> anyhow::Result<T>,
) -> (Vec<T>, usize) {
    let once = controller.with(Patience::ONCE);
    let first = join_all((0..MANY).map(|n| call(once.clone(), n))).await;
    let again: Vec<usize> = (0..MANY).filter(|n| first[*n].is_err()).collect();
    for n in &again {
        assert!(
            leaves_open(code(&first[*n])),
            "{:?}",
            first[*n].as_ref().err()
        );
    }
    let patient = controller.with(Patience::lasting(TAKES));
    let second = join_all(again.iter().map(|n| call(patient.clone(), *n))).await;
    let done = first.into_iter().filter_map(Result::ok);
    let all = done.chain(second.into_iter().map(Result::unwrap)).collect();
    (all, again.len())
}
