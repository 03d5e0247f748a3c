//! Deleting: what is there, what isn't, what is attached.

use csi::v1::controller_server::Controller;
use ebs_types::AttachmentState;
use ec2::{Action, Attachment};
use tonic::{Code, Request, Status};

use super::super::testing::{FakeEc2, Fault, create, create_request, service};
use super::*;

async fn delete(service: &ControllerService, volume: &str) -> Result<(), Status> {
    let message = DeleteVolumeRequest {
        volume_id: volume.to_owned(),
        ..DeleteVolumeRequest::default()
    };
    service
        .delete_volume(Request::new(message))
        .await
        .map(|_| ())
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_deleted_by_one_call_and_a_repeat_is_success() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = create(&service, create_request("pvc"))
        .await
        .unwrap()
        .volume_id;
    delete(&service, &volume).await.unwrap();
    assert_eq!(fake.calls(Action::DeleteVolume), 1);
    assert!(fake.state().volumes.is_empty());
    delete(&service, &volume).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_id_that_cannot_exist_is_deleted_without_a_call() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    delete(&service, "fake-vol-id").await.unwrap();
    assert!(fake.state().calls.is_empty());
    assert_eq!(
        delete(&service, "").await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[tokio::test(start_paused = true)]
async fn an_attached_volume_is_refused_with_the_instances_name() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = create(&service, create_request("pvc"))
        .await
        .unwrap()
        .volume_id;
    for made in fake.state().volumes.values_mut() {
        made.attachments.push(Attachment {
            volume: made.id.clone(),
            instance: "i-0000000a".parse().unwrap(),
            device: "/dev/xvdba".to_owned(),
            state: AttachmentState::Attached,
            since: None,
        });
    }
    let status = delete(&service, &volume).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(
        status.message().contains("i-0000000a"),
        "{}",
        status.message()
    );
}

#[tokio::test(start_paused = true)]
async fn throttling_is_unavailable_and_the_in_tree_handle_is_understood() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = create(&service, create_request("pvc"))
        .await
        .unwrap()
        .volume_id;
    fake.fault(Action::DeleteVolume, Fault::Refuse(ErrorKind::Throttled));
    assert_eq!(
        delete(&service, &volume).await.unwrap_err().code(),
        Code::Unavailable
    );
    delete(&service, &format!("aws://z-a/{volume}"))
        .await
        .unwrap();
    assert!(fake.state().volumes.is_empty());
}
