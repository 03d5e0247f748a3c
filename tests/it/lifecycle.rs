//! Whole lives, in EC2's eyes.

use csi::v1::{
    ControllerGetCapabilitiesRequest, ListSnapshotsRequest, ValidateVolumeCapabilitiesRequest,
};
use lab::orchestrator::{Use, exactly_gib, gib_or_more};
use tonic::Code;

use crate::world::{calls, code, message, snapshots, volumes, world};

#[tokio::test]
async fn a_volume_is_made_attached_detached_and_deleted_with_one_call_each() {
    let world = world().await;
    let (cloud, controller, node) = (&world.cloud, &world.controller, world.node(0).unwrap());

    let claim = controller.create(&world.order("pvc-1")).await.unwrap();
    let seen = cloud.volume(&claim.id).await.unwrap().unwrap();
    assert_eq!((seen.state.as_str(), seen.gib), ("available", 1));
    assert_eq!(
        (seen.kind.as_str(), seen.zone.as_str()),
        ("gp3", world.zone())
    );
    assert_eq!(claim.bytes, 1 << 30);

    controller.attach(&claim, &node).await.unwrap();
    let seen = cloud.volume(&claim.id).await.unwrap().unwrap();
    assert_eq!(seen.attachments.len(), 1);
    assert_eq!(seen.attachments[0].instance, node.instance);
    assert_eq!(seen.attachments[0].state, "attached");

    controller.detach(&claim, &node).await.unwrap();
    let seen = cloud.volume(&claim.id).await.unwrap().unwrap();
    assert_eq!(seen.state, "available");
    assert!(seen.attachments.is_empty());

    controller.delete(&claim).await.unwrap();
    assert_eq!(cloud.volume(&claim.id).await.unwrap(), None);

    for action in [
        "CreateVolume",
        "AttachVolume",
        "DetachVolume",
        "DeleteVolume",
    ] {
        assert_eq!(calls(&world, action).await, 1, "calls of {action}");
    }
}

#[tokio::test]
async fn a_volume_goes_to_its_own_zone_and_to_one_instance() {
    let world = world().await;
    let controller = &world.controller;
    let zone_of = |n: usize| world.node(n).unwrap().zone;
    let elsewhere = (0..3).find(|n| zone_of(*n) != world.zone()).unwrap();
    let second = (1..3).find(|n| zone_of(*n) == world.zone()).unwrap();
    let (here, second, elsewhere) = (
        world.node(0).unwrap(),
        world.node(second).unwrap(),
        world.node(elsewhere).unwrap(),
    );
    let claim = controller.create(&world.order("pvc-1")).await.unwrap();

    let answer = controller.attach(&claim, &elsewhere).await;
    assert_eq!(code(&answer), Code::FailedPrecondition);
    let words = message(answer);
    assert!(
        words.contains(world.zone()) && words.contains(&elsewhere.zone),
        "{words}"
    );

    controller.attach(&claim, &here).await.unwrap();
    let answer = controller.attach(&claim, &second).await;
    assert_eq!(code(&answer), Code::FailedPrecondition);
    let words = message(answer);
    assert!(words.contains(&here.instance), "{words}");

    assert_eq!(
        code(&controller.delete(&claim).await),
        Code::FailedPrecondition
    );
    let seen = world.cloud.volume(&claim.id).await.unwrap().unwrap();
    assert_eq!(seen.attachments.len(), 1);
}

#[tokio::test]
async fn a_volume_grows_and_never_shrinks() {
    let world = world().await;
    let claim = world
        .controller
        .create(&world.order("pvc-1"))
        .await
        .unwrap();

    let grown = world
        .controller
        .expand(&claim, gib_or_more(3))
        .await
        .unwrap();
    assert_eq!(grown, (3 << 30, true));
    let seen = world.cloud.volume(&claim.id).await.unwrap().unwrap();
    assert_eq!(seen.gib, 3);

    let answer = world.controller.expand(&claim, exactly_gib(2)).await;
    assert_eq!(code(&answer), Code::OutOfRange);
    let (bytes, _) = world
        .controller
        .expand(&claim, gib_or_more(2))
        .await
        .unwrap();
    assert_eq!(bytes, 3 << 30, "large enough already");
    assert_eq!(calls(&world, "ModifyVolume").await, 1);
}

#[tokio::test]
async fn a_snapshot_is_taken_listed_restored_and_deleted() {
    let world = world().await;
    let controller = &world.controller;
    let claim = controller.create(&world.order("pvc-1")).await.unwrap();
    let snapshot = controller.snapshot(&claim, "snap-1").await.unwrap();

    let request = ListSnapshotsRequest {
        source_volume_id: claim.id.clone(),
        ..ListSnapshotsRequest::default()
    };
    let listed = controller.client().list_snapshots(request).await.unwrap();
    let ids: Vec<String> = listed
        .into_inner()
        .entries
        .into_iter()
        .map(|entry| entry.snapshot.unwrap().snapshot_id)
        .collect();
    assert_eq!(ids, [snapshot.as_str()]);

    let order = world.order("pvc-2").from_snapshot(&snapshot);
    let restored = controller.create(&order).await.unwrap();
    assert_ne!(restored.id, claim.id);

    controller.delete_snapshot(&snapshot).await.unwrap();
    assert_eq!(snapshots(&world).await, 0);
    let missing = controller
        .create(&world.order("pvc-3").from_snapshot(&snapshot))
        .await;
    assert_eq!(code(&missing), Code::NotFound);
    assert_eq!(volumes(&world).await, 2);
}

#[tokio::test]
async fn capabilities_are_offered_and_validated() {
    let world = world().await;
    let mut client = world.controller.client();
    let offered = client
        .controller_get_capabilities(ControllerGetCapabilitiesRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(offered.capabilities.len() >= 5, "{offered:?}");

    let claim = world
        .controller
        .create(&world.order("pvc-1"))
        .await
        .unwrap();
    let mut request = ValidateVolumeCapabilitiesRequest {
        volume_id: claim.id,
        volume_capabilities: vec![Use::Ext4.capability(), Use::Block.capability()],
        ..ValidateVolumeCapabilitiesRequest::default()
    };
    let answer = client
        .validate_volume_capabilities(request.clone())
        .await
        .unwrap();
    assert!(answer.into_inner().confirmed.is_some());

    request.volume_id = "vol-0123456789abcdef0".to_owned();
    let answer = client.validate_volume_capabilities(request).await;
    assert_eq!(answer.unwrap_err().code(), Code::NotFound);
}
