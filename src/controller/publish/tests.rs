//! Attaching: once, twice, elsewhere, in the wrong zone, with a taken name, to nothing, and stuck.

mod sharing;

use std::collections::HashMap;
use std::sync::Arc;

use csi::v1::controller_server::Controller;
use ebs_types::{AttachmentState, InstanceState};
use ec2::{Action, BlockDevice};
use tonic::{Code, Request, Status};

use super::super::testing::{FakeEc2, Fault, capability, create, create_request, service};
use super::*;

const HERE: &str = "i-0000000a";
const OTHER_ZONE: &str = "i-0000000b";

async fn publish(service: &ControllerService, volume: &str, node: &str) -> Result<String, Status> {
    let context = publish_with(service, volume, node, |_| {}).await?;
    Ok(context["devicePath"].clone())
}

async fn publish_with(
    service: &ControllerService,
    volume: &str,
    node: &str,
    change: impl FnOnce(&mut ControllerPublishVolumeRequest),
) -> Result<HashMap<String, String>, Status> {
    let mut message = ControllerPublishVolumeRequest {
        volume_id: volume.to_owned(),
        node_id: node.to_owned(),
        volume_capability: Some(capability()),
        ..ControllerPublishVolumeRequest::default()
    };
    change(&mut message);
    let answer = service
        .controller_publish_volume(Request::new(message))
        .await?;
    Ok(answer.into_inner().publish_context)
}

/// A volume in zone z-a.
async fn volume(service: &ControllerService, name: &str) -> String {
    let mut request = create_request(name);
    request.accessibility_requirements = Some(csi::v1::TopologyRequirement {
        requisite: vec![super::super::testing::in_zone("z-a")],
        preferred: vec![],
    });
    create(service, request).await.unwrap().volume_id
}

fn states(fake: &Arc<FakeEc2>) -> Vec<AttachmentState> {
    let state = fake.state();
    state
        .volumes
        .values()
        .flat_map(|v| &v.attachments)
        .map(|a| a.state)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_attached_and_a_repeat_agrees() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, "pvc").await;
    let device = publish(&service, &volume, HERE).await.unwrap();
    assert_eq!(device, "/dev/xvdba");
    assert_eq!(states(&fake), [AttachmentState::Attached]);
    assert_eq!(publish(&service, &volume, HERE).await.unwrap(), device);
    assert_eq!(fake.calls(Action::AttachVolume), 1);
    assert_eq!(fake.calls(Action::DescribeInstances), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_a_repeat_agrees_too() {
    let fake = FakeEc2::new();
    let before = service(&fake);
    let volume = volume(&before, "pvc").await;
    let device = publish(&before, &volume, HERE).await.unwrap();
    assert_eq!(
        publish(&service(&fake), &volume, HERE).await.unwrap(),
        device
    );
}

#[tokio::test(start_paused = true)]
async fn volumes_of_one_instance_get_different_names() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let (one, two) = (volume(&service, "a").await, volume(&service, "b").await);
    let (one, two) = tokio::join!(publish(&service, &one, HERE), publish(&service, &two, HERE));
    assert_ne!(one.unwrap(), two.unwrap());
    assert_eq!(fake.calls(Action::AttachVolume), 2);
}

#[tokio::test(start_paused = true)]
async fn a_name_taken_behind_our_back_is_passed_over() {
    let fake = FakeEc2::new();
    let before = service(&fake);
    let (one, two) = (volume(&before, "a").await, volume(&before, "b").await);
    let first = publish(&before, &one, HERE).await.unwrap();
    // The description does not show the attachment, so another process hands out the same name.
    let second = publish(&service(&fake), &two, HERE).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(fake.calls(Action::AttachVolume), 3);
}

#[tokio::test(start_paused = true)]
async fn names_that_ec2_shows_are_not_tried() {
    let fake = FakeEc2::new();
    for host in fake.state().instances.values_mut() {
        host.block_devices.push(BlockDevice {
            name: "/dev/xvdba".to_owned(),
            volume: "vol-eeeeeeee".parse().unwrap(),
            state: AttachmentState::Attached,
            card: 0,
        });
    }
    let service = service(&fake);
    let volume = volume(&service, "pvc").await;
    assert_eq!(
        publish(&service, &volume, HERE).await.unwrap(),
        "/dev/xvdbb"
    );
    assert_eq!(fake.calls(Action::AttachVolume), 1);
}

