//! A class is applied: once, twice, with an expansion, too soon, wrongly.

use std::time::Duration;

use csi::v1::controller_server::Controller;
use csi::v1::{CapacityRange, ControllerExpandVolumeRequest};
use ebs_types::{ModificationState, VolumeType, keys};
use ec2::{Action, ErrorKind, Volume};
use rstest::rstest;
use tokio::time::timeout;
use tonic::{Code, Request, Status};

use super::super::testing::{FakeEc2, Fault, create, create_request, service};
use super::*;

pub(super) async fn modify(
    service: &ControllerService,
    volume: &str,
    class: &[(&str, &str)],
) -> Result<(), Status> {
    let class = class
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let message = ControllerModifyVolumeRequest {
        volume_id: volume.to_owned(),
        mutable_parameters: class.collect(),
        ..ControllerModifyVolumeRequest::default()
    };
    let answer = service
        .controller_modify_volume(Request::new(message))
        .await?;
    assert_eq!(answer.into_inner(), ControllerModifyVolumeResponse {});
    Ok(())
}

pub(super) async fn expand(
    service: &ControllerService,
    volume: &str,
    gib: i64,
) -> Result<i64, Status> {
    let message = ControllerExpandVolumeRequest {
        volume_id: volume.to_owned(),
        capacity_range: Some(CapacityRange {
            required_bytes: gib << 30,
            limit_bytes: 0,
        }),
        ..ControllerExpandVolumeRequest::default()
    };
    let answer = service
        .controller_expand_volume(Request::new(message))
        .await?;
    Ok(answer.get_ref().capacity_bytes >> 30)
}

/// A volume of 100 GiB, with these parameters of its StorageClass.
pub(super) async fn volume(service: &ControllerService, class: &[(&str, &str)]) -> String {
    let mut request = create_request("pvc");
    let class = class
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    request.parameters = class.collect();
    create(service, request).await.unwrap().volume_id
}

pub(super) fn seen(fake: &FakeEc2) -> Volume {
    fake.state().volumes.values().next().unwrap().clone()
}

/// EC2 has ended with what it was at.
pub(super) fn completed(fake: &FakeEc2) {
    let mut state = fake.state();
    state.settle();
    for modification in state.modifications.values_mut() {
        if modification.state == ModificationState::Optimizing {
            modification.state = ModificationState::Completed;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_class_is_applied_by_one_call_and_a_repeat_needs_none() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, &[("type", "gp2")]).await;
    let class = [("type", "gp3"), ("IOPS", "4000"), ("throughput", "250")];
    for _ in 0..2 {
        modify(&service, &volume, &class).await.unwrap();
    }
    let is = seen(&fake);
    assert_eq!(is.volume_type, VolumeType::Gp3);
    assert_eq!((is.iops, is.throughput), (Some(4_000), Some(250)));
    assert_eq!(fake.calls(Action::ModifyVolume), 1);
    completed(&fake);
    modify(&service, &volume, &[("volumeType", "gp2")])
        .await
        .unwrap();
    assert_eq!(seen(&fake).volume_type, VolumeType::Gp2);
}

#[tokio::test(start_paused = true)]
async fn an_expansion_and_a_class_that_come_together_take_one_modification() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, &[]).await;
    // 80,000 IOPS need 160 GiB: neither order of two calls would do.
    let class = [("iops", "80000"), ("throughput", "1000")];
    let (size, modified) = tokio::join!(
        expand(&service, &volume, 200),
        modify(&service, &volume, &class)
    );
    modified.unwrap();
    assert_eq!(size.unwrap(), 200);
    let is = seen(&fake);
    assert_eq!((is.size.0, is.iops), (200, Some(80_000)));
    assert_eq!(fake.calls(Action::ModifyVolume), 1);
}

#[tokio::test(start_paused = true)]
async fn who_comes_alone_waits_for_nobody() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, &[]).await;
    let sent = fake.calls(Action::ModifyVolume);
    let call = modify(&service, &volume, &[("iops", "4000")]);
    // The clock is paused: only what waits takes time.
    assert!(timeout(Duration::from_millis(50), call).await.is_err());
    assert_eq!(fake.calls(Action::ModifyVolume), sent + 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_the_other_way_round() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, &[]).await;
    let (modified, size) = tokio::join!(
        modify(&service, &volume, &[("iopsPerGB", "50")]),
        expand(&service, &volume, 200)
    );
    modified.unwrap();
    assert_eq!(size.unwrap(), 200);
    assert_eq!(seen(&fake).iops, Some(10_000));
    assert_eq!(fake.calls(Action::ModifyVolume), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_other_one_wants_wrongly_spoils_nothing() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, &[]).await;
    fake.fault(
        Action::ModifyVolume,
        Fault::Refuse(ErrorKind::InvalidParameter),
    );
    let (size, modified) = tokio::join!(
        expand(&service, &volume, 200),
        modify(&service, &volume, &[("iops", "79000")])
    );
    assert_eq!(size.unwrap(), 200);
    // Its own call says what is wrong with it, once EC2 looks at it: the expansion is not completed yet.
    assert_eq!(modified.unwrap_err().code(), Code::FailedPrecondition);
    let is = seen(&fake);
    assert_eq!((is.size.0, is.iops), (200, None));
}

