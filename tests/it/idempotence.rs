//! The volume manager of a cluster calls everything twice and in odd orders: the result is the same.

use lab::orchestrator::{Claim, Use, gib_or_more};
use tonic::Code;

use crate::world::{code, snapshots, volumes, world};

#[tokio::test]
async fn every_rpc_twice() {
    let world = world().await;
    let (controller, node) = (&world.controller, world.node(0).unwrap());
    let order = world.order("pvc-1");

    let claim = controller.create(&order).await.unwrap();
    assert_eq!(controller.create(&order).await.unwrap().id, claim.id);

    let context = controller.attach(&claim, &node).await.unwrap();
    assert_eq!(controller.attach(&claim, &node).await.unwrap(), context);

    // An attached volume is found again by its name, too.
    assert_eq!(controller.create(&order).await.unwrap().id, claim.id);

    let grown = controller.expand(&claim, gib_or_more(2)).await.unwrap();
    assert_eq!(
        controller.expand(&claim, gib_or_more(2)).await.unwrap(),
        grown
    );

    let snapshot = controller.snapshot(&claim, "snap-1").await.unwrap();
    assert_eq!(
        controller.snapshot(&claim, "snap-1").await.unwrap(),
        snapshot
    );
    assert_eq!(snapshots(&world).await, 1);

    controller.delete_snapshot(&snapshot).await.unwrap();
    controller.delete_snapshot(&snapshot).await.unwrap();
    controller.detach(&claim, &node).await.unwrap();
    controller.detach(&claim, &node).await.unwrap();
    controller.delete(&claim).await.unwrap();
    controller.delete(&claim).await.unwrap();
    assert_eq!((volumes(&world).await, snapshots(&world).await), (0, 0));
}

#[tokio::test]
async fn a_name_is_free_again_once_its_volume_is_deleted() {
    let world = world().await;
    let first = world
        .controller
        .create(&world.order("pvc-1"))
        .await
        .unwrap();
    world.controller.delete(&first).await.unwrap();
    // EC2 still knows the client token of the dead volume and would answer with its id.
    let second = world
        .controller
        .create(&world.order("pvc-1"))
        .await
        .unwrap();
    assert_ne!(second.id, first.id);
    let seen = world.cloud.volume(&second.id).await.unwrap().unwrap();
    assert_eq!(seen.state, "available");
}

#[tokio::test]
async fn undoing_what_was_never_done_succeeds() {
    let world = world().await;
    let (controller, node) = (&world.controller, world.node(0).unwrap());
    let claim = controller.create(&world.order("pvc-1")).await.unwrap();
    controller.detach(&claim, &node).await.unwrap();

    let stranger = |id: &str| Claim {
        id: id.to_owned(),
        bytes: 0,
        usage: Use::Ext4,
        context: claim.context.clone(),
    };
    for id in ["vol-0123456789abcdef0", "vol-01234567", "no-volume-at-all"] {
        controller.delete(&stranger(id)).await.unwrap();
    }
    for id in ["snap-0123456789abcdef0", "no-snapshot-at-all"] {
        controller.delete_snapshot(id).await.unwrap();
    }
    let unknown = stranger("vol-0123456789abcdef0");
    controller.detach(&unknown, &node).await.unwrap();
    assert_eq!(
        code(&controller.attach(&unknown, &node).await),
        Code::NotFound
    );
    assert_eq!(
        code(&controller.expand(&unknown, gib_or_more(2)).await),
        Code::NotFound
    );
    assert_eq!(
        code(&controller.snapshot(&unknown, "snap").await),
        Code::NotFound
    );
    assert_eq!(volumes(&world).await, 1);
}

#[tokio::test]
async fn an_instance_that_is_gone_has_nothing_to_be_detached_from() {
    let world = world().await;
    let controller = &world.controller;
    let claim = controller.create(&world.order("pvc-1")).await.unwrap();
    let mut gone = world.node(0).unwrap();
    gone.instance = "i-0123456789abcdef0".to_owned();
    assert_eq!(
        code(&controller.attach(&claim, &gone).await),
        Code::NotFound
    );
    controller.detach(&claim, &gone).await.unwrap();
    controller.delete(&claim).await.unwrap();
    assert_eq!(volumes(&world).await, 0);
}

/// Kubernetes' in-tree driver wrote handles as `aws://zone/vol-…`.
#[tokio::test]
async fn a_handle_of_the_in_tree_driver_is_understood() {
    let world = world().await;
    let (controller, node) = (&world.controller, world.node(0).unwrap());
    let claim = controller.create(&world.order("pvc-1")).await.unwrap();
    let old = Claim {
        id: format!("aws://{}/{}", world.zone(), claim.id),
        ..claim.clone()
    };
    controller.attach(&old, &node).await.unwrap();
    controller.attach(&claim, &node).await.unwrap();
    controller.detach(&old, &node).await.unwrap();
    controller.delete(&old).await.unwrap();
    assert_eq!(volumes(&world).await, 0);
}
