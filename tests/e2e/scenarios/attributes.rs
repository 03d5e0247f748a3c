//! examples/attributes: IOPS, throughput and tags change under a running pod; what cannot be is told, and can be taken back.

use e2e::{Kind, Scenario, SeenVolume, Volume};
use serde_json::json;

use crate::workload;

#[test]
fn another_class_changes_the_volume_under_a_running_pod() {
    let s = Scenario::start("attributes");
    s.apply_all(&[
        "examples/attributes/classes.yaml",
        "examples/attributes/app.yaml",
    ]);
    let volume = s.bound("data");
    let pod = s.ready("app");
    is(&s.seen_with_its_tags(&volume), 3_000, 125, "silver");
    workload::writes(&s, "app");

    give(&s, "gold");
    has(&s, &volume, "gold");
    is(&s.seen(&volume), 6_000, 500, "gold");

    s.apply("examples/attributes/too-much.yaml");
    give(&s, "too-much");
    let event = s.event("data", &["Warning VolumeModifyFailed"]);
    for words in ["iops", "1000000", "80000"] {
        assert!(event.contains(words), "{words:?} is not in: {event}");
    }
    infeasible(&s);
    is(&s.seen(&volume), 6_000, 500, "gold");
    give(&s, "gold");
    has(&s, &volume, "gold");

    workload::never_restarted(&s, &pod);
    workload::writes(&s, "app");
    s.kubectl(&["delete", "--filename", "examples/attributes/app.yaml"]);
    s.deleted(&volume);
}

fn is(seen: &SeenVolume, iops: u32, throughput: u32, tier: &str) {
    assert_eq!(seen.kind, "gp3", "{seen}");
    let speed = (seen.iops, seen.throughput);
    assert_eq!(speed, (Some(iops), Some(throughput)), "{seen:?}");
    assert_eq!(seen.tags["tier"], tier, "{seen:?}");
}

/// `kubectl edit pvc data`.
fn give(s: &Scenario, class: &str) {
    let change = json!({"spec": {"volumeAttributesClassName": class}});
    s.kubectl(&["patch", "pvc", "data", "--patch", &change.to_string()]);
    s.say(&format!("PVC data is given the class {class}"));
}

/// Claim and PV have the class, and nothing is under way.
fn has(s: &Scenario, volume: &Volume, class: &str) {
    s.until(&format!("PVC data has the class {class}"), || {
        let claim = s.get(Kind::CLAIM, "data").ok_or("it is gone")?;
        let now = claim.text("/status/currentVolumeAttributesClassName");
        let done = now == class && claim.at("/status/modifyVolumeStatus").is_null();
        if done {
            return Ok(());
        }
        Err(format!("{claim}, events {:?}", s.events("data")))
    });
    let pv = s.pv(&volume.pv);
    assert_eq!(pv.text("/spec/volumeAttributesClassName"), class, "{pv}");
}

fn infeasible(s: &Scenario) {
    s.until("PVC data says that it cannot be", || {
        let claim = s.get(Kind::CLAIM, "data").ok_or("it is gone")?;
        match claim.text("/status/modifyVolumeStatus/status") {
            "Infeasible" => Ok(()),
            _ => Err(claim.to_string()),
        }
    });
}
