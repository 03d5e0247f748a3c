//! examples/default-class: a claim that names no class, and one whose class asks for encryption.

use e2e::{Kind, Scenario, SeenVolume, Volume};

#[test]
fn a_claim_without_a_class_gets_the_default_one() {
    let s = Scenario::start("default-class");
    s.apply("examples/default-class/pvc.yaml");
    s.event("data", &["WaitForFirstConsumer"]);
    let claim = s.get(Kind::CLAIM, "data").unwrap();
    assert_eq!(claim.text("/status/phase"), "Pending");
    is_ours(&s, claim.text("/spec/storageClassName"));

    s.apply("examples/default-class/pod.yaml");
    let (volume, seen) = used(&s, "app", "data");
    assert!(!seen.encrypted, "{seen:?}");

    s.kubectl(&["delete", "--filename", "examples/default-class/pod.yaml"]);
    s.kubectl(&["delete", "--filename", "examples/default-class/pvc.yaml"]);
    s.deleted(&volume);
}

#[test]
fn a_class_can_ask_for_encryption() {
    let s = Scenario::start("encrypted");
    s.apply("examples/default-class/encrypted.yaml");
    let (volume, seen) = used(&s, "secret-app", "secret-data");
    assert!(seen.encrypted, "{seen:?}");

    // The class goes with them, as the README has it; the volume does all the same.
    s.kubectl(&[
        "delete",
        "--filename",
        "examples/default-class/encrypted.yaml",
    ]);
    s.deleted(&volume);
}

/// The class marked as the default is the driver's own.
fn is_ours(s: &Scenario, name: &str) {
    let class = s.get(Kind::STORAGE_CLASS, name).unwrap();
    assert_eq!(
        class.annotation("storageclass.kubernetes.io/is-default-class"),
        "true"
    );
    assert_eq!(class.text("/provisioner"), "ebs.csi.aws.com");
    assert_eq!(class.text("/volumeBindingMode"), "WaitForFirstConsumer");
    assert_eq!(class.text("/parameters/type"), "gp3");
    assert_eq!(class.at("/allowVolumeExpansion"), true);
}

/// The pod runs on a gp3 volume of its node's zone, and has written to it.
fn used(s: &Scenario, pod: &str, claim: &str) -> (Volume, SeenVolume) {
    let volume = s.bound(claim);
    let pod = s.ready(pod);
    let zone = &s.cluster.node(&pod.node).zone;
    s.attached(&volume, &pod.node);
    let seen = s.seen_with_its_tags(&volume);
    assert_eq!((&*seen.kind, seen.gib), ("gp3", 1), "{seen}");
    assert_eq!(
        (seen.iops, seen.throughput),
        (Some(3_000), Some(125)),
        "{seen:?}"
    );
    assert_eq!(&seen.zone, zone, "the zone of the first consumer");
    assert_eq!(s.zones_of_pv(&volume), std::slice::from_ref(zone));
    let policy = s.pv(&volume.pv);
    assert_eq!(policy.text("/spec/persistentVolumeReclaimPolicy"), "Delete");

    s.mounted(&volume, &pod, "ext4");
    let hello = s.until("the pod has written", || {
        let said = s.exec(&pod.name, &["cat", "/data/hello"]);
        if said.is_empty() { Err(said) } else { Ok(said) }
    });
    assert_eq!(hello, "hello");
    (volume, seen)
}
