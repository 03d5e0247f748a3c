//! What a CreateVolumeRequest may say, and the words for what it may not.

use std::collections::HashMap;

use csi::v1::volume_capability::{AccessType, BlockVolume, MountVolume};
use csi::v1::volume_content_source::Type as SourceMessage;
use csi::v1::{CapacityRange as RangeMessage, VolumeContentSource};
use ebs_types::keys;
use proptest::prelude::*;
use rstest::rstest;

use super::super::testing::{capability, create_request};
use super::*;

fn request(parameters: &[(&str, &str)]) -> CreateVolumeRequest {
    CreateVolumeRequest {
        parameters: parameters
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        ..create_request("pvc")
    }
}

fn parse(message: &CreateVolumeRequest) -> Result<VolumeSpec, Error> {
    VolumeSpec::parse(message, &Settings::default())
}

fn plan(spec: &VolumeSpec) -> CreateVolume {
    let size = spec.size(None).unwrap();
    let site = Site::in_region("z-a".parse().unwrap());
    spec.plan(&site, size, spec.kind(size).unwrap(), 0)
}

fn words(message: &CreateVolumeRequest) -> String {
    parse(message).unwrap_err().to_string()
}

#[test]
fn the_least_request_is_100_gib_of_gp3() {
    let spec = parse(&request(&[])).unwrap();
    let plan = plan(&spec);
    assert_eq!(plan.size, Gibibytes(100));
    assert_eq!(
        plan.kind,
        VolumeKind::Gp3 {
            iops: None,
            throughput: None
        }
    );
    assert_eq!(plan.encryption, Encryption::AccountDefault);
    assert_eq!(plan.tags.get(keys::VOLUME_NAME), Some("pvc"));
}

#[test]
fn parameters_are_read_in_any_case() {
    let spec = parse(&request(&[
        ("Type", "gp3"),
        ("IOPS", "4000"),
        ("throughput", "250"),
        ("Encrypted", "True"),
        ("csi.storage.k8s.io/pvc/name", "data"),
        ("csi.storage.k8s.io/fstype", "ext4"),
    ]))
    .unwrap();
    let kind = plan(&spec).kind;
    assert_eq!((kind.iops(), kind.throughput()), (Some(4_000), Some(250)));
    assert_eq!(spec.encryption, Encryption::DefaultKey);
    assert_eq!(spec.tags.get(keys::PVC_NAME), Some("data"));
}

#[rstest]
#[case(&[("encrypted", "false"), ("kmsKeyId", "alias/k")], Encryption::Key("alias/k".to_owned()))]
#[case(&[("encrypted", "true"), ("kmsKeyId", "")], Encryption::DefaultKey)]
#[case(&[("encrypted", "false")], Encryption::Off)]
fn encryption_follows_the_key(#[case] parameters: &[(&str, &str)], #[case] wanted: Encryption) {
    assert_eq!(parse(&request(parameters)).unwrap().encryption, wanted);
}

#[rstest]
#[case(&[("typ", "gp3")], "did you mean \"type\"?")]
#[case(&[("type", "gp9")], "use one of gp3, gp2")]
#[case(&[("iops", "fast")], "parameters.iops is \"fast\"")]
#[case(&[("iops", "-1")], "whole number")]
#[case(&[("type", "gp2"), ("throughput", "125")], "cannot be set on a volume of type gp2")]
#[case(&[("iops", "100")], "3000 to 80000 are allowed")]
#[case(&[("iops", "90000")], "3000 to 80000 are allowed")]
#[case(&[("type", "io2")], "iops is required")]
#[case(&[("iops", "4000"), ("iopsPerGB", "5")], "exclude each other")]
#[case(&[("iopsPerGB", "5")], "allowAutoIOPSPerGBIncrease=true")]
#[case(&[("type", "gp2"), ("iopsPerGB", "5")], "iopsPerGB=5 cannot be set on a volume of type gp2")]
#[case(&[("volumeInitializationRate", "99")], "100 to 300")]
#[case(&[("tagSpecification_1", "a={{ .PVNam }}")], "there are .PVCName, .PVCNamespace, .PVName")]
#[case(&[("volumeType", "gp3")], "this parameter is not known")]
#[case(&[("encrypted", "maybe")], "use true or false")]
#[case(&[("fstype", "ntfs")], "use ext3, ext4, xfs or btrfs")]
#[case(&[("blockSize", "3000")], "parameters.blockSize is \"3000\": give a power of two")]
#[case(&[("inodesSize", "256")], "did you mean \"inodeSize\"?")]
#[case(&[("csi.storage.k8s.io/fstype", "xfs")], "the volume capability asks for ext4")]
fn wrong_parameters_are_refused_with_a_way_out(
    #[case] parameters: &[(&str, &str)],
    #[case] part: &str,
) {
    let words = words(&request(parameters));
    assert!(words.contains(part), "{words}");
}

