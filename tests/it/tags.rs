//! Tags: what classes and sidecars ask for, as EC2 has them in the end, and which one counts of several.

use std::collections::BTreeMap;

use csi::v1::{CreateVolumeRequest, Snapshot};
use lab::orchestrator::Claim;
use rstest::rstest;
use tonic::{Code, Status};

use crate::world::{self, World, calls, parameters, world, world_started_with};

type Map<'a> = &'a [(&'a str, &'a str)];

/// What external-provisioner adds with `--extra-create-metadata`, and external-resizer with `--extra-modify-metadata`.
const CLAIM: [(&str, &str); 3] = [
    ("csi.storage.k8s.io/pvc/name", "data"),
    ("csi.storage.k8s.io/pvc/namespace", "team-blue-prod"),
    ("csi.storage.k8s.io/pv/name", "pvc-1"),
];

async fn create(world: &World, class: Map<'_>, attributes: Map<'_>) -> Result<Claim, Status> {
    let order = world.order("pvc-1");
    let mut request: CreateVolumeRequest = order.request();
    request.parameters.extend(parameters(&CLAIM));
    request.parameters.extend(parameters(class));
    request.mutable_parameters = parameters(attributes);
    let answer = world.controller.client().create_volume(request).await?;
    let volume = answer.into_inner().volume.unwrap();
    Ok(Claim {
        id: volume.volume_id,
        bytes: volume.capacity_bytes,
        usage: order.usage,
        context: volume.volume_context,
    })
}

async fn modify(world: &World, claim: &Claim, class: Map<'_>) -> Result<(), Status> {
    let mut mutable_parameters = parameters(class);
    mutable_parameters.extend(parameters(&CLAIM));
    world::modify(world, &claim.id, mutable_parameters).await
}

async fn snapshot(world: &World, claim: &Claim, class: Map<'_>) -> Result<Snapshot, Status> {
    let mut all = parameters(&[
        ("csi.storage.k8s.io/volumesnapshot/name", "nightly"),
        (
            "csi.storage.k8s.io/volumesnapshot/namespace",
            "team-blue-prod",
        ),
        (
            "csi.storage.k8s.io/volumesnapshotcontent/name",
            "snapcontent-1",
        ),
    ]);
    all.extend(parameters(class));
    world::snapshot(world, &claim.id, "snapshot-1", all).await
}

async fn tags(world: &World, claim: &Claim) -> BTreeMap<String, String> {
    world.cloud.volume(&claim.id).await.unwrap().unwrap().tags
}

fn expect(tags: &BTreeMap<String, String>, expected: Map<'_>) {
    for (key, value) in expected {
        assert_eq!(
            tags.get(*key).map(String::as_str),
            Some(*value),
            "{key} of {tags:?}"
        );
    }
}

#[tokio::test]
async fn templates_of_a_volumes_classes_are_evaluated() {
    let world = world().await;
    let class: Map<'_> = &[
        (
            "tagSpecification_1",
            "who={{ .PVCNamespace }}/{{ .PVCName }}",
        ),
        (
            "TAGSPECIFICATION_2",
            r#"tier={{ .PVCNamespace | field "-" 2 | toUpper }}"#,
        ),
        ("tagSpecification_plain", "cost center=12"),
    ];
    let claim = create(
        &world,
        class,
        &[("tagSpecification_1", "volume={{ .PVName }}")],
    )
    .await;
    let claim = claim.unwrap();
    let has = tags(&world, &claim).await;
    expect(
        &has,
        &[
            ("who", "team-blue-prod/data"),
            ("tier", "PROD"),
            ("cost center", "12"),
            ("volume", "pvc-1"),
            ("kubernetes.io/created-for/pvc/name", "data"),
        ],
    );

    let class: Map<'_> = &[
        (
            "tagSpecification_1",
            r#"who={{ if contains "prod" .PVCNamespace }}live{{ else }}test{{ end }}"#,
        ),
        ("tagDeletion_1", "tier"),
        ("tagDeletion_2", "never there"),
    ];
    modify(&world, &claim, class).await.unwrap();
    let has = tags(&world, &claim).await;
    expect(&has, &[("who", "live"), ("volume", "pvc-1")]);
    assert!(!has.contains_key("tier"), "{has:?}");
    assert_eq!(calls(&world, "ModifyVolume").await, 0);
}

#[tokio::test]
async fn templates_of_a_snapshot_class_are_evaluated() {
    let world = world().await;
    let claim = create(&world, &[], &[]).await.unwrap();
    let class: Map<'_> = &[(
        "tagSpecification_1",
        "of={{ .VolumeSnapshotNamespace }}/{{ .VolumeSnapshotName }} {{- /* no space */ -}} , {{ .VolumeSnapshotContentName }}",
    )];
    snapshot(&world, &claim, class).await.unwrap();
    let made = world.cloud.snapshots().await.unwrap();
    expect(
        &made[0].tags,
        &[("of", "team-blue-prod/nightly, snapcontent-1")],
    );
}

/// From what counts least to what counts most.
const FLAGS: [(&str, &str); 2] = [
    (
        "--extra-tags",
        "a=flag,b=flag,c=flag,Name=flag,CSIVolumeName=flag,ebs.csi.aws.com/cluster=flag",
    ),
    ("--k8s-tag-cluster-id", "blue"),
];