#[tokio::test(start_paused = true)]
async fn what_one_process_began_another_joins() {
    let fake = FakeEc2::new();
    let killed = service(&fake);
    let volume = volume(&killed, &[]).await;
    let class = [("iops", "4000"), ("tagSpecification_1", "team=storage")];
    fake.fault(Action::ModifyVolume, Fault::Hang);
    let call = modify(&killed, &volume, &class);
    assert!(timeout(Duration::from_secs(1), call).await.is_err());
    assert_eq!(seen(&fake).tags.get("team"), None);
    for process in [&killed, &service(&fake)] {
        modify(process, &volume, &class).await.unwrap();
        assert_eq!(seen(&fake).tags["team"], "storage");
    }
    assert_eq!(fake.calls(Action::ModifyVolume), 1);
    assert_eq!(fake.calls(Action::CreateTags), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_joined_by_the_next_try() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, &[]).await;
    fake.fault(Action::ModifyVolume, Fault::LoseReply);
    let class = [("throughput", "250")];
    let status = modify(&service, &volume, &class).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    modify(&service, &volume, &class).await.unwrap();
    assert_eq!(fake.calls(Action::ModifyVolume), 1);
}

/// external-resizer lets the user choose another class after a final code, and takes INVALID_ARGUMENT alone as infeasible.
#[tokio::test(start_paused = true)]
async fn not_yet_is_final_but_not_infeasible_and_says_when() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, &[]).await;
    modify(&service, &volume, &[("iops", "4000")])
        .await
        .unwrap();
    let status = modify(&service, &volume, &[("iops", "5000")])
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert!(status.message().contains("optimizing"), "{status:?}");
    completed(&fake);
    let soon = Fault::Refuse(ErrorKind::ModificationRateExceeded);
    fake.fault(Action::ModifyVolume, soon);
    let status = modify(&service, &volume, &[("iops", "5000")])
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert!(status.message().contains("(in 1440 min)"), "{status:?}");
    // What it has already is no modification.
    modify(&service, &volume, &[("iops", "4000")])
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn tags_alone_take_no_modification() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, &[("tagSpecification_1", "tier=gold")]).await;
    let class = [
        ("tagSpecification_1", "team=storage"),
        ("tagDeletion_1", "tier"),
    ];
    for _ in 0..2 {
        modify(&service, &volume, &class).await.unwrap();
    }
    let tags = seen(&fake).tags;
    assert_eq!(
        (tags.get("team").map(String::as_str), tags.get("tier")),
        (Some("storage"), None)
    );
    assert_eq!(tags[keys::VOLUME_NAME], "pvc");
    assert_eq!(fake.calls(Action::ModifyVolume), 0);
    assert_eq!(fake.calls(Action::CreateTags), 1);
    assert_eq!(fake.calls(Action::DeleteTags), 1);
}

#[tokio::test(start_paused = true)]
async fn iops_grow_with_the_size_where_that_is_agreed() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let class = [
        ("iopsPerGB", "50"),
        ("allowAutoIOPSIncreaseOnModify", "true"),
    ];
    let volume = volume(&service, &class).await;
    expand(&service, &volume, 200).await.unwrap();
    assert_eq!(seen(&fake).iops, Some(10_000));
    completed(&fake);
    let off = [("allowautoiopsincreaseonmodify", "false")];
    modify(&service, &volume, &off).await.unwrap();
    expand(&service, &volume, 300).await.unwrap();
    assert_eq!(seen(&fake).iops, Some(10_000));
    completed(&fake);
    let on = [
        ("iopspergb", "100"),
        ("allowAutoIOPSIncreaseOnModify", "true"),
    ];
    modify(&service, &volume, &on).await.unwrap();
    assert_eq!(seen(&fake).iops, Some(30_000));
    completed(&fake);
    expand(&service, &volume, 400).await.unwrap();
    assert_eq!(seen(&fake).iops, Some(40_000));
}

#[rstest]
#[case(&[("iops", "80001")], "3000 to 80000")]
#[case(&[("type", "gp2"), ("throughput", "125")], "cannot be set on a volume of type gp2")]
#[case(&[("type", "st1"), ("iopsPerGB", "5")], "iopsPerGB=5")]
#[case(&[("iops", "many")], "whole number")]
#[case(&[("encrypted", "true")], "not known")]
#[case(&[("tagSpecification_1", "CSIVolumeName=x")], "reserved")]
#[tokio::test(start_paused = true)]
async fn what_can_never_be_is_infeasible(#[case] class: &[(&str, &str)], #[case] part: &str) {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, &[]).await;
    let status = modify(&service, &volume, class).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(status.message().contains(part), "{status:?}");
    assert_eq!(fake.calls(Action::ModifyVolume), 0);
}

#[tokio::test(start_paused = true)]
async fn what_ec2_refuses_for_good_is_infeasible_and_changes_no_tag() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = volume(&service, &[]).await;
    fake.fault(
        Action::ModifyVolume,
        Fault::Refuse(ErrorKind::InvalidParameter),
    );
    let class = [("iops", "60000"), ("tagSpecification_1", "a=b")];
    let status = modify(&service, &volume, &class).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(fake.calls(Action::CreateTags), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_named_and_what_is_unknown_not_found() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let code = async |id| modify(&service, id, &[]).await.unwrap_err().code();
    assert_eq!(code("").await, Code::InvalidArgument);
    assert_eq!(code("fake-vol-id").await, Code::NotFound);
    assert_eq!(code("vol-0000dead").await, Code::NotFound);
}
