//! Many calls at once: for one volume they exclude each other, for many they don't.

use futures::future::join_all;
use lab::socket::Patience;
use tonic::Code;

use crate::world::{code, volumes, world};

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
