//! examples/ephemeral: a volume that lives as long as its pod.

use e2e::{Kind, Scenario, Volume};

const FILE: &str = "examples/ephemeral/pod.yaml";

#[test]
fn the_volume_comes_and_goes_with_its_pod() {
    let s = Scenario::start("ephemeral");
    let first = used(&s);
    s.exec("sorter", &["sh", "-c", "echo old >/scratch/note && sync"]);
    s.kubectl(&["delete", "--filename", FILE]);
    s.gone(Kind::CLAIM, "sorter-scratch");
    s.deleted(&first);

    let second = used(&s);
    assert_ne!(second.id, first.id);
    s.refused(&["exec", "sorter", "--", "cat", "/scratch/note"]);
    s.kubectl(&["delete", "--filename", FILE]);
    s.deleted(&second);
}

/// The pod's own claim, of which nobody wrote a manifest.
fn used(s: &Scenario) -> Volume {
    s.apply(FILE);
    let volume = s.bound("sorter-scratch");
    let pod = s.ready("sorter");
    let claim = s.get(Kind::CLAIM, "sorter-scratch").unwrap();
    assert_eq!(claim.text("/metadata/ownerReferences/0/uid"), pod.uid);
    assert_eq!(claim.label("purpose"), "scratch");
    s.attached(&volume, &pod.node);
    assert_eq!(s.seen_with_its_tags(&volume).gib, 2);
    s.mounted(&volume, &pod, "ext4");
    volume
}
