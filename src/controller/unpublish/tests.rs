//! Detaching: what is attached, what isn't, what is gone, what is busy.

use csi::v1::ControllerPublishVolumeRequest;
use csi::v1::controller_server::Controller;
use ebs_types::InstanceState;
use ec2::Action;
use tonic::{Code, Request, Status};

use super::super::testing::{FakeEc2, Fault, capability, create, create_request, service};
use super::*;

const NODE: &str = "i-0000000a";

async fn unpublish(service: &ControllerService, volume: &str, node: &str) -> Result<(), Status> {
    let message = ControllerUnpublishVolumeRequest {
        volume_id: volume.to_owned(),
        node_id: node.to_owned(),
        ..ControllerUnpublishVolumeRequest::default()
    };
    service
        .controller_unpublish_volume(Request::new(message))
        .await
        .map(|_| ())
}

async fn attached(service: &ControllerService) -> String {
    let mut request = create_request("pvc");
    request.accessibility_requirements = Some(csi::v1::TopologyRequirement {
        requisite: vec![super::super::testing::in_zone("z-a")],
        preferred: vec![],
    });
    let volume_id = create(service, request).await.unwrap().volume_id;
    let message = ControllerPublishVolumeRequest {
        volume_id: volume_id.clone(),
        node_id: NODE.to_owned(),
        volume_capability: Some(capability()),
        ..ControllerPublishVolumeRequest::default()
    };
    service
        .controller_publish_volume(Request::new(message))
        .await
        .unwrap();
    volume_id
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_detached_and_a_repeat_is_success() {
    for node in [NODE, ""] {
        let fake = FakeEc2::new();
        let service = service(&fake);
        let volume = attached(&service).await;
        for _ in 0..2 {
            unpublish(&service, &volume, node).await.unwrap();
            assert!(
                fake.state()
                    .volumes
                    .values()
                    .all(|v| v.attachments.is_empty())
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_is_detached() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = attached(&service).await;
    for (volume, node) in [
        ("fake-volume", NODE),
        ("vol-0000dead", NODE),
        ("vol-0000dead", ""),
        (volume.as_str(), "i-0000dead"),
        (volume.as_str(), "fake-node"),
    ] {
        unpublish(&service, volume, node).await.unwrap();
    }
    assert_eq!(
        unpublish(&service, "", NODE).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[tokio::test(start_paused = true)]
async fn a_terminated_instance_has_let_go() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = attached(&service).await;
    fake.state()
        .instances
        .values_mut()
        .for_each(|i| i.state = InstanceState::Terminated);
    fake.state()
        .volumes
        .values_mut()
        .for_each(|v| v.attachments.clear());
    unpublish(&service, &volume, NODE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_busy_device_is_told_to_the_caller() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = attached(&service).await;
    fake.fault(Action::DetachVolume, Fault::Stick);
    let status = unpublish(&service, &volume, NODE).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(
        status.message().contains("in use on instance i-0000000a"),
        "{}",
        status.message()
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_unavailable_and_the_next_try_ends_it() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = attached(&service).await;
    fake.fault(Action::DetachVolume, Fault::LoseReply);
    let status = unpublish(&service, &volume, NODE).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    unpublish(&service, &volume, NODE).await.unwrap();
}
