//! The RPCs over a fake kernel: codes, repetition, exclusion, and what is never done.

mod health;

use std::path::Path;

use csi::v1::volume_capability::access_mode::Mode;
use csi::v1::volume_capability::{AccessMode, AccessType, BlockVolume, MountVolume};
use csi::v1::volume_usage::Unit;
use csi::v1::{CapacityRange, VolumeCapability};
use ebs_types::{FsType, SOURCE_SNAPSHOT_KEY};
use rstest::rstest;
use tokio::sync::Notify;
use tonic::Code;

mod formatting;

use super::testing::{Disk, FakeHost};
use super::*;
use crate::metadata::NodeIdentity;

const VOLUME: &str = "vol-0123456789abcdef0";
const OTHER: &str = "vol-0fedcba9876543210";

/// A node with a directory for its targets.
struct Lab {
    host: Arc<FakeHost>,
    node: NodeService,
    directory: tempfile::TempDir,
}

impl Lab {
    fn new(host: FakeHost) -> Self {
        let host = Arc::new(host);
        let identity = NodeIdentity {
            instance: "i-0123456789abcdef0".parse().unwrap(),
            zone: "eu-central-1b".parse().unwrap(),
            outpost: None,
            max_volumes: 26,
        };
        let settings = Settings {
            device_timeout: Duration::from_millis(1),
            node_local_volumes: false,
        };
        let kernel: Arc<dyn Host> = host.clone();
        Self {
            node: NodeService::new(kernel, Arc::new(Metadata::known(identity)), settings),
            host,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn with(disk: Disk) -> Self {
        let lab = Self::new(FakeHost::default());
        lab.host.plug(VOLUME, 1, disk);
        lab
    }

    fn path(&self, name: &str) -> String {
        self.directory
            .path()
            .join(name)
            .to_str()
            .unwrap()
            .to_owned()
    }

    fn stage_request(&self, capability: VolumeCapability) -> NodeStageVolumeRequest {
        NodeStageVolumeRequest {
            volume_id: VOLUME.to_owned(),
            staging_target_path: self.path("staging"),
            volume_capability: Some(capability),
            ..NodeStageVolumeRequest::default()
        }
    }

    async fn stage(&self, capability: VolumeCapability) -> Result<(), Status> {
        let request = Request::new(self.stage_request(capability));
        self.node.node_stage_volume(request).await.map(drop)
    }

    async fn publish(
        &self,
        target: &str,
        capability: VolumeCapability,
        readonly: bool,
    ) -> Result<(), Status> {
        let request = NodePublishVolumeRequest {
            volume_id: VOLUME.to_owned(),
            staging_target_path: self.path("staging"),
            target_path: self.path(target),
            volume_capability: Some(capability),
            readonly,
            ..NodePublishVolumeRequest::default()
        };
        let request = Request::new(request);
        self.node.node_publish_volume(request).await.map(drop)
    }

    async fn unpublish(&self, target: &str) -> Result<(), Status> {
        let request = Request::new(NodeUnpublishVolumeRequest {
            volume_id: VOLUME.to_owned(),
            target_path: self.path(target),
        });
        self.node.node_unpublish_volume(request).await.map(drop)
    }

    async fn unstage(&self) -> Result<(), Status> {
        let request = Request::new(NodeUnstageVolumeRequest {
            volume_id: VOLUME.to_owned(),
            staging_target_path: self.path("staging"),
        });
        self.node.node_unstage_volume(request).await.map(drop)
    }

    async fn expand(&self, path: String) -> Result<i64, Status> {
        let request = Request::new(NodeExpandVolumeRequest {
            volume_id: VOLUME.to_owned(),
            volume_path: path,
            ..NodeExpandVolumeRequest::default()
        });
        let answer = self.node.node_expand_volume(request).await?;
        Ok(answer.into_inner().capacity_bytes)
    }

    async fn stats(&self, volume: &str, path: String) -> Result<Vec<Unit>, Status> {
        let request = Request::new(NodeGetVolumeStatsRequest {
            volume_id: volume.to_owned(),
            volume_path: path,
            ..NodeGetVolumeStatsRequest::default()
        });
        let answer = self.node.node_get_volume_stats(request).await?.into_inner();
        Ok(answer
            .usage
            .iter()
            .map(csi::v1::VolumeUsage::unit)
            .collect())
    }
}

fn capability(access: AccessType, mode: Mode) -> VolumeCapability {
    VolumeCapability {
        access_type: Some(access),
        access_mode: Some(AccessMode { mode: mode.into() }),
    }
}

fn mount(fs_type: &str) -> VolumeCapability {
    mount_for(fs_type, Mode::SingleNodeWriter)
}

fn mount_for(fs_type: &str, mode: Mode) -> VolumeCapability {
    let mount = MountVolume {
        fs_type: fs_type.to_owned(),
        ..MountVolume::default()
    };
    capability(AccessType::Mount(mount), mode)
}

fn block() -> VolumeCapability {
    capability(AccessType::Block(BlockVolume {}), Mode::SingleNodeWriter)
}

fn code<T: std::fmt::Debug>(result: Result<T, Status>) -> Code {
    result.unwrap_err().code()
}

#[rstest]
#[case("", FsType::Ext4)]
#[case("xfs", FsType::Xfs)]
#[tokio::test]
async fn a_blank_volume_is_formatted_once(#[case] asked: &str, #[case] fs: FsType) {
    let lab = Lab::with(Disk::Blank);
    lab.stage(mount(asked)).await.unwrap();
    assert_eq!(
        lab.host.writes(),
        [format!("format {fs}"), format!("mount {fs}")]
    );
    lab.stage(mount(asked)).await.unwrap();
    lab.unstage().await.unwrap();
    lab.unstage().await.unwrap();
    lab.stage(mount(asked)).await.unwrap();
    let formats = lab
        .host
        .writes()
        .iter()
        .filter(|did| did.starts_with("format"))
        .count();
    assert_eq!(formats, 1);
}

#[tokio::test]
async fn what_is_there_is_checked_grown_and_mounted() {
    let lab = Lab::with(Disk::Holds(FsType::Xfs));
    lab.stage(mount("xfs")).await.unwrap();
    let steps = [
        "check xfs",
        "grow xfs unmounted",
        "mount xfs",
        "grow xfs mounted",
    ];
    assert_eq!(lab.host.writes(), steps);
}

#[tokio::test]
async fn what_is_still_published_is_staged_again_without_a_check() {
    let lab = Lab::with(Disk::Holds(FsType::Ext4));
    lab.stage(mount("ext4")).await.unwrap();
    lab.publish("a", mount("ext4"), false).await.unwrap();
    lab.unstage().await.unwrap();
    let before = lab.host.writes().len();
    lab.stage(mount("ext4")).await.unwrap();
    assert_eq!(
        lab.host.writes()[before..],
        ["mount ext4", "grow ext4 mounted"]
    );
}

#[rstest]
#[case(Disk::Holds(FsType::Xfs), "an xfs file system")]
#[case(Disk::Other("LVM2_member (raid)"), "LVM2_member")]
#[tokio::test]
async fn what_is_not_blank_is_never_formatted(#[case] disk: Disk, #[case] named: &str) {
    let lab = Lab::with(disk);
    let refused = lab.stage(mount("ext4")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains(named), "{refused}");
    assert_eq!(lab.host.writes(), [""; 0]);
}

#[tokio::test]
async fn a_volume_from_a_snapshot_is_never_formatted() {
    let lab = Lab::with(Disk::Blank);
    let mut request = lab.stage_request(mount("ext4"));
    request.volume_context = [(SOURCE_SNAPSHOT_KEY.to_owned(), "snap-1".to_owned())].into();
    let refused = lab
        .node
        .node_stage_volume(Request::new(request))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("snap-1"), "{refused}");
    assert_eq!(lab.host.writes(), [""; 0]);
}

#[tokio::test]
async fn nothing_is_mounted_over() {
    let lab = Lab::with(Disk::Holds(FsType::Ext4));
    lab.stage(mount("ext4")).await.unwrap();
    lab.host.plug(OTHER, 2, Disk::Holds(FsType::Ext4));
    let mut request = lab.stage_request(mount("ext4"));
    request.volume_id = OTHER.to_owned();
    let refused = lab
        .node
        .node_stage_volume(Request::new(request))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert!(refused.message().contains("259:1"), "{refused}");
}

#[tokio::test]
async fn a_staging_path_that_is_a_file_is_told() {
    let lab = Lab::with(Disk::Blank);
    std::fs::write(lab.path("staging"), "").unwrap();
    let refused = lab.stage(mount("ext4")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("is a file"), "{refused}");
    assert_eq!(lab.host.writes(), [""; 0]);
}

#[tokio::test]
async fn a_device_that_is_not_there_yet_is_unavailable() {
    let lab = Lab::new(FakeHost::default());
    assert_eq!(code(lab.stage(mount("ext4")).await), Code::Unavailable);
    let published = lab.publish("a", block(), false).await;
    assert_eq!(code(published), Code::Unavailable);
}

#[tokio::test]
async fn a_second_stage_is_put_off_while_the_first_formats() {
    let hold = Arc::new(Notify::new());
    let lab = Lab::new(FakeHost::holding(Arc::clone(&hold)));
    lab.host.plug(VOLUME, 1, Disk::Blank);
    let second = async {
        lab.host.formatting.notified().await;
        let refused = lab.stage(mount("ext4")).await;
        let unstage = lab.unstage().await;
        hold.notify_one();
        (code(refused), code(unstage))
    };
    let (first, second) = tokio::join!(lab.stage(mount("ext4")), second);
    first.unwrap();
    assert_eq!(second, (Code::Aborted, Code::Aborted));
}

#[tokio::test]
async fn a_call_that_was_given_up_goes_on_and_keeps_its_volume() {
    let hold = Arc::new(Notify::new());
    let lab = Lab::new(FakeHost::holding(Arc::clone(&hold)));
    lab.host.plug(VOLUME, 1, Disk::Blank);
    tokio::select! {
        answer = lab.stage(mount("ext4")) => panic!("{answer:?}"),
        () = lab.host.formatting.notified() => {}
    }
    assert_eq!(code(lab.stage(mount("ext4")).await), Code::Aborted);
    assert_eq!(code(lab.unstage().await), Code::Aborted);
    hold.notify_one();
    lab.node.operations().idle().await;
    assert_eq!(lab.host.writes(), ["format ext4", "mount ext4"]);
    lab.stage(mount("ext4")).await.unwrap();
}

#[tokio::test]
async fn a_writer_that_outlived_its_rpc_is_waited_for() {
    let lab = Lab::with(Disk::Blank);
    lab.host.keep_busy();
    assert_eq!(code(lab.stage(mount("ext4")).await), Code::Aborted);
    assert_eq!(code(lab.unstage().await), Code::Aborted);
}

#[tokio::test]
async fn file_systems_are_published_to_several_and_taken_back() {
    let lab = Lab::with(Disk::Blank);
    lab.stage(mount("")).await.unwrap();
    for _ in 0..2 {
        lab.publish("a/mount", mount(""), false).await.unwrap();
        lab.publish("b/mount", mount(""), true).await.unwrap();
    }
    let shown = |name: &str| lab.host.mounted(Path::new(&lab.path(name)));
    assert!(!shown("a/mount").unwrap().read_only);
    assert!(shown("b/mount").unwrap().read_only);
    let changed = lab.publish("b/mount", mount(""), false).await;
    assert_eq!(code(changed), Code::AlreadyExists);
    for _ in 0..2 {
        lab.unpublish("a/mount").await.unwrap();
        assert!(shown("a/mount").is_none());
        assert!(!Path::new(&lab.path("a/mount")).exists());
    }
    lab.unpublish("never/was").await.unwrap();
}

#[tokio::test]
async fn publishing_comes_after_staging() {
    let lab = Lab::with(Disk::Blank);
    let refused = lab.publish("a", mount(""), false).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("NodeStageVolume first"),
        "{refused}"
    );
    assert!(!Path::new(&lab.path("a")).exists());
}

