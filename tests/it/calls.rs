//! How many calls to EC2 each RPC takes where EC2 answers at once: alone, again, and in a burst.

use std::collections::{BTreeMap, HashMap};

use csi::v1::{
    ControllerGetVolumeRequest, DeleteSnapshotRequest, GetSnapshotRequest,
    ValidateVolumeCapabilitiesRequest,
};
use emulator::Delays;
use futures::future::join_all;
use lab::orchestrator::{Claim, Use, gib_or_more};

use crate::world::{World, modify, parameters, snapshot, world_with};

/// Calls by action.
type Calls = BTreeMap<String, u64>;

/// An EC2 in which everything is done as soon as it is accepted.
async fn prompt_world(instances: usize) -> World {
    let change = |config: &mut emulator::Config| {
        config.delays = Delays::none();
        config.zones = 1;
        config.instances = instances;
    };
    world_with(change).await
}

/// What `work` gives, and the calls that it took.
async fn counted<T>(world: &World, work: impl Future<Output = T>) -> (T, Calls) {
    let before = world.cloud.calls().await.unwrap();
    let done = work.await;
    let mut calls = world.cloud.calls().await.unwrap();
    for (action, count) in before {
        *calls.entry(action).or_default() -= count;
    }
    calls.retain(|_, count| *count > 0);
    (done, calls)
}

/// Asserts which calls `work` takes.
async fn takes<T, E: std::fmt::Debug>(
    world: &World,
    what: &str,
    expected: &[(&str, u64)],
    work: impl Future<Output = Result<T, E>>,
) -> T {
    let (done, calls) = counted(world, work).await;
    let expected = expected.iter();
    let expected: Calls = expected.map(|(a, n)| ((*a).to_owned(), *n)).collect();
    assert_eq!(calls, expected, "{what}");
    done.unwrap_or_else(|error| panic!("{what}: {error:?}"))
}

#[tokio::test]
async fn a_volumes_life_alone() {
    let world = prompt_world(1).await;
    let (controller, node) = (&world.controller, world.node(0).unwrap());
    let order = world.order("pvc");
    let create = [("CreateVolume", 1), ("DescribeVolumes", 1)];
    let claim = takes(&world, "create", &create, controller.create(&order)).await;
    takes(&world, "create again", &create, controller.create(&order)).await;

    let first = [
        ("AttachVolume", 1),
        ("DescribeInstances", 1),
        ("DescribeVolumes", 1),
    ];
    let attach = || controller.attach(&claim, &node);
    takes(&world, "first publish on an instance", &first, attach()).await;
    let look = [("DescribeVolumes", 1)];
    takes(&world, "publish again", &look, attach()).await;

    let unpublish = [("DetachVolume", 1), ("DescribeVolumes", 1)];
    let detach = || controller.detach(&claim, &node);
    takes(&world, "unpublish", &unpublish, detach()).await;
    let refused = [("DetachVolume", 1), ("DescribeVolumes", 1)];
    takes(&world, "unpublish again", &refused, detach()).await;
    let known = [("AttachVolume", 1), ("DescribeVolumes", 1)];
    takes(&world, "publish on an instance known", &known, attach()).await;
    takes(&world, "unpublish", &unpublish, detach()).await;

    let grow = [
        ("DescribeVolumes", 1),
        ("DescribeVolumesModifications", 1),
        ("ModifyVolume", 1),
    ];
    let expand = || controller.expand(&claim, gib_or_more(2));
    takes(&world, "expand", &grow, expand()).await;
    takes(&world, "expand again", &look, expand()).await;

    let faster = || modify(&world, &claim.id, parameters(&[("throughput", "250")]));
    takes(&world, "modify", &grow, faster()).await;
    let looks = [("DescribeVolumes", 1), ("DescribeVolumesModifications", 1)];
    takes(&world, "modify again", &looks, faster()).await;

    let delete = [("DeleteVolume", 1)];
    takes(&world, "delete", &delete, controller.delete(&claim)).await;
    takes(&world, "delete again", &delete, controller.delete(&claim)).await;
}

