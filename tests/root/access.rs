//! Mount options and access modes.

use csi::v1::volume_capability::access_mode::Mode;
use csi::v1::volume_capability::{AccessMode, AccessType};
use csi::v1::{NodePublishVolumeRequest, NodeStageVolumeRequest};
use ebs_types::READ_ONLY_KEY;
use lab::orchestrator::{Use, gib_or_more};
use tonic::Code;

use crate::world::{lab, mount_at, refusal, stage_at};

#[tokio::test]
async fn mount_options_reach_the_mount() {
    let Some(lab) = lab().await else { return };
    let (claim, context) = lab.attached("pvc-1", Use::Ext4).await;
    let mut capability = Use::Ext4.capability();
    if let Some(AccessType::Mount(mount)) = &mut capability.access_type {
        mount.mount_flags = vec!["noatime".to_owned(), "nosuid".to_owned()];
    }
    let staging = lab.node.staging_path(&claim);
    std::fs::create_dir_all(&staging).unwrap();
    let request = NodeStageVolumeRequest {
        volume_capability: Some(capability),
        ..stage_at(&staging, &claim, context)
    };
    lab.node.client().node_stage_volume(request).await.unwrap();
    let mount = mount_at(&staging).unwrap();
    for option in ["noatime", "nosuid"] {
        assert!(mount.options.split(',').any(|one| one == option), "{mount}");
    }
}

#[tokio::test]
async fn a_reader_of_one_node_cannot_write() {
    let Some(lab) = lab().await else { return };
    let (claim, context) = lab.attached("pvc-1", Use::Ext4).await;
    lab.node.stage(&claim, &context).await.unwrap();
    let mut capability = Use::Ext4.capability();
    capability.access_mode = Some(AccessMode {
        mode: Mode::SingleNodeReaderOnly.into(),
    });
    let target = lab.node.target_path(&claim, "reader");
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    let request = NodePublishVolumeRequest {
        volume_id: claim.id.clone(),
        publish_context: context,
        staging_target_path: lab.node.staging_path(&claim).display().to_string(),
        target_path: target.display().to_string(),
        volume_capability: Some(capability),
        ..NodePublishVolumeRequest::default()
    };
    lab.node
        .client()
        .node_publish_volume(request)
        .await
        .unwrap();
    let mount = mount_at(&target).unwrap();
    assert!(mount.options.split(',').any(|one| one == "ro"), "{mount}");
}

/// The capability of a claim, for one node that only reads.
fn reading(usage: Use) -> csi::v1::VolumeCapability {
    csi::v1::VolumeCapability {
        access_mode: Some(AccessMode {
            mode: Mode::SingleNodeReaderOnly.into(),
        }),
        ..usage.capability()
    }
}

#[tokio::test]
async fn a_volume_staged_for_reading_is_not_written_and_not_taken_for_another() {
    let Some(lab) = lab().await else { return };
    let (claim, context) = lab.attached("pvc-1", Use::Ext4).await;
    let staging = lab.node.staging_path(&claim);
    std::fs::create_dir_all(&staging).unwrap();
    let request = || NodeStageVolumeRequest {
        volume_capability: Some(reading(Use::Ext4)),
        ..stage_at(&staging, &claim, context.clone())
    };
    let stage = async || lab.node.client().node_stage_volume(request()).await;
    let status = stage().await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert!(
        status
            .message()
            .contains("is empty and was asked for read-only"),
        "{status:?}"
    );

    lab.node.stage(&claim, &context).await.unwrap();
    let status = stage().await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");
    lab.node.unstage(&claim).await.unwrap();

    for _ in 0..2 {
        stage().await.unwrap();
    }
    let mount = mount_at(&staging).unwrap();
    assert!(mount.options.split(',').any(|one| one == "ro"), "{mount}");
    let writer = lab.once().stage(&claim, &context).await;
    let (code, words) = refusal(writer);
    assert_eq!(code, Code::AlreadyExists, "{words}");
    let target = lab
        .node
        .publish(&claim, "pod", &context, false)
        .await
        .unwrap();
    assert!(std::fs::write(target.join("file"), "no").is_err());
    lab.put_away(&claim).await;
}

/// What ControllerPublishVolume answered to `readonly` is enough, whatever the capability says.
#[tokio::test]
async fn a_volume_that_the_controller_published_read_only_is_not_written() {
    let Some(lab) = lab().await else { return };
    let (claim, context) = lab.attached("pvc-1", Use::Xfs).await;
    let mut read_only = context.clone();
    read_only.insert(READ_ONLY_KEY.to_owned(), "true".to_owned());
    let (code, words) = refusal(lab.once().stage(&claim, &read_only).await);
    assert_eq!(code, Code::FailedPrecondition, "{words}");
    assert!(words.contains("is empty"), "{words}");
    lab.node.stage(&claim, &context).await.unwrap();
    let (code, words) = refusal(lab.once().stage(&claim, &read_only).await);
    assert_eq!(code, Code::AlreadyExists, "{words}");
    lab.node.unstage(&claim).await.unwrap();

    lab.node.stage(&claim, &read_only).await.unwrap();
    let publish = lab.node.publish(&claim, "pod", &read_only, false);
    let target = publish.await.unwrap();
    assert!(std::fs::write(target.join("file"), "no").is_err());
    // Its file system stays as it is while it is read.
    let controller = &lab.world.controller;
    controller.expand(&claim, gib_or_more(2)).await.unwrap();
    let (code, words) = refusal(lab.once().expand(&claim, "pod", 2).await);
    assert_eq!(code, Code::FailedPrecondition, "{words}");
    assert!(words.contains("is read-only"), "{words}");
    lab.put_away(&claim).await;
}

#[tokio::test]
async fn a_mount_option_that_would_break_the_node_is_refused_by_name() {
    let Some(lab) = lab().await else { return };
    let (claim, context) = lab.attached("pvc-1", Use::Ext4).await;
    let staging = lab.node.staging_path(&claim);
    for option in ["errors=panic", "source=/dev/null", "loop"] {
        let mut capability = Use::Ext4.capability();
        if let Some(AccessType::Mount(mount)) = &mut capability.access_type {
            mount.mount_flags = vec![option.to_owned()];
        }
        let request = NodeStageVolumeRequest {
            volume_capability: Some(capability),
            ..stage_at(&staging, &claim, context.clone())
        };
        let status = lab
            .node
            .client()
            .node_stage_volume(request)
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().contains(option), "{status:?}");
    }
    assert!(lab.mounts().is_empty());
}
