//! What pods see.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use csi::v1::NodePublishVolumeRequest;
use csi::v1::volume_capability::AccessMode;
use csi::v1::volume_capability::access_mode::Mode;
use lab::orchestrator::Use;
use lab::proof;
use nix::mount::MsFlags;
use rstest::rstest;
use tonic::Code;

use crate::world::{lab, mount_at, refusal};

#[tokio::test]
async fn two_pods_see_the_same_files_and_leave_one_by_one() {
    let Some(lab) = lab().await else { return };
    let (claim, first) = lab.in_use("pvc-1", Use::Ext4).await;
    let second = lab
        .node
        .publish(&claim, "other", &Default::default(), false)
        .await
        .unwrap();
    let written = proof::write_files(&first, "shared").unwrap();
    assert_eq!(proof::read_files(&second).unwrap(), written);

    lab.node.unpublish(&claim, "pod").await.unwrap();
    assert!(!first.exists());
    assert_eq!(proof::read_files(&second).unwrap(), written);
    lab.node.unpublish(&claim, "other").await.unwrap();
    lab.node.unpublish(&claim, "other").await.unwrap();
    assert_eq!(lab.mounts().len(), 1, "only the staging mount");
}

#[tokio::test]
async fn a_read_only_pod_cannot_write() {
    let Some(lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", Use::Ext4).await;
    let written = proof::write_files(&target, "written").unwrap();
    let reader = lab
        .node
        .publish(&claim, "reader", &Default::default(), true)
        .await
        .unwrap();
    assert_eq!(proof::read_files(&reader).unwrap(), written);
    let error = fs::write(reader.join("no"), "no").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    // The other pod still can.
    fs::write(target.join("yes"), "yes").unwrap();
    let mount = mount_at(&reader).unwrap();
    assert!(
        mount.options.split(',').any(|option| option == "ro"),
        "{mount}"
    );
}

#[tokio::test]
async fn a_reading_pod_does_not_become_a_writing_one() {
    let Some(lab) = lab().await else { return };
    let (claim, context) = lab.attached("pvc-1", Use::Ext4).await;
    lab.node.stage(&claim, &context).await.unwrap();
    lab.node
        .publish(&claim, "pod", &context, true)
        .await
        .unwrap();
    lab.node
        .publish(&claim, "pod", &context, true)
        .await
        .unwrap();
    let (code, words) = refusal(lab.once().publish(&claim, "pod", &context, false).await);
    assert_eq!(code, Code::AlreadyExists, "{words}");
}

#[tokio::test]
async fn a_target_that_is_a_file_is_left_alone() {
    let Some(lab) = lab().await else { return };
    let (claim, context) = lab.attached("pvc-1", Use::Ext4).await;
    lab.node.stage(&claim, &context).await.unwrap();
    let target = lab.node.target_path(&claim, "pod");
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::write(&target, "precious").unwrap();
    let (code, words) = refusal(lab.once().publish(&claim, "pod", &context, false).await);
    assert_eq!(code, Code::FailedPrecondition, "{words}");
    assert!(words.contains("is a file"), "{words}");
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
}

#[tokio::test]
async fn what_was_not_staged_is_not_published() {
    let Some(lab) = lab().await else { return };
    let (claim, context) = lab.attached("pvc-1", Use::Ext4).await;
    let (code, words) = refusal(lab.once().publish(&claim, "pod", &context, false).await);
    assert_eq!(code, Code::FailedPrecondition, "{words}");
    assert!(lab.mounts().is_empty());
}

#[tokio::test]
async fn a_block_volume_is_a_device_whose_bytes_stay() {
    let Some(lab) = lab().await else { return };
    let (claim, device) = lab.in_use("pvc-1", Use::Block).await;
    assert!(fs::metadata(&device).unwrap().file_type().is_block_device());
    let written = proof::write_device(&device, "raw").unwrap();
    let again = lab
        .node
        .publish(&claim, "pod", &Default::default(), false)
        .await
        .unwrap();
    assert_eq!(again, device);
    assert_eq!(lab.mounts().len(), 1);
    lab.put_away(&claim).await;
    assert!(!device.exists());
    assert!(lab.mounts().is_empty());

    let device = lab.put_to_use(&claim).await;
    assert_eq!(proof::read_device(&device).unwrap(), written);
}

#[tokio::test]
async fn stats_are_those_of_the_file_system_or_the_device() {
    let Some(lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", Use::Ext4).await;
    proof::write_files(&target, "some").unwrap();
    let usage = lab.node.stats(&claim, "pod").await.unwrap();
    assert_eq!(usage.len(), 2, "bytes and inodes: {usage:?}");
    let size = i64::try_from(proof::filesystem_size(&target).unwrap()).unwrap();
    assert_eq!(usage[0].total, size);
    assert!(usage[0].used >= i64::try_from(proof::BYTES).unwrap());

    let (raw, _) = lab.in_use("pvc-2", Use::Block).await;
    let usage = lab.node.stats(&raw, "pod").await.unwrap();
    assert_eq!(usage[0].total, 1 << 30);

    lab.node.unpublish(&claim, "pod").await.unwrap();
    let (code, words) = refusal(lab.node.stats(&claim, "pod").await);
    assert_eq!(code, Code::NotFound, "{words}");
}

/// A pod that fills its volume gets ENOSPC from the kernel; the driver goes on working.
#[tokio::test]
async fn a_full_disk_is_the_pods_matter_alone() {
    let Some(lab) = lab().await else { return };
    let (claim, target) = lab.in_use("pvc-1", Use::Ext4).await;
    let free = nix::sys::statvfs::statvfs(&target).unwrap();
    let free = free.blocks_available() * free.fragment_size();
    let full = fs::File::create(target.join("full")).unwrap();
    let length = i64::try_from(free + (64 << 20)).unwrap();
    let answer = nix::fcntl::posix_fallocate(&full, 0, length);
    assert_eq!(answer, Err(nix::errno::Errno::ENOSPC));
    drop(full);
    let usage = lab.node.stats(&claim, "pod").await.unwrap();
    assert!(usage[0].available < 64 << 20, "{usage:?}");
    lab.put_away(&claim).await;
    let context = lab.attach(&claim).await;
    lab.node.stage(&claim, &context).await.unwrap();
}

/// A bind as the kubelet makes them of what is published.
fn bind(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
    } else {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, "").unwrap();
    }
    nix::mount::mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
}

