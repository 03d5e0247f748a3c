//! Files outlive processes, instances and EC2 itself.

use lab::orchestrator::Use;
use lab::proof;
use rstest::rstest;

use crate::world::lab;

#[rstest]
#[tokio::test]
async fn a_killed_node_plugin_finds_everything_again(#[values(Use::Ext4, Use::Xfs)] usage: Use) {
    let Some(mut lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", usage).await;
    let written = proof::write_files(&target, "kept").unwrap();
    lab.world.kill_node(&lab.node).await.unwrap();
    assert_eq!(proof::read_files(&target).unwrap(), written);
    let mounts = lab.mounts();

    lab.world.start_node_again(&lab.node).await.unwrap();
    lab.put_to_use(&claim).await;
    assert_eq!(lab.mounts(), mounts, "nothing is mounted twice");
    lab.put_away(&claim).await;
    assert!(lab.mounts().is_empty());
}

#[tokio::test]
async fn a_volume_moves_to_another_instance() {
    let Some(mut lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", Use::Ext4).await;
    let written = proof::write_files(&target, "moved").unwrap();
    lab.put_away(&claim).await;

    let other = lab.world.start_node(1, |_| {}).await.unwrap();
    let target = lab.put_to_use_on(&other, &claim).await;
    assert_eq!(proof::read_files(&target).unwrap(), written);
    lab.put_away_from(&other, &claim).await;
    lab.world.controller.delete(&claim).await.unwrap();
}

#[tokio::test]
async fn a_volume_that_is_mounted_is_not_torn_away() {
    let Some(lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", Use::Ext4).await;
    let written = proof::write_files(&target, "kept").unwrap();
    let hasty = lab.world.controller.with(lab::socket::Patience::within(
        std::time::Duration::from_secs(1),
    ));
    hasty.detach(&claim, &lab.node).await.unwrap_err();
    assert_eq!(proof::read_files(&target).unwrap(), written);
    proof::write_files(&target, "more").unwrap();

    // As soon as it is unmounted EC2 lets go.
    lab.put_away(&claim).await;
    let seen = lab.world.cloud.volume(&claim.id).await.unwrap().unwrap();
    assert_eq!(seen.state, "available");
}

#[tokio::test]
async fn ec2_going_away_and_coming_back_takes_nothing_from_a_pod() {
    let Some(mut lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", Use::Ext4).await;
    let written = proof::write_files(&target, "kept").unwrap();
    lab.put_away(&claim).await;
    lab.world.stop_cloud().await;
    lab.world.start_cloud().await.unwrap();
    let target = lab.put_to_use(&claim).await;
    assert_eq!(proof::read_files(&target).unwrap(), written);
}
