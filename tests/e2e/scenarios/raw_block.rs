//! examples/raw-block: a pod has the device itself, wherever it runs, and the device grows under it.

use e2e::{Pod, Scenario, Volume};

use crate::workload;

const GIB: u64 = 1 << 30;

#[test]
fn a_raw_device_keeps_its_bytes_and_grows() {
    let s = Scenario::start("raw-block");
    s.apply_all(&["examples/raw-block/pvc.yaml", "examples/raw-block/app.yaml"]);
    let volume = s.bound("disk");
    let first = s.ready_of("raw");
    has_the_device(&s, &volume, &first);
    size_is(&s, &first, GIB);
    shell(&s, &first, "echo hello | dd of=/dev/disk conv=fsync");

    let second = moved(&s, &volume, &first);
    has_the_device(&s, &volume, &second);
    assert_eq!(shell(&s, &second, "head -c 5 /dev/disk"), "hello");

    let larger = r#"{"spec": {"resources": {"requests": {"storage": "3Gi"}}}}"#;
    s.kubectl(&["patch", "pvc", "disk", "--patch", larger]);
    workload::grown(&s, &volume, "3Gi");
    assert_eq!(s.seen(&volume).gib, 3);
    size_is(&s, &second, 3 * GIB);
    assert_eq!(shell(&s, &second, "head -c 5 /dev/disk"), "hello");

    s.kubectl(&["delete", "--filename", "examples/raw-block/app.yaml"]);
    s.detached(&volume);
    s.left_node(&volume, &second.node);
    s.kubectl(&["delete", "--filename", "examples/raw-block/pvc.yaml"]);
    s.deleted(&volume);
}

/// The pod's device is the volume's, not a file or another device, and nothing of it is mounted as a file system.
fn has_the_device(s: &Scenario, volume: &Volume, pod: &Pod) {
    s.attached(volume, &pod.node);
    let node = s.cluster.node(&pod.node);
    let device = node.device(&volume.id).unwrap();
    let number = shell(s, pod, "stat -c '%F %t %T' /dev/disk");
    let number = number.strip_prefix("block special file ").unwrap();
    let parts = number.split(' ').map(|part| u64::from_str_radix(part, 16));
    let parts: Vec<String> = parts.map(|part| part.unwrap().to_string()).collect();
    assert_eq!(parts.join(":"), device);
    let mounts = node.mounts_of(&volume.id, &volume.pv).unwrap();
    let file_systems = mounts.iter().filter(|mount| mount.device == device);
    assert_eq!(file_systems.count(), 0, "{mounts:?}");
}

/// `kubectl cordon`, `kubectl delete pod`: to another node where the zone has one.
fn moved(s: &Scenario, volume: &Volume, first: &Pod) -> Pod {
    let zone = &s.cluster.node(&first.node).zone;
    let alone = s.cluster.nodes_in(zone).count() == 1;
    let cordoned = (!alone).then(|| s.cordon(&first.node));
    s.kubectl(&["delete", "pod", &first.name]);
    let node = s.scheduled_of("raw", first);
    drop(cordoned);
    assert_eq!(node == first.node, alone);
    let second = s.ready_of("raw");
    if !alone {
        s.left_node(volume, &first.node);
    }
    second
}

fn size_is(s: &Scenario, pod: &Pod, bytes: u64) {
    let said = shell(s, pod, "blockdev --getsize64 /dev/disk");
    assert_eq!(said, bytes.to_string());
}

fn shell(s: &Scenario, pod: &Pod, command: &str) -> String {
    s.exec(&pod.name, &["sh", "-c", command])
}
