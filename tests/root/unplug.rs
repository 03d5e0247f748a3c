//! Devices that go while they are in use, and come back.

use std::fs::{self, File};

use lab::orchestrator::Use;
use lab::proof;
use rstest::rstest;
use tonic::Code;

use crate::hardware::Hardware;
use crate::world::{lab, mount_at, refusal};

#[rstest]
#[case(Use::Ext4)]
#[case(Use::Xfs)]
#[tokio::test]
async fn a_volume_pulled_out_under_its_mounts_is_put_away_and_used_again(#[case] usage: Use) {
    let Some(lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", usage).await;
    let written = proof::write_files(&target, "kept").unwrap();
    assert_eq!(lab.node.health(&claim, "pod").await.unwrap(), []);
    lab.world.cloud.pull_out(&claim.id).await.unwrap();
    Hardware::of(&lab).gone(&claim).await;

    let (code, words) = refusal(lab.once().stats(&claim, "pod").await);
    assert_eq!(code, Code::NotFound, "{words}");
    assert!(words.contains("has gone"), "{words}");
    let health = lab.node.health(&claim, "pod").await.unwrap();
    assert_eq!(health.len(), 1, "{health:?}");
    assert_eq!(health[0].reason, "DeviceGone");

    lab.node.unpublish(&claim, "pod").await.unwrap();
    lab.node.unpublish(&claim, "pod").await.unwrap();
    lab.node.unstage(&claim).await.unwrap();
    lab.node.unstage(&claim).await.unwrap();
    assert!(lab.mounts().is_empty());

    let target = lab.put_to_use(&claim).await;
    assert_eq!(proof::read_files(&target).unwrap(), written);
}

#[tokio::test]
async fn a_raw_device_pulled_out_is_put_away_and_used_again() {
    let Some(lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", Use::Block).await;
    let written = proof::write_device(&target, "kept").unwrap();
    lab.world.cloud.pull_out(&claim.id).await.unwrap();
    Hardware::of(&lab).gone(&claim).await;
    let (code, words) = refusal(
        lab.once()
            .publish(&claim, "other", &Default::default(), false)
            .await,
    );
    assert_eq!(code, Code::Unavailable, "{words}");

    lab.node.unpublish(&claim, "pod").await.unwrap();
    lab.node.unstage(&claim).await.unwrap();
    assert!(lab.mounts().is_empty());
    let target = lab.put_to_use(&claim).await;
    assert_eq!(proof::read_device(&target).unwrap(), written);
}

/// The kubelet need not know that the device was away: it stages again, over a mount that is dead.
#[tokio::test]
async fn a_dead_mount_makes_way_for_the_device_that_came_back_once_nobody_uses_it() {
    let Some(lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", Use::Ext4).await;
    let written = proof::write_files(&target, "kept").unwrap();
    lab.node.unpublish(&claim, "pod").await.unwrap();
    let staging = lab.node.staging_path(&claim);
    let before = mount_at(&staging).unwrap();
    // What the kernel has not written when the device goes is lost; here everything was.
    nix::unistd::syncfs(File::open(&staging).unwrap()).unwrap();

    lab.world.cloud.pull_out(&claim.id).await.unwrap();
    let hardware = Hardware::of(&lab);
    hardware.gone(&claim).await;
    let back = hardware.another_over_the_same(lab.world.dir());
    hardware.add(9, &claim, back.dev());

    let publish = lab
        .once()
        .publish(&claim, "pod", &Default::default(), false)
        .await;
    let (code, words) = refusal(publish);
    assert_eq!(code, Code::FailedPrecondition, "{words}");

    let user = File::open(&staging).unwrap();
    let (code, words) = refusal(lab.once().stage(&claim, &Default::default()).await);
    assert_eq!(code, Code::FailedPrecondition, "{words}");
    assert!(words.contains("still uses it"), "{words}");
    assert_eq!(mount_at(&staging).unwrap(), before);
    drop(user);

    lab.node.stage(&claim, &Default::default()).await.unwrap();
    assert_ne!(mount_at(&staging).unwrap().device, before.device);
    let target = lab
        .node
        .publish(&claim, "pod", &Default::default(), false)
        .await
        .unwrap();
    assert_eq!(proof::read_files(&target).unwrap(), written);
    lab.node.unpublish(&claim, "pod").await.unwrap();
    lab.node.unstage(&claim).await.unwrap();
    hardware.remove(9);
    assert!(!fs::exists(target).unwrap());
}
