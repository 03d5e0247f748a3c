//! Outposts: a volume is made, attached, put in snapshots and restored where its node is, and what an Outpost lacks is told.

use csi::v1::volume_content_source::{SnapshotSource, Type};
use csi::v1::{
    ControllerGetVolumeRequest, CreateSnapshotRequest, CreateVolumeRequest, ListSnapshotsRequest,
    ListVolumesRequest, Snapshot, Topology, TopologyRequirement, Volume, VolumeContentSource,
};
use ebs_types::topology::{
    OUTPOST_ACCOUNT_KEY, OUTPOST_KEY, OUTPOST_PARTITION_KEY, OUTPOST_REGION_KEY, ZONE_KEY,
};
use lab::kubelet::Node;
use lab::orchestrator::{Claim, Use};
use lab::socket::PAUSE;
use rstest::rstest;
use serde_json::json;
use tonic::{Code, Status};

use crate::snapshot_class::take;
use crate::world::{World, code, message, snapshots, volumes, world_with};

pub(crate) const ARN: &str =
    "arn:aws:outposts:eu-central-1:000000000000:outpost/op-00000000000000001";

/// The instance on the Outpost; 0 is in the same zone, in the region.
const ON_OUTPOST: usize = 3;

const GP2: (&str, &str) = ("type", "gp2");

/// An Outpost of the first generation in the zone of instance 0.
pub(crate) async fn world() -> World {
    world_with(|config| {
        config.outposts.push("eu-central-1a:1:gp2".parse().unwrap());
    })
    .await
}

fn topology(segments: &[(&str, &str)]) -> Topology {
    let segments = segments.iter();
    Topology {
        segments: segments
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

/// That of the Outpost's nodes, as far as volumes have it too.
pub(crate) fn outpost() -> Topology {
    topology(&[
        (ZONE_KEY, "eu-central-1a"),
        (OUTPOST_KEY, "op-00000000000000001"),
        (OUTPOST_REGION_KEY, "eu-central-1"),
        (OUTPOST_ACCOUNT_KEY, "000000000000"),
        (OUTPOST_PARTITION_KEY, "aws"),
    ])
}

fn zone() -> Topology {
    topology(&[(ZONE_KEY, "eu-central-1a")])
}

/// 1 GiB of gp2 that requires one of these places, the first one best.
pub(crate) fn request(world: &World, name: &str, requisite: &[Topology]) -> CreateVolumeRequest {
    let mut order = world.order(name);
    order.parameters = vec![GP2];
    CreateVolumeRequest {
        accessibility_requirements: Some(TopologyRequirement {
            requisite: requisite.to_vec(),
            preferred: requisite.to_vec(),
        }),
        ..order.request()
    }
}

fn from_snapshot(request: CreateVolumeRequest, snapshot: &str) -> CreateVolumeRequest {
    let snapshot_id = snapshot.to_owned();
    CreateVolumeRequest {
        volume_content_source: Some(VolumeContentSource {
            r#type: Some(Type::Snapshot(SnapshotSource { snapshot_id })),
        }),
        ..request
    }
}

/// Repeats while the driver says that it may be under way, such as a snapshot that is pending.
async fn create(world: &World, request: CreateVolumeRequest) -> Result<Volume, Status> {
    let mut client = world.controller.client();
    loop {
        match client.create_volume(request.clone()).await {
            Err(status) if status.code() == Code::Unavailable => tokio::time::sleep(PAUSE).await,
            answer => return answer.map(|answer| answer.into_inner().volume.unwrap()),
        }
    }
}

pub(crate) async fn made(world: &World, name: &str, place: Topology) -> Claim {
    let volume = create(world, request(world, name, &[place])).await.unwrap();
    Claim {
        id: volume.volume_id,
        bytes: volume.capacity_bytes,
        usage: Use::Ext4,
        context: volume.volume_context,
    }
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, words: &[&str]) {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), code, "{status:?}");
    for word in words {
        assert!(
            status.message().contains(word),
            "{word} is not in {status:?}"
        );
    }
}

