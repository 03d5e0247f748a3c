//! EC2 is out of reach for a while: the driver says UNAVAILABLE, lives on, and works again when EC2 is back.

use std::time::Duration;

use csi::v1::ProbeRequest;
use csi::v1::identity_client::IdentityClient;
use lab::orchestrator::gib_or_more;
use lab::socket::Patience;
use tonic::Code;

use crate::world::{code, volumes, world};

#[tokio::test]
async fn every_call_says_unavailable_and_works_again_afterwards() {
    let mut world = world().await;
    let controller = world.controller.clone();
    let once = controller.with(Patience::within(Duration::from_secs(10)));
    let node = world.node(0).unwrap();
    let claim = controller.create(&world.order("pvc-1")).await.unwrap();
    let before = world.cloud.volumes().await.unwrap();

    world.stop_cloud().await;
    let answers = [
        ("create", code(&once.create(&world.order("pvc-2")).await)),
        ("attach", code(&once.attach(&claim, &node).await)),
        ("detach", code(&once.detach(&claim, &node).await)),
        ("expand", code(&once.expand(&claim, gib_or_more(2)).await)),
        ("snapshot", code(&once.snapshot(&claim, "snap-1").await)),
        (
            "delete snapshot",
            code(&once.delete_snapshot("snap-0123456789abcdef0").await),
        ),
        ("delete", code(&once.delete(&claim).await)),
    ];
    for (call, code) in answers {
        assert_eq!(code, Code::Unavailable, "{call}");
    }

    world.start_cloud().await.unwrap();
    assert_eq!(world.cloud.volumes().await.unwrap(), before);
    controller.create(&world.order("pvc-2")).await.unwrap();
    controller.attach(&claim, &node).await.unwrap();
    controller.detach(&claim, &node).await.unwrap();
    controller.delete(&claim).await.unwrap();
    assert_eq!(volumes(&world).await, 1);
}

#[tokio::test]
async fn the_driver_starts_and_is_probed_without_ec2() {
    let mut world = world().await;
    world.stop_cloud().await;
    world.kill_controller().await.unwrap();
    // Being started is to have answered Probe.
    world.start_controller().await.unwrap();
    let channel = lab::socket::channel(&world.socket()).unwrap();
    let answer = IdentityClient::new(channel)
        .probe(ProbeRequest {})
        .await
        .unwrap();
    assert_ne!(answer.into_inner().ready, Some(false));
}
