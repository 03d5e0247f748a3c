//! examples/access-modes: who may have a volume at the same time, and what is said to those who may not.

use e2e::{Kind, Scenario, Volume};

use crate::workload;

#[test]
fn read_write_once_is_for_the_pods_of_one_node() {
    let s = Scenario::start("read-write-once");
    s.apply("examples/access-modes/read-write-once.yaml");
    let volume = s.bound("once");
    for pod in two_on_one_node(&s, ["first", "second"], &volume) {
        let seen = s.until(&format!("{pod} sees both files"), || {
            match s.exec(&pod, &["ls", "/data"]) {
                files if files.contains("first") && files.contains("second") => Ok(files),
                files => Err(files),
            }
        });
        assert!(seen.starts_with("first"), "{seen}");
    }
}

#[test]
fn read_write_once_pod_refuses_a_second_pod() {
    let s = Scenario::start("read-write-once-pod");
    s.apply("examples/access-modes/read-write-once-pod.yaml");
    let volume = s.bound("once-pod");
    let first = s.ready("has-it");
    workload::writes(&s, "has-it");
    let note = workload::read(&s, "has-it");

    s.apply("examples/access-modes/wants-it.yaml");
    s.event("wants-it", &["FailedScheduling", "ReadWriteOncePod"]);
    let second = s.get(Kind::POD, "wants-it").unwrap();
    assert_eq!(second.text("/status/phase"), "Pending", "{second}");
    s.mounted(&volume, &first, "ext4");

    s.kubectl(&["delete", "pod", "has-it"]);
    let second = s.ready("wants-it");
    s.attached(&volume, &second.node);
    assert_eq!(workload::read(&s, "wants-it"), note);
}

#[test]
fn read_write_many_is_refused_for_a_file_system() {
    let s = Scenario::start("read-write-many");
    s.apply("examples/access-modes/read-write-many.yaml");
    let event = s.event("many", &["ProvisioningFailed", "InvalidArgument"]);
    for words in [
        "MULTI_NODE_MULTI_WRITER",
        "ReadWriteOnce",
        "volumeMode Block",
        "io2",
    ] {
        assert!(event.contains(words), "{words:?} is not in: {event}");
    }
    let claim = s.get(Kind::CLAIM, "many").unwrap();
    assert_eq!(claim.text("/status/phase"), "Pending", "{claim}");
    assert_eq!(workload::made(&s), []);
}

#[test]
fn read_write_many_is_a_block_device_on_two_nodes() {
    let s = Scenario::start("shared-disk");
    s.apply("examples/access-modes/read-write-many-block.yaml");
    let volume = s.bound("shared");
    let (left, right) = (s.ready("left"), s.ready("right"));
    assert_ne!(left.node, right.node);
    let seen = s.seen_with_its_tags(&volume);
    assert_eq!((&*seen.kind, seen.gib), ("io2", 4), "{seen}");
    assert!(seen.multi_attach, "{seen:?}");
    let mut there: Vec<_> = seen.attachments.iter().map(|a| &*a.instance).collect();
    let mut expected = [&left, &right].map(|pod| &*s.cluster.node(&pod.node).instance);
    there.sort_unstable();
    expected.sort_unstable();
    assert_eq!(there, expected, "{seen:?}");

    let write = "echo from the left | dd of=/dev/shared bs=512 conv=sync oflag=direct";
    s.exec("left", &["sh", "-c", write]);
    let read = "dd if=/dev/shared bs=512 count=1 iflag=direct 2>/dev/null | tr -d '\\0'";
    assert_eq!(s.exec("right", &["sh", "-c", read]), "from the left");

    // One node after the other lets go of it.
    s.kubectl(&["delete", "pod", "left"]);
    s.attached(&volume, &right.node);
    assert_eq!(s.exec("right", &["sh", "-c", read]), "from the left");
    s.kubectl(&["delete", "pod/right", "pvc/shared"]);
    s.deleted(&volume);
}

#[test]
fn read_only_many_of_a_snapshot_is_never_written() {
    let s = Scenario::start("read-only-many");
    s.apply_all(&[
        "examples/snapshot-restore/class.yaml",
        "examples/access-modes/writer.yaml",
    ]);
    let origin = s.bound("origin");
    s.ready("writer");
    s.kubectl(&["delete", "pod", "writer"]);
    s.detached(&origin);
    s.apply("examples/access-modes/snapshot.yaml");

    s.apply("examples/access-modes/read-only-many.yaml");
    let volume = s.bound("read-only");
    for pod in two_on_one_node(&s, ["reader", "another-reader"], &volume) {
        assert_eq!(workload::read(&s, &pod), "written once");
        let refusal = s.refused(&["exec", &pod, "--", "touch", "/data/mine"]);
        assert!(refusal.contains("Read-only file system"), "{refusal}");
    }
    assert!(!s.seen_with_its_tags(&volume).multi_attach);
    s.delete(&["examples/access-modes/read-only-many.yaml"]);
    s.deleted(&volume);
}

/// Both pods are ready, on the node that has the volume mounted; returns their names.
fn two_on_one_node(s: &Scenario, names: [&str; 2], volume: &Volume) -> [String; 2] {
    let pods = names.map(|name| s.ready(name));
    assert_eq!(pods[0].node, pods[1].node);
    s.attached(volume, &pods[0].node);
    for pod in &pods {
        s.mounted(volume, pod, "ext4");
    }
    names.map(str::to_owned)
}
