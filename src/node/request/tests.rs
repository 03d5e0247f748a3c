//! Requests as an orchestrator, or something less careful, sends them.

use std::num::NonZeroU8;

use csi::v1::VolumeCapability;
use csi::v1::volume_capability::access_mode::Mode;
use csi::v1::volume_capability::{AccessMode, BlockVolume, MountVolume};
use ebs_types::{Access, FsType};
use proptest::prelude::*;
use rstest::rstest;
use tonic::{Code, Status};

use super::*;

fn capability(mode: Mode) -> Option<VolumeCapability> {
    Some(VolumeCapability {
        access_type: Some(AccessType::Block(BlockVolume {})),
        access_mode: Some(AccessMode { mode: mode.into() }),
    })
}

fn publish() -> NodePublishVolumeRequest {
    NodePublishVolumeRequest {
        volume_id: "vol-0123456789abcdef0".to_owned(),
        staging_target_path: "/staging".to_owned(),
        target_path: "/target/".to_owned(),
        volume_capability: capability(Mode::SingleNodeWriter),
        ..NodePublishVolumeRequest::default()
    }
}

fn refusal(request: NodePublishVolumeRequest) -> Status {
    Publish::try_from(request).unwrap_err().into()
}

#[test]
fn a_complete_request_is_read() {
    let publish = Publish::try_from(publish()).unwrap();
    assert_eq!(publish.volume.to_string(), "vol-0123456789abcdef0");
    assert_eq!(publish.target.as_path().to_str(), Some("/target"));
    assert!(!publish.read_only);
}

#[test]
fn an_id_of_the_in_tree_driver_is_read() {
    let request = NodePublishVolumeRequest {
        volume_id: "aws://eu-central-1b/vol-0123456789abcdef0".to_owned(),
        ..publish()
    };
    let volume = Publish::try_from(request).unwrap().volume;
    assert_eq!(volume.to_string(), "vol-0123456789abcdef0");
}

#[test]
fn a_reader_gets_it_read_only() {
    for (mode, readonly, told, expected) in [
        (Mode::SingleNodeReaderOnly, false, "false", true),
        (Mode::MultiNodeReaderOnly, false, "", true),
        (Mode::SingleNodeWriter, true, "", true),
        (Mode::SingleNodeWriter, false, "true", true),
        (Mode::MultiNodeMultiWriter, false, "false", false),
    ] {
        let request = NodePublishVolumeRequest {
            volume_capability: capability(mode),
            publish_context: [(READ_ONLY_KEY.to_owned(), told.to_owned())].into(),
            readonly,
            ..publish()
        };
        let read = Publish::try_from(request).unwrap().read_only;
        assert_eq!(read, expected, "{mode:?} {readonly} {told:?}");
    }
}

#[rstest]
#[case(NodePublishVolumeRequest { volume_id: String::new(), ..publish() }, "volume_id")]
#[case(NodePublishVolumeRequest { target_path: String::new(), ..publish() }, "target_path")]
#[case(NodePublishVolumeRequest { target_path: "a/b".into(), ..publish() }, "target_path")]
#[case(NodePublishVolumeRequest { target_path: "/a/../etc".into(), ..publish() }, "target_path")]
#[case(NodePublishVolumeRequest { staging_target_path: String::new(), ..publish() }, "staging_target_path")]
#[case(NodePublishVolumeRequest { volume_capability: None, ..publish() }, "volume_capability")]
#[case(NodePublishVolumeRequest { volume_capability: capability(Mode::MultiNodeSingleWriter), ..publish() }, "access_mode")]
fn wrong_fields_are_named(#[case] request: NodePublishVolumeRequest, #[case] field: &str) {
    let status = refusal(request);
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains(field), "{status}");
}

#[test]
fn an_id_that_cannot_exist_is_not_found_once_the_rest_is_right() {
    let fake = || NodePublishVolumeRequest {
        volume_id: "fake-vol-id".to_owned(),
        ..publish()
    };
    assert_eq!(refusal(fake()).code(), Code::NotFound);
    let wrong = NodePublishVolumeRequest {
        target_path: String::new(),
        ..fake()
    };
    assert_eq!(refusal(wrong).code(), Code::InvalidArgument);
}

