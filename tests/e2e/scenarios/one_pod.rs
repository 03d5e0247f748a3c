//! ReadWriteOncePod holds for pods, too, that no scheduler has looked at: the node itself refuses the second one.

use e2e::{Kind, Scenario};

use crate::workload;

#[test]
fn a_node_refuses_a_second_pod() {
    let s = Scenario::start("one-pod");
    let claim = workload::claim("data", workload::DEFAULT_CLASS);
    s.apply_text(&claim.replace("ReadWriteOnce", "ReadWriteOncePod"));
    s.apply_text(&workload::pod("first", "data", ""));
    let volume = s.bound("data");
    assert_eq!(
        s.pv(&volume.pv).at("/spec/accessModes/0"),
        "ReadWriteOncePod"
    );
    let first = s.ready("first");
    s.mounted(&volume, &first, "ext4");
    workload::note(&s, "first", "mine");

    // No scheduler is asked where a pod has its node from the beginning.
    let place = format!("nodeName: {}", first.node);
    s.apply_text(&workload::pod("second", "data", &place));
    let event = s.event("second", &["Warning FailedMount", "ReadWriteOncePod"]);
    s.say(&event);
    let second = s.get(Kind::POD, "second").unwrap();
    assert_eq!(second.text("/status/phase"), "Pending", "{second}");
    workload::writes(&s, "first");
    workload::note(&s, "first", "mine");

    s.kubectl(&["delete", "pod", "first"]);
    let second = s.ready("second");
    s.mounted(&volume, &second, "ext4");
    assert_eq!(workload::read(&s, "second"), "mine");
    workload::never_restarted(&s, &second);
    s.kubectl(&["delete", "pod/second", "pvc/data"]);
    s.deleted(&volume);
}