/// The kubelet shows a pod's subPaths, and each raw device, at further places of its own; after its restart it publishes again.
#[rstest]
#[case(Use::Ext4)]
#[case(Use::Btrfs)]
#[case(Use::Block)]
#[tokio::test]
async fn a_volume_for_one_pod_is_published_again_for_that_pod_alone(#[case] usage: Use) {
    let Some(lab) = lab().await else { return };
    let (claim, context) = lab.attached("pvc-1", usage).await;
    lab.node.stage(&claim, &context).await.unwrap();
    let mut capability = usage.capability();
    capability.access_mode = Some(AccessMode {
        mode: Mode::SingleNodeSingleWriter.into(),
    });
    let publish = async |pod: &str| {
        let target = lab.node.target_path(&claim, pod);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let request = NodePublishVolumeRequest {
            volume_id: claim.id.clone(),
            publish_context: context.clone(),
            staging_target_path: lab.node.staging_path(&claim).display().to_string(),
            target_path: target.display().to_string(),
            volume_capability: Some(capability.clone()),
            ..NodePublishVolumeRequest::default()
        };
        lab.node.client().node_publish_volume(request).await
    };
    publish("pod").await.unwrap();
    let target = lab.node.target_path(&claim, "pod");
    let kubelets = match usage {
        Use::Block => target.ancestors().nth(3).unwrap().join("pv/dev/pod"),
        _ => target
            .ancestors()
            .nth(4)
            .unwrap()
            .join("volume-subpaths/pv/app/0"),
    };
    bind(&target, &kubelets);
    publish("pod").await.unwrap();
    let status = publish("other").await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    nix::mount::umount(&kubelets).unwrap();
}