#[tokio::test]
async fn a_snapshots_life_alone() {
    let world = prompt_world(1).await;
    let controller = &world.controller;
    let source = controller.create(&world.order("pvc")).await.unwrap();
    // The first snapshot after a start may be one that the process before has begun: that is looked for.
    let take = |name| snapshot(&world, &source.id, name, HashMap::new());
    take("first").await.unwrap();

    let create = [("DescribeSnapshots", 1), ("CreateSnapshot", 1)];
    let taken = takes(&world, "snapshot", &create, take("snapshot")).await;
    let id = taken.snapshot_id;
    let look = [("DescribeSnapshots", 1)];
    takes(&world, "snapshot again", &look, take("snapshot")).await;
    let get = async || {
        let request = GetSnapshotRequest {
            snapshot_id: id.clone(),
            ..GetSnapshotRequest::default()
        };
        controller.client().get_snapshot(request).await
    };
    takes(&world, "get", &look, get()).await;

    let restore = [
        ("CreateVolume", 1),
        ("DescribeSnapshots", 1),
        ("DescribeVolumes", 1),
    ];
    let order = world.order("restored").from_snapshot(&id);
    takes(&world, "restore", &restore, controller.create(&order)).await;

    let delete = async || {
        let request = DeleteSnapshotRequest {
            snapshot_id: id.clone(),
            ..DeleteSnapshotRequest::default()
        };
        controller.client().delete_snapshot(request).await
    };
    let deleted = [("DeleteSnapshot", 1)];
    takes(&world, "delete", &deleted, delete()).await;
    takes(&world, "delete again", &deleted, delete()).await;
}

#[tokio::test]
async fn a_clone_and_looks_alone() {
    let world = prompt_world(1).await;
    let controller = &world.controller;
    let source = controller.create(&world.order("source")).await.unwrap();
    // The source's size and place bound the clone's.
    let clone = [("CopyVolumes", 1), ("DescribeVolumes", 2)];
    let order = world.order("clone").clone_of(&source.id);
    takes(&world, "clone", &clone, controller.create(&order)).await;

    let look = [("DescribeVolumes", 1)];
    let request = ControllerGetVolumeRequest {
        volume_id: source.id.clone(),
    };
    let get = async { controller.client().controller_get_volume(request).await };
    takes(&world, "get", &look, get).await;
    let request = ValidateVolumeCapabilitiesRequest {
        volume_id: source.id.clone(),
        volume_capabilities: vec![Use::Ext4.capability()],
        ..ValidateVolumeCapabilitiesRequest::default()
    };
    let validate = async {
        let mut client = controller.client();
        client.validate_volume_capabilities(request).await
    };
    takes(&world, "validate", &look, validate).await;
}

/// A volume with a key that this process has not used is looked at right away as well, in case that EC2 may not use it.
#[tokio::test]
async fn an_encrypted_volume_alone() {
    let world = prompt_world(1).await;
    let mut order = world.order("first");
    order.parameters = vec![("encrypted", "true"), ("kmsKeyId", "alias/mine")];
    let create = [("CreateVolume", 1), ("DescribeVolumes", 1)];
    for name in ["first", "second"] {
        name.clone_into(&mut order.name);
        takes(&world, name, &create, world.controller.create(&order)).await;
    }
}

/// A hundred at once, each on its way from creation to deletion. How many share a describe is a matter of when they come, so that the
/// ceilings are wide; `ebs-lab load` shows what is reached.
#[tokio::test]
async fn a_hundred_at_once_share_their_looks() {
    const MANY: usize = 100;
    const INSTANCES: usize = 8;
    let world = prompt_world(INSTANCES).await;
    let controller = &world.controller;
    let create = async |n: usize| {
        let order = world.order(&format!("pvc-{n}"));
        controller.create(&order).await.unwrap()
    };
    let burst = join_all((0..MANY).map(create));
    let (claims, calls) = counted(&world, burst).await;
    sparing("create", &calls, "CreateVolume", MANY);

    let nodes: Vec<_> = (0..INSTANCES).map(|n| world.node(n).unwrap()).collect();
    let each = |n: usize| (&claims[n], &nodes[n % INSTANCES]);
    let attach = async |n: usize| {
        let (claim, node): (&Claim, _) = each(n);
        controller.attach(claim, node).await.unwrap();
    };
    let (_, calls) = counted(&world, join_all((0..MANY).map(attach))).await;
    sparing("publish", &calls, "AttachVolume", MANY);
    assert!(calls["DescribeInstances"] <= INSTANCES as u64, "{calls:?}");

    let detach = async |n: usize| {
        let (claim, node) = each(n);
        controller.detach(claim, node).await.unwrap();
    };
    let (_, calls) = counted(&world, join_all((0..MANY).map(detach))).await;
    sparing("unpublish", &calls, "DetachVolume", MANY);

    let delete = async |n: usize| controller.delete(&claims[n]).await.unwrap();
    let (_, calls) = counted(&world, join_all((0..MANY).map(delete))).await;
    sparing("delete", &calls, "DeleteVolume", MANY);
}

/// Asserts that each operation took its own call once, and all together few others.
fn sparing(what: &str, calls: &Calls, own: &str, many: usize) {
    let many = many as u64;
    println!("{many} at once, {what}: {calls:?}");
    assert!(calls[own] >= many, "{what}: {calls:?}");
    let others = calls.values().sum::<u64>() - calls[own];
    assert!(others <= many / 2, "{what}: {calls:?}");
}
