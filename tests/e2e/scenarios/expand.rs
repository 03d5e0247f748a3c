//! examples/expand: a disk grows while it is used, where that can be; what cannot be is refused with the reason.

use std::fs;

use e2e::{Kind, Pod, Scenario, Volume};
use serde_json::json;

use crate::workload;

const KIB_PER_GIB: u64 = 1 << 20;

/// The bit of CAP_SYS_RESOURCE in a capability set.
const SYS_RESOURCE: u64 = 1 << 24;

#[test]
fn xfs_grows_under_a_running_pod() {
    let s = Scenario::start("expand-xfs");
    let (volume, pod) = running(&s, "xfs", "on-xfs");
    assert_eq!(s.seen_with_its_tags(&volume).kind, "gp3");
    s.mounted(&volume, &pod, "xfs");
    has_gib(&s, &pod, 1);

    ask_for(&s, "xfs", "3Gi");
    workload::grown(&s, &volume, "3Gi");
    assert_eq!(s.seen(&volume).gib, 3);
    s.event("xfs", &["FileSystemResizeSuccessful"]);
    has_gib(&s, &pod, 3);
    workload::never_restarted(&s, &pod);
    s.mounted(&volume, &pod, "xfs");

    let refusal = refused(&s, "xfs", "2Gi");
    assert!(refusal.contains("less than status.capacity"), "{refusal}");
    assert_eq!(s.seen(&volume).gib, 3);
    taken_away(&s, "xfs", &volume);
}

#[test]
fn ext4_grows_at_once_or_with_the_next_pod() {
    let s = Scenario::start("expand-ext4");
    let (volume, pod) = running(&s, "ext4", "on-ext4");
    assert_eq!(s.seen_with_its_tags(&volume).kind, "gp2");
    s.mounted(&volume, &pod, "ext4");
    has_gib(&s, &pod, 1);

    ask_for(&s, "ext4", "3Gi");
    if can_grow_mounted_ext4(&s, &pod.node) {
        s.say("the node plugin has CAP_SYS_RESOURCE: it grows now");
        workload::grown(&s, &volume, "3Gi");
        has_gib(&s, &pod, 3);
        workload::never_restarted(&s, &pod);
    } else {
        s.say("the node plugin lacks CAP_SYS_RESOURCE: it grows with the next pod");
        waits_for_the_capability(&s);
        has_gib(&s, &pod, 1);
        let again = stopped_and_started(&s, &volume, &pod);
        workload::grown(&s, &volume, "3Gi");
        has_gib(&s, &again, 3);
        let first = s.exec(&again.name, &["cat", "/data/first"]);
        assert_eq!(first, pod.name, "what was written before");
        s.mounted(&volume, &again, "ext4");
    }
    assert_eq!(s.seen(&volume).gib, 3);
    taken_away(&s, "ext4", &volume);
}

#[test]
fn a_class_that_does_not_allow_it_refuses() {
    let s = Scenario::start("expand-fixed");
    let (volume, pod) = running(&s, "fixed", "fixed");
    let refusal = refused(&s, "fixed", "3Gi");
    assert!(
        refusal.contains("storageclass") && refusal.contains("must support resize"),
        "{refusal}"
    );
    assert_eq!(s.seen(&volume).gib, 1);
    has_gib(&s, &pod, 1);
    taken_away(&s, "fixed", &volume);
}

#[test]
fn one_expansion_too_many_waits_and_says_how_long() {
    let s = Scenario::start("expand-often");
    let (volume, pod) = running(&s, "xfs", "on-xfs");
    ask_for(&s, "xfs", "2Gi");
    workload::grown(&s, &volume, "2Gi");

    let limit = json!({
        "action": "ModifyVolume", "resource": volume.id, "kind": "error", "count": 3,
        "code": "VolumeModificationRateExceeded", "message": "You've reached the maximum modification rate per volume limit.",
    });
    s.ec2(async |cloud| cloud.fault(&limit).await);
    ask_for(&s, "xfs", "3Gi");
    let event = s.event("xfs", &["VolumeResizeFailed", &volume.id]);
    for words in [
        "cannot be modified yet",
        "the next one is possible at",
        " min)",
        "VolumeModificationRateExceeded",
    ] {
        assert!(event.contains(words), "{event}");
    }
    workload::grown(&s, &volume, "3Gi");
    has_gib(&s, &pod, 3);
    workload::never_restarted(&s, &pod);
    taken_away(&s, "xfs", &volume);
}

