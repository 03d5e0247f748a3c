//! examples/in-tree-pv: PVs and classes of the volume plugin that Kubernetes had within itself, and ids written as it wrote them.

use e2e::{Kind, NewVolume, Pod, Scenario, Volume};
use serde_json::json;

use crate::workload;

/// A zone with one node of three: what sends the pod there must be the PVs.
const ZONE: &str = "eu-central-1b";

/// The PVs and claims, and where the pod has each.
const DISKS: [(&str, &str); 3] = [
    ("in-tree-id", "/id"),
    ("in-tree-url", "/url"),
    ("csi-url", "/csi"),
];

const APP: &str = "examples/in-tree-pv/app.yaml";
const CLASSES: &str = "examples/in-tree-pv/classes.yaml";
const CLAIMS: &str = "examples/in-tree-pv/pvcs.yaml";

#[test]
fn volumes_of_older_forms_are_attached_mounted_and_grown() {
    let s = Scenario::start("in-tree-pv");
    given(&s);
    s.apply_all(&[CLASSES, CLAIMS, APP]);
    let volumes = DISKS.map(|(claim, _)| s.bound(claim));
    let pod = runs(&s, &volumes);
    for (claim, path) in DISKS {
        let write = format!("echo {claim} >{path}/name && sync");
        s.exec(&pod.name, &["sh", "-c", &write]);
    }
    grown(&s, &volumes[1]);

    s.kubectl(&["scale", "deployment", "old", "--replicas=0"]);
    s.gone(Kind::POD, &pod.name);
    for volume in &volumes {
        s.detached(volume);
    }
    s.kubectl(&["scale", "deployment", "old", "--replicas=1"]);
    let pod = runs(&s, &volumes);
    for (claim, path) in DISKS {
        assert_eq!(s.exec(&pod.name, &["cat", &format!("{path}/name")]), claim);
    }
    let kib = workload::kib(&s, &pod.name, "/url");
    assert!(kib > 3 << 19, "more than one and a half GiB");

    s.delete(&[APP, CLAIMS]);
    for volume in &volumes {
        s.pv_is("Released", &volume.pv);
        s.detached(volume);
    }
}

#[test]
fn a_class_of_the_older_provisioner_makes_volumes() {
    let s = Scenario::start("in-tree-class");
    let file = "examples/in-tree-pv/dynamic.yaml";
    s.apply_all(&[CLASSES, file]);
    let volume = s.bound("dynamic");
    let pod = s.ready("dynamic");
    let seen = s.attached(&volume, &pod.node);
    assert_eq!(
        (&*seen.kind, seen.gib, seen.iops),
        ("io1", 20, Some(200)),
        "{seen:?}"
    );
    s.seen_with_its_tags(&volume);
    s.mounted(&volume, &pod, "xfs");
    assert_eq!(s.zones_of_pv(&volume), std::slice::from_ref(&seen.zone));
    let pv = s.pv(&volume.pv);
    assert_eq!(pv.text("/spec/awsElasticBlockStore/volumeID"), volume.id);
    assert_eq!(pv.label("topology.kubernetes.io/zone"), seen.zone);
    assert_eq!(pv.label("topology.kubernetes.io/region"), s.cluster.region);

    s.delete(&[file]);
    s.deleted(&volume);
}

/// The example's PVs over three new volumes.
fn given(s: &Scenario) {
    let mut manifest =
        include_str!("../../../examples/in-tree-pv/volumes.yaml").replace("ZONE", ZONE);
    for number in 1..=DISKS.len() {
        let id = s.volume_by_hand(NewVolume {
            zone: ZONE,
            gib: 1,
            kind: "gp2",
            snapshot: None,
            tags: &[],
        });
        manifest = manifest.replace(&format!("VOLUME-{number}"), &id);
    }
    s.apply_text(&manifest);
}

/// All of them are mounted in the pod, on the node of their zone.
fn runs(s: &Scenario, volumes: &[Volume]) -> Pod {
    let pod = s.ready_of("old");
    assert_eq!(s.cluster.node(&pod.node).zone, ZONE);
    for volume in volumes {
        s.attached(volume, &pod.node);
        s.mounted(volume, &pod, "ext4");
    }
    pod
}

/// `kubectl edit pvc`: the volume and the PV are larger. The file system may follow with the next pod.
fn grown(s: &Scenario, volume: &Volume) {
    let change = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}});
    s.kubectl(&[
        "patch",
        "pvc",
        &volume.claim,
        "--patch",
        &change.to_string(),
    ]);
    s.until(&format!("PV {} has 2Gi", volume.pv), || {
        let pv = s.pv(&volume.pv);
        match pv.text("/spec/capacity/storage") {
            "2Gi" => Ok(()),
            _ => Err(format!("{pv}, events {:?}", s.events(&volume.claim))),
        }
    });
    assert_eq!(s.seen(volume).gib, 2);
}
