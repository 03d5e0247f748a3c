//! Lists of volumes and snapshots, as external-attacher's reconciler and a user with a small screen ask for them.

use std::collections::BTreeMap;

use csi::v1::controller_service_capability::Type;
use csi::v1::controller_service_capability::rpc::Type as Offer;
use csi::v1::{
    ControllerGetCapabilitiesRequest, ControllerGetVolumeRequest, GetCapacityRequest,
    GetSnapshotRequest, ListSnapshotsRequest, ListVolumesRequest,
};
use lab::cloud::NewVolume;
use lab::orchestrator::{Claim, Use};
use tonic::{Code, Status};

use crate::world::{World, calls, world, world_with};

/// What ListVolumes says in pages of this size: handles with their nodes. Before each page but the first `meanwhile` happens.
async fn pages(
    world: &World,
    max_entries: i32,
    mut meanwhile: impl AsyncFnMut(&[String]),
) -> Vec<(String, Vec<String>)> {
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let message = ListVolumesRequest {
            max_entries,
            starting_token: token,
        };
        let answer = world.controller.client().list_volumes(message).await;
        let answer = answer.unwrap().into_inner();
        assert!(max_entries == 0 || answer.entries.len() <= max_entries.unsigned_abs() as usize);
        let page: Vec<(String, Vec<String>)> = answer
            .entries
            .into_iter()
            .map(|entry| {
                let nodes = entry.status.unwrap().published_node_ids;
                (entry.volume.unwrap().volume_id, nodes)
            })
            .collect();
        token = answer.next_token;
        let handles: Vec<String> = page.iter().map(|(handle, _)| handle.clone()).collect();
        found.extend(page);
        if token.is_empty() {
            return found;
        }
        meanwhile(&handles).await;
    }
}

async fn listed(world: &World) -> BTreeMap<String, Vec<String>> {
    let all = pages(world, 0, async |_| {}).await;
    let (count, all) = (all.len(), BTreeMap::from_iter(all));
    assert_eq!(all.len(), count, "listed twice");
    all
}

/// A volume that an administrator made, under the handle that its PV writes.
async fn static_claim(world: &World, handle: impl Fn(&str) -> String) -> (String, Claim) {
    let new = NewVolume {
        zone: world.zone(),
        gib: 1,
        kind: "gp2",
        snapshot: None,
        tags: &[],
    };
    let id = world.cloud.create_volume(new).await.unwrap();
    let claim = Claim {
        id: handle(&id),
        bytes: 1 << 30,
        usage: Use::Ext4,
        context: [].into(),
    };
    (id, claim)
}

#[tokio::test]
async fn the_reconciler_finds_every_attachment_under_its_own_handle() {
    let mut world = world().await;
    let node = world.node(0).unwrap();
    let zone = world.zone().to_owned();
    let dynamic = world
        .controller
        .create(&world.order("pvc-1"))
        .await
        .unwrap();
    let idle = world
        .controller
        .create(&world.order("pvc-2"))
        .await
        .unwrap();
    let (_, by_hand) = static_claim(&world, |id| format!("aws://{zone}/{id}")).await;
    let (_, no_zone) = static_claim(&world, |id| format!("aws:///{id}")).await;
    let (unused, _) = static_claim(&world, str::to_owned).await;
    let attached = [&dynamic, &by_hand, &no_zone];
    for claim in attached {
        world.controller.attach(claim, &node).await.unwrap();
    }

    let mut expected: BTreeMap<String, Vec<String>> = attached
        .iter()
        .map(|claim| (claim.id.clone(), vec![node.instance.clone()]))
        .collect();
    expected.insert(idle.id.clone(), Vec::new());
    assert_eq!(listed(&world).await, expected);

    // After a restart one more publish of each tells how it is written, and attaches nothing twice.
    world.kill_controller().await.unwrap();
    world.start_controller().await.unwrap();
    let after = listed(&world).await;
    assert_eq!(after[&dynamic.id], [node.instance.as_str()]);
    assert!(!after.contains_key(&by_hand.id) && !after.contains_key(&unused));
    for claim in [&by_hand, &no_zone] {
        world.controller.attach(claim, &node).await.unwrap();
    }
    assert_eq!(listed(&world).await, expected);

    for claim in [&by_hand, &no_zone] {
        world.controller.detach(claim, &node).await.unwrap();
        assert!(!listed(&world).await.contains_key(&claim.id));
    }
}

