//! The driver's processes and who of them leads.

use std::fs;

use e2e::{DriverProcess, Node, Object, Scenario};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The pod whose csi-provisioner leads, and so the driver that it asks for volumes; waits until there is one.
pub(super) fn leader(s: &Scenario) -> Object {
    s.until("a controller leads", || {
        let lease = ["get", "lease", "ebs-csi-aws-com", "--output"];
        let holder = ["jsonpath={.spec.holderIdentity}", "--namespace=kube-system"];
        let holder = s.attempt(&[&lease[..], &holder[..]].concat())?;
        let pods = s.cluster.driver_pods().map_err(|error| error.to_string())?;
        let leads = |pod: &Object| holder.contains(pod.name()) && !pod.is_going();
        let found = pods.into_iter().find(leads);
        found.ok_or_else(|| format!("no pod is {holder}"))
    })
}

/// `kubectl delete pod` of the driver's; waits for nothing.
pub(super) fn delete_pod(s: &Scenario, pod: &Object) {
    let delete = ["delete", "pod", pod.name(), "--wait=false"];
    s.kubectl(&[&["--namespace", "kube-system"], &delete[..]].concat());
}

/// How often the driver's containers have been started anew, by the pod's name.
pub(super) fn restarts(s: &Scenario) -> Vec<(String, u64)> {
    let pods = s.cluster.driver_pods().unwrap();
    let restarts = |pod: &Object| {
        let mut containers = pod.items("/status/containerStatuses");
        let plugin = containers.find(|container| container.text("/name") == "ebs-plugin");
        let count = plugin.and_then(|plugin| plugin.at("/restartCount").as_u64());
        (pod.name().to_owned(), count.unwrap_or_default())
    };
    pods.iter().map(restarts).collect()
}

/// `kill -9` of the driver's process of this role on a node; waits until it has ended.
pub(super) fn kill_driver(s: &Scenario, node: &Node, role: &str) {
    let mut processes = node.driver_processes().unwrap();
    processes.retain(|process| process.role == role);
    assert!(!processes.is_empty(), "no {role} runs on {}", node.name);
    for DriverProcess { pid, .. } in &processes {
        kill(Pid::from_raw(i32::try_from(*pid).unwrap()), Signal::SIGKILL).unwrap();
    }
    s.until(&format!("the {role} on {} is killed", node.name), || {
        let alive =
            |process: &&DriverProcess| fs::exists(format!("/proc/{}", process.pid)).unwrap();
        match processes.iter().find(alive) {
            None => Ok(()),
            Some(process) => Err(format!("{process:?} is alive")),
        }
    });
}