/// All that the controller says of where a volume is.
async fn topologies(world: &World, claim: &Claim) -> Vec<Vec<Topology>> {
    let mut client = world.controller.client();
    let volume_id = claim.id.clone();
    let got = client.controller_get_volume(ControllerGetVolumeRequest { volume_id });
    let got = got.await.unwrap().into_inner().volume.unwrap();
    let listed = client.list_volumes(ListVolumesRequest::default()).await;
    let listed = listed.unwrap().into_inner().entries.into_iter();
    listed
        .filter_map(|entry| entry.volume)
        .filter(|volume| volume.volume_id == claim.id)
        .chain([got])
        .map(|volume| volume.accessible_topology)
        .collect()
}

async fn start(world: &mut World) -> Node {
    world.start_node(ON_OUTPOST, |_| {}).await.unwrap()
}

#[tokio::test]
async fn a_volume_is_made_and_used_where_its_node_is() {
    let mut world = world().await;
    let node = start(&mut world).await;
    let there = node.info().await.unwrap().accessible_topology.unwrap();
    let claim = made(&world, "pvc-1", there.clone()).await;
    let answered = topologies(&world, &claim).await;
    assert_eq!(answered, [vec![outpost()], vec![outpost()]]);
    let segments = &there.segments;
    let fits = |(key, value): (&String, &String)| segments.get(key) == Some(value);
    assert!(outpost().segments.iter().all(fits), "{there:?}");
    world.controller.attach(&claim, &node).await.unwrap();

    world.kill_controller().await.unwrap();
    world.start_controller().await.unwrap();
    assert_eq!(made(&world, "pvc-1", there).await.id, claim.id);
    let seen = world.cloud.volume(&claim.id).await.unwrap().unwrap();
    assert_eq!(seen.outpost.as_deref(), Some(ARN));
    assert_eq!(volumes(&world).await, 1);
    world.controller.attach(&claim, &node).await.unwrap();
    world.controller.detach(&claim, &node).await.unwrap();
    world.controller.delete(&claim).await.unwrap();
    assert_eq!(volumes(&world).await, 0);
}

#[tokio::test]
async fn the_region_and_an_outpost_are_apart() {
    let world = world().await;
    let claims = [
        made(&world, "there", outpost()).await,
        made(&world, "in-the-region", zone()).await,
    ];
    for (claim, wrong) in claims.iter().zip([0, ON_OUTPOST]) {
        let node = world.node(wrong).unwrap();
        let answer = world.controller.attach(claim, &node).await;
        assert_eq!(code(&answer), Code::FailedPrecondition, "{answer:?}");
        let words = message(answer);
        for part in [
            ARN,
            "eu-central-1a",
            claim.id.as_str(),
            node.instance.as_str(),
        ] {
            assert!(words.contains(part), "{words}");
        }
    }
    // The name is that of a volume elsewhere.
    let again = create(&world, request(&world, "there", &[zone()])).await;
    refused(
        again,
        Code::AlreadyExists,
        &[ARN, "accessibility_requirements"],
    );
}

#[tokio::test]
async fn what_the_outpost_does_not_offer_is_told_with_what_it_may() {
    let world = world().await;
    let mut gp3 = request(&world, "pvc", &[outpost(), zone()]);
    gp3.parameters.remove("type");
    let words = [ARN, "gp2", "parameters.type", "request id"];
    refused(create(&world, gp3).await, Code::InvalidArgument, &words);
    assert_eq!(
        volumes(&world).await,
        0,
        "nor is it made where its node is not"
    );

    let source = made(&world, "source", outpost()).await;
    let clone = CreateVolumeRequest {
        volume_content_source: world
            .order("")
            .clone_of(&source.id)
            .request()
            .volume_content_source,
        ..request(&world, "clone", &[outpost()])
    };
    let words = [ARN, "restore a snapshot", "UnsupportedOperation"];
    refused(create(&world, clone).await, Code::InvalidArgument, &words);
    assert_eq!(volumes(&world).await, 1);
}

