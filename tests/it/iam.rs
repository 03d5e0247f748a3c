//! The policies of `deploy/`: with them everything works, and what they leave out is denied in words that name it.

use std::collections::BTreeSet;
use std::time::Duration;

use csi::v1::snapshot_metadata_client::SnapshotMetadataClient;
use csi::v1::{
    ControllerGetVolumeHealthRequest, ControllerGetVolumeRequest, CreateSnapshotRequest,
    CreateVolumeRequest, GetMetadataAllocatedRequest, GetMetadataDeltaRequest, GetSnapshotRequest,
    ListSnapshotsRequest, ListVolumesRequest,
};
use lab::cloud::NewVolume;
use lab::orchestrator::{Claim, Controller, Use, gib_or_more};
use lab::socket::{Patience, channel};
use rstest::rstest;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::world::{self, World, code, message, parameters, snapshots, volumes, world_with};

const POLICY: &str = include_str!("../../deploy/iam-policy.json");
const IN_TREE: &str = include_str!("../../deploy/iam-policy-in-tree.json");
const KMS: &str = include_str!("../../deploy/iam-policy-kms.json");

fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The actions of a statement.
fn actions_of(statement: &Value) -> Vec<String> {
    match &statement["Action"] {
        Value::String(one) => vec![one.clone()],
        more => serde_json::from_value(more.clone()).unwrap(),
    }
}

fn actions(policy: &Value) -> BTreeSet<String> {
    let statements = policy["Statement"].as_array().unwrap();
    statements.iter().flat_map(actions_of).collect()
}

/// The policy without an action.
fn without(action: &str) -> Value {
    let mut policy = document(POLICY);
    let statements = policy["Statement"].as_array_mut().unwrap();
    for statement in statements.iter_mut() {
        let left: Vec<_> = actions_of(statement)
            .into_iter()
            .filter(|a| a != action)
            .collect();
        statement["Action"] = json!(left);
    }
    statements.retain(|statement| !actions_of(statement).is_empty());
    policy
}

async fn world_under(policy: &Value) -> World {
    let policy = policy.to_string();
    world_with(|config| config.policy = Some(policy)).await
}

async fn modify(world: &World, claim: &Claim, class: &[(&str, &str)]) -> Result<(), Status> {
    world::modify(world, &claim.id, parameters(class)).await
}

async fn looks(world: &World, claim: &Claim, snapshot: &str) -> Result<(), Status> {
    let mut client = world.controller.client();
    client.list_volumes(ListVolumesRequest::default()).await?;
    client
        .list_snapshots(ListSnapshotsRequest::default())
        .await?;
    let snapshot_id = snapshot.to_owned();
    client
        .get_snapshot(GetSnapshotRequest {
            snapshot_id,
            ..Default::default()
        })
        .await?;
    let volume_id = claim.id.clone();
    client
        .controller_get_volume(ControllerGetVolumeRequest { volume_id })
        .await?;
    blocks(world, "ebs:ListSnapshotBlocks", [snapshot, snapshot]).await?;
    health(world, claim).await
}

/// The call that takes this action, of two snapshots of this volume.
async fn of_two(world: &World, action: &str, claim: &Claim) -> anyhow::Result<()> {
    let first = world.controller.snapshot(claim, "snapshot-1").await?;
    let second = world.controller.snapshot(claim, "snapshot-2").await?;
    Ok(blocks(world, action, [&first, &second]).await?)
}

/// The same of these snapshots.
async fn blocks(world: &World, action: &str, ids: [&str; 2]) -> Result<(), Status> {
    let [base, target] = ids.map(str::to_owned);
    let mut client = SnapshotMetadataClient::new(channel(&world.socket()).unwrap());
    if action == "ebs:ListSnapshotBlocks" {
        let request = GetMetadataAllocatedRequest {
            snapshot_id: target,
            ..GetMetadataAllocatedRequest::default()
        };
        return client.get_metadata_allocated(request).await.map(drop);
    }
    let request = GetMetadataDeltaRequest {
        base_snapshot_id: base,
        target_snapshot_id: target,
        ..GetMetadataDeltaRequest::default()
    };
    client.get_metadata_delta(request).await.map(drop)
}

