//! A node is drained and its driver's pod goes while volumes are still there, as when the machine shuts down: the driver ends after
//! them, and their pod goes on elsewhere in the zone with its data.

use e2e::{Kind, Node, Pod, Scenario, Volume};

use crate::conditions::Slow;
use crate::workload;

/// It takes its time to end: its process does not mind SIGTERM.
const KEEPER: &str = r#"
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: keeper}
spec:
  serviceName: keeper
  selector: {matchLabels: {app: keeper}}
  template:
    metadata: {labels: {app: keeper}}
    spec:
      terminationGracePeriodSeconds: 8
      nodeSelector: {topology.kubernetes.io/zone: eu-central-1a}
      containers:
        - name: app
          image: busybox:1
          command: [sleep, infinity]
          volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec:
        accessModes: [ReadWriteOnce]
        resources: {requests: {storage: 1Gi}}
"#;

#[test]
fn volumes_leave_a_drained_node_before_its_driver() {
    let s = Scenario::alone("drain");
    s.apply_text(KEEPER);
    let first = s.ready("keeper-0");
    let volume = s.bound("data-keeper-0");
    s.mounted(&volume, &first, "ext4");
    workload::writes(&s, "keeper-0");
    let note = s.exec("keeper-0", &["cat", "/data/note"]);
    let node = s.cluster.node(&first.node);
    let (plugin, process) = plugin(&s, node);

    let slow = Slow::new(&s, "detach_ms", 2_000);
    let cordoned = s.cordon(&node.name);
    drain_begins(&s, &first);
    s.kubectl(&[
        "--namespace=kube-system",
        "delete",
        "pod",
        &plugin,
        "--wait=false",
    ]);
    hook_waits(&s, &plugin, &volume);
    volume_leaves_first(&s, &volume, node, process);
    s.until("the plugin has ended", || match runs(node, process) {
        false => Ok(()),
        true => Err(format!("process {process} of {plugin}")),
    });
    s.left_node(&volume, &node.name);
    drop(slow);

    let again = s.ready_again(&first);
    drop(cordoned);
    assert_ne!(again.node, first.node);
    assert_eq!(s.cluster.node(&again.node).zone, node.zone);
    s.mounted(&volume, &again, "ext4");
    assert_eq!(s.exec("keeper-0", &["cat", "/data/note"]), note);
    nothing_stayed(&s, node);
    s.kubectl(&["delete", "statefulset/keeper", "pvc/data-keeper-0"]);
    s.deleted(&volume);
}

/// The node plugin's pod on a node, and its process.
fn plugin(s: &Scenario, node: &Node) -> (String, u32) {
    let pods = s.cluster.driver_pods().unwrap();
    let here = pods.iter().find(|pod| {
        pod.name().starts_with("ebs-csi-node-") && pod.text("/spec/nodeName") == node.name
    });
    let processes = node.driver_processes().unwrap();
    let process = processes.iter().find(|process| process.role == "node");
    (here.unwrap().name().to_owned(), process.unwrap().pid)
}

/// `kubectl drain`, by whom the pod's end is longer than its patience: the pod is evicted all the same.
fn drain_begins(s: &Scenario, pod: &Pod) {
    let drain = ["drain", &pod.node, "--ignore-daemonsets", "--timeout=1s"];
    let told = s.attempt(&[&drain[..], &["--pod-selector=app=keeper"]].concat());
    let told = told.unwrap_err();
    s.say(&format!("kubectl drain {}: {told}", pod.node));
    let evicted = s.get(Kind::POD, &pod.name).unwrap();
    assert_eq!(evicted.text("/metadata/uid"), pod.uid);
    assert!(evicted.is_going(), "{told}, {evicted}");
}

/// The plugin's log has what its hook does.
fn hook_waits(s: &Scenario, plugin: &str, volume: &Volume) {
    s.until("the plugin's log says that it waits", || {
        let log = s.cluster.driver_log(plugin, s.elapsed());
        let log = log.map_err(|error| format!("{error:#}"))?;
        let waits = log.lines().find(|line| {
            line.contains("the plugin ends when these volumes have left")
                && line.contains(&volume.pv)
        });
        waits.map(|_| ()).ok_or(log)
    });
}

/// As long as Kubernetes has the volume attached to the node, the plugin's process is there.
fn volume_leaves_first(s: &Scenario, volume: &Volume, node: &Node, process: u32) {
    s.until("the volume has left the node", || {
        // In this order: it may go in between.
        let runs = runs(node, process);
        let attachments = s.list(Kind::ATTACHMENT);
        let here = attachments.iter().find(|attachment| {
            attachment.text("/spec/nodeName") == node.name
                && attachment.text("/spec/source/persistentVolumeName") == volume.pv
        });
        match here {
            None => Ok(()),
            Some(here) => {
                assert!(runs, "the plugin has ended before {here}");
                Err(here.to_string())
            }
        }
    });
}

fn runs(node: &Node, process: u32) -> bool {
    let processes = node.driver_processes().unwrap();
    processes.iter().any(|one| one.pid == process)
}

/// Nobody had to be told of volumes that stayed.
fn nothing_stayed(s: &Scenario, node: &Node) {
    let events = s.cluster.list(Kind::EVENT, "default").unwrap();
    let stayed = events.iter().find(|event| {
        event.text("/reason") == "VolumesStillAttached"
            && event.text("/involvedObject/name") == node.name
    });
    assert!(stayed.is_none(), "{stayed:?}");
}