#[tokio::test]
async fn a_volume_detached_behind_our_back_is_seen_to_be() {
    let world = world().await;
    let order = world.order("pvc-1");
    let claim = world.controller.create(&order).await.unwrap();
    let node = world.node(0).unwrap();
    world.controller.attach(&claim, &node).await.unwrap();
    assert_eq!(listed(&world).await[&claim.id], [node.instance.as_str()]);
    world.cloud.pull_out(&claim.id).await.unwrap();
    while !listed(&world).await[&claim.id].is_empty() {
        tokio::task::yield_now().await;
    }
    world.controller.attach(&claim, &node).await.unwrap();
    assert_eq!(listed(&world).await[&claim.id], [node.instance]);
}

#[tokio::test]
async fn pages_of_any_size_survive_what_is_deleted_and_made_between_them() {
    let world = world().await;
    let controller = &world.controller;
    for max in [1, 4, 5] {
        for n in 0..9 {
            let order = world.order(&format!("pvc-{n}-{max}"));
            controller.create(&order).await.unwrap();
        }
        let before = listed(&world).await;
        let mut made = 0;
        let found = pages(&world, max, async |page| {
            // The last volume of the page goes, and another one comes.
            let gone = page.last().unwrap();
            world.cloud.delete_volume(gone).await.unwrap();
            made += 1;
            // Ids have no order in which they come: with ever more volumes pages of one would never end.
            if made <= 3 {
                let order = world.order(&format!("pvc-more-{max}-{made}"));
                controller.create(&order).await.unwrap();
            }
        })
        .await;
        let mut handles: Vec<String> = found.into_iter().map(|(handle, _)| handle).collect();
        handles.sort();
        let count = handles.len();
        handles.dedup();
        assert_eq!(handles.len(), count, "listed twice with pages of {max}");
        for handle in before.keys() {
            assert!(handles.contains(handle), "{handle} is lost, pages of {max}");
        }
    }
}

#[tokio::test]
async fn a_token_that_ec2_does_not_know_is_aborted() {
    let world = world().await;
    let volumes = |token: &str| ListVolumesRequest {
        max_entries: 0,
        starting_token: token.to_owned(),
    };
    let mut client = world.controller.client();
    for token in ["nonsense", "v2:0:5::expired", "s2:0:5::"] {
        let answer = client.list_volumes(volumes(token)).await;
        assert_eq!(answer.unwrap_err().code(), Code::Aborted, "{token}");
        let snapshots = ListSnapshotsRequest {
            starting_token: token
                .replace('s', "v")
                .replace("v2:0:5::expired", "s2:0:5::x"),
            ..ListSnapshotsRequest::default()
        };
        let answer = client.list_snapshots(snapshots).await;
        assert_eq!(answer.unwrap_err().code(), Code::Aborted, "{token}");
    }
    let fault = serde_json::json!(
        {"action": "DescribeVolumes", "kind": "error", "code": "InvalidPaginationToken"}
    );
    world.cloud.fault(&fault).await.unwrap();
    let answer = client.list_volumes(volumes("v2:0:5::after:vol-0")).await;
    assert_eq!(answer.unwrap_err().code(), Code::Aborted);
}

#[tokio::test]
async fn a_volume_deleted_behind_our_back_is_not_found() {
    let world = world().await;
    let claim = world
        .controller
        .create(&world.order("pvc-1"))
        .await
        .unwrap();
    let get = async || -> Result<_, Status> {
        let message = ControllerGetVolumeRequest {
            volume_id: claim.id.clone(),
        };
        let mut client = world.controller.client();
        let answer = client.controller_get_volume(message).await?.into_inner();
        Ok((answer.volume.unwrap(), answer.status.unwrap()))
    };
    let (volume, status) = get().await.unwrap();
    assert_eq!(volume.volume_id, claim.id);
    assert_eq!(volume.capacity_bytes, 1 << 30);
    let zone = &volume.accessible_topology[0].segments;
    assert_eq!(zone["topology.kubernetes.io/zone"], world.zone());
    assert!(status.published_node_ids.is_empty());
    let node = world.node(0).unwrap();
    world.controller.attach(&claim, &node).await.unwrap();
    let (_, status) = get().await.unwrap();
    assert_eq!(status.published_node_ids, [node.instance.as_str()]);

    world.controller.detach(&claim, &node).await.unwrap();
    world.cloud.delete_volume(&claim.id).await.unwrap();
    assert_eq!(get().await.unwrap_err().code(), Code::NotFound);
    assert!(listed(&world).await.is_empty());
}