#[rstest]
#[case(&[(ZONE_KEY, "eu-central-1a"), (OUTPOST_KEY, "op-00000000000000001")], OUTPOST_PARTITION_KEY)]
#[case(&[(OUTPOST_KEY, ARN)], ZONE_KEY)]
#[case(&[(ZONE_KEY, "eu-central-1a"), (OUTPOST_KEY, "arn:aws:s3:::x")], "arn:PARTITION")]
#[case(&[(ZONE_KEY, "eu-central-1b"), (OUTPOST_KEY, ARN)], "eu-central-1a")]
#[tokio::test]
async fn an_outpost_that_is_not_told_or_not_there_is_refused(
    #[case] segments: &[(&str, &str)],
    #[case] part: &str,
) {
    let world = world().await;
    let answer = create(&world, request(&world, "pvc", &[topology(segments)])).await;
    refused(answer, Code::InvalidArgument, &[part]);
    assert_eq!(volumes(&world).await, 0);
}

#[tokio::test]
async fn a_full_outpost_sends_the_scheduler_elsewhere() {
    let world = world().await;
    let full = json!({
        "action": "CreateVolume", "kind": "error", "code": "InsufficientVolumeCapacity", "status": 500,
    });
    world.cloud.fault(&full).await.unwrap();
    let only = create(&world, request(&world, "pvc-1", &[outpost()])).await;
    refused(
        only,
        Code::ResourceExhausted,
        &["InsufficientVolumeCapacity"],
    );
    // The first place is full again; where another one will do, it is taken.
    world.cloud.fault(&full).await.unwrap();
    let either = create(&world, request(&world, "pvc-2", &[outpost(), zone()])).await;
    assert_eq!(either.unwrap().accessible_topology, [zone()]);
    assert_eq!(volumes(&world).await, 1);
}

#[rstest]
#[tokio::test]
async fn a_lost_reply_or_a_crash_makes_no_second_volume(
    #[values("CreateVolume", "DescribeVolumes")] action: &str,
    #[values(false, true)] killed: bool,
) {
    let mut world = world().await;
    let lost = json!({"action": action, "kind": "lost-reply"});
    world.cloud.fault(&lost).await.unwrap();
    let request = request(&world, "pvc", &[outpost(), zone()]);
    let mut client = world.controller.client();
    if let Err(status) = client.create_volume(request.clone()).await {
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    }
    if killed {
        world.kill_controller().await.unwrap();
        world.start_controller().await.unwrap();
    }
    let volume = create(&world, request).await.unwrap();
    assert_eq!(volume.accessible_topology, [outpost()]);
    assert_eq!(volumes(&world).await, 1);
}

#[tokio::test]
async fn a_local_snapshot_stays_on_its_outpost() {
    let world = world().await;
    let claim = made(&world, "pvc", outpost()).await;
    let local = [("outpostArn", ARN)];
    let snapshot = take(&world, &claim, "snap", &local)
        .await
        .unwrap()
        .snapshot_id;
    assert_eq!(
        take(&world, &claim, "snap", &local)
            .await
            .unwrap()
            .snapshot_id,
        snapshot
    );
    let seen = world.cloud.snapshots().await.unwrap();
    assert_eq!(seen[0].outpost.as_deref(), Some(ARN));

    let elsewhere = from_snapshot(request(&world, "in-the-region", &[zone()]), &snapshot);
    refused(
        create(&world, elsewhere).await,
        Code::ResourceExhausted,
        &[ARN, &snapshot],
    );
    // Of several places the one where it can be restored is taken.
    let either = from_snapshot(request(&world, "restored", &[zone(), outpost()]), &snapshot);
    assert_eq!(
        create(&world, either).await.unwrap().accessible_topology,
        [outpost()]
    );

    let words = ["outpostArn: arn:aws:outposts", "made from", "request id"];
    refused(
        take(&world, &claim, "next", &[]).await,
        Code::InvalidArgument,
        &words,
    );
    refused(
        take(&world, &claim, "snap", &[]).await,
        Code::AlreadyExists,
        &[ARN, "in the region"],
    );
    assert_eq!(snapshots(&world).await, 1);
}

