//! Who may use a volume at once: nodes that share one, nodes that only read one, and what cannot be had.

use std::collections::BTreeSet;

use csi::v1::volume_capability::AccessMode;
use csi::v1::volume_capability::access_mode::Mode;
use csi::v1::{
    ControllerExpandVolumeRequest, ControllerGetVolumeRequest, ControllerModifyVolumeRequest,
    ControllerPublishVolumeRequest, ControllerUnpublishVolumeRequest, CreateVolumeRequest,
    ListVolumesRequest, ValidateVolumeCapabilitiesRequest, VolumeCapability,
};
use ebs_types::READ_ONLY_KEY;
use futures::future::join_all;
use lab::cloud::SeenVolume;
use lab::orchestrator::{Claim, Order, Use, gib_or_more};
use lab::socket::{PAUSE, Patience};
use serde_json::json;
use tonic::{Code, Status};

use crate::world::{World, calls, code, volumes, world_with};

/// One zone with so many nodes.
async fn nodes(count: usize) -> World {
    world_with(|config| {
        config.zones = 1;
        config.instances = count;
    })
    .await
}

fn used(usage: Use, mode: Mode) -> VolumeCapability {
    VolumeCapability {
        access_mode: Some(AccessMode { mode: mode.into() }),
        ..usage.capability()
    }
}

/// A volume of this name and kind, to be used so.
fn request(world: &World, kind: &str, usage: Use, mode: Mode) -> CreateVolumeRequest {
    let mut request = world.order("pvc-1").request();
    wish(&mut request, kind, usage, mode);
    request
}

fn wish(request: &mut CreateVolumeRequest, kind: &str, usage: Use, mode: Mode) {
    request.volume_capabilities = vec![used(usage, mode)];
    let parameters = &mut request.parameters;
    parameters.insert("type".to_owned(), kind.to_owned());
    if kind.starts_with("io") {
        parameters.insert("iops".to_owned(), "100".to_owned());
    }
    if let Some(range) = &mut request.capacity_range {
        range.required_bytes = 10 << 30;
    }
}

async fn create(world: &World, request: &CreateVolumeRequest) -> Result<csi::v1::Volume, Status> {
    let mut client = world.controller.client();
    let answer = client.create_volume(request.clone()).await?.into_inner();
    Ok(answer.volume.unwrap())
}

/// A publication of a volume to a node.
fn publication(
    world: &World,
    volume: &str,
    number: usize,
    capability: VolumeCapability,
) -> ControllerPublishVolumeRequest {
    ControllerPublishVolumeRequest {
        volume_id: volume.to_owned(),
        node_id: world.node(number).unwrap().instance,
        volume_capability: Some(capability),
        ..ControllerPublishVolumeRequest::default()
    }
}

async fn publish(
    world: &World,
    request: &ControllerPublishVolumeRequest,
) -> Result<std::collections::HashMap<String, String>, Status> {
    let mut client = world.controller.client();
    let answer = client.controller_publish_volume(request.clone()).await?;
    Ok(answer.into_inner().publish_context)
}

async fn seen(world: &World, volume: &str) -> SeenVolume {
    world.cloud.volume(volume).await.unwrap().unwrap()
}

/// The instances that have the volume, all of them for good.
async fn attached(world: &World, volume: &str) -> BTreeSet<String> {
    let seen = seen(world, volume).await;
    let attachments = seen.attachments.iter();
    attachments
        .map(|there| {
            assert_eq!(there.state, "attached", "{seen}");
            there.instance.clone()
        })
        .collect()
}

fn instances(world: &World, numbers: std::ops::Range<usize>) -> BTreeSet<String> {
    numbers
        .map(|number| world.node(number).unwrap().instance)
        .collect()
}

