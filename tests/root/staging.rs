//! Staging in odd orders and onto odd paths.

use std::fs;
use std::path::PathBuf;

use lab::orchestrator::{Claim, Use};
use lab::program::Program;
use lab::proof;
use tonic::Code;

use crate::world::{lab, lab_with, mount_at, refusal, stage_at};

#[tokio::test]
async fn twice_is_once() {
    let Some(lab) = lab().await else { return };
    let (claim, context) = lab.attached("pvc-1", Use::Ext4).await;
    lab.node.stage(&claim, &context).await.unwrap();
    lab.node.stage(&claim, &context).await.unwrap();
    assert_eq!(lab.mounts().len(), 1);
    lab.node.unstage(&claim).await.unwrap();
    lab.node.unstage(&claim).await.unwrap();
    assert!(lab.mounts().is_empty());
}

#[tokio::test]
async fn at_once_is_once_too() {
    let Some(lab) = lab().await else { return };
    let (claim, context) = lab.attached("pvc-1", Use::Ext4).await;
    let stage = || lab.node.stage(&claim, &context);
    let (a, b, c) = tokio::join!(stage(), stage(), stage());
    for answer in [a, b, c] {
        answer.unwrap();
    }
    assert_eq!(lab.mounts().len(), 1);
}

#[tokio::test]
async fn a_path_with_another_volume_on_it_is_taken() {
    let Some(lab) = lab().await else { return };
    let (first, context) = lab.attached("pvc-1", Use::Ext4).await;
    lab.node.stage(&first, &context).await.unwrap();

    let (second, context) = lab.attached("pvc-2", Use::Ext4).await;
    // As if kubelet had mixed up two volumes: the second one at the first one's path.
    let request = stage_at(&lab.node.staging_path(&first), &second, context);
    let answer = lab.node.client().node_stage_volume(request).await;
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");
    assert_eq!(lab.mounts().len(), 1);
    let mount = mount_at(&lab.node.staging_path(&first)).unwrap();
    assert_eq!(mount, lab.mounts()[0]);
}

#[tokio::test]
async fn a_device_that_is_not_there_is_missed_in_words() {
    let hasty = |program: &mut Program| {
        program.option("--device-timeout", "300ms");
    };
    let Some(lab) = lab_with(hasty).await else {
        return;
    };
    // Another volume is there, and must not be mistaken for the one that isn't.
    let (present, context) = lab.attached("pvc-1", Use::Ext4).await;
    let absent = lab
        .world
        .controller
        .create(&lab.world.order("pvc-2"))
        .await
        .unwrap();
    let (code, words) = refusal(lab.once().stage(&absent, &context).await);
    assert_eq!(code, Code::Unavailable, "{words}");
    let serial = |claim: &Claim| claim.id.replace('-', "");
    let named = |claim: &Claim| words.contains(&claim.id) || words.contains(&serial(claim));
    assert!(named(&absent), "what was looked for: {words}");
    assert!(named(&present), "what was there: {words}");
    assert!(lab.mounts().is_empty());
}

/// The publish context names the device as it was once; the volume's identity decides.
#[tokio::test]
async fn a_wrong_device_name_misleads_nobody() {
    let Some(lab) = lab().await else { return };
    let (first, first_context) = lab.attached("pvc-1", Use::Ext4).await;
    let (second, second_context) = lab.attached("pvc-2", Use::Ext4).await;
    lab.node.stage(&first, &second_context).await.unwrap();
    lab.node.stage(&second, &first_context).await.unwrap();
    let target = lab
        .node
        .publish(&first, "pod", &second_context, false)
        .await
        .unwrap();
    let written = proof::write_files(&target, "first").unwrap();
    lab.put_away(&first).await;
    lab.node.unstage(&second).await.unwrap();

    let target = lab.put_to_use(&first).await;
    assert_eq!(proof::read_files(&target).unwrap(), written);
}

#[tokio::test]
async fn a_file_system_that_was_not_unmounted_is_checked_and_mounted() {
    let Some(lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", Use::Ext4).await;
    let written = proof::write_files(&target, "before").unwrap();
    // A snapshot of a volume in use is what a power cut would leave.
    let restored = lab.copy_of(&claim, |_| {}).await;
    let target = lab.put_to_use(&restored).await;
    assert_eq!(proof::read_files(&target).unwrap(), written);
}

/// xfs refuses to mount two file systems of one UUID unless told otherwise; a restored volume has its source's.
#[tokio::test]
async fn a_restored_xfs_is_mounted_beside_its_source() {
    let Some(lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", Use::Xfs).await;
    let written = proof::write_files(&target, "both").unwrap();
    let restored = lab.copy_of(&claim, |_| {}).await;
    let target = lab.put_to_use(&restored).await;
    assert_eq!(proof::read_files(&target).unwrap(), written);
}

#[tokio::test]
async fn a_staging_path_that_is_a_file_is_refused() {
    let Some(lab) = lab().await else { return };
    let (claim, context) = lab.attached("pvc-1", Use::Ext4).await;
    let path: PathBuf = lab.world.dir().join("file");
    fs::write(&path, "precious").unwrap();
    let request = stage_at(&path, &claim, context);
    let answer = lab.node.client().node_stage_volume(request).await;
    let status = answer.unwrap_err();
    assert!(
        matches!(
            status.code(),
            Code::AlreadyExists | Code::FailedPrecondition | Code::InvalidArgument
        ),
        "{status:?}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    assert!(lab.mounts().is_empty());
}
