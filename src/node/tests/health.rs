//! How a volume is, and the disks of EBS, in CSI's words.

use csi::v1::volume_health::VolumeHealthEntry;
use csi::v1::{StorageHealthErrorType, VolumeHealthErrorType};
use host::Trouble;

use super::*;

impl Lab {
    async fn health(&self, publish: &str, staging: &str) -> Result<Vec<VolumeHealthEntry>, Status> {
        let path = |name: &str| match name {
            "" => String::new(),
            name => self.path(name),
        };
        let request = Request::new(NodeGetVolumeHealthRequest {
            volume_id: VOLUME.to_owned(),
            volume_publish_path: path(publish),
            staging_target_path: path(staging),
        });
        let answer = self.node.node_get_volume_health(request).await?;
        let health = answer.into_inner().volume_health.unwrap();
        assert_eq!(health.volume_id, VOLUME);
        Ok(health.health_statuses)
    }

    async fn published() -> Self {
        let lab = Self::with(Disk::Blank);
        lab.stage(mount("ext4")).await.unwrap();
        lab.publish("pod", mount("ext4"), false).await.unwrap();
        lab
    }
}

fn reasons(entries: &[VolumeHealthEntry]) -> Vec<(VolumeHealthErrorType, &str)> {
    let reason = |entry: &VolumeHealthEntry| {
        assert!(!entry.message.is_empty());
        entry.status()
    };
    entries
        .iter()
        .map(|entry| (reason(entry), entry.reason.as_str()))
        .collect()
}

#[tokio::test]
async fn a_volume_is_healthy_wherever_one_looks() {
    let lab = Lab::published().await;
    for (publish, staging) in [("pod", "staging"), ("pod", ""), ("", "staging"), ("", "")] {
        assert_eq!(lab.health(publish, staging).await.unwrap(), []);
    }
}

#[tokio::test]
async fn trouble_is_told_once_though_two_places_show_it() {
    let lab = Lab::published().await;
    lab.host.harm(Trouble::ReadOnly);
    lab.host.harm(Trouble::Errors { count: 3 });
    let entries = lab.health("pod", "staging").await.unwrap();
    let expected = [
        (VolumeHealthErrorType::Inaccessible, "ReadOnlyAfterError"),
        (VolumeHealthErrorType::Degraded, "FilesystemErrors"),
    ];
    assert_eq!(reasons(&entries), expected);
    assert!(entries[1].message.contains("3 errors"), "{entries:?}");
}

#[tokio::test]
async fn a_device_that_has_gone_is_missed_with_and_without_a_place() {
    let lab = Lab::published().await;
    lab.host.unplug(VOLUME);
    let expected = [(VolumeHealthErrorType::Inaccessible, "DeviceGone")];
    for place in ["pod", ""] {
        let entries = lab.health(place, "").await.unwrap();
        assert_eq!(reasons(&entries), expected, "{place:?}");
    }
}

#[tokio::test]
async fn a_volume_that_is_not_at_its_places_is_not_found() {
    let lab = Lab::published().await;
    let refused = lab.health("elsewhere", "nowhere").await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    // One of them is enough.
    assert_eq!(lab.health("elsewhere", "staging").await.unwrap(), []);

    let nameless = Request::new(NodeGetVolumeHealthRequest::default());
    let refused = lab.node.node_get_volume_health(nameless).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn controllers_that_do_not_work_are_the_storages_trouble() {
    let lab = Lab::published().await;
    let ask = || Request::new(NodeGetStorageHealthRequest::default());
    let answer = lab.node.node_get_storage_health(ask()).await.unwrap();
    assert_eq!(answer.into_inner().backend_health, []);

    lab.host
        .unsettle("nvme1 (vol0123456789abcdef0) is resetting");
    let answer = lab.node.node_get_storage_health(ask()).await.unwrap();
    let [trouble] = &answer.into_inner().backend_health[..] else {
        panic!("one entry is expected");
    };
    assert_eq!(trouble.status(), StorageHealthErrorType::StorageDegraded);
    assert_eq!(trouble.reason, "ControllerNotLive");
    assert!(trouble.message.contains("nvme1"), "{trouble:?}");
}
