//! Node-local volumes, over all operations: EC2 is not asked about them, and never changed.

use csi::v1::controller_server::Controller;
use csi::v1::volume_capability::access_mode::Mode;
use csi::v1::{
    CapacityRange, ControllerExpandVolumeRequest, ControllerPublishVolumeRequest,
    ControllerUnpublishVolumeRequest, CreateSnapshotRequest, DeleteVolumeRequest,
    ValidateVolumeCapabilitiesRequest, VolumeCapability,
};
use tonic::{Code, Request};

use super::super::testing::{FakeEc2, capability, service};
use super::*;

const LOCAL: &str = "local-ebs://dev/xvdbz";

fn wanted() -> ControllerService {
    let mut service = service(&FakeEc2::new());
    service.settings.node_local_volumes = true;
    service
}

fn by_many() -> VolumeCapability {
    let mut capability = capability();
    if let Some(mode) = &mut capability.access_mode {
        mode.mode = Mode::MultiNodeMultiWriter.into();
    }
    capability
}

fn publish(volume: &str) -> Request<ControllerPublishVolumeRequest> {
    Request::new(ControllerPublishVolumeRequest {
        volume_id: volume.to_owned(),
        node_id: "i-0000000a".to_owned(),
        volume_capability: Some(by_many()),
        ..ControllerPublishVolumeRequest::default()
    })
}

#[tokio::test(start_paused = true)]
async fn one_is_there_on_every_node_already() {
    let service = wanted();
    for _ in 0..2 {
        let answer = service.controller_publish_volume(publish(LOCAL)).await;
        let context = answer.unwrap().into_inner().publish_context;
        assert_eq!(context["devicePath"], "/dev/xvdbz");
    }
    let unpublish = ControllerUnpublishVolumeRequest {
        volume_id: LOCAL.to_owned(),
        node_id: "i-0000000a".to_owned(),
        ..ControllerUnpublishVolumeRequest::default()
    };
    let unpublish = Request::new(unpublish);
    service
        .controller_unpublish_volume(unpublish)
        .await
        .unwrap();
    let validate = ValidateVolumeCapabilitiesRequest {
        volume_id: LOCAL.to_owned(),
        volume_capabilities: vec![by_many()],
        ..ValidateVolumeCapabilitiesRequest::default()
    };
    let answer = service
        .validate_volume_capabilities(Request::new(validate))
        .await;
    assert!(answer.unwrap().into_inner().confirmed.is_some());
}

#[tokio::test(start_paused = true)]
async fn one_is_refused_unless_they_are_wanted_and_its_name_can_be() {
    let off = service(&FakeEc2::new());
    let refused = off.controller_publish_volume(publish(LOCAL)).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        refused.message().contains("--enable-node-local-volumes"),
        "{refused}"
    );
    let root = wanted()
        .controller_publish_volume(publish("local-ebs://dev/xvda"))
        .await
        .unwrap_err();
    assert_eq!(root.code(), Code::InvalidArgument);
    assert!(root.message().contains("not the root's"), "{root}");
}

#[tokio::test(start_paused = true)]
async fn one_is_neither_expanded_nor_deleted_nor_put_in_a_snapshot() {
    let service = wanted();
    let expand = ControllerExpandVolumeRequest {
        volume_id: LOCAL.to_owned(),
        capacity_range: Some(CapacityRange {
            required_bytes: 1 << 30,
            limit_bytes: 0,
        }),
        ..ControllerExpandVolumeRequest::default()
    };
    let expanded = service.controller_expand_volume(Request::new(expand)).await;
    let delete = DeleteVolumeRequest {
        volume_id: LOCAL.to_owned(),
        ..DeleteVolumeRequest::default()
    };
    let deleted = service.delete_volume(Request::new(delete)).await;
    let snapshot = CreateSnapshotRequest {
        name: "snap".to_owned(),
        source_volume_id: LOCAL.to_owned(),
        ..CreateSnapshotRequest::default()
    };
    let snapshot = service.create_snapshot(Request::new(snapshot)).await;
    for refused in [
        expanded.unwrap_err(),
        deleted.unwrap_err(),
        snapshot.unwrap_err(),
    ] {
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert!(refused.message().contains("node-local"), "{refused}");
    }
}
