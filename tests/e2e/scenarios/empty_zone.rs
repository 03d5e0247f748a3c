//! A claim for a zone in which the cluster has no node: its pod waits and says why, and no volume is left over.

use e2e::{Kind, Scenario};

use crate::workload;

/// The emulated region has this zone; the cluster has no node in it.
const ZONE: &str = "eu-central-1c";

#[test]
fn a_late_volume_for_an_empty_zone_is_never_made() {
    let s = Scenario::start("empty-zone-late");
    apply(&s, "empty-zone-late", "WaitForFirstConsumer");
    s.event("waits", &["FailedScheduling", "0/3 nodes are available"]);
    let event = s.event(
        "waits",
        &["didn't find available persistent volumes to bind"],
    );
    s.say(&event);
    let claim = s.get(Kind::CLAIM, "waits").unwrap();
    assert_eq!(claim.text("/status/phase"), "Pending", "{claim}");
    assert_eq!(workload::made(&s), []);

    // The way out: a class of that name with a zone that has nodes. Claim and pod stay as they are.
    let other = &s.cluster.nodes[0].zone;
    s.kubectl(&["delete", "storageclass", "empty-zone-late"]);
    s.apply_text(&class("empty-zone-late", "WaitForFirstConsumer", other));
    let volume = s.bound("waits");
    assert_eq!(s.zones_of_pv(&volume), std::slice::from_ref(other));
    s.ready("waits");
}

#[test]
fn an_early_volume_in_an_empty_zone_waits_there() {
    let s = Scenario::start("empty-zone-early");
    apply(&s, "empty-zone-early", "Immediate");
    let volume = s.bound("waits");
    assert_eq!(s.zones_of_pv(&volume), [ZONE]);
    let event = s.event(
        "waits",
        &["FailedScheduling", "PersistentVolume's node affinity"],
    );
    s.say(&event);
    // The scheduler names neither the zone nor the volume.
    let event = s.event("waits", &["NoNodeInVolumeZone", ZONE, &volume.id]);
    s.say(&event);
    let pod = s.get(Kind::POD, "waits").unwrap();
    assert_eq!(pod.text("/status/phase"), "Pending", "{pod}");
    let made = workload::made(&s);
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!((&*made[0].id, &*made[0].zone), (&*volume.id, ZONE));

    s.kubectl(&["delete", "pod/waits", "pvc/waits"]);
    s.deleted(&volume);
}

fn apply(s: &Scenario, name: &str, binding: &str) {
    assert_eq!(s.cluster.nodes_in(ZONE).count(), 0);
    let workload = workload::manifests("waits", name, "");
    s.apply_text(&format!("{}---{workload}", class(name, binding, ZONE)));
}

fn class(name: &str, binding: &str, zone: &str) -> String {
    let term =
        format!("matchLabelExpressions: [{{key: topology.kubernetes.io/zone, values: [{zone}]}}]");
    let rest = format!("volumeBindingMode: {binding}\nallowedTopologies:\n  - {term}");
    workload::class(name, &rest)
}