/// A volume of io2 that is on three nodes as a raw block device.
async fn shared(world: &World) -> String {
    let request = request(world, "io2", Use::Block, Mode::MultiNodeMultiWriter);
    let volume = create(world, &request).await.unwrap().volume_id;
    let capability = used(Use::Block, Mode::MultiNodeMultiWriter);
    let publishing = (0..3).map(async |number| {
        let request = publication(world, &volume, number, capability.clone());
        publish(world, &request).await.unwrap()
    });
    join_all(publishing).await;
    volume
}

#[tokio::test]
async fn nodes_share_a_raw_block_device_of_io2() {
    let mut world = nodes(3).await;
    let volume = shared(&world).await;
    let mut client = world.controller.client();
    assert!(seen(&world, &volume).await.multi_attach);
    let all = instances(&world, 0..3);
    assert_eq!(attached(&world, &volume).await, all);

    let get = ControllerGetVolumeRequest {
        volume_id: volume.clone(),
    };
    let answer = client.controller_get_volume(get).await.unwrap();
    let status = answer.into_inner().status.unwrap();
    let told = |nodes: Vec<String>| nodes.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(told(status.published_node_ids), all);
    let listed = client.list_volumes(ListVolumesRequest::default()).await;
    let entry = listed.unwrap().into_inner().entries.remove(0);
    assert_eq!(told(entry.status.unwrap().published_node_ids), all);

    // Neither a repetition nor another process attaches it again.
    for restart in [false, true] {
        if restart {
            world.kill_controller().await.unwrap();
            world.start_controller().await.unwrap();
        }
        let again = request(&world, "io2", Use::Block, Mode::MultiNodeMultiWriter);
        let patient = world.controller.with(Patience::SIDECAR);
        let order = Order {
            gib: 10,
            usage: Use::Block,
            parameters: vec![("type", "io2"), ("iops", "100")],
            ..world.order("pvc-1")
        };
        assert_eq!(patient.create(&order).await.unwrap().id, volume);
        assert_eq!(create(&world, &again).await.unwrap().volume_id, volume);
        for number in 0..3 {
            let capability = used(Use::Block, Mode::MultiNodeMultiWriter);
            let request = publication(&world, &volume, number, capability);
            publish(&world, &request).await.unwrap();
        }
        assert_eq!(calls(&world, "AttachVolume").await, 3);
    }
}

#[tokio::test]
async fn each_node_lets_go_of_a_shared_volume_by_itself() {
    let world = nodes(3).await;
    let volume = shared(&world).await;
    let mut client = world.controller.client();
    let claim = Claim {
        id: volume.clone(),
        bytes: 10 << 30,
        usage: Use::Block,
        context: [].into(),
    };
    let first = world.node(0).unwrap();
    for _ in 0..2 {
        world.controller.detach(&claim, &first).await.unwrap();
        assert_eq!(attached(&world, &volume).await, instances(&world, 1..3));
    }
    let once = world.controller.with(Patience::ONCE);
    assert_eq!(code(&once.delete(&claim).await), Code::FailedPrecondition);
    let from_all = ControllerUnpublishVolumeRequest {
        volume_id: volume.clone(),
        ..ControllerUnpublishVolumeRequest::default()
    };
    client.controller_unpublish_volume(from_all).await.unwrap();
    assert_eq!(attached(&world, &volume).await, BTreeSet::new());
    world.controller.delete(&claim).await.unwrap();
    assert_eq!(volumes(&world).await, 0);
}

#[tokio::test]
async fn a_shared_volume_grows_on_all_nodes_and_keeps_its_type() {
    let world = nodes(3).await;
    let volume = shared(&world).await;
    let mut client = world.controller.client();
    let to_gp3 = ControllerModifyVolumeRequest {
        volume_id: volume.clone(),
        mutable_parameters: [("type".to_owned(), "gp3".to_owned())].into(),
        ..ControllerModifyVolumeRequest::default()
    };
    let refused = client.controller_modify_volume(to_gp3).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    assert!(refused.message().contains("Multi-Attach"), "{refused:?}");
    let expand = ControllerExpandVolumeRequest {
        volume_id: volume.clone(),
        capacity_range: Some(gib_or_more(20)),
        volume_capability: Some(used(Use::Block, Mode::MultiNodeMultiWriter)),
        ..ControllerExpandVolumeRequest::default()
    };
    let grown = client.controller_expand_volume(expand).await.unwrap();
    assert!(!grown.into_inner().node_expansion_required);
    let seen = seen(&world, &volume).await;
    assert_eq!(
        (seen.gib, seen.kind.as_str(), seen.attachments.len()),
        (20, "io2", 3)
    );
}

