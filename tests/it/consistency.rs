//! EC2 shows new things late: "not found" is no proof of absence until the window has passed.

use lab::orchestrator::gib_or_more;

use crate::world::{WINDOW, World, calls, snapshots, volumes, world_with};

/// New things stay out of sight for a good part of the window, for look-ups by tag twice as long.
async fn late_world() -> World {
    world_with(|config| config.consistency = WINDOW / 4).await
}

#[tokio::test]
async fn a_life_in_a_cloud_that_shows_things_late() {
    let world = late_world().await;
    let (controller, node) = (&world.controller, world.node(0).unwrap());
    let claim = controller.create(&world.order("pvc-1")).await.unwrap();
    controller.attach(&claim, &node).await.unwrap();
    controller.expand(&claim, gib_or_more(2)).await.unwrap();
    let snapshot = controller.snapshot(&claim, "snap-1").await.unwrap();
    assert_eq!(
        controller.snapshot(&claim, "snap-1").await.unwrap(),
        snapshot
    );
    controller.delete_snapshot(&snapshot).await.unwrap();
    controller.detach(&claim, &node).await.unwrap();
    controller.delete(&claim).await.unwrap();
    tokio::time::sleep(WINDOW).await;
    assert_eq!((volumes(&world).await, snapshots(&world).await), (0, 0));
}

/// A restarted process does not know what it made a moment ago, and EC2 does not show it yet.
#[tokio::test]
async fn a_delete_right_after_a_restart_does_not_overlook_a_new_volume() {
    let mut world = late_world().await;
    let controller = world.controller.clone();
    let claim = controller.create(&world.order("pvc-1")).await.unwrap();
    world.kill_controller().await.unwrap();
    world.start_controller().await.unwrap();
    controller.delete(&claim).await.unwrap();
    tokio::time::sleep(WINDOW).await;
    assert_eq!(volumes(&world).await, 0, "deleted, not merely not found");
}

#[tokio::test]
async fn a_create_right_after_a_restart_makes_no_second_volume() {
    let mut world = late_world().await;
    let controller = world.controller.clone();
    let first = controller.create(&world.order("pvc-1")).await.unwrap();
    world.kill_controller().await.unwrap();
    world.start_controller().await.unwrap();
    let again = controller.create(&world.order("pvc-1")).await.unwrap();
    assert_eq!(again.id, first.id);
    tokio::time::sleep(WINDOW).await;
    assert_eq!(volumes(&world).await, 1);
}

#[tokio::test]
async fn what_was_never_there_is_gone_after_a_second_look() {
    let world = late_world().await;
    let controller = &world.controller;
    controller
        .delete_snapshot("snap-0123456789abcdef0")
        .await
        .unwrap();
    let looks = calls(&world, "DeleteSnapshot").await + calls(&world, "DescribeSnapshots").await;
    assert!(looks >= 2, "EC2 was asked only {looks} times");
}
