use rstest::rstest;
use serde_json::json;

use super::*;

const REGION_LABEL: (&str, &str) = ("topology.kubernetes.io/region", "eu-central-1");
const ALL: [(&str, &str); 2] = [
    ("topology.kubernetes.io/zone", "eu-central-1b"),
    ("node.kubernetes.io/instance-type", "m5.large"),
];

fn node(provider_id: &str, labels: &[(&str, &str)]) -> Node {
    let labels: serde_json::Map<_, _> = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let object = json!({
        "metadata": {"name": "node-1", "labels": labels},
        "spec": {"providerID": provider_id},
    });
    serde_json::from_value(object).unwrap()
}

fn refusal(provider_id: &str, labels: &[(&str, &str)]) -> String {
    facts(&node(provider_id, labels)).unwrap_err().to_string()
}

#[rstest]
#[case("aws:///eu-central-1b/i-0123456789abcdef0")]
#[case("aws://eu-central-1b/i-0123456789abcdef0")]
#[case("aws:///i-0123456789abcdef0")]
#[case("aws://i-0123456789abcdef0")]
fn a_provider_id_names_the_instance(#[case] provider_id: &str) {
    let facts = facts(&node(provider_id, &ALL)).unwrap();
    assert_eq!(facts.instance.as_str(), "i-0123456789abcdef0");
    assert_eq!(facts.zone.as_str(), "eu-central-1b");
    assert_eq!(facts.instance_type.as_str(), "m5.large");
    assert_eq!(facts.in_use, None);
}

#[test]
fn labels_are_read_by_their_old_names_too() {
    let old = [
        ("failure-domain.beta.kubernetes.io/zone", "eu-central-1b"),
        ("beta.kubernetes.io/instance-type", "m5.large"),
    ];
    let id = "aws:///i-0123456789abcdef0";
    assert_eq!(facts(&node(id, &old)), facts(&node(id, &ALL)));
    // The new name counts where there are both.
    let both = [ALL[0], ALL[1], (old[1].0, "c5.large")];
    assert_eq!(facts(&node(id, &both)), facts(&node(id, &ALL)));
}

#[test]
fn labels_of_an_earlier_registration_name_the_outpost() {
    let id = "aws:///i-0123456789abcdef0";
    let on_outpost = [
        ALL[0],
        ALL[1],
        ("topology.ebs.csi.aws.com/outpost-id", "op-1"),
        ("topology.ebs.csi.aws.com/region", "eu-central-1"),
        ("topology.ebs.csi.aws.com/account-id", "123456789012"),
        ("topology.ebs.csi.aws.com/partition", "aws"),
    ];
    let outpost = |labels| facts(&node(id, labels)).unwrap().outpost;
    let arn = "arn:aws:outposts:eu-central-1:123456789012:outpost/op-1";
    assert_eq!(outpost(&on_outpost), Some(arn.parse().unwrap()));
    assert_eq!(outpost(&on_outpost[..5]), None);
    assert_eq!(outpost(&ALL), None);
}

#[test]
fn the_provider_id_alone_names_the_zone() {
    let facts = facts(&node("aws:///eu-central-1b/i-01234567", &ALL[1..])).unwrap();
    assert_eq!(facts.zone.as_str(), "eu-central-1b");
}

#[rstest]
#[case::fargate("aws:///eu-central-1b/0123456789-0123/fargate-ip-10-0-0-1")]
#[case::another_cloud("gce://project/europe-west1-b/node-1")]
#[case::an_eks_hybrid_node("eks-hybrid:///eu-central-1/cluster/mi-0123456789abcdef0")]
#[case::a_volume("aws:///eu-central-1b/vol-01234567")]
#[case::too_many_parts("aws:///x/eu-central-1b/i-01234567")]
#[case::no_id("aws:///")]
#[case::not_a_zone("aws:///EU/i-01234567")]
fn other_machines_are_refused(#[case] provider_id: &str) {
    let words = refusal(provider_id, &ALL);
    assert!(
        words.contains(provider_id) && words.contains("aws:///ZONE/i-"),
        "{words}"
    );
}

#[test]
fn what_is_missing_is_named() {
    assert!(refusal("", &ALL).contains("node-1 has no spec.providerID"));
    let id = "aws:///i-01234567";
    for (missing, (label, _)) in ALL.iter().enumerate() {
        let mut labels = ALL.to_vec();
        labels.remove(missing);
        assert!(refusal(id, &labels).contains(label));
    }
    assert!(facts(&Node::default()).is_err());
}

#[test]
fn a_label_with_another_text_is_told() {
    let labels = [ALL[0], (ALL[1].0, "M5 LARGE")];
    let words = refusal("aws:///i-01234567", &labels);
    assert!(
        words.contains("M5 LARGE") && words.contains(ALL[1].0),
        "{words}"
    );
}

#[test]
fn two_zones_are_both_named() {
    let words = refusal("aws:///eu-central-1a/i-01234567", &ALL);
    assert!(
        words.contains("eu-central-1a") && words.contains("eu-central-1b"),
        "{words}"
    );
}

#[test]
fn a_controller_on_fargate_learns_its_region() {
    let provider_id = "aws:///eu-central-1b/x/fargate-ip-10-0-0-1";
    let old = ("failure-domain.beta.kubernetes.io/region", "eu-central-1");
    for label in [REGION_LABEL, old] {
        let node = node(provider_id, &[label]);
        assert_eq!(region(&node).unwrap().as_str(), "eu-central-1");
    }
    let words = region(&node(provider_id, &ALL)).unwrap_err().to_string();
    assert!(words.contains(REGION_LABEL.0), "{words}");
}

#[test]
fn labels_count_where_somebody_writes_them() {
    let counted = |labels: &[(&str, &str)]| in_use(&node("aws:///i-0123456789abcdef0", labels));
    assert_eq!(counted(&ALL), Ok(None));
    let [volumes, interfaces] = [VOLUMES[0], INTERFACES[0]];
    let expected = InUse {
        by: Teller::Labels,
        volumes: 2,
        interfaces: 3,
    };
    let both = [(volumes, "2"), (interfaces, "3")];
    assert_eq!(counted(&both), Ok(Some(expected)));
    let sagemaker = [(VOLUMES[1], "2"), (INTERFACES[1], "3")];
    assert_eq!(counted(&sagemaker), Ok(Some(expected)));
    // One alone, or no number, is somebody's mistake.
    for wrong in [
        &[(volumes, "2")][..],
        &[(volumes, "two"), (interfaces, "3")],
    ] {
        assert!(matches!(
            counted(wrong),
            Err(NodeObjectError::NoCount { .. })
        ));
    }
}