#[tokio::test]
async fn raw_devices_are_published_to_several() {
    let lab = Lab::with(Disk::Other("a database"));
    lab.stage(block()).await.unwrap();
    for _ in 0..2 {
        lab.publish("a", block(), false).await.unwrap();
        lab.publish("b", block(), true).await.unwrap();
    }
    assert!(Path::new(&lab.path("a")).is_file());
    assert_eq!(
        lab.stats(VOLUME, lab.path("a")).await.unwrap(),
        [Unit::Bytes]
    );
    lab.unpublish("a").await.unwrap();
    lab.unpublish("b").await.unwrap();
    lab.unstage().await.unwrap();
    assert!(!Path::new(&lab.path("a")).exists());
    assert_eq!(lab.host.writes(), [""; 0]);
}

#[tokio::test]
async fn a_target_of_the_wrong_kind_is_told() {
    let lab = Lab::with(Disk::Blank);
    lab.stage(mount("")).await.unwrap();
    std::fs::write(lab.path("file"), "").unwrap();
    std::fs::create_dir(lab.path("directory")).unwrap();
    let refused = lab.publish("file", mount(""), false).await;
    assert_eq!(code(refused), Code::FailedPrecondition);
    let refused = lab.publish("directory", block(), false).await;
    assert_eq!(code(refused), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_volume_for_one_workload_is_published_once() {
    let lab = Lab::with(Disk::Blank);
    let single = || mount_for("", Mode::SingleNodeSingleWriter);
    lab.stage(single()).await.unwrap();
    lab.publish("a", single(), false).await.unwrap();
    lab.publish("a", single(), false).await.unwrap();
    let refused = lab.publish("b", single(), false).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains(&lab.path("a")), "{refused}");
    lab.unpublish("a").await.unwrap();
    lab.publish("b", single(), false).await.unwrap();
}

#[tokio::test]
async fn growing_without_the_capability_is_told_and_does_not_stop_staging() {
    let lab = Lab::with(Disk::Holds(FsType::Ext4));
    lab.host.refuse_growing();
    lab.stage(mount("")).await.unwrap();
    lab.stage(mount("")).await.unwrap();
    let refused = lab.expand(lab.path("staging")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("CAP_SYS_RESOURCE"), "{refused}");
}

#[tokio::test]
async fn expanding_and_measuring_need_the_volume_at_the_path() {
    let lab = Lab::with(Disk::Blank);
    for path in [
        lab.path("staging"),
        "some/path".to_owned(),
        "/a/../b".to_owned(),
    ] {
        assert_eq!(code(lab.expand(path.clone()).await), Code::NotFound);
        assert_eq!(code(lab.stats(VOLUME, path).await), Code::NotFound);
    }
    assert_eq!(
        code(lab.stats("foobar", "some/path".to_owned()).await),
        Code::NotFound
    );
    assert_eq!(
        code(lab.stats(VOLUME, String::new()).await),
        Code::InvalidArgument
    );
    assert_eq!(code(lab.expand(String::new()).await), Code::InvalidArgument);
    let request = NodeExpandVolumeRequest {
        volume_id: VOLUME.to_owned(),
        volume_path: "/a".to_owned(),
        capacity_range: Some(CapacityRange {
            required_bytes: 2,
            limit_bytes: 1,
        }),
        ..NodeExpandVolumeRequest::default()
    };
    let refused = lab.node.node_expand_volume(Request::new(request)).await;
    assert_eq!(code(refused), Code::OutOfRange);
}

#[tokio::test]
async fn a_file_system_is_measured_in_bytes_and_inodes() {
    let lab = Lab::with(Disk::Blank);
    lab.stage(mount("")).await.unwrap();
    let units = lab.stats(VOLUME, lab.path("staging")).await.unwrap();
    assert_eq!(units, [Unit::Bytes, Unit::Inodes]);
}

#[tokio::test]
async fn a_node_says_who_it_is_and_what_it_can() {
    let lab = Lab::new(FakeHost::default());
    let info = lab
        .node
        .node_get_info(Request::new(NodeGetInfoRequest {}))
        .await;
    let info = info.unwrap().into_inner();
    assert_eq!(info.node_id, "i-0123456789abcdef0");
    assert_eq!(info.max_volumes_per_node, 26);
    let topology = info.accessible_topology.unwrap().segments;
    assert_eq!(topology["topology.kubernetes.io/zone"], "eu-central-1b");
    assert_eq!(topology["topology.ebs.csi.aws.com/zone"], "eu-central-1b");
    assert_eq!(topology["kubernetes.io/os"], "linux");
    let request = Request::new(NodeGetCapabilitiesRequest {});
    let offered = lab.node.node_get_capabilities(request).await.unwrap();
    assert_eq!(offered.into_inner().capabilities.len(), 6);
}

#[tokio::test]
async fn a_mount_that_lost_its_device_makes_way_for_the_one_that_came_back() {
    let lab = Lab::with(Disk::Holds(FsType::Ext4));
    lab.stage(mount("ext4")).await.unwrap();
    lab.publish("a", mount("ext4"), false).await.unwrap();
    // Pulled out, and back under another number.
    lab.host.plug(VOLUME, 2, Disk::Holds(FsType::Ext4));
    let dead = lab.publish("b", mount("ext4"), false).await.unwrap_err();
    assert_eq!(dead.code(), Code::FailedPrecondition, "{dead}");
    lab.stage(mount("ext4")).await.unwrap();
    for target in ["a", "b"] {
        lab.publish(target, mount("ext4"), false).await.unwrap();
        let shown = lab.host.mounted(Path::new(&lab.path(target))).unwrap();
        assert_eq!(shown.device.to_string(), "259:2");
    }
}
