//! One group a name, of one moment, whatever is lost.

use std::time::Duration;

use csi::v1::controller_server::Controller as _;
use csi::v1::{
    DeleteVolumeGroupSnapshotRequest, GetVolumeGroupSnapshotRequest, ListSnapshotsRequest,
};
use ebs_types::{AttachmentState, SnapshotState, keys};
use ec2::{Action, Attachment, BlockDevice};
use rstest::rstest;
use tonic::Code;

use super::super::testing::{
    FakeEc2, Fault, create, create_request, group_request, service, take, take_group,
};
use super::*;

mod members;

pub(super) const HERE: &str = "i-0000000a";
const THERE: &str = "i-0000000b";

/// Volumes of these names, attached to this instance. Its description does not show them.
pub(super) async fn attached(
    fake: &FakeEc2,
    service: &ControllerService,
    on: &str,
    names: &[&str],
) -> Vec<String> {
    let mut ids = Vec::new();
    for name in names {
        let id = create(service, create_request(name))
            .await
            .unwrap()
            .volume_id;
        let mut state = fake.state();
        let volume = state.volumes.get_mut(&id.parse().unwrap()).unwrap();
        volume.attachments = vec![Attachment {
            volume: volume.id.clone(),
            instance: on.parse().unwrap(),
            device: format!("/dev/xvd{name}"),
            state: AttachmentState::Attached,
            since: None,
        }];
        ids.push(id);
    }
    ids
}

fn set_states(fake: &FakeEc2, to: SnapshotState) {
    fake.state()
        .snapshots
        .values_mut()
        .for_each(|s| s.state = to);
}

pub(super) async fn delete(
    service: &ControllerService,
    group: &str,
    ids: &[String],
) -> Result<(), Status> {
    let request = Request::new(DeleteVolumeGroupSnapshotRequest {
        group_snapshot_id: group.to_owned(),
        snapshot_ids: ids.to_vec(),
        ..DeleteVolumeGroupSnapshotRequest::default()
    });
    service
        .delete_volume_group_snapshot(request)
        .await
        .map(drop)
}

async fn get(
    service: &ControllerService,
    group: &str,
    ids: &[String],
) -> Result<csi::v1::VolumeGroupSnapshot, Status> {
    let request = Request::new(GetVolumeGroupSnapshotRequest {
        group_snapshot_id: group.to_owned(),
        snapshot_ids: ids.to_vec(),
        ..GetVolumeGroupSnapshotRequest::default()
    });
    let answer = service.get_volume_group_snapshot(request).await?;
    Ok(answer.into_inner().group_snapshot.unwrap())
}

pub(super) fn ids(group: &csi::v1::VolumeGroupSnapshot) -> Vec<String> {
    group
        .snapshots
        .iter()
        .map(|s| s.snapshot_id.clone())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_group_is_pending_then_ready_and_the_same_under_its_name() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let mut volumes = attached(&fake, &service, HERE, &["a", "b"]).await;
    // The PV of a volume made by hand may call it so.
    volumes[1] = format!("aws://z-a/{}", volumes[1]);
    let first = take_group(&service, "group", &volumes).await.unwrap();
    assert_eq!(first.group_snapshot_id, "group");
    assert!(!first.ready_to_use && first.creation_time.is_some());
    let of: Vec<_> = first
        .snapshots
        .iter()
        .map(|s| s.source_volume_id.clone())
        .collect();
    assert_eq!(of, volumes);
    assert!(
        first
            .snapshots
            .iter()
            .all(|s| s.group_snapshot_id == "group")
    );
    set_states(&fake, SnapshotState::Completed);
    let again = take_group(&service, "group", &volumes).await.unwrap();
    assert!(again.ready_to_use);
    assert_eq!(ids(&again), ids(&first));
    assert_eq!(fake.calls(Action::CreateSnapshots), 1);
    let got = get(&service, "group", &ids(&first)).await.unwrap();
    assert!(got.ready_to_use && ids(&got) == ids(&first));
    let listed = service.list_snapshots(Request::new(ListSnapshotsRequest::default()));
    let entries = listed.await.unwrap().into_inner().entries;
    let groups = entries
        .iter()
        .map(|e| e.snapshot.as_ref().unwrap().group_snapshot_id.as_str());
    assert_eq!(groups.collect::<Vec<_>>(), ["group", "group"]);
}

