//! Volumes cloned from volumes, in EC2's eyes.

use std::time::Duration;

use csi::v1::controller_service_capability::Type as Kind;
use csi::v1::controller_service_capability::rpc::Type as Offered;
use csi::v1::volume_content_source::Type;
use csi::v1::{ControllerGetCapabilitiesRequest, ControllerGetVolumeRequest};
use emulator::Delays;
use lab::orchestrator::{Claim, Order};
use lab::socket::Patience;
use serde_json::json;
use tonic::Code;

use crate::world::{World, calls, code, message, volumes, world, world_with};

/// A key that somebody chose for the source.
const KEY: [(&str, &str); 1] = [("kmsKeyId", "alias/mine")];

async fn source(world: &World, parameters: &[(&'static str, &'static str)]) -> Claim {
    let mut order = world.order("source");
    order.gib = 2;
    order.parameters = parameters.to_vec();
    world.controller.create(&order).await.unwrap()
}

fn clone(world: &World, name: &str, source: &Claim) -> Order {
    let mut order = world.order(name).clone_of(&source.id);
    order.gib = 2;
    order
}

#[tokio::test]
async fn a_clone_is_one_call_and_a_volume_of_its_own() {
    let world = world().await;
    let (cloud, controller) = (&world.cloud, &world.controller);
    let source = source(&world, &KEY).await;
    let node = world.node(0).unwrap();
    controller.attach(&source, &node).await.unwrap();

    let order = clone(&world, "clone", &source);
    let claim = controller.create(&order).await.unwrap();
    assert_eq!(controller.create(&order).await.unwrap().id, claim.id);
    let seen = cloud.volume(&claim.id).await.unwrap().unwrap();
    assert_eq!((seen.state.as_str(), seen.gib), ("available", 2));
    assert_eq!(seen.copy_of.as_ref(), Some(&source.id));
    assert_eq!(seen.zone, world.zone());
    assert_eq!(seen.tags["CSIVolumeName"], "clone");
    let key = seen.key.unwrap();
    assert!(key.ends_with("alias/mine"), "{key}");
    assert_eq!(
        claim.context["ebs.csi.aws.com/source-volume"], source.id,
        "nodes are told never to format it"
    );
    assert_eq!(calls(&world, "CreateVolume").await, 1, "the source's");

    let request = ControllerGetVolumeRequest {
        volume_id: claim.id.clone(),
    };
    let got = controller.client().controller_get_volume(request).await;
    let got = got.unwrap().into_inner().volume.unwrap();
    let Some(Type::Volume(from)) = got.content_source.and_then(|source| source.r#type) else {
        panic!("it was cloned")
    };
    assert_eq!(from.volume_id, source.id);

    controller.detach(&source, &node).await.unwrap();
    controller.delete(&source).await.unwrap();
    controller.attach(&claim, &node).await.unwrap();
}

#[tokio::test]
async fn a_clone_has_its_own_type_size_and_encryption() {
    let world = world().await;
    let source = source(&world, &[]).await;
    let mut order = clone(&world, "clone", &source);
    order.gib = 4;
    order.parameters = vec![("type", "io2"), ("iops", "200"), ("encrypted", "true")];
    let claim = world.controller.create(&order).await.unwrap();
    let seen = world.cloud.volume(&claim.id).await.unwrap().unwrap();
    assert_eq!(
        (seen.gib, seen.kind.as_str(), seen.iops),
        (4, "io2", Some(200))
    );
    assert!(seen.encrypted);
    let plain = clone(&world, "plain", &source);
    let plain = world.controller.create(&plain).await.unwrap();
    let seen = world.cloud.volume(&plain.id).await.unwrap().unwrap();
    assert!(!seen.encrypted);
}

#[tokio::test]
async fn what_cannot_be_cloned_says_so_and_leaves_nothing() {
    let world = world().await;
    let controller = world.controller.with(Patience::ONCE);
    let source = source(&world, &[]).await;

    let mut elsewhere = clone(&world, "elsewhere", &source);
    let zones = (0..3).map(|n| world.node(n).unwrap().zone);
    elsewhere.zone = zones.into_iter().find(|zone| zone != world.zone()).unwrap();
    let answer = controller.create(&elsewhere).await;
    assert_eq!(code(&answer), Code::ResourceExhausted);
    let words = message(answer);
    assert!(words.contains(world.zone()), "{words}");

    let mut smaller = clone(&world, "smaller", &source).request();
    smaller.capacity_range = Some(lab::orchestrator::exactly_gib(1));
    let answer = controller.client().create_volume(smaller).await;
    assert_eq!(answer.unwrap_err().code(), Code::OutOfRange);

    controller.delete(&source).await.unwrap();
    let answer = controller.create(&clone(&world, "late", &source)).await;
    assert_eq!(code(&answer), Code::NotFound);
    assert_eq!(volumes(&world).await, 0);
    assert_eq!(calls(&world, "CopyVolumes").await, 0);
}

/// EBS copies a volume once at a time, and a copy only once it is initialized.
#[tokio::test]
async fn copies_that_are_under_way_are_waited_for() {
    let world = world_with(|config| {
        config.delays = Delays {
            copy: Duration::from_hours(1),
            ..Delays::none()
        };
    })
    .await;
    let controller = world.controller.with(Patience::ONCE);
    let source = source(&world, &[]).await;
    let first = controller
        .create(&clone(&world, "first", &source))
        .await
        .unwrap();
    let answer = controller.create(&clone(&world, "second", &source)).await;
    assert_eq!(code(&answer), Code::ResourceExhausted);
    let words = message(answer);
    assert!(
        words.contains(&first.id) && words.contains("initialized"),
        "{words}"
    );
    let answer = controller.create(&clone(&world, "third", &first)).await;
    assert_eq!(code(&answer), Code::Unavailable);
    // The repetition of what is there asks EC2 with the same token, which answers with the first.
    let again = controller.create(&clone(&world, "first", &source)).await;
    assert_eq!(again.unwrap().id, first.id);
    controller.delete(&first).await.unwrap();
    controller
        .create(&clone(&world, "second", &source))
        .await
        .unwrap();
    assert_eq!(volumes(&world).await, 2);
}

#[tokio::test]
async fn a_restarted_controller_finds_the_clone_though_the_source_is_gone() {
    let mut world = world().await;
    let source = source(&world, &[]).await;
    let order = clone(&world, "clone", &source);
    let rule = json!({"action": "CopyVolumes", "kind": "lost-reply", "count": 100});
    world.cloud.fault(&rule).await.unwrap();
    let answer = world.controller.with(Patience::ONCE).create(&order).await;
    assert_eq!(code(&answer), Code::Unavailable);
    world.cloud.heal().await.unwrap();
    world.kill_controller().await.unwrap();
    world.start_controller().await.unwrap();
    world.controller.delete(&source).await.unwrap();
    let claim = world.controller.create(&order).await.unwrap();
    let seen = world.cloud.volume(&claim.id).await.unwrap().unwrap();
    assert_eq!(seen.copy_of, Some(source.id));
    assert_eq!(volumes(&world).await, 1);
}

#[tokio::test]
async fn cloning_is_offered() {
    let world = world().await;
    let mut client = world.controller.client();
    let answer = client
        .controller_get_capabilities(ControllerGetCapabilitiesRequest {})
        .await
        .unwrap();
    let mut capabilities = answer.into_inner().capabilities.into_iter();
    let clones = capabilities.any(|capability| match capability.r#type {
        Some(Kind::Rpc(rpc)) => rpc.r#type == i32::from(Offered::CloneVolume),
        None => false,
    });
    assert!(clones);
}
