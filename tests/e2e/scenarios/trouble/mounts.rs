//! A node's plugin is killed again and again while it mounts many volumes.

use std::thread;

use e2e::{Node, PATIENCE, Scenario};
use tokio::time::Instant;

use super::driver;
use crate::{crowd, workload};

const PODS: usize = 8;

/// How many volumes are mounted when it is killed.
const MOMENTS: [usize; 2] = [1, 4];

#[test]
#[ignore = "make e2e-full"]
fn a_node_plugin_killed_in_the_middle_of_many_mounts() {
    let s = Scenario::alone("mounts");
    // Not one of those on which it is killed elsewhere: kubelet waits longer every time before it starts what has died there.
    let node = &s.cluster.nodes[1];
    let selector = format!("kubernetes.io/hostname: {}", node.name);
    s.apply_text(&workload::manifests(
        "older",
        workload::DEFAULT_CLASS,
        &selector,
    ));
    let older = s.ready("older");

    s.apply_text(&crowd::manifests(crowd::names(PODS), &selector));
    for moment in MOMENTS {
        mounted(&s, node, 1 + moment);
        driver::kill_driver(&s, node, "node");
        workload::writes(&s, "older");
    }

    let pods = s.all_ready(1 + PODS);
    let volumes = crowd::none_lost_none_doubled(&s, 1 + PODS);
    crowd::all_work(&s, &pods, &volumes);
    workload::never_restarted(&s, &older);
    crowd::deleted(&s);
    for volume in &volumes {
        s.left_node(volume, &node.name);
    }
}

/// Looks without a pause: what follows has to happen while others are being mounted.
fn mounted(s: &Scenario, node: &Node, least: usize) {
    let deadline = Instant::now() + PATIENCE;
    let staged = || {
        let mounts = node.mounts().unwrap();
        let staged = mounts
            .iter()
            .filter(|mount| mount.point.ends_with("globalmount"));
        staged.count()
    };
    while staged() < least {
        assert!(Instant::now() < deadline, "{} are mounted", staged());
        thread::yield_now();
    }
    s.say(&format!("{least} volumes are mounted"));
}