#[rstest]
#[case::lost_reply(Fault::LoseReply, false)]
#[case::restart(Fault::Hang, true)]
#[tokio::test(start_paused = true)]
async fn nothing_lost_makes_a_double_though_ec2_shows_one_member_after_the_other(
    #[case] fault: Fault,
    #[case] restart: bool,
) {
    let fake = FakeEc2::new();
    let before = service(&fake);
    let volumes = attached(&fake, &before, HERE, &["a", "b", "c"]).await;
    if !restart {
        take_group(&before, "first", &volumes).await.unwrap();
        tokio::time::advance(Duration::from_secs(60)).await;
    }
    fake.state().lag = Duration::from_secs(3);
    fake.fault(Action::CreateSnapshots, fault);
    let cut = tokio::time::timeout(
        Duration::from_secs(11),
        take_group(&before, "group", &volumes),
    );
    assert!(!matches!(cut.await, Ok(Ok(_))));
    let made = fake.calls(Action::CreateSnapshots);
    // Where its volumes are by now does not matter.
    fake.state()
        .volumes
        .values_mut()
        .for_each(|v| v.attachments.clear());
    let after = if restart { service(&fake) } else { before };
    let group = take_group(&after, "group", &volumes).await.unwrap();
    assert_eq!(group.snapshots.len(), 3);
    assert_eq!(fake.calls(Action::CreateSnapshots), made);
}

#[tokio::test(start_paused = true)]
async fn a_group_of_other_volumes_already_exists() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volumes = attached(&fake, &service, HERE, &["a", "b", "c"]).await;
    fake.detach_by_hand(&volumes[2].parse().unwrap());
    take_group(&service, "group", &volumes[..2]).await.unwrap();
    for others in [&volumes[..1], &volumes[1..], &volumes[..]] {
        let status = take_group(&service, "group", others).await.unwrap_err();
        assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");
        assert!(status.message().contains(&volumes[0]), "{status:?}");
    }
}

#[rstest]
#[case::detached(|volumes: &mut State| volumes.first().attachments.clear(), Code::FailedPrecondition, "attached to no instance")]
#[case::elsewhere(|volumes: &mut State| volumes.first().attachments[0].instance = THERE.parse().unwrap(), Code::FailedPrecondition, "pod affinity")]
#[case::no_instance(|state: &mut State| state.0.instances.clear(), Code::FailedPrecondition, "not there any more")]
#[case::terminated(|state: &mut State| state.host().state = ebs_types::InstanceState::Terminated, Code::FailedPrecondition, "terminated")]
#[case::too_many(|state: &mut State| state.crowd(41), Code::FailedPrecondition, "at most 40")]
#[case::no_volume(|state: &mut State| state.0.volumes.clear(), Code::NotFound, "DescribeVolumes")]
#[tokio::test(start_paused = true)]
async fn what_cannot_be_taken_at_one_moment_is_refused(
    #[case] change: fn(&mut State),
    #[case] code: Code,
    #[case] part: &str,
) {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volumes = attached(&fake, &service, HERE, &["a", "b"]).await;
    change(&mut State(fake.state()));
    let status = take_group(&service, "group", &volumes).await.unwrap_err();
    assert_eq!(status.code(), code, "{status:?}");
    assert!(status.message().contains(part), "{status:?}");
    assert_eq!(fake.calls(Action::CreateSnapshots), 0);
}

#[tokio::test(start_paused = true)]
async fn a_volume_on_its_way_is_waited_for() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volumes = attached(&fake, &service, HERE, &["a"]).await;
    let id = volumes[0].parse().unwrap();
    fake.detach_by_hand(&id);
    fake.fault(Action::AttachVolume, Fault::Stick);
    let attach = ec2::AttachVolume {
        volume: id,
        instance: HERE.parse().unwrap(),
        device: "/dev/xvdba".parse().unwrap(),
        card: None,
    };
    service.cloud.attach_volume(&attach).await.unwrap();
    let status = take_group(&service, "group", &volumes).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().contains("(attaching)"), "{status:?}");
}

/// What the cases change.
struct State<'a>(std::sync::MutexGuard<'a, super::super::testing::State>);