async fn health(world: &World, claim: &Claim) -> Result<(), Status> {
    let volume_id = claim.id.clone();
    let request = ControllerGetVolumeHealthRequest {
        volume_id,
        ..Default::default()
    };
    world
        .controller
        .client()
        .controller_get_volume_health(request)
        .await
        .map(drop)
}

#[tokio::test]
async fn a_volume_and_its_snapshot_live_under_the_policy() {
    let world = world_under(&document(POLICY)).await;
    let (controller, node) = (&world.controller, world.node(0).unwrap());
    let claim = controller.create(&world.order("pvc-1")).await.unwrap();
    controller.attach(&claim, &node).await.unwrap();
    controller.expand(&claim, gib_or_more(2)).await.unwrap();
    let class = [
        ("tagSpecification_1", "tier=gold"),
        ("tagSpecification_2", "old=x"),
    ];
    modify(&world, &claim, &class).await.unwrap();
    modify(&world, &claim, &[("tagDeletion_1", "old")])
        .await
        .unwrap();
    let snapshot = controller.snapshot(&claim, "snapshot-1").await.unwrap();
    let restored = world.order("pvc-2").from_snapshot(&snapshot);
    let restored = controller.create(&restored).await.unwrap();
    let cloned = world.order("pvc-3").clone_of(&claim.id);
    let cloned = controller.create(&cloned).await.unwrap();
    looks(&world, &claim, &snapshot).await.unwrap();
    let later = controller.snapshot(&claim, "snapshot-2").await.unwrap();
    let both = [snapshot.as_str(), later.as_str()];
    blocks(&world, "ebs:ListChangedBlocks", both).await.unwrap();
    controller.delete_snapshot(&later).await.unwrap();
    let locked = with_class(&world, &claim).await.unwrap();
    assert_eq!(with_class(&world, &claim).await.unwrap(), locked);
    world.cloud.unlock_snapshot(&locked).await.unwrap();
    controller.delete_snapshot(&locked).await.unwrap();
    let of = [claim.clone()];
    let members = controller.group_snapshot(&of, "group-1").await.unwrap();
    let deleted = controller.delete_group_snapshot("group-1", &members);
    deleted.await.unwrap();
    controller.detach(&claim, &node).await.unwrap();
    controller.delete_snapshot(&snapshot).await.unwrap();
    for claim in [&claim, &restored, &cloned] {
        controller.delete(claim).await.unwrap();
    }
    assert_eq!((volumes(&world).await, snapshots(&world).await), (0, 0));
}

/// A snapshot whose class asks for fast restores and a lock.
async fn with_class(world: &World, claim: &Claim) -> Result<String, Status> {
    let class = [
        ("fastSnapshotRestoreAvailabilityZones", world.zone()),
        ("lockMode", "governance"),
        ("lockDuration", "1"),
    ];
    let request = CreateSnapshotRequest {
        source_volume_id: claim.id.clone(),
        name: "with-class".to_owned(),
        parameters: class
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..CreateSnapshotRequest::default()
    };
    let answer = world.controller.client().create_snapshot(request).await?;
    Ok(answer.into_inner().snapshot.unwrap().snapshot_id)
}

/// The same and again: then what there is is looked at before anything is asked for.
async fn twice_with_class(world: &World, claim: &Claim) -> Result<(), Status> {
    with_class(world, claim).await?;
    with_class(world, claim).await.map(drop)
}

