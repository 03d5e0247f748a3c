//! Requests that cannot be right are refused with words that help, before EC2 hears of them.

use std::collections::HashMap;

use csi::v1::volume_capability::AccessMode;
use csi::v1::volume_capability::access_mode::Mode;
use csi::v1::{CapacityRange, CreateVolumeRequest};
use lab::orchestrator::Use;
use rstest::rstest;
use tonic::{Code, Status};

use crate::world::{calls, world};

/// What the driver answers to a request for a volume that was changed from a good one.
async fn refusal(change: impl FnOnce(&mut CreateVolumeRequest)) -> Status {
    let world = world().await;
    let mut request = world.order("pvc-1").request();
    change(&mut request);
    let answer = world.controller.client().create_volume(request).await;
    assert_eq!(calls(&world, "CreateVolume").await, 0, "EC2 was asked");
    answer.expect_err("it must be refused")
}

#[rstest]
#[case("typ", "gp3", &["typ", "type"])]
#[case("throughputt", "200", &["throughputt", "throughput"])]
#[case("encypted", "true", &["encypted", "encrypted"])]
#[case("kmsKey", "alias/mine", &["kmsKey", "kmsKeyId"])]
#[case("fstyp", "ext4", &["fstyp", "fstype"])]
#[tokio::test]
async fn a_misspelt_parameter_is_answered_with_the_nearest_one(
    #[case] key: &str,
    #[case] value: &str,
    #[case] words: &[&str],
) {
    let status = refusal(|request| {
        request.parameters = HashMap::from([(key.to_owned(), value.to_owned())]);
    })
    .await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    for word in words {
        let message = status.message().to_lowercase();
        assert!(message.contains(&word.to_lowercase()), "{message}");
    }
}

#[rstest]
#[case("type", "gp4")]
#[case("iops", "many")]
#[case("iops", "-1")]
#[case("encrypted", "perhaps")]
#[case("csi.storage.k8s.io/fstype", "ntfs")]
#[tokio::test]
async fn a_parameter_with_a_wrong_value_is_named(#[case] key: &str, #[case] value: &str) {
    let status = refusal(|request| {
        request.parameters.insert(key.to_owned(), value.to_owned());
    })
    .await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let message = status.message();
    assert!(message.contains(value), "{message}");
}

#[rstest]
#[case("throughput", "200")]
#[case("iops", "4000")]
#[tokio::test]
async fn gp2_takes_no_performance(#[case] key: &str, #[case] value: &str) {
    let status = refusal(|request| {
        request.parameters = HashMap::from([
            ("type".to_owned(), "gp2".to_owned()),
            (key.to_owned(), value.to_owned()),
        ]);
    })
    .await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(status.message().contains(key), "{}", status.message());
}

const GIB: i64 = 1 << 30;

#[rstest]
#[case(-1, 0, Code::InvalidArgument)]
#[case(2 * GIB, GIB, Code::OutOfRange)]
#[case(GIB + 1, GIB + 2, Code::OutOfRange)]
#[case(70_000 * GIB, 0, Code::OutOfRange)]
#[case(0, GIB - 1, Code::OutOfRange)]
#[tokio::test]
async fn a_size_that_cannot_be_had_is_out_of_range(
    #[case] required_bytes: i64,
    #[case] limit_bytes: i64,
    #[case] expected: Code,
) {
    let status = refusal(|request| {
        request.capacity_range = Some(CapacityRange {
            required_bytes,
            limit_bytes,
        });
    })
    .await;
    // A negative size may count as either.
    assert!(
        status.code() == expected || required_bytes < 0 && status.code() == Code::OutOfRange,
        "{status:?}"
    );
}

#[tokio::test]
async fn a_request_without_name_or_capability_is_refused() {
    let status = refusal(|request| request.name.clear()).await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("name"), "{}", status.message());

    let status = refusal(|request| request.volume_capabilities.clear()).await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(
        status.message().contains("volume_capabilities"),
        "{}",
        status.message()
    );
}

#[tokio::test]
async fn a_file_system_on_several_nodes_is_refused_with_what_is_possible() {
    let status = refusal(|request| {
        let mut capability = Use::Ext4.capability();
        capability.access_mode = Some(AccessMode {
            mode: Mode::MultiNodeMultiWriter.into(),
        });
        request.volume_capabilities = vec![capability];
    })
    .await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(status.message().len() > 20, "{}", status.message());
}

#[tokio::test]
async fn two_different_zones_in_one_place_are_refused() {
    let status = refusal(|request| {
        let requirement = request.accessibility_requirements.as_mut().unwrap();
        requirement.requisite[0].segments.insert(
            "topology.ebs.csi.aws.com/zone".to_owned(),
            "eu-central-1b".to_owned(),
        );
    })
    .await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(
        status.message().contains("eu-central-1b"),
        "{}",
        status.message()
    );
}
