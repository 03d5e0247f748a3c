//! Clones: what they take over from their source, where they may be, and what becomes of them when replies are lost.

use csi::v1::volume_content_source::Type;
use csi::v1::{CapacityRange, Topology, TopologyRequirement};
use ebs_types::SOURCE_VOLUME_KEY;
use ec2::{Action, ErrorKind};
use rstest::rstest;
use tonic::{Code, Status};

use super::super::super::testing::{
    FakeEc2, Fault, clone_request, create, create_request, service,
};
use super::*;

fn of_gib(request: csi::v1::CreateVolumeRequest, gib: i64) -> csi::v1::CreateVolumeRequest {
    csi::v1::CreateVolumeRequest {
        capacity_range: Some(CapacityRange {
            required_bytes: gib << 30,
            limit_bytes: gib << 30,
        }),
        ..request
    }
}

fn in_zone(request: csi::v1::CreateVolumeRequest, zone: &str) -> csi::v1::CreateVolumeRequest {
    csi::v1::CreateVolumeRequest {
        accessibility_requirements: Some(TopologyRequirement {
            requisite: vec![Topology {
                segments: [("topology.kubernetes.io/zone".to_owned(), zone.to_owned())].into(),
            }],
            preferred: vec![],
        }),
        ..request
    }
}

/// A volume of 4 GiB in zone z-b, and a service that knows it.
async fn with_source() -> (std::sync::Arc<FakeEc2>, ControllerService, String) {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let request = in_zone(of_gib(create_request("source"), 4), "z-b");
    let source = create(&service, request).await.unwrap().volume_id;
    (fake, service, source)
}