impl State<'_> {
    fn first(&mut self) -> &mut ec2::Volume {
        self.0.volumes.values_mut().next().unwrap()
    }

    fn host(&mut self) -> &mut ec2::Instance {
        self.0.instances.values_mut().next().unwrap()
    }

    fn crowd(&mut self, others: u32) {
        let devices = (0..others).map(|n| BlockDevice {
            name: format!("/dev/other{n}"),
            volume: format!("vol-eeee{n:04x}").parse().unwrap(),
            state: AttachmentState::Attached,
            card: 0,
        });
        self.host().block_devices.extend(devices);
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_others_as_ec2_leaves_out_are_left_out() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volumes = attached(&fake, &service, HERE, &["a", "b"]).await;
    State(fake.state()).crowd(40);
    take_group(&service, "group", &volumes).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_came_meanwhile_is_not_in_the_group() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volumes = attached(&fake, &service, HERE, &["a", "b", "c"]).await;
    let group = take_group(&service, "group", &volumes[..2]).await.unwrap();
    assert_eq!(group.snapshots.len(), 2);
    assert_eq!(fake.state().snapshots.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_came_and_a_crash_leave_no_stray() {
    let fake = FakeEc2::new();
    let before = service(&fake);
    let volumes = attached(&fake, &before, HERE, &["a", "b", "c"]).await;
    fake.fault(Action::CreateSnapshots, Fault::LoseReply);
    take_group(&before, "group", &volumes[..2])
        .await
        .unwrap_err();
    assert_eq!(fake.state().snapshots.len(), 3);
    let group = take_group(&service(&fake), "group", &volumes[..2])
        .await
        .unwrap();
    assert_eq!(
        (group.snapshots.len(), fake.state().snapshots.len()),
        (2, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_went_meanwhile_leaves_nothing_and_the_next_try_begins_anew() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volumes = attached(&fake, &service, HERE, &["a", "b"]).await;
    fake.fault(Action::CreateSnapshots, Fault::Vanish);
    let status = take_group(&service, "group", &volumes).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(fake.state().snapshots.is_empty());
    let group = take_group(&service, "group", &volumes).await.unwrap();
    assert_eq!(group.snapshots.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_class_sets_tags_by_the_group_s_names() {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let volumes = attached(&fake, &service, HERE, &["a", "b"]).await;
    let mut request = group_request("group", &volumes);
    for (key, value) in [
        (
            "TAGSPECIFICATION_1",
            "of={{ .VolumeGroupSnapshotNamespace }}/{{ .VolumeGroupSnapshotName }}",
        ),
        (
            "tagSpecification_2",
            "content={{ .VolumeGroupSnapshotContentName }}",
        ),
        ("csi.storage.k8s.io/volumegroupsnapshot/name", "nightly"),
        ("csi.storage.k8s.io/volumegroupsnapshot/namespace", "shop"),
        (
            "csi.storage.k8s.io/volumegroupsnapshotcontent/name",
            "content-1",
        ),
    ] {
        request.parameters.insert(key.to_owned(), value.to_owned());
    }
    service
        .create_volume_group_snapshot(Request::new(request))
        .await
        .unwrap();
    let state = fake.state();
    for snapshot in state.snapshots.values() {
        let tag = |key: &str| snapshot.tags.get(key).map(String::as_str);
        assert_eq!(tag("of"), Some("shop/nightly"));
        assert_eq!(tag("content"), Some("content-1"));
        assert_eq!(tag(keys::GROUP_SNAPSHOT_NAME), Some("group"));
        assert_eq!(tag(keys::GROUP_SNAPSHOT_SIZE), Some("2"));
        assert_eq!(tag(keys::SNAPSHOT_NAME), None);
    }
}

#[rstest]
#[case(|r: &mut CreateVolumeGroupSnapshotRequest| r.name.clear(), "name is missing")]
#[case(|r: &mut CreateVolumeGroupSnapshotRequest| r.name = "n".repeat(257), "at most 256")]
#[case(|r: &mut CreateVolumeGroupSnapshotRequest| r.source_volume_ids.clear(), "source_volume_ids is missing")]
#[case(|r: &mut CreateVolumeGroupSnapshotRequest| r.source_volume_ids.push("aws:///vol-00000001".to_owned()), "named twice")]
#[case(|r: &mut CreateVolumeGroupSnapshotRequest| r.source_volume_ids.push("local-ebs://dev/xvdbz".to_owned()), "node-local")]
#[case(|r: &mut CreateVolumeGroupSnapshotRequest| drop(r.parameters.insert("lockMode".to_owned(), "governance".to_owned())), "not known")]
#[case(|r: &mut CreateVolumeGroupSnapshotRequest| drop(r.parameters.insert("tagSpecification_1".to_owned(), "CSIVolumeGroupSnapshotName=x".to_owned())), "reserved")]
#[case(|r: &mut CreateVolumeGroupSnapshotRequest| drop(r.parameters.insert("tagSpecification_1".to_owned(), "a={{ .PVCName }}".to_owned())), "no such variable")]
#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_refused_before_ec2_is_asked(
    #[case] change: fn(&mut CreateVolumeGroupSnapshotRequest),
    #[case] part: &str,
) {
    let fake = FakeEc2::new();
    let service = service(&fake);
    let mut request = group_request("group", &["vol-00000001".to_owned()]);
    change(&mut request);
    let answer = service
        .create_volume_group_snapshot(Request::new(request))
        .await;
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains(part), "{status:?}");
    assert!(fake.state().calls.is_empty());
}
