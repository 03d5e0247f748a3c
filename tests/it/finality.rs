//! external-provisioner takes every code but four as "no volume of that name exists, stop". So none of the others may be
//! answered while one does exist, whatever EC2 says and whatever earlier attempts have done.

use std::time::Duration;

use emulator::Delays;
use lab::orchestrator::Order;
use lab::socket::Patience;
use rstest::rstest;
use serde_json::json;
use tonic::Code;

use crate::world::{World, code, leaves_open, volumes, world, world_with};

/// Refusals that say of themselves that nothing was done.
#[rstest]
#[case("InvalidParameterValue", Code::InvalidArgument)]
#[case("UnauthorizedOperation", Code::PermissionDenied)]
#[case("VolumeLimitExceeded", Code::ResourceExhausted)]
#[case("InsufficientVolumeCapacity", Code::ResourceExhausted)]
#[case("RequestLimitExceeded", Code::Unavailable)]
#[case("InternalError", Code::Unavailable)]
#[case("ServiceUnavailable", Code::Unavailable)]
#[case("NeverHeardOfThisCode", Code::Internal)]
#[tokio::test]
async fn a_first_refusal_leaves_no_volume(#[case] refusal: &str, #[case] expected: Code) {
    let world = world().await;
    let rule = json!({"action": "CreateVolume", "kind": "error", "code": refusal, "count": 1000});
    world.cloud.fault(&rule).await.unwrap();
    let once = world
        .controller
        .with(Patience::within(Duration::from_secs(5)));

    let answer = once.create(&world.order("pvc-1")).await;
    assert_eq!(code(&answer), expected, "{answer:?}");
    assert_eq!(volumes(&world).await, 0);

    world.cloud.heal().await.unwrap();
    world
        .controller
        .create(&world.order("pvc-1"))
        .await
        .unwrap();
    assert_eq!(volumes(&world).await, 1);
}

/// A call that its caller ends as soon as EC2 has the volume.
async fn cut_once_made(world: &World, order: &Order) {
    let made = async {
        while volumes(world).await == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        answer = world.controller.create(order) => panic!("EC2 takes seconds: {answer:?}"),
        () = made => {}
    }
}

/// The same refusals, when an attempt before has made the volume and was cut off: nothing final may be said of it.
#[rstest]
#[tokio::test]
async fn a_refusal_after_a_cut_attempt_is_not_final(
    #[values(
        "InvalidParameterValue",
        "UnauthorizedOperation",
        "VolumeLimitExceeded",
        "RequestLimitExceeded",
        "NeverHeardOfThisCode"
    )]
    refusal: &str,
    #[values(false, true)] restarted: bool,
) {
    let mut world = world_with(|config| {
        config.delays = Delays {
            create: Duration::from_secs(3),
            ..Delays::none()
        };
    })
    .await;
    let order = world.order("pvc-1");
    cut_once_made(&world, &order).await;
    if restarted {
        world.kill_controller().await.unwrap();
        world.start_controller().await.unwrap();
    }

    let rule = json!({"action": "CreateVolume", "kind": "error", "code": refusal, "count": 1000});
    world.cloud.fault(&rule).await.unwrap();
    let answer = world
        .controller
        .with(Patience::within(Duration::from_secs(4)))
        .create(&order)
        .await;
    assert!(
        code(&answer) == Code::Ok || leaves_open(code(&answer)),
        "the volume exists, but the answer is final: {answer:?}"
    );

    world.cloud.heal().await.unwrap();
    world.controller.create(&order).await.unwrap();
    assert_eq!(volumes(&world).await, 1);
}

#[tokio::test]
async fn a_name_that_is_taken_by_another_size_is_said_to_be_taken() {
    let world = world().await;
    let controller = &world.controller;
    let claim = controller.create(&world.order("pvc-1")).await.unwrap();
    let mut larger = world.order("pvc-1");
    larger.gib = 5;
    let answer = controller.with(Patience::ONCE).create(&larger).await;
    assert_eq!(code(&answer), Code::AlreadyExists, "{answer:?}");
    assert_eq!(volumes(&world).await, 1);
    let again = controller.create(&world.order("pvc-1")).await.unwrap();
    assert_eq!(again.id, claim.id);
}
