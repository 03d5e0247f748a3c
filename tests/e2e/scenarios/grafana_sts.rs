//! examples/grafana-sts: one replica, another user than root, and a size in decimal units.

use e2e::{Kind, Scenario};
use serde_json::json;

const CLAIM: &str = "grafana-storage-grafana-0";
const FILE: &str = "examples/grafana-sts/grafana.yaml";

#[test]
fn two_billion_bytes_become_two_gib_that_a_server_writes_to() {
    let s = Scenario::start("grafana-sts");
    s.apply(FILE);
    let volume = s.bound(CLAIM);
    let pod = s.ready("grafana-0");
    assert_eq!(s.attached(&volume, &pod.node).gib, 2);
    s.seen_with_its_tags(&volume);
    s.mounted(&volume, &pod, "ext4");
    let pv = s.pv(&volume.pv);
    assert_eq!(pv.text("/spec/capacity/storage"), "2Gi", "{pv}");
    let claim = s.get(Kind::CLAIM, CLAIM).unwrap();
    assert_eq!(claim.text("/spec/resources/requests/storage"), "2G");
    assert_eq!(claim.text("/status/capacity/storage"), "2Gi", "{claim}");
    no_quantity(&s);

    let id = s.exec("grafana-0", &["id", "-u"]);
    let group = s.exec("grafana-0", &["stat", "-c", "%g", "/var/lib/grafana"]);
    assert_eq!((&*id, &*group), ("472", "472"));
    assert_eq!(redis(&s, &["set", "dashboard", "disks"]), "OK");
    s.kubectl(&["rollout", "restart", "statefulset", "grafana"]);
    let again = s.ready_again(&pod);
    s.mounted(&volume, &again, "ext4");
    assert_eq!(redis(&s, &["get", "dashboard"]), "disks");

    s.delete(&[FILE]);
    s.detached(&volume);
    s.kubectl(&["delete", "pvc", CLAIM]);
    s.deleted(&volume);
}

/// `2GB` is nothing that Kubernetes can read.
fn no_quantity(s: &Scenario) {
    let change = json!({"spec": {"resources": {"requests": {"storage": "2GB"}}}});
    let refusal = s.refused(&["patch", "pvc", CLAIM, "--patch", &change.to_string()]);
    assert!(refusal.contains("quantities must match"), "{refusal}");
}

fn redis(s: &Scenario, command: &[&str]) -> String {
    s.exec(
        "grafana-0",
        &[&["redis-cli", "-p", "3000"], command].concat(),
    )
}
