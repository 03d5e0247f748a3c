//! Growing: once, twice, joined, too far, too soon.

use std::time::Duration;

use csi::v1::controller_server::Controller;
use csi::v1::volume_capability::BlockVolume;
use csi::v1::{CapacityRange as RangeMessage, VolumeCapability};
use ebs_types::ModificationState;
use ec2::{Action, ErrorKind};
use tokio::time::timeout;
use tonic::{Code, Request, Status};

use super::super::testing::{FakeEc2, Fault, create, create_request, service};
use super::*;

async fn expand(
    service: &ControllerService,
    volume: &str,
    required_gib: i64,
    limit_gib: i64,
) -> Result<i64, Status> {
    let message = ControllerExpandVolumeRequest {
        volume_id: volume.to_owned(),
        capacity_range: Some(RangeMessage {
            required_bytes: required_gib << 30,
            limit_bytes: limit_gib << 30,
        }),
        ..ControllerExpandVolumeRequest::default()
    };
    let answer = service
        .controller_expand_volume(Request::new(message))
        .await?;
    assert!(answer.get_ref().node_expansion_required);
    Ok(answer.get_ref().capacity_bytes >> 30)
}

async fn volume(service: &ControllerService) -> String {
    create(service, create_request("pvc"))
        .await
        .unwrap()
        .volume_id
}

#[tokio::test(start_paused = true)]
async fn a_volume_grows_by_one_call_and_a_repeat_needs_none() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service).await;
    for required in [200, 200, 150] {
        assert_eq!(expand(&service, &volume, required, 0).await.unwrap(), 200);
    }
    assert_eq!(fake.calls(Action::ModifyVolume), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_joined_by_the_next_try() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service).await;
    fake.fault(Action::ModifyVolume, Fault::LoseReply);
    let status = expand(&service, &volume, 200, 0).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(expand(&service, &volume, 200, 0).await.unwrap(), 200);
    assert_eq!(fake.calls(Action::ModifyVolume), 1);
}

/// Expands the volume to 200 GiB, and EC2 has ended with that.
async fn expanded_before(fake: &FakeEc2, service: &ControllerService, volume: &str) {
    expand(service, volume, 200, 0).await.unwrap();
    for modification in fake.state().modifications.values_mut() {
        modification.state = ModificationState::Completed;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_process_before_began_is_joined() {
    let fake = FakeEc2::new();
    let killed = service(&fake);
    let volume = volume(&killed).await;
    fake.fault(Action::ModifyVolume, Fault::Hang);
    let call = expand(&killed, &volume, 200, 0);
    assert!(timeout(Duration::from_millis(500), call).await.is_err());
    let restarted = service(&fake);
    assert_eq!(expand(&restarted, &volume, 200, 0).await.unwrap(), 200);
    assert_eq!(fake.state().modified, 1);
}

#[tokio::test(start_paused = true)]
async fn a_modification_to_more_than_the_limit_is_out_of_range() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service).await;
    fake.fault(Action::ModifyVolume, Fault::LoseReply);
    expand(&service, &volume, 300, 0).await.unwrap_err();
    let status = expand(&service, &volume, 200, 250).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
}

/// EC2 refuses because of a modification that it does not show yet: the next try finds it.
#[tokio::test(start_paused = true)]
async fn a_modification_that_is_not_shown_yet_is_aborted() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service).await;
    expanded_before(&fake, &service, &volume).await;
    let unseen = Fault::Refuse(ErrorKind::ModificationInProgress);
    fake.fault(Action::ModifyVolume, unseen);
    let status = expand(&service, &volume, 300, 0).await.unwrap_err();
    assert_eq!(status.code(), Code::Aborted, "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn another_modification_under_way_is_aborted() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service).await;
    expand(&service, &volume, 200, 0).await.unwrap();
    let status = expand(&service, &volume, 300, 0).await.unwrap_err();
    assert_eq!(status.code(), Code::Aborted);
    assert!(
        status.message().contains("optimizing"),
        "{}",
        status.message()
    );
}

#[tokio::test(start_paused = true)]
async fn too_soon_says_how_long_to_wait() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service).await;
    expanded_before(&fake, &service, &volume).await;
    let soon = Fault::Refuse(ErrorKind::ModificationRateExceeded);
    fake.fault(Action::ModifyVolume, soon);
    let status = expand(&service, &volume, 300, 0).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(
        status.message().contains("(in 1440 min)"),
        "{}",
        status.message()
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_modification_gives_its_reason() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service).await;
    let fails = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for modification in fake.state().modifications.values_mut() {
            modification.state = ModificationState::Failed;
            modification.status = Some("no room".to_owned());
        }
    };
    let (answer, ()) = tokio::join!(expand(&service, &volume, 200, 0), fails);
    let status = answer.unwrap_err();
    assert!(status.message().contains("no room"), "{}", status.message());
}

#[tokio::test(start_paused = true)]
async fn shrinking_and_too_large_sizes_are_out_of_range() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service).await;
    for (required, limit) in [(0, 50), (70_000, 0), (300, 200)] {
        let status = expand(&service, &volume, required, limit)
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange, "{required} {limit}");
    }
    assert_eq!(fake.calls(Action::ModifyVolume), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_named_and_what_is_unknown_not_found() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    assert_eq!(
        expand(&service, "", 1, 0).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    for id in ["fake-vol-id", "vol-0000dead"] {
        assert_eq!(
            expand(&service, id, 1, 0).await.unwrap_err().code(),
            Code::NotFound
        );
    }
    let no_range = ControllerExpandVolumeRequest {
        volume_id: "vol-0000dead".to_owned(),
        ..ControllerExpandVolumeRequest::default()
    };
    let status = service
        .controller_expand_volume(Request::new(no_range))
        .await
        .unwrap_err();
    assert!(
        status.message().starts_with("capacity_range is missing"),
        "{}",
        status.message()
    );
}

#[tokio::test(start_paused = true)]
async fn a_raw_block_volume_needs_no_work_on_the_node() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let message = ControllerExpandVolumeRequest {
        volume_id: volume(&service).await,
        capacity_range: Some(RangeMessage {
            required_bytes: 200 << 30,
            limit_bytes: 0,
        }),
        volume_capability: Some(VolumeCapability {
            access_type: Some(AccessType::Block(BlockVolume {})),
            access_mode: None,
        }),
        ..ControllerExpandVolumeRequest::default()
    };
    let answer = service
        .controller_expand_volume(Request::new(message))
        .await
        .unwrap();
    assert!(!answer.get_ref().node_expansion_required);
}
