//! A thousand calls at once: all succeed, and what they have in common EC2 is asked for once.

use futures::future::join_all;
use lab::socket::Patience;
use tonic::Code;

use crate::world::{calls, code, snapshots, volumes, world};

const MANY: usize = 1_000;

#[tokio::test]
async fn a_thousand_volumes_and_a_thousand_snapshots_at_once() {
    let world = world().await;
    let once = world.controller.with(Patience::ONCE);
    let orders: Vec<_> = (0..MANY)
        .map(|n| world.order(&format!("pvc-{n}")))
        .collect();
    let made = join_all(orders.iter().map(|order| once.create(order))).await;
    let claims: Vec<_> = made.into_iter().map(Result::unwrap).collect();
    assert_eq!(volumes(&world).await, MANY);

    let taken = claims
        .iter()
        .map(async |claim| code(&once.snapshot(claim, &format!("of-{}", claim.id)).await));
    let taken = join_all(taken).await;
    assert!(taken.iter().all(|code| *code == Code::Ok), "{taken:?}");
    assert_eq!(snapshots(&world).await, MANY);

    let asked = world.cloud.calls().await.unwrap();
    println!("calls for {MANY} volumes and {MANY} snapshots: {asked:?}");
    // A dry run of CreateVolume would be counted as one of its calls.
    assert_eq!(calls(&world, "CreateVolume").await, MANY as u64);
    assert_eq!(calls(&world, "CreateSnapshot").await, MANY as u64);
    assert!(calls(&world, "DescribeInstanceTypes").await <= 1);
    assert!(calls(&world, "DescribeVolumes").await < MANY as u64 / 4);
    assert!(calls(&world, "DescribeSnapshots").await < MANY as u64 / 4);
}