/// The example's claim and its application, which runs.
fn running(s: &Scenario, claim: &str, app: &str) -> (Volume, Pod) {
    let file = format!("examples/expand/{claim}.yaml");
    s.apply_all(&["examples/expand/classes.yaml", &file]);
    let volume = s.bound(claim);
    let pod = s.ready_of(app);
    let seen = s.attached(&volume, &pod.node);
    assert_eq!(seen.gib, 1, "{seen}");
    (volume, pod)
}

fn patch(claim: &str, size: &str) -> [String; 5] {
    let change = json!({"spec": {"resources": {"requests": {"storage": size}}}});
    ["patch", "pvc", claim, "--patch", &change.to_string()].map(str::to_owned)
}

/// `kubectl edit pvc`.
fn ask_for(s: &Scenario, claim: &str, size: &str) {
    s.kubectl(&patch(claim, size).each_ref().map(String::as_str));
    s.say(&format!("PVC {claim} is edited to {size}"));
}

fn refused(s: &Scenario, claim: &str, size: &str) -> String {
    s.refused(&patch(claim, size).each_ref().map(String::as_str))
}

/// What `df` says in the pod: a file system's own use of it is never as much as a tenth.
fn has_gib(s: &Scenario, pod: &Pod, gib: u64) {
    let kib = workload::kib(s, &pod.name, "/data");
    let whole = gib * KIB_PER_GIB;
    assert!((whole - whole / 10..=whole).contains(&kib), "{kib} KiB");
    s.say(&format!("df in the pod: {kib} KiB"));
}

fn can_grow_mounted_ext4(s: &Scenario, node: &str) -> bool {
    let processes = s.cluster.node(node).driver_processes().unwrap();
    let plugin = processes.iter().find(|process| process.role == "node");
    let status = fs::read_to_string(format!("/proc/{}/status", plugin.unwrap().pid)).unwrap();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .unwrap();
    u64::from_str_radix(effective.trim(), 16).unwrap() & SYS_RESOURCE != 0
}

/// The volume has grown; the claim says why its file system has not.
fn waits_for_the_capability(s: &Scenario) {
    s.until("PVC ext4 says what it waits for", || {
        let claim = s.get(Kind::CLAIM, "ext4").ok_or("it is gone")?;
        let failed = claim.condition("NodeResizeError");
        match failed {
            Some(failed) if failed.text("/message").contains("CAP_SYS_RESOURCE") => Ok(()),
            _ => Err(claim.to_string()),
        }
    });
    let claim = s.get(Kind::CLAIM, "ext4").unwrap();
    assert!(claim.is("FileSystemResizePending"), "{claim}");
    assert_eq!(claim.text("/status/capacity/storage"), "1Gi", "{claim}");
}

/// `kubectl scale --replicas=0`, and 1 again as soon as the node has let go of the volume.
fn stopped_and_started(s: &Scenario, volume: &Volume, pod: &Pod) -> Pod {
    s.kubectl(&["scale", "deployment", "on-ext4", "--replicas=0"]);
    s.gone(Kind::POD, &pod.name);
    s.left_node(volume, &pod.node);
    s.kubectl(&["scale", "deployment", "on-ext4", "--replicas=1"]);
    s.ready_of("on-ext4")
}

fn taken_away(s: &Scenario, claim: &str, volume: &Volume) {
    let file = format!("examples/expand/{claim}.yaml");
    s.kubectl(&["delete", "--filename", &file]);
    s.deleted(volume);
}