fn refused(answer: Result<csi::v1::Volume, Status>) -> (Code, String) {
    let status = answer.unwrap_err();
    (status.code(), status.message().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_clone_is_made_where_its_source_is_and_as_large() {
    let (fake, service, source) = with_source().await;
    let clone = create(&service, clone_request("clone", &source))
        .await
        .unwrap();
    assert_eq!(clone.capacity_bytes, 4 << 30);
    assert_eq!(
        clone.accessible_topology[0].segments["topology.kubernetes.io/zone"],
        "z-b"
    );
    assert_eq!(clone.volume_context[SOURCE_VOLUME_KEY], source);
    let Some(Type::Volume(named)) = clone.content_source.unwrap().r#type else {
        panic!("the source is a volume")
    };
    assert_eq!(named.volume_id, source);
    let again = create(&service, clone_request("clone", &source)).await;
    assert_eq!(again.unwrap().volume_id, clone.volume_id);
    let copies = fake.state().volumes.len() - 1;
    assert_eq!((copies, fake.calls(Action::CreateVolume)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_clone_may_be_larger_but_not_smaller_and_nowhere_else() {
    let (_fake, service, source) = with_source().await;
    let larger = of_gib(clone_request("larger", &source), 8);
    let larger = create(&service, larger).await.unwrap();
    assert_eq!(larger.capacity_bytes, 8 << 30);
    let smaller = of_gib(clone_request("smaller", &source), 2);
    assert_eq!(refused(create(&service, smaller).await).0, Code::OutOfRange);
    let elsewhere = in_zone(clone_request("elsewhere", &source), "z-a");
    let (code, words) = refused(create(&service, elsewhere).await);
    assert_eq!(code, Code::ResourceExhausted);
    assert!(words.contains("in zone z-b"), "{words}");
}

#[rstest]
#[case("vol-0000dead", Code::NotFound)]
#[case("not-an-id", Code::NotFound)]
#[case("", Code::InvalidArgument)]
#[case("local-ebs://dev/xvdbz", Code::InvalidArgument)]
#[tokio::test(start_paused = true)]
async fn a_source_that_is_not_there(#[case] source: &str, #[case] expected: Code) {
    let fake = FakeEc2::new();
    let answer = create(&service(&fake), clone_request("clone", source)).await;
    assert_eq!(refused(answer).0, expected);
}

#[rstest]
#[case(VolumeState::Deleting, Code::NotFound)]
#[case(VolumeState::Error, Code::FailedPrecondition)]
#[tokio::test(start_paused = true)]
async fn a_source_that_is_no_more(#[case] state: VolumeState, #[case] expected: Code) {
    let (fake, service, source) = with_source().await;
    for volume in fake.state().volumes.values_mut() {
        volume.state = state;
    }
    let answer = create(&service, clone_request("clone", &source)).await;
    assert_eq!(refused(answer).0, expected);
    assert_eq!(fake.calls(Action::CopyVolumes), 0);
}

/// The kubelet's user deletes the source once the clone seems to be there.
#[tokio::test(start_paused = true)]
async fn a_clone_whose_reply_was_lost_is_found_though_its_source_is_gone() {
    let (fake, service, source) = with_source().await;
    fake.fault(Action::CopyVolumes, Fault::LoseReply);
    let request = clone_request("clone", &source);
    let (code, _) = refused(create(&service, request.clone()).await);
    assert_eq!(code, Code::Unavailable);
    fake.state()
        .volumes
        .retain(|id, _| id.as_str() != source.as_str());
    create(&service, request).await.unwrap();
    assert_eq!(fake.state().volumes.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_that_of_one_volume_whatever_it_is_made_of() {
    let (_fake, service, source) = with_source().await;
    create(&service, create_request("pvc")).await.unwrap();
    let answer = create(&service, clone_request("pvc", &source)).await;
    let (code, words) = refused(answer);
    assert_eq!(code, Code::AlreadyExists);
    assert!(
        words.contains("outside of the requested") || words.contains(&source),
        "{words}"
    );
    create(&service, clone_request("clone", &source))
        .await
        .unwrap();
    let answer = create(&service, of_gib(create_request("clone"), 4)).await;
    let (code, words) = refused(answer);
    assert_eq!(code, Code::AlreadyExists);
    assert!(
        words.contains(&format!("made from {source}, not from no")),
        "{words}"
    );
}

#[rstest]
#[case(ErrorKind::CopiesUnderWay, Code::ResourceExhausted)]
#[case(ErrorKind::IncorrectState, Code::Unavailable)]
#[tokio::test(start_paused = true)]
async fn what_ec2_refuses_for_now_works_later(#[case] kind: ErrorKind, #[case] expected: Code) {
    let (fake, service, source) = with_source().await;
    fake.fault(Action::CopyVolumes, Fault::Refuse(kind));
    let request = clone_request("clone", &source);
    let (code, _) = refused(create(&service, request.clone()).await);
    assert_eq!(code, expected);
    create(&service, request).await.unwrap();
}

#[rstest]
#[case(false, &[("encrypted", "true")], ec2::Encryption::DefaultKey)]
#[case(true, &[("encrypted", "true")], ec2::Encryption::AccountDefault)]
#[case(true, &[("encrypted", "false")], ec2::Encryption::AccountDefault)]
#[case(true, &[("kmsKeyId", "alias/k")], ec2::Encryption::Key("alias/k".to_owned()))]
#[tokio::test(start_paused = true)]
async fn a_clone_keeps_its_source_s_key_unless_another_is_named(
    #[case] encrypted: bool,
    #[case] parameters: &[(&str, &str)],
    #[case] expected: ec2::Encryption,
) {
    let (fake, service, source) = with_source().await;
    for volume in fake.state().volumes.values_mut() {
        volume.encrypted = encrypted;
    }
    let mut request = clone_request("clone", &source);
    for (key, value) in parameters {
        request
            .parameters
            .insert((*key).to_owned(), (*value).to_owned());
    }
    create(&service, request).await.unwrap();
    let asked = fake.state().copies.values().next().unwrap().0.clone();
    assert_eq!(asked.encryption, expected);
}
