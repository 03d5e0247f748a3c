//! Requests as an orchestrator, or something less careful, sends them.

use csi::v1::VolumeCapability;
use csi::v1::volume_capability::access_mode::Mode;
use csi::v1::volume_capability::{AccessMode, BlockVolume};
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
    let request = NodePublishVolumeRequest {
        volume_capability: capability(Mode::SingleNodeReaderOnly),
        ..publish()
    };
    assert!(Publish::try_from(request).unwrap().read_only);
    let request = NodePublishVolumeRequest {
        readonly: true,
        ..publish()
    };
    assert!(Publish::try_from(request).unwrap().read_only);
}

#[rstest]
#[case(NodePublishVolumeRequest { volume_id: String::new(), ..publish() }, "volume_id")]
#[case(NodePublishVolumeRequest { target_path: String::new(), ..publish() }, "target_path")]
#[case(NodePublishVolumeRequest { target_path: "a/b".into(), ..publish() }, "target_path")]
#[case(NodePublishVolumeRequest { target_path: "/a/../etc".into(), ..publish() }, "target_path")]
#[case(NodePublishVolumeRequest { staging_target_path: String::new(), ..publish() }, "staging_target_path")]
#[case(NodePublishVolumeRequest { volume_capability: None, ..publish() }, "volume_capability")]
#[case(NodePublishVolumeRequest { volume_capability: capability(Mode::MultiNodeMultiWriter), ..publish() }, "access_mode")]
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
