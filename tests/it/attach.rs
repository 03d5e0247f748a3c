//! Attaching and detaching: names of their own for a thousand at once, over a restart too; EBS cards; what hangs, is elsewhere, is full
//! or is gone.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use emulator::Config;
use futures::future::join_all;
use lab::cloud::{NewVolume, SeenVolume};
use lab::kubelet::Node;
use lab::orchestrator::{Claim, Use};
use lab::socket::{PAUSE, Patience};
use serde_json::json;
use tonic::Code;

use crate::world::{World, calls, code, message, world, world_started_with, world_with};

/// Instances of this type have two EBS cards for 64 volumes each.
const TWO_CARDS: &str = "m8gn.48xlarge";

/// An EC2 of one zone with so many instances of a type.
async fn fleet(instances: usize, instance_type: &str) -> World {
    world_with(|config: &mut Config| {
        config.zones = 1;
        config.instances = instances;
        config.instance_type = instance_type.parse().unwrap();
    })
    .await
}

/// Volumes that no driver made, in the zone of instance 0, ready to be attached.
async fn by_hand(world: &World, count: usize) -> Vec<Claim> {
    let new = NewVolume {
        zone: world.zone(),
        gib: 1,
        kind: "gp3",
        snapshot: None,
        tags: &[],
    };
    let made = join_all((0..count).map(|_| world.cloud.create_volume(new))).await;
    let is_made = |volume: &SeenVolume| volume.state != "creating";
    while !world.cloud.volumes().await.unwrap().iter().all(is_made) {
        tokio::time::sleep(PAUSE).await;
    }
    made.into_iter()
        .map(|id| Claim {
            id: id.unwrap(),
            bytes: 1 << 30,
            usage: Use::Ext4,
            context: Default::default(),
        })
        .collect()
}

/// Every volume with the node that it is for.
fn spread<'a>(claims: &'a [Claim], nodes: &'a [Node]) -> Vec<(&'a Claim, &'a Node)> {
    claims.iter().zip(nodes.iter().cycle()).collect()
}

/// Publishes all at once; gives the device names by node.
async fn attach_all(world: &World, pairs: &[(&Claim, &Node)]) -> BTreeMap<String, Vec<String>> {
    let controller = &world.controller;
    let answers = join_all(pairs.iter().map(async |(claim, node)| {
        let context = controller.attach(claim, node).await.unwrap();
        (node.instance.clone(), context["devicePath"].clone())
    }))
    .await;
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (node, device) in answers {
        names.entry(node).or_default().push(device);
    }
    names
}

/// All volumes are attached where they belong, each under a name of its own.
async fn all_are_attached(world: &World, pairs: &[(&Claim, &Node)]) {
    let seen: BTreeMap<String, SeenVolume> = (world.cloud.volumes().await.unwrap().into_iter())
        .map(|volume| (volume.id.clone(), volume))
        .collect();
    let mut places = HashSet::new();
    for (claim, node) in pairs {
        let [attachment] = &seen[&claim.id].attachments[..] else {
            panic!("{}", seen[&claim.id]);
        };
        assert_eq!(attachment.instance, node.instance);
        assert_eq!(attachment.state, "attached");
        assert!(places.insert((attachment.instance.clone(), attachment.device.clone())));
    }
}

