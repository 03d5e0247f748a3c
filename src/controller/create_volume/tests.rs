//! Finality and no doubles, over lost replies, refusals, restarts, burnt tokens and failed creations.

use std::sync::Arc;
use std::time::Duration;

use csi::v1::volume_content_source::{SnapshotSource, Type};
use csi::v1::{CapacityRange, Topology, TopologyRequirement, VolumeContentSource};
use ebs_types::SnapshotState;
use ec2::Action;
use rstest::rstest;
use tonic::Code;

use super::super::testing::{FakeEc2, Fault, create, create_request, service, take};
use super::*;

async fn code(service: &ControllerService, request: CreateVolumeRequest) -> Code {
    create(service, request).await.unwrap_err().code()
}

fn in_zones(name: &str, zones: &[&str]) -> CreateVolumeRequest {
    let requisite = zones.iter().map(|zone| Topology {
        segments: [("topology.kubernetes.io/zone".to_owned(), (*zone).to_owned())].into(),
    });
    CreateVolumeRequest {
        accessibility_requirements: Some(TopologyRequirement {
            requisite: requisite.collect(),
            preferred: vec![],
        }),
        ..create_request(name)
    }
}

fn of_gib(name: &str, gib: i64) -> CreateVolumeRequest {
    CreateVolumeRequest {
        capacity_range: Some(CapacityRange {
            required_bytes: gib << 30,
            limit_bytes: gib << 30,
        }),
        ..create_request(name)
    }
}

fn volumes(fake: &Arc<FakeEc2>) -> usize {
    fake.state().volumes.len()
}

#[tokio::test(start_paused = true)]
async fn a_volume_takes_one_mutating_call() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volume = create(&service, in_zones("pvc", &["z-b"])).await.unwrap();
    assert_eq!(volume.capacity_bytes, 100 << 30);
    assert_eq!(
        volume.accessible_topology[0].segments,
        [("topology.kubernetes.io/zone".to_owned(), "z-b".to_owned())].into()
    );
    assert_eq!(fake.calls(Action::CreateVolume), 1);
    let again = create(&service, in_zones("pvc", &["z-b"])).await.unwrap();
    assert_eq!((again.volume_id, volumes(&fake)), (volume.volume_id, 1));
}

#[tokio::test(start_paused = true)]
async fn without_a_topology_names_spread_over_ordinary_zones_and_repeats_agree() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    for name in ["pvc-1", "pvc-2", "pvc-3", "pvc-1"] {
        create(&service, create_request(name)).await.unwrap();
    }
    assert_eq!(fake.calls(Action::DescribeAvailabilityZones), 1);
    let zones: std::collections::BTreeSet<_> = fake
        .state()
        .volumes
        .values()
        .map(|volume| volume.zone.to_string())
        .collect();
    assert_eq!(
        (volumes(&fake), zones),
        (3, ["z-a".to_owned(), "z-b".to_owned()].into())
    );
}

