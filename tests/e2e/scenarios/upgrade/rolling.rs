//! A rolling update of controller and nodes, under load: what runs goes on, what comes and goes meanwhile does so.

use e2e::{Kind, Object, Pod, Scenario};

use crate::{crowd, workload};

/// Of the driver's controller and nodes.
const SYSTEM: &str = "kube-system";

#[test]
#[ignore = "make e2e-full"]
fn a_rolling_update_under_load() {
    let s = Scenario::alone("rolling");
    let writers = writers(&s);
    let before = pods(&s);
    restart(&s);

    // A pod with a volume on each node; when all run they are deleted and the next ones come, until the update is done.
    let mut rounds = 0;
    while !rolled_out(&s) {
        rounds += 1;
        round(&s, rounds, writers.len());
    }
    round(&s, rounds + 1, writers.len());
    assert_eq!(pods(&s).iter().find(|pod| before.contains(pod)), None);
    s.say(&format!(
        "{} rounds, every pod of the driver is new",
        rounds + 1
    ));

    for writer in &writers {
        workload::never_restarted(&s, writer);
        went_on(&s, writer);
    }
    let volumes = s.all_bound(writers.len());
    for volume in &volumes {
        s.seen(volume);
    }
    s.until(
        "EC2 has none but the writers' volumes",
        || match workload::made(&s) {
            made if made.len() == volumes.len() => Ok(()),
            made => Err(format!("{made:?}")),
        },
    );
    crowd::deleted(&s);
}

/// On each node a pod that writes ten lines a second to its volume, and ends if it cannot.
fn writers(s: &Scenario) -> Vec<Pod> {
    let command = "while echo line >>/data/log && sync /data/log; do usleep 100000; done";
    let sleep = "[sleep, infinity]";
    let each = s.cluster.nodes.iter().map(|node| {
        let name = format!("writer-{}", node.name);
        let manifests = manifests(&name, &node.name);
        manifests.replace(sleep, &format!("[sh, -c, {command:?}]"))
    });
    s.apply_text(&each.collect::<Vec<_>>().join("---"));
    s.all_ready(s.cluster.nodes.len())
}

fn manifests(name: &str, node: &str) -> String {
    let selector = format!("kubernetes.io/hostname: {node}");
    workload::manifests(name, workload::DEFAULT_CLASS, &selector)
}

/// The uids of the driver's pods.
fn pods(s: &Scenario) -> Vec<String> {
    let pods = s.cluster.driver_pods().unwrap();
    pods.iter()
        .filter(|pod| !pod.is_going())
        .map(|pod| pod.text("/metadata/uid").to_owned())
        .collect()
}

fn restart(s: &Scenario) {
    let what = ["deployment/ebs-csi-controller", "daemonset/ebs-csi-node"];
    let restart = ["--namespace", SYSTEM, "rollout", "restart"];
    s.kubectl(&[&restart[..], &what[..]].concat());
    s.say("kubectl rollout restart of controller and nodes");
}

fn rolled_out(s: &Scenario) -> bool {
    let get = |kind, name| s.cluster.get(kind, SYSTEM, name).unwrap().unwrap();
    let controller = get(Kind::DEPLOYMENT, "ebs-csi-controller");
    let nodes = get(Kind::DAEMON_SET, "ebs-csi-node");
    let wanted = controller.at("/spec/replicas");
    let current = |object: &Object| {
        object.at("/status/observedGeneration") == object.at("/metadata/generation")
    };
    let all = nodes.at("/status/desiredNumberScheduled");
    current(&controller)
        && ["replicas", "updatedReplicas", "availableReplicas"]
            .iter()
            .all(|count| controller.at(&format!("/status/{count}")) == wanted)
        && current(&nodes)
        && ["updatedNumberScheduled", "numberAvailable"]
            .iter()
            .all(|count| nodes.at(&format!("/status/{count}")) == all)
}

/// A pod with a volume on each node comes, writes, and goes with its volume.
fn round(s: &Scenario, number: usize, writers: usize) {
    let name = |node: &str| format!("round-{number}-{node}");
    let nodes = s.cluster.nodes.iter().map(|node| &*node.name);
    let all = nodes.clone().map(|node| manifests(&name(node), node));
    s.apply_text(&all.collect::<Vec<_>>().join("---"));
    for node in nodes.clone() {
        let pod = s.ready(&name(node));
        workload::writes(s, &pod.name);
    }
    for node in nodes {
        let (pod, claim) = (format!("pod/{}", name(node)), format!("pvc/{}", name(node)));
        s.kubectl(&["delete", &pod, &claim, "--wait=false"]);
    }
    s.until(
        &format!("the pods of round {number} are gone"),
        || match s.list(Kind::POD).len() {
            left if left == writers => Ok(()),
            left => Err(format!("{left} pods")),
        },
    );
}

/// It still writes.
fn went_on(s: &Scenario, writer: &Pod) {
    let lines = || -> u64 {
        let said = s.exec(&writer.name, &["wc", "-l", "/data/log"]);
        let count = said.split_whitespace().next().unwrap_or_default();
        count.parse().unwrap()
    };
    let now = lines();
    s.until(&format!("{} writes on", writer.name), || match lines() {
        more if more > now => Ok(()),
        same => Err(format!("{same} lines")),
    });
}
