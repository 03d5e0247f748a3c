//! The node plugin without any device: what it says of itself, and how it refuses what cannot be right.

use std::collections::HashMap;

use csi::v1::{NodePublishVolumeRequest, NodeStageVolumeRequest, NodeUnpublishVolumeRequest};
use lab::kubelet::Node;
use lab::orchestrator::{Claim, Use};
use lab::program::Program;
use lab::socket::Patience;
use rstest::rstest;
use tonic::Code;

use crate::world::{World, code, message, world};

fn claim(id: &str) -> Claim {
    Claim {
        id: id.to_owned(),
        bytes: 1 << 30,
        usage: Use::Ext4,
        context: HashMap::new(),
    }
}

/// A node plugin that gives a device little time to appear.
async fn start(world: &mut World, number: usize) -> Node {
    let hasty = |program: &mut Program| {
        program.option("--device-timeout", "200ms");
    };
    world.start_node(number, hasty).await.unwrap()
}

#[tokio::test]
async fn it_knows_where_it_is_from_the_metadata_service_alone() {
    let mut world = world().await;
    let node = start(&mut world, 1).await;
    let info = node.info().await.unwrap();
    assert_eq!(info.node_id, node.instance);
    assert!(info.max_volumes_per_node > 10, "{info:?}");
    let topology = info.accessible_topology.unwrap().segments;
    let expected = HashMap::from([
        ("topology.kubernetes.io/zone".to_owned(), node.zone.clone()),
        (
            "topology.ebs.csi.aws.com/zone".to_owned(),
            node.zone.clone(),
        ),
        ("kubernetes.io/os".to_owned(), "linux".to_owned()),
    ]);
    assert_eq!(topology, expected);
}

#[tokio::test]
async fn a_device_that_does_not_appear_is_missed_in_words() {
    let mut world = world().await;
    let node = start(&mut world, 0).await;
    let node = node.with(Patience::ONCE);
    let answer = node
        .stage(&claim("vol-0123456789abcdef0"), &HashMap::new())
        .await;
    assert_eq!(code(&answer), Code::Unavailable, "{answer:?}");
    let words = message(answer);
    assert!(
        words.contains("vol0123456789abcdef0") || words.contains("vol-0123456789abcdef0"),
        "{words}"
    );
}

#[rstest]
#[case("relative/path")]
#[case("/tmp/../etc")]
#[case("")]
#[tokio::test]
async fn a_path_that_is_not_plain_and_absolute_is_refused(#[case] path: &str) {
    let mut world = world().await;
    let node = start(&mut world, 0).await;
    let mut client = node.client();
    let capability = Some(Use::Ext4.capability());
    let id = "vol-0123456789abcdef0".to_owned();

    let stage = NodeStageVolumeRequest {
        volume_id: id.clone(),
        staging_target_path: path.to_owned(),
        volume_capability: capability.clone(),
        ..NodeStageVolumeRequest::default()
    };
    let status = client.node_stage_volume(stage).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(
        status.message().contains("staging_target_path"),
        "{status:?}"
    );

    let publish = NodePublishVolumeRequest {
        volume_id: id.clone(),
        staging_target_path: "/staging".to_owned(),
        target_path: path.to_owned(),
        volume_capability: capability,
        ..NodePublishVolumeRequest::default()
    };
    let status = client.node_publish_volume(publish).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(status.message().contains("target_path"), "{status:?}");

    let unpublish = NodeUnpublishVolumeRequest {
        volume_id: id,
        target_path: path.to_owned(),
    };
    let status = client.node_unpublish_volume(unpublish).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
}

#[tokio::test]
async fn a_request_without_capability_is_refused() {
    let mut world = world().await;
    let node = start(&mut world, 0).await;
    let stage = NodeStageVolumeRequest {
        volume_id: "vol-0123456789abcdef0".to_owned(),
        staging_target_path: "/staging".to_owned(),
        ..NodeStageVolumeRequest::default()
    };
    let status = node.client().node_stage_volume(stage).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("volume_capability"), "{status:?}");
}

#[tokio::test]
async fn taking_away_what_never_was_succeeds() {
    let mut world = world().await;
    let node = start(&mut world, 0).await;
    let claim = claim("vol-0123456789abcdef0");
    node.unpublish(&claim, "pod").await.unwrap();
    node.unstage(&claim).await.unwrap();
}
