//! Where volumes are made: zones by each of their keys, without a key, and when a zone is full, out or not there.

use std::collections::{BTreeMap, HashMap};

use csi::v1::{CreateVolumeRequest, Topology, TopologyRequirement};
use emulator::Config;
use futures::future::join_all;
use serde_json::json;
use tonic::{Code, Status};

use crate::world::{WINDOW, World, calls, volumes, world, world_with};

const ZONE: &str = "topology.kubernetes.io/zone";
const ZONE_ID: &str = "topology.k8s.aws/zone-id";

async fn zones(count: usize) -> World {
    world_with(|config: &mut Config| config.zones = count).await
}

/// A request for 1 GiB that requires one of these topologies, or none.
fn request(world: &World, name: &str, requisite: &[(&str, &str)]) -> CreateVolumeRequest {
    let topology = |(key, value): &(&str, &str)| Topology {
        segments: HashMap::from([((*key).to_owned(), (*value).to_owned())]),
    };
    CreateVolumeRequest {
        accessibility_requirements: (!requisite.is_empty()).then(|| TopologyRequirement {
            requisite: requisite.iter().map(topology).collect(),
            preferred: Vec::new(),
        }),
        ..world.order(name).request()
    }
}

/// The zone that the volume is made in, as the answer says.
async fn create(world: &World, request: CreateVolumeRequest) -> Result<String, Status> {
    let answer = world.controller.client().create_volume(request).await?;
    let volume = answer.into_inner().volume.unwrap();
    let [topology] = &volume.accessible_topology[..] else {
        panic!("{volume:?}");
    };
    Ok(topology.segments[ZONE].clone())
}

async fn refused(world: &World, request: CreateVolumeRequest) -> (Code, String) {
    let status = create(world, request).await.expect_err("refused");
    (status.code(), status.message().to_owned())
}

#[tokio::test]
async fn each_key_names_a_zone() {
    let world = zones(3).await;
    for (n, (key, value)) in [
        (ZONE, "eu-central-1b"),
        ("topology.ebs.csi.aws.com/zone", "eu-central-1b"),
        (ZONE_ID, "euc1-az2"),
    ]
    .into_iter()
    .enumerate()
    {
        for _ in 0..2 {
            let request = request(&world, &format!("pvc-{n}"), &[(key, value)]);
            assert_eq!(create(&world, request).await.unwrap(), "eu-central-1b");
        }
    }
    assert_eq!(volumes(&world).await, 3);
    // Only the id had to be looked up, and once.
    assert_eq!(calls(&world, "DescribeAvailabilityZones").await, 1);
}

#[tokio::test]
async fn without_a_topology_volumes_are_spread_and_a_repetition_agrees() {
    let mut world = zones(3).await;
    let names: Vec<String> = (0..60).map(|n| format!("pvc-{n}")).collect();
    let mut first = Vec::new();
    for round in 0..2 {
        let all = names.iter();
        let made = join_all(all.map(|name| create(&world, request(&world, name, &[])))).await;
        let made: Vec<String> = made.into_iter().map(Result::unwrap).collect();
        if round == 0 {
            first = made;
            world.kill_controller().await.unwrap();
            world.start_controller().await.unwrap();
        } else {
            assert_eq!(made, first);
        }
    }
    assert_eq!(volumes(&world).await, 60);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for zone in &first {
        *counts.entry(zone).or_default() += 1;
    }
    assert!(
        counts.len() == 3 && counts.values().all(|n| *n >= 10),
        "{counts:?}"
    );
}

#[tokio::test]
async fn a_zone_that_is_not_there_is_told_with_those_that_are() {
    let world = zones(2).await;
    for wanted in [(ZONE, "eu-central-1x"), (ZONE_ID, "euc1-az9")] {
        let (code, words) = refused(&world, request(&world, "pvc", &[wanted])).await;
        assert_eq!(code, Code::InvalidArgument, "{words}");
        let there = "eu-central-1a (euc1-az1), eu-central-1b (euc1-az2)";
        assert!(words.contains(wanted.1) && words.contains(there), "{words}");
    }
    let rack = ("example.com/rack", "7");
    let (code, words) = refused(&world, request(&world, "pvc", &[rack])).await;
    assert_eq!(code, Code::InvalidArgument, "{words}");
    assert!(
        words.contains("example.com/rack") && words.contains(ZONE),
        "{words}"
    );
    assert_eq!(volumes(&world).await, 0);
}