/// A snapshot that has to be usable in one of these places.
async fn usable_in(
    world: &World,
    claim: &Claim,
    name: &str,
    class: &[(&str, &str)],
    requisite: &[Topology],
) -> Result<Snapshot, Status> {
    let parameters = topology(class).segments;
    let request = CreateSnapshotRequest {
        source_volume_id: claim.id.clone(),
        name: name.to_owned(),
        parameters,
        accessibility_requirements: Some(TopologyRequirement {
            requisite: requisite.to_vec(),
            preferred: Vec::new(),
        }),
        ..CreateSnapshotRequest::default()
    };
    let answer = world.controller.client().create_snapshot(request).await?;
    Ok(answer.into_inner().snapshot.unwrap())
}

#[tokio::test]
async fn a_snapshot_says_where_it_can_be_restored() {
    let world = world().await;
    let local = made(&world, "local", outpost()).await;
    let regional = made(&world, "regional", outpost()).await;
    let class = [("outpostArn", ARN)];
    let answer = usable_in(&world, &local, "elsewhere", &class, &[zone()]).await;
    refused(answer, Code::InvalidArgument, &[ARN, "outpostArn"]);
    let part = topology(&[(OUTPOST_KEY, "op-1")]);
    let answer = usable_in(&world, &local, "part", &[], &[part]).await;
    refused(answer, Code::InvalidArgument, &[OUTPOST_PARTITION_KEY]);
    assert_eq!(snapshots(&world).await, 0);

    let mut nodes = outpost();
    nodes.segments.remove(ZONE_KEY);
    let both = [zone(), nodes.clone()];
    let there = usable_in(&world, &local, "there", &class, &both).await;
    assert_eq!(there.unwrap().accessible_topology, [nodes.clone()]);
    let anywhere = usable_in(&world, &regional, "anywhere", &[], &both).await;
    assert_eq!(anywhere.unwrap().accessible_topology, []);

    let mut client = world.controller.client();
    let listed = client.list_snapshots(ListSnapshotsRequest::default()).await;
    let listed = listed.unwrap().into_inner().entries.into_iter();
    let mut places: Vec<_> = listed
        .map(|entry| entry.snapshot.unwrap().accessible_topology)
        .collect();
    places.sort_by_key(Vec::len);
    assert_eq!(places, [vec![], vec![nodes]]);
}

#[tokio::test]
async fn a_snapshot_in_the_region_is_restored_in_both() {
    let world = world().await;
    let claim = made(&world, "pvc", outpost()).await;
    let snapshot = take(&world, &claim, "snap", &[]).await.unwrap().snapshot_id;
    for (name, place) in [("there", outpost()), ("in-the-region", zone())] {
        let request = request(&world, name, std::slice::from_ref(&place));
        let request = from_snapshot(request, &snapshot);
        assert_eq!(
            create(&world, request).await.unwrap().accessible_topology,
            [place]
        );
    }
    let local = [("outpostArn", ARN)];
    let words = ["without outpostArn", ARN];
    refused(
        take(&world, &claim, "next", &local).await,
        Code::InvalidArgument,
        &words,
    );

    let of_the_region = made(&world, "other", zone()).await;
    let words = ["leave outpostArn out", ARN, "eu-central-1a"];
    refused(
        take(&world, &of_the_region, "other", &local).await,
        Code::InvalidArgument,
        &words,
    );
    assert_eq!(snapshots(&world).await, 1);
}