#[tokio::test(start_paused = true)]
async fn a_volume_attached_elsewhere_is_refused_with_the_instances_name() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, "pvc").await;
    publish(&service, &volume, HERE).await.unwrap();
    let status = publish(&service, &volume, OTHER_ZONE).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains(HERE), "{}", status.message());
}

#[tokio::test(start_paused = true)]
async fn the_wrong_zone_is_refused_with_both_zones() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, "pvc").await;
    let status = publish(&service, &volume, OTHER_ZONE).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    for zone in ["z-a", "z-b"] {
        assert!(status.message().contains(zone), "{}", status.message());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_not_found() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, "pvc").await;
    for (volume, node, missing) in [
        (
            volume.as_str(),
            "i-0000dead",
            "EC2 DescribeInstances failed",
        ),
        (
            volume.as_str(),
            "fake-node",
            "\"fake-node\" is not an instance id",
        ),
        ("fake-volume", HERE, "\"fake-volume\" is not a volume id"),
        ("vol-0000dead", HERE, "EC2 AttachVolume failed"),
    ] {
        let status = publish(&service, volume, node).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{volume} {node}");
        assert!(status.message().contains(missing), "{}", status.message());
    }
    fake.state()
        .instances
        .values_mut()
        .for_each(|i| i.state = InstanceState::Terminated);
    let status = publish(&service, &volume, HERE).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert!(
        status.message().contains("terminated"),
        "{}",
        status.message()
    );
}

#[tokio::test(start_paused = true)]
async fn missing_fields_are_named() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    for (volume, node, field) in [("", "", "volume_id"), ("v", "", "node_id")] {
        let status = publish(&service, volume, node).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with(field), "{}", status.message());
    }
    let without = ControllerPublishVolumeRequest {
        volume_id: "v".to_owned(),
        node_id: "n".to_owned(),
        ..ControllerPublishVolumeRequest::default()
    };
    let status = service
        .controller_publish_volume(Request::new(without))
        .await
        .unwrap_err();
    assert!(
        status.message().starts_with("volume_capability"),
        "{}",
        status.message()
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_instance_is_resource_exhausted() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, "pvc").await;
    let full = Fault::Refuse(ErrorKind::AttachmentLimitExceeded);
    fake.fault(Action::AttachVolume, full);
    let status = publish(&service, &volume, HERE).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_unavailable_and_the_next_try_finds_it_attached() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, "pvc").await;
    fake.fault(Action::AttachVolume, Fault::LoseReply);
    assert_eq!(
        publish(&service, &volume, HERE).await.unwrap_err().code(),
        Code::Unavailable
    );
    publish(&service, &volume, HERE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stuck_attachment_is_undone_and_the_next_try_works() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, "pvc").await;
    fake.fault(Action::AttachVolume, Fault::Stick);
    // Deadlines shorter than the patience: time counts over all tries.
    for _ in 0..5 {
        let cut = tokio::time::timeout(Duration::from_secs(15), publish(&service, &volume, HERE));
        assert!(cut.await.is_err());
    }
    let device = publish(&service, &volume, HERE).await.unwrap();
    assert_eq!(device, "/dev/xvdbb", "not the name that got stuck");
    assert_eq!(states(&fake), [AttachmentState::Attached]);
    assert_eq!(fake.calls(Action::DetachVolume), 1);
}

#[tokio::test(start_paused = true)]
async fn what_gets_stuck_twice_is_told_and_tried_again_later() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, "pvc").await;
    fake.fault(Action::AttachVolume, Fault::Stick);
    fake.fault(Action::AttachVolume, Fault::Stick);
    let status = publish(&service, &volume, HERE).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("90 s"), "{}", status.message());
    publish(&service, &volume, HERE).await.unwrap();
    assert_eq!(states(&fake), [AttachmentState::Attached]);
}

#[tokio::test(start_paused = true)]
async fn an_attachment_that_nobody_could_look_at_is_not_undone() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, "pvc").await;
    for _ in 0..1_000 {
        fake.fault(Action::DescribeVolumes, Fault::Refuse(ErrorKind::Throttled));
    }
    let looks_again = async {
        tokio::time::sleep(Duration::from_millis(89_999)).await;
        fake.forget_faults();
    };
    let (device, ()) = tokio::join!(publish(&service, &volume, HERE), looks_again);
    assert_eq!(device.unwrap(), "/dev/xvdba");
    assert_eq!(fake.calls(Action::AttachVolume), 1);
    assert_eq!(fake.calls(Action::DetachVolume), 0);
}
