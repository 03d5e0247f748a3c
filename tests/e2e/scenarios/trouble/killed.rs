//! The driver is killed at work. Whoever comes after it finishes the work, once.

use std::thread;

use e2e::{Node, Object, PATIENCE, Pod, Scenario, Volume};
use tokio::time::Instant;

use super::driver::{delete_pod, kill_driver, leader};
use crate::conditions::Slow;
use crate::workload::{self, DEFAULT_CLASS};

#[test]
fn a_controller_killed_while_it_makes_a_volume() {
    provisioning("controller-killed", |s, leader| {
        let node = s.cluster.node(leader.text("/spec/nodeName"));
        kill_driver(s, node, "controller");
    });
}

#[test]
#[ignore = "make e2e-full"]
fn a_controller_pod_deleted_while_it_makes_a_volume() {
    provisioning("controller-deleted", delete_pod);
}

#[test]
#[ignore = "make e2e-full"]
fn a_node_plugin_killed_before_it_mounts() {
    mounting("node-killed-before", <[Node]>::first, |s, volume, node| {
        watched(s, "the device is there", || {
            node.device(&volume.id).is_some()
        });
    });
}

#[test]
fn a_node_plugin_killed_when_it_has_mounted() {
    mounting("node-killed-after", <[Node]>::last, |s, volume, node| {
        watched(s, "the volume is mounted", || {
            let mounts = node.mounts_of(&volume.id, &volume.pv).unwrap();
            !mounts.is_empty()
        });
    });
}

/// The leading controller ends while EC2 makes the volume that it has asked for. There is one volume in the end, which is used.
fn provisioning(name: &str, end: impl FnOnce(&Scenario, &Object)) {
    let s = Scenario::alone(name);
    let slow = Slow::new(&s, "create_ms", 4_000);
    let leader = leader(&s);
    s.apply_text(&workload::manifests("app", DEFAULT_CLASS, ""));
    let begun = s.until("EC2 makes a volume", || {
        let mut made = workload::made(&s);
        made.pop().ok_or_else(|| "there is none".to_owned())
    });
    assert_eq!(begun.state, "creating", "{begun}");
    end(&s, &leader);
    drop(slow);

    let volume = s.bound("app");
    assert_eq!(volume.id, begun.id, "the one that was begun");
    let pod = s.ready("app");
    s.attached(&volume, &pod.node);
    s.mounted(&volume, &pod, "ext4");
    workload::writes(&s, "app");
    let made = workload::made(&s);
    assert_eq!(made.len(), 1, "{made:?}");
    s.kubectl(&["delete", "pod/app", "pvc/app"]);
    s.deleted(&volume);
}

/// The node plugin is killed as soon as `moment` has come in the mounting of a volume. What is mounted already stays; the volume
/// is mounted in the end, with one file system, made once.
///
/// Each scenario chooses a node of its own: kubelet waits longer every time before it starts what has died there.
fn mounting(
    name: &str,
    choose: fn(&[Node]) -> Option<&Node>,
    moment: impl FnOnce(&Scenario, &Volume, &Node),
) {
    let s = Scenario::alone(name);
    let node = choose(&s.cluster.nodes).unwrap();
    let selector = format!("kubernetes.io/hostname: {}", node.name);
    let apply = |name| s.apply_text(&workload::manifests(name, DEFAULT_CLASS, &selector));
    apply("older");
    let older = s.ready("older");

    // So that the looking begins before there is anything to see.
    let slow = Slow::new(&s, "attach_ms", 2_000);
    apply("app");
    let volume = s.bound("app");
    moment(&s, &volume, node);
    kill_driver(&s, node, "node");
    drop(slow);
    workload::writes(&s, "older");

    let pod = s.ready("app");
    s.attached(&volume, &pod.node);
    s.mounted(&volume, &pod, "ext4");
    workload::writes(&s, "app");
    formatted_once(&s, &volume, node);
    started_anew(&s, &volume, &pod, &selector);
    unharmed(&s, &older);
}

/// Both the killed plugin's log and its successor's are read.
fn formatted_once(s: &Scenario, volume: &Volume, node: &Node) {
    let pods = s.cluster.driver_pods().unwrap();
    let plugin = pods.iter().find(|pod| {
        pod.name().starts_with("ebs-csi-node-") && pod.text("/spec/nodeName") == node.name
    });
    let logs = [
        "logs",
        plugin.unwrap().name(),
        "--namespace=kube-system",
        "--container=ebs-plugin",
    ];
    let killed = s.kubectl(&[&logs[..], &["--previous"]].concat());
    let now = s.kubectl(&logs);
    let formatted =
        |line: &&str| line.contains("formatted a blank device") && line.contains(&volume.id);
    let times = killed.lines().chain(now.lines()).filter(formatted).count();
    assert_eq!(times, 1, "formatted so often:\n{killed}\n---\n{now}");
}

/// The data is there for another pod as well, after the volume was put away and mounted again.
fn started_anew(s: &Scenario, volume: &Volume, pod: &Pod, selector: &str) {
    let note = s.exec("app", &["cat", "/data/note"]);
    s.kubectl(&["delete", "pod", "app"]);
    s.left_node(volume, &pod.node);
    s.apply_text(&workload::manifests("app", DEFAULT_CLASS, selector));
    let again = s.ready_again(pod);
    s.mounted(volume, &again, "ext4");
    assert_eq!(s.exec("app", &["cat", "/data/note"]), note);
}

/// The pod that had its volume before never noticed.
fn unharmed(s: &Scenario, pod: &Pod) {
    workload::writes(s, &pod.name);
    workload::never_restarted(s, pod);
}

/// Looks without a pause: what follows has to happen at this very moment.
fn watched(s: &Scenario, what: &str, mut come: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !come() {
        assert!(Instant::now() < deadline, "it never was so: {what}");
        thread::yield_now();
    }
    s.say(what);
}