proptest! {
    #[test]
    fn no_request_panics(volume in ".*", staging in ".*", target in ".*", mode in any::<i32>(), required in any::<i64>()) {
        let capability = Some(VolumeCapability {
            access_type: Some(AccessType::Block(BlockVolume {})),
            access_mode: Some(AccessMode { mode }),
        });
        let _ = Publish::try_from(NodePublishVolumeRequest {
            volume_id: volume.clone(),
            staging_target_path: staging.clone(),
            target_path: target.clone(),
            volume_capability: capability.clone(),
            ..NodePublishVolumeRequest::default()
        });
        let _ = Stage::try_from(NodeStageVolumeRequest {
            volume_id: volume.clone(),
            staging_target_path: staging.clone(),
            volume_capability: capability.clone(),
            ..NodeStageVolumeRequest::default()
        });
        let _ = Expand::try_from(NodeExpandVolumeRequest {
            volume_id: volume,
            volume_path: target,
            staging_target_path: staging,
            capacity_range: Some(csi::v1::CapacityRange { required_bytes: required, limit_bytes: mode.into() }),
            volume_capability: capability,
            ..NodeExpandVolumeRequest::default()
        });
    }
}

#[rstest]
#[case(None, Part::Disk)]
#[case(Some(("partition", "")), Part::Disk)]
#[case(Some(("partition", "0")), Part::Disk)]
#[case(Some(("Partition", "1")), Part::Partition(NonZeroU8::MIN))]
#[case(Some(("PARTITION", "255")), Part::Partition(NonZeroU8::MAX))]
#[case(Some(("partitions", "7")), Part::Disk)]
fn a_partition_is_read(#[case] context: Option<(&str, &str)>, #[case] part: Part) {
    let request = NodePublishVolumeRequest {
        volume_context: context
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into_iter()
            .collect(),
        ..publish()
    };
    assert_eq!(Publish::try_from(request).unwrap().wanted.part, part);
}

#[rstest]
#[case("256")]
#[case("-1")]
#[case("01")]
#[case("+1")]
#[case("p1")]
#[case(" ")]
fn a_partition_that_cannot_be_is_refused(#[case] number: &str) {
    let request = NodePublishVolumeRequest {
        volume_context: [("partition".to_owned(), number.to_owned())].into(),
        ..publish()
    };
    let refused = refusal(request);
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        refused.message().contains("volume_context.partition"),
        "{refused}"
    );
}

#[test]
fn the_name_given_at_attach_is_a_hint() {
    let wanted = |name: &str| {
        let request = NodePublishVolumeRequest {
            publish_context: [("devicePath".to_owned(), name.to_owned())].into(),
            ..publish()
        };
        Publish::try_from(request).unwrap().wanted.attached_as
    };
    assert_eq!(wanted("/dev/xvdba").unwrap().as_str(), "/dev/xvdba");
    assert_eq!(wanted("/dev/../etc/shadow"), None);
}

proptest! {
    #[test]
    fn no_partition_panics(number in ".*") {
        let context = [("partition".to_owned(), number.clone())].into();
        if let Ok(Part::Partition(read)) = part(&context) {
            prop_assert_eq!(read.to_string(), number);
        }
    }
}

#[test]
fn a_node_local_volume_may_be_used_by_many_nodes_and_name_its_file_system() {
    let request = NodePublishVolumeRequest {
        volume_id: "local-ebs://dev/xvdbz".to_owned(),
        volume_capability: Some(VolumeCapability {
            access_type: Some(AccessType::Mount(MountVolume::default())),
            access_mode: Some(AccessMode {
                mode: Mode::MultiNodeMultiWriter.into(),
            }),
        }),
        volume_context: [("ebs.csi.aws.com/fsType".to_owned(), "xfs".to_owned())].into(),
        ..publish()
    };
    let read = Publish::try_from(request.clone()).unwrap();
    assert_eq!(read.volume.to_string(), "local-ebs://dev/xvdbz");
    assert!(matches!(
        read.capability.access,
        Access::Mount(wanted) if wanted.fs == FsType::Xfs
    ));
    let shared = NodePublishVolumeRequest {
        volume_id: "vol-0123456789abcdef0".to_owned(),
        ..request
    };
    assert_eq!(refusal(shared).code(), Code::InvalidArgument);
}