#[tokio::test]
async fn a_thousand_volumes_at_once_get_names_of_their_own() {
    let mut world = fleet(8, TWO_CARDS).await;
    let nodes: Vec<Node> = (0..8).map(|n| world.node(n).unwrap()).collect();
    let claims = by_hand(&world, 1_000).await;
    let pairs = spread(&claims, &nodes);
    let (first, rest) = pairs.split_at(600);

    let names = attach_all(&world, first).await;
    for (node, names) in &names {
        let different: HashSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{node}: {names:?}");
    }
    assert_eq!(calls(&world, "AttachVolume").await, 600);
    let refusals = world.cloud.refusals("AttachVolume").await.unwrap();
    assert!(refusals.is_empty(), "{refusals:?}");
    let looks = calls(&world, "DescribeInstances").await;
    assert!(looks <= 8, "{looks} describes of 8 instances");

    // The controller dies in the middle of the others, and its successor begins while EC2 still works on them.
    let controller = world.controller.clone();
    let publishing = join_all(rest.iter().map(async |(claim, node)| {
        loop {
            let answer = controller.attach(claim, node).await;
            // A connection that broke; external-attacher comes again after that as after every error.
            if code(&answer) != Code::Unknown {
                return answer;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }));
    let dying = async {
        while calls(&world, "AttachVolume").await < 700 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.kill_controller().await.unwrap();
        world.start_controller().await.unwrap();
    };
    let (answers, ()) = tokio::join!(publishing, dying);
    for answer in answers {
        answer.unwrap();
    }
    all_are_attached(&world, &pairs).await;

    // What is attached is not attached again.
    let before = calls(&world, "AttachVolume").await;
    attach_all(&world, &pairs).await;
    assert_eq!(calls(&world, "AttachVolume").await, before);
    assert_eq!(calls(&world, "DetachVolume").await, 0);
    // A call that the dead controller left behind may be met again, but no name of another volume.
    let refusals = world.cloud.refusals("AttachVolume").await.unwrap();
    let known = |code: &String| code == "VolumeInUse";
    assert!(refusals.keys().all(known), "{refusals:?}");
}

#[tokio::test]
async fn both_ebs_cards_are_filled() {
    // 39 attachments on each of two cards, the root's among them; 127 names.
    let world = fleet(1, "m8gn.metal-48xl").await;
    let nodes = [world.node(0).unwrap()];
    let claims = by_hand(&world, 78).await;
    let pairs = spread(&claims, &nodes);
    let (fitting, beyond) = pairs.split_at(77);
    attach_all(&world, &fitting[..3]).await;
    let seen = world.cloud.volumes().await.unwrap();
    let mut cards: Vec<u32> = seen
        .iter()
        .flat_map(|volume| volume.attachments.iter().map(|there| there.card))
        .collect();
    cards.sort_unstable();
    assert_eq!(cards, [0, 1, 1], "the root is on the first card");

    attach_all(&world, fitting).await;
    all_are_attached(&world, fitting).await;
    let (claim, node) = beyond[0];
    let once = world.controller.with(Patience::ONCE);
    let answer = once.attach(claim, node).await;
    assert_eq!(code(&answer), Code::ResourceExhausted, "{answer:?}");
    let words = message(answer);
    assert!(
        words.contains("has 78 EBS volumes") && words.contains("at most 78"),
        "{words}"
    );
    // One place becomes free, on whichever card.
    world.controller.detach(&claims[5], node).await.unwrap();
    world.controller.attach(claim, node).await.unwrap();
}

#[tokio::test]
async fn a_full_instance_is_told_with_what_it_has_and_takes() {
    let world = fleet(1, "m7i.large").await;
    let node = world.node(0).unwrap();
    let claims = by_hand(&world, 32).await;
    let once = world.controller.with(Patience::ONCE);
    for claim in &claims[..31] {
        once.attach(claim, &node).await.unwrap();
    }
    let answer = once.attach(&claims[31], &node).await;
    assert_eq!(code(&answer), Code::ResourceExhausted, "{answer:?}");
    let words = message(answer);
    assert!(words.contains("(m7i.large) has 32 EBS volumes"), "{words}");
    assert!(words.contains("at most 32"), "{words}");
}

#[tokio::test]
async fn an_attachment_that_hangs_is_let_go_of_and_made_anew() {
    let world = world_started_with(&[("--attach-patience", "500ms")]).await;
    let node = world.node(0).unwrap();
    let claim = &by_hand(&world, 1).await[0];
    let rule = json!({"action": "AttachVolume", "kind": "stuck"});
    world.cloud.fault(&rule).await.unwrap();
    let once = world.controller.with(Patience::ONCE);
    let context = once.attach(claim, &node).await.unwrap();
    assert_eq!(
        context["devicePath"], "/dev/xvdbb",
        "not the name that hung"
    );
    assert_eq!(calls(&world, "AttachVolume").await, 2);
    assert_eq!(calls(&world, "DetachVolume").await, 1);
    all_are_attached(&world, &[(claim, &node)]).await;
}

#[tokio::test]
async fn a_volume_on_another_node_is_refused_with_that_nodes_state() {
    let world = fleet(2, "m7i.large").await;
    let (one, other) = (world.node(0).unwrap(), world.node(1).unwrap());
    let claim = &by_hand(&world, 1).await[0];
    world.controller.attach(claim, &one).await.unwrap();
    let once = world.controller.with(Patience::ONCE);
    for (stop, state) in [(false, "running"), (true, "stopped")] {
        if stop {
            world.cloud.stop_instance(&one.instance).await.unwrap();
        }
        let answer = once.attach(claim, &other).await;
        assert_eq!(code(&answer), Code::FailedPrecondition, "{answer:?}");
        let words = message(answer);
        let expected = format!("attached to instance {}, which is {state}", one.instance);
        assert!(words.contains(&expected), "{words}");
    }
}

#[tokio::test]
async fn what_is_gone_is_detached() {
    let world = world().await;
    let node = world.node(0).unwrap();
    let claims = by_hand(&world, 2).await;
    attach_all(&world, &spread(&claims, std::slice::from_ref(&node))).await;
    let once = world.controller.with(Patience::ONCE);

    world
        .cloud
        .terminate_instance(&node.instance)
        .await
        .unwrap();
    once.detach(&claims[0], &node).await.unwrap();
    once.detach(&claims[0], &node).await.unwrap();
    // To a node that is gone nothing can be attached.
    let answer = once.attach(&claims[0], &node).await;
    assert_eq!(code(&answer), Code::NotFound, "{answer:?}");

    world.cloud.delete_volume(&claims[1].id).await.unwrap();
    once.detach(&claims[1], &node).await.unwrap();
}
