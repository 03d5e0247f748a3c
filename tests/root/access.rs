//! Mount options and access modes.

use csi::v1::volume_capability::access_mode::Mode;
use csi::v1::volume_capability::{AccessMode, AccessType};
use csi::v1::{NodePublishVolumeRequest, NodeStageVolumeRequest};
use lab::orchestrator::Use;

use crate::world::{lab, mount_at, stage_at};

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