#[tokio::test]
async fn a_lost_reply_attaches_a_shared_volume_once() {
    let world = nodes(2).await;
    let request = request(&world, "io2", Use::Block, Mode::MultiNodeMultiWriter);
    let rule = json!({"action": "CreateVolume", "kind": "lost-reply", "count": 1});
    world.cloud.fault(&rule).await.unwrap();
    let volume = loop {
        match create(&world, &request).await {
            Ok(volume) => break volume.volume_id,
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
        }
    };
    assert_eq!(volumes(&world).await, 1);
    let rule = json!({"action": "AttachVolume", "kind": "lost-reply", "count": 1});
    world.cloud.fault(&rule).await.unwrap();
    let capability = used(Use::Block, Mode::MultiNodeMultiWriter);
    for number in 0..2 {
        let request = publication(&world, &volume, number, capability.clone());
        while let Err(status) = publish(&world, &request).await {
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        }
    }
    assert_eq!(attached(&world, &volume).await, instances(&world, 0..2));
}

#[tokio::test]
async fn what_cannot_be_had_is_refused_with_what_can() {
    let world = nodes(1).await;
    for (kind, usage, mode, instead) in [
        (
            "io2",
            Use::Ext4,
            Mode::MultiNodeMultiWriter,
            "volumeMode Block",
        ),
        (
            "gp3",
            Use::Block,
            Mode::MultiNodeMultiWriter,
            "use type io2",
        ),
        (
            "io2",
            Use::Block,
            Mode::MultiNodeSingleWriter,
            "MULTI_NODE_MULTI_WRITER",
        ),
        (
            "gp3",
            Use::Xfs,
            Mode::MultiNodeReaderOnly,
            "restore a snapshot or clone",
        ),
        (
            "io2",
            Use::Block,
            Mode::SingleNodeReaderOnly,
            "restore a snapshot or clone",
        ),
        // EC2 has it for io1 in three regions.
        (
            "io1",
            Use::Block,
            Mode::MultiNodeMultiWriter,
            "eu-central-1",
        ),
    ] {
        let request = request(&world, kind, usage, mode);
        let refused = create(&world, &request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        assert!(refused.message().contains(instead), "{refused:?}");
    }
    assert_eq!(volumes(&world).await, 0);
}

#[tokio::test]
async fn a_volume_that_was_not_made_to_be_shared_is_not_confirmed_for_that() {
    let world = nodes(1).await;
    let alone = request(&world, "io2", Use::Block, Mode::SingleNodeWriter);
    let alone = create(&world, &alone).await.unwrap().volume_id;
    let validate = ValidateVolumeCapabilitiesRequest {
        volume_id: alone,
        volume_capabilities: vec![used(Use::Block, Mode::MultiNodeMultiWriter)],
        ..ValidateVolumeCapabilitiesRequest::default()
    };
    let mut client = world.controller.client();
    let answer = client.validate_volume_capabilities(validate).await.unwrap();
    let answer = answer.into_inner();
    assert_eq!(answer.confirmed, None);
    assert!(answer.message.contains("no Multi-Attach"), "{answer:?}");

    // The name is taken by a volume that cannot be what is asked for.
    let shared = request(&world, "io2", Use::Block, Mode::MultiNodeMultiWriter);
    let refused = create(&world, &shared).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists, "{refused:?}");
    assert!(refused.message().contains("Multi-Attach"), "{refused:?}");
}

