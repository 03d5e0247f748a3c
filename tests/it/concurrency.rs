//! Many calls at once: for one volume they exclude each other, for many they don't.

use csi::v1::ControllerGetVolumeRequest;
use futures::future::join_all;
use lab::orchestrator::{Claim, gib_or_more};
use lab::socket::Patience;
use tonic::Code;

use crate::world::{code, volumes, world, world_with};

#[tokio::test]
async fn the_same_create_ten_times_at_once_makes_one_volume() {
    let world = world().await;
    let once = world.controller.with(Patience::ONCE);
    let order = world.order("pvc-1");
    let answers = join_all((0..10).map(|_| once.create(&order))).await;
    for answer in &answers {
        let code = code(answer);
        assert!(matches!(code, Code::Ok | Code::Aborted), "{answer:?}");
    }
    assert!(answers.iter().any(Result::is_ok));
    assert_eq!(volumes(&world).await, 1);
}

#[tokio::test]
async fn twenty_volumes_at_once_get_names_of_their_own() {
    let world = world().await;
    let (controller, node) = (&world.controller, world.node(0).unwrap());
    let orders: Vec<_> = (0..20).map(|n| world.order(&format!("pvc-{n}"))).collect();
    let claims = join_all(orders.iter().map(|order| controller.create(order))).await;
    let claims: Vec<_> = claims.into_iter().map(Result::unwrap).collect();
    assert_eq!(volumes(&world).await, 20);

    for answer in join_all(claims.iter().map(|claim| controller.attach(claim, &node))).await {
        answer.unwrap();
    }
    let seen = world.cloud.volumes().await.unwrap();
    assert!(seen.iter().all(|volume| volume.state == "in-use"));

    let gone = join_all(claims.iter().map(async |claim| {
        controller.detach(claim, &node).await?;
        controller.delete(claim).await
    }))
    .await;
    for answer in gone {
        answer.unwrap();
    }
    assert_eq!(volumes(&world).await, 0);
}

/// Where the bad one is among the calls.
const BAD: usize = 25;

/// How many of the calls succeed, and what the bad one is told.
async fn outcome<C: Future<Output = Code>>(calls: impl Iterator<Item = C>) -> (usize, Code) {
    let codes = join_all(calls).await;
    let good = codes.iter().filter(|code| **code == Code::Ok).count();
    (good, codes[BAD])
}

/// EC2 fails a describe for one unknown id in it, of which nobody else may hear.
#[tokio::test]
async fn fifty_good_calls_beside_one_bad_id_all_succeed() {
    let world = world_with(|config| config.instances = 5).await;
    let once = world.controller.with(Patience::ONCE);
    let orders: Vec<_> = (0..50).map(|n| world.order(&format!("pvc-{n}"))).collect();
    let made = join_all(orders.iter().map(|order| once.create(order))).await;
    let mut claims: Vec<_> = made.into_iter().map(Result::unwrap).collect();
    let bad = Claim {
        id: "vol-0000000000000dead".to_owned(),
        ..claims[0].clone()
    };
    claims.insert(BAD, bad);
    let nodes: Vec<_> = [0, 2, 4].map(|n| world.node(n).unwrap()).into();
    let placed = || claims.iter().zip(nodes.iter().cycle());
    let one_missing = (50, Code::NotFound);

    let looked = outcome(claims.iter().map(async |claim| {
        let volume_id = claim.id.clone();
        let request = ControllerGetVolumeRequest { volume_id };
        let answer = world
            .controller
            .client()
            .controller_get_volume(request)
            .await;
        answer.map_or_else(|status| status.code(), |_| Code::Ok)
    }));
    assert_eq!(looked.await, one_missing);
    let attach = placed().map(async |(claim, node)| code(&once.attach(claim, node).await));
    assert_eq!(outcome(attach).await, one_missing);
    let grow = claims.iter();
    let grow = grow.map(async |claim| code(&once.expand(claim, gib_or_more(2)).await));
    assert_eq!(outcome(grow).await, one_missing);
    let take = claims.iter();
    let take =
        take.map(async |claim| code(&once.snapshot(claim, &format!("of-{}", claim.id)).await));
    assert_eq!(outcome(take).await, one_missing);
    let detach = placed().map(async |(claim, node)| code(&once.detach(claim, node).await));
    assert_eq!(outcome(detach).await, (51, Code::Ok));
    let delete = claims
        .iter()
        .map(async |claim| code(&once.delete(claim).await));
    assert_eq!(outcome(delete).await, (51, Code::Ok));
    assert_eq!(volumes(&world).await, 0);
}