#[test]
fn format_options_are_handed_on_to_the_nodes() {
    let spec = parse(&request(&[
        ("blockSize", "2k"),
        ("INODESIZE", "512"),
        ("ext4BigAlloc", "True"),
        ("ext4EncryptionSupport", "false"),
    ]))
    .unwrap();
    let context: HashMap<_, _> = spec.context().collect();
    let expected = [
        ("blocksize", "2048"),
        ("inodesize", "512"),
        ("ext4bigalloc", "true"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(context, HashMap::from(expected));
}

#[test]
fn format_options_must_suit_every_use() {
    let mut message = request(&[("bytesPerInode", "8192")]);
    let mount = |fs: &str| {
        AccessType::Mount(MountVolume {
            fs_type: fs.to_owned(),
            ..MountVolume::default()
        })
    };
    for (access, reason) in [
        (mount("xfs"), "xfs has no such option"),
        (mount("btrfs"), "btrfs has no such option"),
        (AccessType::Block(BlockVolume {}), "raw block volume"),
    ] {
        message.volume_capabilities[0].access_type = Some(access);
        let words = words(&message);
        assert!(
            words.starts_with("parameters.bytesPerInode is \"8192\"") && words.contains(reason),
            "{words}"
        );
    }
    message.volume_capabilities[0].access_type = Some(mount("ext3"));
    parse(&message).unwrap();
}

#[test]
fn what_is_missing_or_not_offered_is_named() {
    let mut message = request(&[]);
    message.volume_capabilities.clear();
    assert!(words(&message).starts_with("volume_capabilities is missing"));
    message.volume_capabilities = vec![capability()];
    message.name.clear();
    assert!(words(&message).starts_with("name is missing"));
    message.name = "n".repeat(300);
    assert!(words(&message).contains("256"));
}

fn with_class(parameters: &[(&str, &str)], attributes: &[(&str, &str)]) -> CreateVolumeRequest {
    let attributes = attributes
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    CreateVolumeRequest {
        mutable_parameters: attributes.collect(),
        ..request(parameters)
    }
}

#[test]
fn a_volume_attributes_class_counts_before_the_storage_class() {
    let message = with_class(
        &[
            ("type", "io2"),
            ("iops", "10000"),
            ("tagSpecification_1", "team=storage"),
            ("tagSpecification_2", "tier=gold"),
            ("blockExpress", "true"),
        ],
        &[
            ("VolumeType", "gp3"),
            ("throughput", "250"),
            ("tagSpecification_1", "tier=silver"),
            ("tagDeletion_1", "team"),
        ],
    );
    let plan = plan(&parse(&message).unwrap());
    let (iops, throughput) = (None, Some(250));
    assert_eq!(plan.kind, VolumeKind::Gp3 { iops, throughput });
    assert_eq!(plan.tags.get("team"), Some("storage"));
    assert_eq!(plan.tags.get("tier"), Some("silver"));
}

#[rstest]
#[case(&[("type", "io1"), ("iopsPerGB", "50")], Some(5_000))]
#[case(&[("type", "io1"), ("iopsPerGB", "500")], Some(5_000))]
#[case(&[("iopsPerGB", "3"), ("allowAutoIOPSPerGBIncrease", "true")], Some(3_000))]
fn iops_follow_the_size(#[case] parameters: &[(&str, &str)], #[case] iops: Option<u32>) {
    assert_eq!(
        plan(&parse(&request(parameters)).unwrap()).kind.iops(),
        iops
    );
}

#[test]
fn a_volume_whose_iops_grow_is_marked() {
    let marks = |grows: &str| {
        let message = request(&[
            ("iopsPerGB", "50"),
            ("allowAutoIOPSIncreaseOnModify", grows),
        ]);
        let tags = plan(&parse(&message).unwrap()).tags;
        [keys::IOPS_GROW, keys::IOPS_PER_GIB].map(|key| tags.get(key).map(str::to_owned))
    };
    assert_eq!(
        marks("true"),
        [Some("true".to_owned()), Some("50".to_owned())]
    );
    assert_eq!(marks("false"), [None, None]);
}

#[test]
fn the_initialization_rate_is_for_snapshots() {
    let mut message = request(&[("volumeInitializationRate", "200")]);
    assert_eq!(plan(&parse(&message).unwrap()).initialization_rate, None);
    message.volume_content_source = Some(VolumeContentSource {
        r#type: Some(SourceMessage::Snapshot(
            csi::v1::volume_content_source::SnapshotSource {
                snapshot_id: "snap-0000000a".to_owned(),
            },
        )),
    });
    let plan = plan(&parse(&message).unwrap());
    assert_eq!(plan.initialization_rate, Some(200));
}

#[rstest]
#[case("gp3", 70_000, 0)]
#[case("gp2", 20_000, 0)]
#[case("st1", 1, 100)]
#[case("gp3", 8, 4)]
fn sizes_out_of_range_are_refused(#[case] kind: &str, #[case] required: i64, #[case] limit: i64) {
    let mut message = request(&[("type", kind)]);
    message.capacity_range = Some(RangeMessage {
        required_bytes: required << 30,
        limit_bytes: limit << 30,
    });
    assert!(matches!(parse(&message), Err(Error::OutOfRange(_))));
}

#[test]
fn a_snapshot_sets_the_least_size_and_the_default() {
    let spec = parse(&request(&[])).unwrap();
    assert_eq!(spec.size(Some(Gibibytes(7))).unwrap(), Gibibytes(7));
    assert_eq!(spec.size(Some(Gibibytes(700))).unwrap(), Gibibytes(700));
}

proptest! {
    #[test]
    fn no_request_panics(
        name in ".*",
        parameters in proptest::collection::hash_map(
            prop_oneof![Just("type".to_owned()), Just("iops".to_owned()), Just("encrypted".to_owned()), ".*"],
            prop_oneof![Just("gp3".to_owned()), Just("4000".to_owned()), ".*"],
            0..4,
        ),
        required in any::<i64>(),
        limit in any::<i64>(),
    ) {
        let message = CreateVolumeRequest {
            parameters,
            capacity_range: Some(RangeMessage { required_bytes: required, limit_bytes: limit }),
            ..create_request(&name)
        };
        let _ = parse(&message);
    }
}