#[tokio::test]
async fn a_snapshot_is_restored_for_readers() {
    let world = nodes(2).await;
    let source = world.controller.create(&world.order("source")).await;
    let source = source.unwrap();
    let snapshot = world.controller.snapshot(&source, "snap").await.unwrap();
    let readers = used(Use::Ext4, Mode::MultiNodeReaderOnly);
    for (kind, nodes) in [("gp3", 1), ("io2", 2)] {
        let order = world.order(&format!("of-{kind}")).from_snapshot(&snapshot);
        let mut request = order.request();
        wish(&mut request, kind, Use::Ext4, Mode::MultiNodeReaderOnly);
        let volume = create(&world, &request).await.unwrap().volume_id;
        assert_eq!(seen(&world, &volume).await.multi_attach, nodes == 2);
        for number in 0..nodes {
            let request = publication(&world, &volume, number, readers.clone());
            let context = publish(&world, &request).await.unwrap();
            assert_eq!(context[READ_ONLY_KEY], "true");
        }
        assert_eq!(attached(&world, &volume).await, instances(&world, 0..nodes));
        if nodes == 1 {
            let request = publication(&world, &volume, 1, readers.clone());
            let refused = publish(&world, &request).await.unwrap_err();
            assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
            assert!(
                refused.message().contains("one node at a time"),
                "{refused:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_volume_that_can_be_shared_is_not_where_one_node_alone_may_have_it() {
    let world = nodes(2).await;
    let shared = request(&world, "io2", Use::Block, Mode::MultiNodeMultiWriter);
    let volume = create(&world, &shared).await.unwrap().volume_id;
    let alone = |number| {
        let capability = used(Use::Ext4, Mode::SingleNodeWriter);
        publication(&world, &volume, number, capability)
    };
    publish(&world, &alone(0)).await.unwrap();
    let refused = publish(&world, &alone(1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    let first = world.node(0).unwrap().instance;
    assert!(refused.message().contains(&first), "{refused:?}");
    // What EC2 attached is let go of by the time that external-attacher has undone its attempt.
    let undo = ControllerUnpublishVolumeRequest {
        volume_id: volume.clone(),
        node_id: world.node(1).unwrap().instance,
        ..ControllerUnpublishVolumeRequest::default()
    };
    let mut client = world.controller.client();
    client.controller_unpublish_volume(undo).await.unwrap();
    assert_eq!(attached(&world, &volume).await, instances(&world, 0..1));
    publish(&world, &alone(0)).await.unwrap();
}

#[tokio::test]
async fn a_volume_published_for_readers_is_not_published_for_writers() {
    let mut world = nodes(1).await;
    let volume = world.controller.create(&world.order("pvc-1")).await;
    let volume = volume.unwrap().id;
    let request = |readonly| ControllerPublishVolumeRequest {
        readonly,
        ..publication(&world, &volume, 0, Use::Ext4.capability())
    };
    let (reading, writing) = (request(true), request(false));
    for _ in 0..2 {
        let context = publish(&world, &reading).await.unwrap();
        assert_eq!(context[READ_ONLY_KEY], "true");
    }
    let refused = publish(&world, &writing).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists, "{refused:?}");
    // A process that has just started believes the first request: what counts is what the node has mounted.
    world.kill_controller().await.unwrap();
    world.start_controller().await.unwrap();
    while let Err(status) = publish(&world, &reading).await {
        // The connection of before broke with the process.
        let broken = [Code::Unknown, Code::Unavailable, Code::Cancelled];
        assert!(broken.contains(&status.code()), "{status:?}");
        tokio::time::sleep(PAUSE).await;
    }
    let refused = publish(&world, &writing).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists, "{refused:?}");
    let claim = Claim {
        id: volume.clone(),
        bytes: 1 << 30,
        usage: Use::Ext4,
        context: [].into(),
    };
    let node = world.node(0).unwrap();
    world.controller.detach(&claim, &node).await.unwrap();
    let context = publish(&world, &writing).await.unwrap();
    assert!(!context.contains_key(READ_ONLY_KEY), "{context:?}");
}