/// What the driver answers to the call that takes this action.
async fn attempt(world: &World, action: &str) -> anyhow::Result<()> {
    let controller = world.controller.with(Patience::ONCE);
    let node = world.node(0).unwrap();
    if action == "ec2:DescribeAvailabilityZones" {
        return anywhere(world, &controller).await;
    }
    // An administrator made it, as far as the policy would not allow it.
    let claim = by_hand(world, &[("ebs.csi.aws.com/cluster", "true"), ("old", "x")]).await;
    let order = world.order("pvc-1");
    match action {
        "ec2:CreateVolume" | "ec2:CreateTags" => controller.create(&order).await.map(drop),
        "ec2:CopyVolumes" => controller
            .create(&order.clone_of(&claim.id))
            .await
            .map(drop),
        "ec2:DeleteVolume" => controller.delete(&claim).await,
        "ec2:AttachVolume" => controller.attach(&claim, &node).await.map(drop),
        "ec2:DetachVolume" => {
            controller.attach(&claim, &node).await?;
            controller.detach(&claim, &node).await
        }
        "ec2:ModifyVolume" | "ec2:DescribeVolumesModifications" => {
            controller.expand(&claim, gib_or_more(2)).await.map(drop)
        }
        "ec2:DeleteTags" => Ok(modify(world, &claim, &[("tagDeletion_1", "old")]).await?),
        "ebs:ListSnapshotBlocks" | "ebs:ListChangedBlocks" => of_two(world, action, &claim).await,
        of_snapshots if of_snapshots.contains("Snapshot") => {
            attempt_of_snapshots(world, claim, of_snapshots).await
        }
        "ec2:DescribeVolumes" => {
            let volume_id = claim.id.clone();
            let request = ControllerGetVolumeRequest { volume_id };
            controller.client().controller_get_volume(request).await?;
            Ok(())
        }
        "ec2:DescribeInstances" => {
            let elsewhere = world.node(1).unwrap();
            controller.attach(&claim, &elsewhere).await.map(drop)
        }
        "ec2:DescribeVolumeStatus" => Ok(health(world, &claim).await?),
        other => panic!("no call is known that takes {other}"),
    }
}

/// The same of an action on snapshots.
async fn attempt_of_snapshots(world: &World, claim: Claim, action: &str) -> anyhow::Result<()> {
    let controller = world.controller.with(Patience::ONCE);
    match action {
        "ec2:CreateSnapshot" | "ec2:DescribeSnapshots" => {
            controller.snapshot(&claim, "snapshot-1").await.map(drop)
        }
        "ec2:CreateSnapshots" => {
            let node = world.node(0).unwrap();
            controller.attach(&claim, &node).await?;
            controller
                .group_snapshot(&[claim], "group-1")
                .await
                .map(drop)
        }
        "ec2:DeleteSnapshot" => {
            let snapshot = controller.snapshot(&claim, "snapshot-1").await?;
            controller.delete_snapshot(&snapshot).await
        }
        _ => Ok(twice_with_class(world, &claim).await?),
    }
}

/// A volume that may be in any zone.
async fn anywhere(world: &World, controller: &Controller) -> anyhow::Result<()> {
    let request = CreateVolumeRequest {
        accessibility_requirements: None,
        ..world.order("anywhere").request()
    };
    controller.client().create_volume(request).await?;
    Ok(())
}