#[rstest]
#[case(ErrorKind::Throttled)]
#[case(ErrorKind::Service)]
#[case(ErrorKind::Unreachable)]
#[tokio::test(start_paused = true)]
async fn not_now_is_unavailable_and_the_next_try_works(#[case] kind: ErrorKind) {
    let fake = FakeEc2::new();
    let service = service(&fake);
    fake.fault(Action::CreateVolume, Fault::Refuse(kind));
    assert_eq!(
        code(&service, create_request("pvc")).await,
        Code::Unavailable
    );
    create(&service, create_request("pvc")).await.unwrap();
    assert_eq!(volumes(&fake), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_then_a_refusal_is_not_final_while_the_volume_exists() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    fake.fault(Action::CreateVolume, Fault::LoseReply);
    assert_eq!(
        code(&service, create_request("pvc")).await,
        Code::Unavailable
    );
    fake.fault(
        Action::CreateVolume,
        Fault::Refuse(ErrorKind::QuotaExceeded),
    );
    create(&service, create_request("pvc")).await.unwrap();
    assert_eq!(volumes(&fake), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_a_refusal_is_final_only_past_the_consistency_window() {
    let fake = FakeEc2::new();
    fake.state().lag = Duration::from_secs(6);
    fake.fault(Action::CreateVolume, Fault::LoseReply);
    assert_eq!(
        code(&service(&fake), create_request("pvc")).await,
        Code::Unavailable
    );
    let restarted = service(&fake);
    fake.fault(
        Action::CreateVolume,
        Fault::Refuse(ErrorKind::QuotaExceeded),
    );
    create(&restarted, create_request("pvc")).await.unwrap();
    assert_eq!(volumes(&fake), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final_at_once_where_nothing_can_exist() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    fake.fault(
        Action::CreateVolume,
        Fault::Refuse(ErrorKind::QuotaExceeded),
    );
    assert_eq!(
        code(&service, create_request("pvc")).await,
        Code::ResourceExhausted
    );
    let looks = fake.calls(Action::DescribeVolumes);
    assert!(
        looks >= 2,
        "the first refusal of an unknown name is confirmed"
    );
    fake.fault(
        Action::CreateVolume,
        Fault::Refuse(ErrorKind::InvalidParameter),
    );
    assert_eq!(
        code(&service, create_request("pvc")).await,
        Code::InvalidArgument
    );
    assert_eq!(fake.calls(Action::DescribeVolumes), looks);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_cannot_be_confirmed_is_not_final() {
    let fake = FakeEc2::new();
    fake.fault(
        Action::CreateVolume,
        Fault::Refuse(ErrorKind::InvalidParameter),
    );
    for _ in 0..50 {
        fake.fault(
            Action::DescribeVolumes,
            Fault::Refuse(ErrorKind::Unauthorized),
        );
    }
    assert_eq!(
        code(&service(&fake), create_request("pvc")).await,
        Code::Unavailable
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_request_leaves_its_attempt_in_doubt() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    fake.fault(Action::CreateVolume, Fault::Hang);
    let cancelled = create(&service, create_request("pvc"));
    assert!(
        tokio::time::timeout(Duration::from_secs(5), cancelled)
            .await
            .is_err()
    );
    fake.fault(
        Action::CreateVolume,
        Fault::Refuse(ErrorKind::InvalidParameter),
    );
    create(&service, create_request("pvc")).await.unwrap();
    assert_eq!(volumes(&fake), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_with_other_parameters_already_exists() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    create(&service, of_gib("pvc", 4)).await.unwrap();
    let status = create(&service, of_gib("pvc", 8)).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
    assert!(
        status.message().contains("it has 4 GiB"),
        "{}",
        status.message()
    );
    assert_eq!(volumes(&fake), 1);
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_that_is_compatible_is_the_same_volume() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let first = create(&service, of_gib("pvc", 4)).await.unwrap();
    let mut wider = of_gib("pvc", 2);
    wider.capacity_range.as_mut().unwrap().limit_bytes = 8 << 30;
    assert_eq!(
        create(&service, wider).await.unwrap().volume_id,
        first.volume_id
    );
}

#[tokio::test(start_paused = true)]
async fn the_oldest_of_doubles_is_kept_and_the_new_one_deleted() {
    let fake = FakeEc2::new();
    let spec = VolumeSpec::parse(
        &in_zones("pvc", &["z-a"]),
        &super::super::Settings::default(),
    )
    .unwrap();
    let gp3 = spec.kind(Gibibytes(100)).unwrap();
    let site = Site::in_region("z-a".parse().unwrap());
    let mut made = spec.plan(&site, Gibibytes(100), gp3, 0);
    // Made so long ago that EC2 has forgotten the token.
    made.token = ebs_types::ClientToken::for_name("expired", 0);
    let oldest = fake.state().make(&made);
    let volume = create(&service(&fake), in_zones("pvc", &["z-a"]))
        .await
        .unwrap();
    assert_eq!(volume.volume_id, oldest.id.to_string());
    assert_eq!((volumes(&fake), fake.calls(Action::DeleteVolume)), (1, 1));
}

/// Somebody gave an older volume the same name. What an earlier call was answered with may hold data by now.
#[tokio::test(start_paused = true)]
async fn a_volume_of_an_earlier_call_is_never_deleted_as_a_double() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    create(&service, create_request("pvc")).await.unwrap();
    {
        let mut state = fake.state();
        let mut own = state.volumes.values().next().unwrap().clone();
        own.created -= Duration::from_hours(1);
        let mut older = own.clone();
        older.id = "vol-0000000f".parse().unwrap();
        older.created -= Duration::from_hours(1);
        state
            .tokens
            .values_mut()
            .for_each(|(_, volume)| *volume = own.clone());
        state
            .volumes
            .extend([own, older].map(|volume| (volume.id.clone(), volume)));
    }
    create(&service, create_request("pvc")).await.unwrap();
    assert_eq!((volumes(&fake), fake.calls(Action::DeleteVolume)), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_volumes_token_is_rolled() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let first = create(&service, create_request("pvc")).await.unwrap();
    fake.state().volumes.clear();
    let second = create(&service, create_request("pvc")).await.unwrap();
    assert_ne!(first.volume_id, second.volume_id);
    let third = create(&service, create_request("pvc")).await.unwrap();
    assert_eq!((second.volume_id, volumes(&fake)), (third.volume_id, 1));
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_a_rolled_volume_is_found_by_its_name() {
    let fake = FakeEc2::new();
    create(&service(&fake), create_request("pvc"))
        .await
        .unwrap();
    fake.state().volumes.clear();
    let rolled = create(&service(&fake), create_request("pvc"))
        .await
        .unwrap();
    let found = create(&service(&fake), create_request("pvc"))
        .await
        .unwrap();
    assert_eq!((found.volume_id, volumes(&fake)), (rolled.volume_id, 1));
}

#[rstest]
#[case(Fault::Stick, "became error")]
#[tokio::test(start_paused = true)]
async fn a_failed_creation_is_cleaned_up_and_the_next_try_is_fresh(
    #[case] fault: Fault,
    #[case] words: &str,
) {
    let fake = FakeEc2::new();
    let service = service(&fake);
    fake.fault(Action::CreateVolume, fault);
    let status = create(&service, create_request("pvc")).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains(words), "{}", status.message());
    assert_eq!(volumes(&fake), 0);
    create(&service, create_request("pvc")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_is_never_seen_is_made_anew() {
    let fake = FakeEc2::new();
    fake.fault(Action::CreateVolume, Fault::Vanish);
    create(&service(&fake), create_request("pvc"))
        .await
        .unwrap();
    assert_eq!((volumes(&fake), fake.calls(Action::CreateVolume)), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn late_sight_of_a_new_volume_is_waited_for() {
    let fake = FakeEc2::new();
    fake.state().lag = Duration::from_secs(4);
    create(&service(&fake), create_request("pvc"))
        .await
        .unwrap();
    assert_eq!((volumes(&fake), fake.calls(Action::CreateVolume)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_full_zone_makes_room_for_the_next_allowed_one() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    fake.fault(
        Action::CreateVolume,
        Fault::Refuse(ErrorKind::InsufficientCapacity),
    );
    let volume = create(&service, in_zones("pvc", &["z-a", "z-b"]))
        .await
        .unwrap();
    assert_eq!(
        volume.accessible_topology[0].segments["topology.kubernetes.io/zone"],
        "z-b"
    );
    fake.fault(
        Action::CreateVolume,
        Fault::Refuse(ErrorKind::InsufficientCapacity),
    );
    assert_eq!(
        code(&service, in_zones("pvc-2", &["z-a"])).await,
        Code::ResourceExhausted
    );
}

fn restore(name: &str, snapshot: &str) -> CreateVolumeRequest {
    CreateVolumeRequest {
        volume_content_source: Some(VolumeContentSource {
            r#type: Some(Type::Snapshot(SnapshotSource {
                snapshot_id: snapshot.to_owned(),
            })),
        }),
        ..create_request(name)
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_gives_its_size_and_must_be_ready() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let source = create(&service, of_gib("source", 4)).await.unwrap();
    let id = take(&service, "snap", &source.volume_id)
        .await
        .unwrap()
        .snapshot_id;
    let status = create(&service, restore("pvc", &id)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(
        status.message().contains("is pending"),
        "{}",
        status.message()
    );
    let turn = |to| {
        let snapshots = &mut fake.state().snapshots;
        snapshots.values_mut().for_each(|s| s.state = to);
    };
    turn(SnapshotState::Error);
    assert_eq!(code(&service, restore("pvc", &id)).await, Code::Internal);
    turn(SnapshotState::Completed);
    let restored = create(&service, restore("pvc", &id)).await.unwrap();
    assert_eq!(restored.capacity_bytes, 4 << 30);
    assert!(restored.content_source.is_some());
    assert_eq!(restored.volume_context[ebs_types::SOURCE_SNAPSHOT_KEY], id);
    let mut small = of_gib("small", 2);
    small.volume_content_source = restore("small", &id).volume_content_source;
    assert_eq!(code(&service, small).await, Code::OutOfRange);
}

#[rstest]
#[case("not-an-id")]
#[case("snap-00000099")]
#[tokio::test(start_paused = true)]
async fn an_unknown_snapshot_is_not_found(#[case] id: &str) {
    let fake = FakeEc2::new();
    assert_eq!(
        code(&service(&fake), restore("pvc", id)).await,
        Code::NotFound
    );
}

#[tokio::test(start_paused = true)]
async fn two_requests_for_one_name_exclude_each_other() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let (one, other) = tokio::join!(
        create(&service, create_request("pvc")),
        create(&service, create_request("pvc"))
    );
    assert!(one.is_ok());
    assert_eq!(other.unwrap_err().code(), Code::Aborted);
}