#[tokio::test]
async fn a_full_zone_sends_the_scheduler_elsewhere() {
    let world = zones(2).await;
    let full = json!({"eu-central-1a": {"capacity_gib": 0}});
    world.cloud.zones(&full).await.unwrap();
    let only = [(ZONE, "eu-central-1a")];
    let (code, words) = refused(&world, request(&world, "pvc-1", &only)).await;
    assert_eq!(code, Code::ResourceExhausted, "{words}");
    assert!(words.contains("InsufficientVolumeCapacity"), "{words}");
    // Where more than one zone will do, the next one is taken.
    let either = [(ZONE, "eu-central-1a"), (ZONE, "eu-central-1b")];
    let zone = create(&world, request(&world, "pvc-1", &either)).await;
    assert_eq!(zone.unwrap(), "eu-central-1b");
    for n in 2..6 {
        let zone = create(&world, request(&world, &format!("pvc-{n}"), &[])).await;
        assert_eq!(zone.unwrap(), "eu-central-1b");
    }
}

#[tokio::test]
async fn a_zone_that_takes_no_volumes_is_passed_over() {
    let world = zones(2).await;
    let out = json!({"eu-central-1a": {"state": "unavailable"}});
    world.cloud.zones(&out).await.unwrap();
    let only = [(ZONE, "eu-central-1a")];
    let (code, words) = refused(&world, request(&world, "pvc", &only)).await;
    assert_eq!(code, Code::ResourceExhausted, "{words}");
    assert!(
        words.contains("takes no volumes") && words.contains("eu-central-1b (euc1-az2)"),
        "{words}"
    );
    for n in 0..4 {
        let zone = create(&world, request(&world, &format!("pvc-{n}"), &[])).await;
        assert_eq!(zone.unwrap(), "eu-central-1b");
    }
    assert_eq!(calls(&world, "DescribeAvailabilityZones").await, 1);
}

/// The first attempt has made the volume and was not heard of; then the zone is full. The volume is not made in another zone, too.
#[tokio::test]
async fn a_zone_is_not_given_up_while_a_volume_may_be_in_it() {
    let world = world_with(|config: &mut Config| config.consistency = WINDOW / 4).await;
    let either = [(ZONE, "eu-central-1a"), (ZONE, "eu-central-1b")];
    let lost = json!({"action": "CreateVolume", "kind": "lost-reply"});
    world.cloud.fault(&lost).await.unwrap();
    let full = json!({
        "action": "CreateVolume", "kind": "error", "code": "InsufficientVolumeCapacity", "status": 500,
    });
    world.cloud.fault(&full).await.unwrap();
    let zone = create(&world, request(&world, "pvc", &either)).await;
    assert_eq!(zone.unwrap(), "eu-central-1a");
    assert_eq!(volumes(&world).await, 1);
}

#[tokio::test]
async fn a_restored_volume_goes_to_any_zone_of_the_region() {
    let world = world().await;
    let claim = world.controller.create(&world.order("pvc")).await.unwrap();
    let snapshot = world.controller.snapshot(&claim, "snap").await.unwrap();
    world.controller.delete(&claim).await.unwrap();
    for zone in ["eu-central-1a", "eu-central-1b"] {
        let name = format!("restored-{zone}");
        let restored = CreateVolumeRequest {
            accessibility_requirements: request(&world, "", &[(ZONE, zone)])
                .accessibility_requirements,
            ..world.order(&name).from_snapshot(&snapshot).request()
        };
        // Not completed yet at first.
        let made = loop {
            match create(&world, restored.clone()).await {
                Err(status) if status.code() == Code::Unavailable => {
                    tokio::time::sleep(lab::socket::PAUSE).await;
                }
                made => break made,
            }
        };
        assert_eq!(made.unwrap(), zone);
    }
}