async fn by_hand(world: &World, tags: &[(&str, &str)]) -> Claim {
    let new = NewVolume {
        zone: world.zone(),
        gib: 1,
        kind: "gp3",
        snapshot: None,
        tags,
    };
    let id = world.cloud.create_volume(new).await.unwrap();
    // What is still being made is neither attached nor deleted.
    loop {
        let seen = world.cloud.volume(&id).await.unwrap();
        if seen.is_some_and(|seen| seen.state == "available") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    Claim {
        id,
        bytes: 1 << 30,
        usage: Use::Ext4,
        context: [].into(),
    }
}

#[tokio::test]
async fn each_action_that_is_left_out_is_named_by_the_call_that_takes_it() {
    let mut all = actions(&document(POLICY));
    // No call takes it: the leading controller asks for limits of new instance types, and says in its log what it is told.
    assert!(all.remove("ec2:DescribeInstanceTypes"));
    for action in all {
        let world = world_under(&without(&action)).await;
        let before = volumes(&world).await;
        let answer = attempt(&world, &action).await;
        let denied = code(&answer);
        let words = message(answer);
        // What a look before an answer was for is not known: not final.
        let looks = [
            "ec2:DescribeSnapshots",
            "ec2:DescribeFastSnapshotRestores",
            "ec2:DescribeLockedSnapshots",
        ];
        let in_doubt = looks.contains(&action.as_str()) && denied == Code::Unavailable;
        assert!(
            denied == Code::PermissionDenied || in_doubt,
            "{action}: {denied:?} {words}"
        );
        let refusal = match action.starts_with("ebs:") {
            true => "AccessDeniedException",
            false => "UnauthorizedOperation",
        };
        for part in [
            action.as_str(),
            refusal,
            "request id 00000000-",
            "decode-authorization-message",
        ] {
            assert!(words.contains(part), "{part} in {words}");
        }
        assert!(!words.contains("bm90aGluZyB0"), "{words}");
        if action == "ec2:CreateTags" {
            assert_eq!(
                volumes(&world).await,
                before + 1,
                "only the administrator's"
            );
        }
    }
}

#[tokio::test]
async fn only_what_carries_the_mark_is_deleted_or_tagged() {
    let world = world_under(&document(POLICY)).await;
    let controller = world.controller.with(Patience::ONCE);
    let claim = by_hand(&world, &[("kubernetes.io/created-for/pvc/name", "data")]).await;
    let node = world.node(0).unwrap();
    controller.attach(&claim, &node).await.unwrap();
    controller.detach(&claim, &node).await.unwrap();
    let tagged = modify(&world, &claim, &[("tagSpecification_1", "a=b")])
        .await
        .unwrap_err();
    assert_eq!(tagged.code(), Code::PermissionDenied);
    assert!(tagged.message().contains("ec2:CreateTags"), "{tagged:?}");
    let deleted = controller.delete(&claim).await;
    assert_eq!(code(&deleted), Code::PermissionDenied);
    assert!(message(deleted).contains(&format!("volume/{}", claim.id)));

    // With the part for volumes of the old in-tree driver it is deleted.
    let mut policy = document(POLICY);
    let more = document(IN_TREE)["Statement"].as_array().unwrap().clone();
    policy["Statement"].as_array_mut().unwrap().extend(more);
    let world = world_under(&policy).await;
    let claim = by_hand(&world, &[("kubernetes.io/created-for/pvc/name", "data")]).await;
    world
        .controller
        .with(Patience::ONCE)
        .delete(&claim)
        .await
        .unwrap();
    assert_eq!(volumes(&world).await, 0);
}

/// EC2 checks no key before it has accepted the volume: whether it is disabled, about to be deleted, of another account that shares it not, or
/// its policy denies the grant, looks the same.
#[rstest]
#[case::by_its_id("1234abcd-12ab-34cd-56ef-1234567890ab")]
#[case::by_its_arn(
    "arn:aws:kms:eu-central-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
)]
#[case::of_another_account("arn:aws:kms:eu-central-1:111122223333:key/shared-with-nobody")]
#[case::of_another_region("arn:aws:kms:us-east-1:000000000000:key/elsewhere")]
#[tokio::test]
async fn a_key_that_cannot_be_used_is_told_however_it_is_named(#[case] key: &'static str) {
    let world = world_with(|config| {
        config.denied_keys = [
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws:kms:eu-central-1:111122223333:key/shared-with-nobody",
        ]
        .map(str::to_owned)
        .to_vec();
        config.delays.create = Duration::from_secs(3);
    })
    .await;
    let mut order = world.order("pvc-1");
    order.parameters = vec![("kmsKeyId", key)];
    let once = world.controller.with(Patience::ONCE);
    let answer = once.create(&order).await;
    assert_eq!(code(&answer), Code::PermissionDenied, "{answer:?}");
    let words = message(answer);
    for part in [
        key,
        "kms:CreateGrant",
        "enabled",
        "in this region",
        "CloudTrail",
    ] {
        assert!(words.contains(part), "{part} in {words}");
    }
    assert_eq!(volumes(&world).await, 0);
}

#[tokio::test]
async fn a_key_that_may_not_be_used_is_named() {
    let world = world_with(|config| {
        config.denied_keys = vec!["alias/locked".to_owned()];
        // So that the driver sees it before it vanishes.
        config.delays.create = Duration::from_secs(3);
    })
    .await;
    let once = world.controller.with(Patience::ONCE);
    let mut order = world.order("pvc-1");
    order.parameters = vec![("kmsKeyId", "alias/locked")];
    let answer = once.create(&order).await;
    assert_eq!(code(&answer), Code::PermissionDenied, "{answer:?}");
    let words = message(answer);
    let document = document(KMS);
    for action in actions(&document) {
        assert!(words.contains(&action), "{action} in {words}");
    }
    for part in ["alias/locked", "vol-", "key's policy", "docs/IAM.md"] {
        assert!(words.contains(part), "{part} in {words}");
    }
    assert_eq!(volumes(&world).await, 0);
    order.parameters = vec![("kmsKeyId", "alias/open")];
    once.create(&order).await.unwrap();
    assert_eq!(volumes(&world).await, 1);
}
