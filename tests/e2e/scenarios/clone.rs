//! examples/clone: a claim of a claim has its data, and from then on the two have nothing to do with each other.

use e2e::{Scenario, Volume};

use crate::workload;

#[test]
fn a_clone_has_what_its_source_had() {
    let s = Scenario::start("clone");
    s.apply("examples/clone/app.yaml");
    let source = s.bound("data");
    let app = s.ready("app");
    workload::note(&s, "app", "one");

    s.apply_all(&["examples/clone/class.yaml", "examples/clone/clone.yaml"]);
    let clone = cloned(&s, &source);
    assert_eq!(workload::read(&s, "copy"), "one");
    workload::note(&s, "app", "two");
    assert_eq!(workload::read(&s, "copy"), "one");
    workload::never_restarted(&s, &app);

    s.kubectl(&["delete", "--filename", "examples/clone/app.yaml"]);
    s.deleted(&source);
    assert_eq!(workload::read(&s, "copy"), "one");
    s.kubectl(&["delete", "--filename", "examples/clone/clone.yaml"]);
    s.deleted(&clone);
}

/// It is EC2's own copy of the source, in its zone, and its file system is as large as itself.
fn cloned(s: &Scenario, source: &Volume) -> Volume {
    let clone = s.bound("copy");
    let pod = s.ready("copy");
    s.attached(&clone, &pod.node);
    let seen = s.seen_with_its_tags(&clone);
    assert_eq!(seen.copy_of.as_ref(), Some(&source.id), "{seen:?}");
    assert_eq!((seen.gib, seen.snapshot.as_ref()), (2, None), "{seen:?}");
    assert_eq!(seen.zone, s.seen(source).zone);
    s.mounted(&clone, &pod, "ext4");
    let kib = workload::kib(s, "copy", "/data");
    assert!(kib > 3 << 19, "more than one and a half GiB: {kib} KiB");
    clone
}