#[tokio::test]
async fn only_snapshots_of_drivers_are_listed_unless_asked_for_by_id() {
    let world = world().await;
    let order = world.order("pvc-1");
    let claim = world.controller.create(&order).await.unwrap();
    for n in 0..6 {
        let name = format!("snap-{n}");
        world.controller.snapshot(&claim, &name).await.unwrap();
    }
    let by_hand = world.cloud.create_snapshot(&claim.id).await.unwrap();
    let mut client = world.controller.client();
    let mut found = Vec::new();
    let mut token = String::new();
    loop {
        let message = ListSnapshotsRequest {
            max_entries: 3,
            starting_token: token,
            source_volume_id: claim.id.clone(),
            ..ListSnapshotsRequest::default()
        };
        let answer = client.list_snapshots(message).await.unwrap().into_inner();
        let ids = answer.entries.into_iter().map(|entry| entry.snapshot);
        found.extend(ids.map(|snapshot| snapshot.unwrap().snapshot_id));
        token = answer.next_token;
        // What the page showed goes before the next one.
        let gone = found.last().unwrap();
        world.controller.delete_snapshot(gone).await.unwrap();
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(found.len(), 6, "{found:?}");
    assert!(!found.contains(&by_hand));

    let message = ListSnapshotsRequest {
        snapshot_id: by_hand.clone(),
        ..ListSnapshotsRequest::default()
    };
    let answer = client.list_snapshots(message).await.unwrap().into_inner();
    assert_eq!(answer.entries.len(), 1);
    let message = |snapshot_id: &str| GetSnapshotRequest {
        snapshot_id: snapshot_id.to_owned(),
        ..GetSnapshotRequest::default()
    };
    let answer = client.get_snapshot(message(&by_hand)).await.unwrap();
    let snapshot = answer.into_inner().snapshot.unwrap();
    assert_eq!(
        (snapshot.snapshot_id, snapshot.source_volume_id),
        (by_hand, claim.id)
    );
    let gone = client.get_snapshot(message(&found[5])).await;
    assert_eq!(gone.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn the_list_lags_no_further_behind_than_ec2() {
    let world = world_with(|config| {
        config.consistency = crate::world::WINDOW / 4;
    })
    .await;
    let claim = world
        .controller
        .create(&world.order("pvc-1"))
        .await
        .unwrap();
    while !listed(&world).await.contains_key(&claim.id) {
        tokio::task::yield_now().await;
    }
    world.controller.delete(&claim).await.unwrap();
    assert!(listed(&world).await.is_empty());
}

#[tokio::test]
async fn what_is_advertised_is_offered_and_capacity_is_not() {
    let world = world().await;
    let mut client = world.controller.client();
    let message = ControllerGetCapabilitiesRequest {};
    let answer = client.controller_get_capabilities(message).await.unwrap();
    let offered: Vec<Offer> = answer
        .into_inner()
        .capabilities
        .into_iter()
        .map(|capability| match capability.r#type.unwrap() {
            Type::Rpc(rpc) => rpc.r#type(),
        })
        .collect();
    for offer in [
        Offer::ListVolumes,
        Offer::ListVolumesPublishedNodes,
        Offer::GetVolume,
        Offer::ListSnapshots,
        Offer::GetSnapshot,
    ] {
        assert!(offered.contains(&offer), "{offer:?}");
    }
    assert!(!offered.contains(&Offer::GetCapacity));
    let answer = client.get_capacity(GetCapacityRequest::default()).await;
    assert_eq!(answer.unwrap_err().code(), Code::Unimplemented);
    assert_eq!(calls(&world, "DescribeVolumes").await, 0);
}