#[tokio::test]
async fn of_equal_tags_of_a_volume_the_nearest_counts() {
    let world = world_started_with(&FLAGS).await;
    let class: Map<'_> = &[
        ("tagSpecification_1", "b=class"),
        ("tagSpecification_2", "c=first"),
        ("tagSpecification_3", "c=class"),
    ];
    let claim = create(&world, class, &[("tagSpecification_1", "c=attributes")])
        .await
        .unwrap();
    expect(
        &tags(&world, &claim).await,
        &[
            ("a", "flag"),
            ("b", "class"),
            ("c", "attributes"),
            ("Name", "blue-dynamic-pvc-1"),
            ("CSIVolumeName", "pvc-1"),
            ("ebs.csi.aws.com/cluster", "true"),
            ("kubernetes.io/cluster/blue", "owned"),
            ("KubernetesCluster", "blue"),
        ],
    );
    modify(
        &world,
        &claim,
        &[
            ("tagSpecification_1", "a=attributes"),
            ("tagSpecification_2", "Name=mine"),
        ],
    )
    .await
    .unwrap();
    expect(
        &tags(&world, &claim).await,
        &[("a", "attributes"), ("Name", "mine"), ("b", "class")],
    );
}

#[tokio::test]
async fn of_equal_tags_of_a_snapshot_the_nearest_counts() {
    let world = world_started_with(&FLAGS).await;
    let claim = create(&world, &[], &[]).await.unwrap();
    snapshot(&world, &claim, &[("tagSpecification_1", "b=class")])
        .await
        .unwrap();
    let made = world.cloud.snapshots().await.unwrap();
    expect(
        &made[0].tags,
        &[
            ("a", "flag"),
            ("b", "class"),
            ("CSIVolumeSnapshotName", "snapshot-1"),
            ("kubernetes.io/cluster/blue", "owned"),
        ],
    );
}

#[rstest]
#[case("team={{ .PVCNamespac }}", &["`.PVCNamespac`", ".PVCName, .PVCNamespace, .PVName"])]
#[case("team={{ range . }}x{{ end }}", &["range", "if, with, else"])]
#[case(r#"team={{ html "x" }}"#, &["html", "substring, toLower, toUpper"])]
#[case(r#"team={{ "open }}"#, &["closing quote"])]
#[case(r#"team={{ .PVName | field "-" 9 }}"#, &[r#"field "-" 9"#, "2 parts"])]
#[case("team", &["key=value"])]
#[case("ebs.csi.aws.com/mine=x", &["reserved"])]
#[case("aws:mine=x", &["reserved"])]
#[tokio::test]
async fn what_cannot_be_had_is_refused_at_once_in_all_three(
    #[case] text: &str,
    #[case] words: &[&str],
) {
    let world = world().await;
    let good = create(&world, &[], &[]).await.unwrap();
    let before = [
        calls(&world, "CreateVolume").await,
        calls(&world, "CreateTags").await,
    ];
    let class: Map<'_> = &[("tagSpecification_7", text)];
    let refusals = [
        create(&world, class, &[]).await.unwrap_err(),
        create(&world, &[], class).await.unwrap_err(),
        modify(&world, &good, class).await.unwrap_err(),
        snapshot(&world, &good, class).await.unwrap_err(),
    ];
    for (index, refusal) in refusals.iter().enumerate() {
        assert_eq!(refusal.code(), Code::InvalidArgument, "{refusal:?}");
        let message = refusal.message();
        assert!(message.contains("tagSpecification_7"), "{message}");
        // A snapshot has variables of its own.
        let of_snapshot = index == 3 && text.contains(".PV");
        let expected: &[&str] = if of_snapshot {
            &[".VolumeSnapshotName"]
        } else {
            words
        };
        for word in expected {
            assert!(message.contains(word), "{word} in {message}");
        }
    }
    let after = [
        calls(&world, "CreateVolume").await,
        calls(&world, "CreateTags").await,
    ];
    assert_eq!(after, before, "EC2 was asked");
    assert_eq!(calls(&world, "CreateSnapshot").await, 0);
}

#[tokio::test]
async fn the_limits_of_ec2_are_kept() {
    let world = world().await;
    let long_key = format!("{}=x", "k".repeat(129));
    let long_value = format!("k={}", "v".repeat(257));
    for (text, words) in [(&long_key, "1 to 128"), (&long_value, "at most 256")] {
        let refusal = create(&world, &[("tagSpecification_1", text)], &[])
            .await
            .unwrap_err();
        assert_eq!(refusal.code(), Code::InvalidArgument, "{refusal:?}");
        assert!(refusal.message().contains(words), "{refusal:?}");
    }
    // With the driver's own two and the claim's three there is room for 45.
    let many: Vec<(String, String)> = (0..46)
        .map(|n| (format!("tagSpecification_{n}"), format!("key{n}=x")))
        .collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let refusal = create(&world, &many, &[]).await.unwrap_err();
    assert_eq!(refusal.code(), Code::InvalidArgument, "{refusal:?}");
    assert!(refusal.message().contains("at most 50 tags"), "{refusal:?}");
    let fits = create(&world, &many[..45], &[]).await.unwrap();
    assert_eq!(tags(&world, &fits).await.len(), 50);
    // A full volume may have one in another's place, and not one more.
    let swap: Map<'_> = &[("tagSpecification_1", "new=x"), ("tagDeletion_1", "key0")];
    modify(&world, &fits, swap).await.unwrap();
    let refusal = modify(&world, &fits, &[("tagSpecification_1", "more=x")])
        .await
        .unwrap_err();
    assert_eq!(refusal.code(), Code::InvalidArgument, "{refusal:?}");
    assert!(
        refusal.message().contains("TagLimitExceeded"),
        "{refusal:?}"
    );
    assert_eq!(tags(&world, &fits).await.len(), 50);
}
