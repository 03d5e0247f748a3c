//! The controller dies with `kill -9` between and inside of calls; a new one goes on where it was.

use std::time::Duration;

use emulator::Delays;
use lab::orchestrator::gib_or_more;
use lab::socket::Patience;
use serde_json::json;

use crate::world::{WINDOW, World, calls, snapshots, volumes, world, world_with};

/// Everything takes long enough to die in the middle of it.
async fn slow_world() -> World {
    let long = Duration::from_millis(400);
    world_with(|config| {
        config.delays = Delays {
            create: long,
            delete: long,
            attach: long,
            detach: long,
            modify: long,
            snapshot: long,
            ..Delays::none()
        };
    })
    .await
}

/// Lets a call begin, kills the controller as soon as EC2 has been asked, and starts a new one. Gives what the caller heard.
async fn die_during(
    world: &mut World,
    action: &str,
    call: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let before = calls(world, action).await;
    let dying = async {
        while calls(world, action).await == before {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        world.kill_controller().await.unwrap();
    };
    let (answer, ()) = tokio::join!(call, dying);
    world.start_controller().await.unwrap();
    answer
}

#[tokio::test]
async fn inside_of_every_call() {
    let mut world = slow_world().await;
    let controller = world.controller.clone();
    let once = controller.with(Patience::ONCE);
    let order = world.order("pvc-1");
    let node = world.node(0).unwrap();

    die_during(&mut world, "CreateVolume", async {
        once.create(&order).await.map(drop)
    })
    .await
    .unwrap_err();
    let claim = controller.create(&order).await.unwrap();
    assert_eq!(volumes(&world).await, 1);

    die_during(&mut world, "AttachVolume", async {
        once.attach(&claim, &node).await.map(drop)
    })
    .await
    .unwrap_err();
    controller.attach(&claim, &node).await.unwrap();
    let seen = world.cloud.volume(&claim.id).await.unwrap().unwrap();
    assert_eq!(seen.attachments.len(), 1);

    die_during(&mut world, "ModifyVolume", async {
        once.expand(&claim, gib_or_more(2)).await.map(drop)
    })
    .await
    .unwrap_err();
    let (bytes, _) = controller.expand(&claim, gib_or_more(2)).await.unwrap();
    assert_eq!(bytes, 2 << 30);
    let seen = world.cloud.volume(&claim.id).await.unwrap().unwrap();
    assert_eq!(seen.gib, 2);

    die_during(&mut world, "DetachVolume", async {
        once.detach(&claim, &node).await
    })
    .await
    .unwrap_err();
    controller.detach(&claim, &node).await.unwrap();

    // It is answered as soon as EC2 has accepted, which may be before the end.
    let _ = die_during(&mut world, "DeleteVolume", async {
        once.delete(&claim).await
    })
    .await;
    controller.delete(&claim).await.unwrap();
    assert_eq!(volumes(&world).await, 0);
}

#[tokio::test]
async fn between_calls() {
    let mut world = world().await;
    let controller = world.controller.clone();
    let claim = controller.create(&world.order("pvc-1")).await.unwrap();
    world.kill_controller().await.unwrap();
    world.start_controller().await.unwrap();
    let again = controller.create(&world.order("pvc-1")).await.unwrap();
    assert_eq!(again.id, claim.id);
    assert_eq!(volumes(&world).await, 1);

    world.kill_controller().await.unwrap();
    world.start_controller().await.unwrap();
    controller.delete(&claim).await.unwrap();
    controller.delete(&claim).await.unwrap();
    assert_eq!(volumes(&world).await, 0);
}

/// Snapshots have no client token: only a look by tag keeps a new process from taking a second one.
#[tokio::test]
async fn after_a_snapshot_whose_reply_was_lost() {
    let mut world = world_with(|config| config.consistency = WINDOW / 4).await;
    let controller = world.controller.clone();
    let claim = controller.create(&world.order("pvc-1")).await.unwrap();
    let rule = json!({"action": "CreateSnapshot", "kind": "lost-reply"});
    world.cloud.fault(&rule).await.unwrap();

    let once = controller.with(Patience::ONCE);
    die_during(&mut world, "CreateSnapshot", async {
        once.snapshot(&claim, "snap-1").await.map(drop)
    })
    .await
    .unwrap_err();
    let snapshot = controller.snapshot(&claim, "snap-1").await.unwrap();
    assert_eq!(snapshots(&world).await, 1, "one snapshot of that name");

    controller.delete_snapshot(&snapshot).await.unwrap();
    assert_eq!(snapshots(&world).await, 0);
}
