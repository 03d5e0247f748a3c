//! File systems grow with their volumes.

use lab::orchestrator::{Claim, Use, gib_or_more};
use lab::proof;
use rstest::rstest;
use tonic::Code;

use crate::world::{Lab, lab, refusal};

const NEARLY_2_GIB: u64 = 1900 << 20;

/// Makes the volume 2 GiB large, in EC2 only: whether the node is to go on with it.
async fn enlarge(lab: &Lab, claim: &Claim) -> bool {
    let controller = &lab.world.controller;
    let (_, node_too) = controller.expand(claim, gib_or_more(2)).await.unwrap();
    node_too
}

#[rstest]
#[tokio::test]
async fn xfs_and_btrfs_grow_while_in_use(#[values(Use::Xfs, Use::Btrfs)] usage: Use) {
    let Some(lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", usage).await;
    let written = proof::write_files(&target, "kept").unwrap();
    enlarge(&lab, &claim).await;
    lab.node.expand(&claim, "pod", 2).await.unwrap();
    lab.node.expand(&claim, "pod", 2).await.unwrap();
    assert!(proof::filesystem_size(&target).unwrap() > NEARLY_2_GIB);
    assert_eq!(proof::read_files(&target).unwrap(), written);
}

/// A mounted ext4 grows where the process has CAP_SYS_RESOURCE. Elsewhere the driver names what it lacks, and the next stage
/// grows it: either is right, silence is not.
#[tokio::test]
async fn ext4_grows_at_once_or_at_the_next_stage() {
    let Some(lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", Use::Ext4).await;
    let written = proof::write_files(&target, "kept").unwrap();
    enlarge(&lab, &claim).await;
    let answer = lab.once().expand(&claim, "pod", 2).await;
    if answer.is_err() {
        let (code, words) = refusal(answer);
        assert_eq!(code, Code::FailedPrecondition, "{words}");
        assert!(words.contains("CAP_SYS_RESOURCE"), "{words}");
        println!("no CAP_SYS_RESOURCE here: grown at the next stage");
        lab.put_away(&claim).await;
        lab.put_to_use(&claim).await;
        lab.node.expand(&claim, "pod", 2).await.unwrap();
    }
    assert!(proof::filesystem_size(&target).unwrap() > NEARLY_2_GIB);
    assert_eq!(proof::read_files(&target).unwrap(), written);
}

#[tokio::test]
async fn a_volume_restored_larger_than_its_snapshot_is_grown_when_staged() {
    let Some(lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", Use::Ext4).await;
    let written = proof::write_files(&target, "kept").unwrap();
    let restored = lab.copy_of(&claim, |order| order.gib = 2).await;
    let target = lab.put_to_use(&restored).await;
    assert!(proof::filesystem_size(&target).unwrap() > NEARLY_2_GIB);
    assert_eq!(proof::read_files(&target).unwrap(), written);
}

#[tokio::test]
async fn a_block_volume_in_use_shows_its_new_size() {
    let Some(lab) = lab().await else { return };
    let (claim, _) = lab.in_use("pvc-1", Use::Block).await;
    let node_too = enlarge(&lab, &claim).await;
    assert!(!node_too, "a raw device needs nothing from the node");
    let usage = lab.node.stats(&claim, "pod").await.unwrap();
    assert_eq!(usage[0].total, 2 << 30);
}
