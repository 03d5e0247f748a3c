//! examples/nginx-sts: each replica of a StatefulSet has its own disk, always.

use e2e::{Kind, Pod, Scenario, Volume};

const REPLICAS: usize = 3;

#[test]
fn each_nginx_serves_its_own_file_wherever_it_runs() {
    let s = Scenario::start("nginx-sts");
    s.apply("examples/nginx-sts/nginx.yaml");
    s.apply("examples/nginx-sts/client.yaml");
    let pods: Vec<Pod> = names("nginx").map(|name| s.ready(&name)).collect();
    let volumes: Vec<Volume> = names("html-nginx").map(|name| s.bound(&name)).collect();
    came_in_order(&s);
    each_has_its_volume(&s, &pods, &volumes);
    s.ready("client");
    write(&s, &pods);
    served(&s, &pods);

    let again = started_anew(&s, &pods);
    for (volume, name) in volumes.iter().zip(names("html-nginx")) {
        assert_eq!(*volume, s.bound(&name), "a claim keeps its volume");
    }
    came_in_order(&s);
    each_has_its_volume(&s, &again, &volumes);
    served(&s, &pods);

    s.kubectl(&["delete", "--filename", "examples/nginx-sts/nginx.yaml"]);
    for volume in &volumes {
        s.detached(volume);
        let claim = s.get(Kind::CLAIM, &volume.claim).unwrap();
        assert_eq!(claim.text("/status/phase"), "Bound", "claims stay");
    }
    s.kubectl(&["delete", "pvc", "--selector", "app=nginx"]);
    for volume in &volumes {
        s.deleted(volume);
    }
}

fn names(prefix: &str) -> impl Iterator<Item = String> {
    (0..REPLICAS).map(move |n| format!("{prefix}-{n}"))
}

/// No pod was made before the one before it was ready.
fn came_in_order(s: &Scenario) {
    let pods: Vec<_> = names("nginx")
        .filter_map(|name| s.get(Kind::POD, &name))
        .collect();
    assert_eq!(pods.len(), REPLICAS);
    for pair in pods.windows(2) {
        let ready = pair[0].condition("Ready").unwrap();
        let (ready, made) = (
            ready.text("/lastTransitionTime"),
            pair[1].text("/metadata/creationTimestamp"),
        );
        // Both are UTC in the same form, so that their order is that of their letters.
        assert!(
            ready <= made,
            "{} came at {made}, {ready} was too late",
            pair[1].name()
        );
    }
    s.say("they came one after the other");
}

fn each_has_its_volume(s: &Scenario, pods: &[Pod], volumes: &[Volume]) {
    for (pod, volume) in pods.iter().zip(volumes) {
        let seen = s.attached(volume, &pod.node);
        let zone = &s.cluster.node(&pod.node).zone;
        assert_eq!(
            (&seen.zone, seen.gib, &*seen.kind),
            (zone, 1, "gp3"),
            "{seen}"
        );
        s.seen_with_its_tags(volume);
        s.mounted(volume, pod, "ext4");
    }
}

fn write(s: &Scenario, pods: &[Pod]) {
    for pod in pods {
        let page = page_of(pod);
        let write = format!("echo {page} > /usr/share/nginx/html/index.html");
        s.exec(&pod.name, &["sh", "-c", &write]);
    }
}

/// Another pod gets what the first pods wrote, each one's own, by its own name.
fn served(s: &Scenario, first: &[Pod]) {
    for pod in first {
        let address = format!("http://{}.nginx", pod.name);
        let page = s.until(&format!("{address} answers"), || {
            s.attempt(&["exec", "client", "--", "wget", "-qO-", &address])
        });
        assert_eq!(page, page_of(pod));
    }
}

/// Of the pod itself: none that comes later could write the same.
fn page_of(Pod { name, uid, .. }: &Pod) -> String {
    format!("this is {name}, first {uid}")
}

/// `kubectl delete pod -l app=nginx` with the first one's node closed, until the scheduler has found it another one; if its zone
/// has no other node, it waits.
fn started_anew(s: &Scenario, pods: &[Pod]) -> Vec<Pod> {
    let first = &pods[0];
    let zone = &s.cluster.node(&first.node).zone;
    let can_move = s.cluster.nodes_in(zone).count() > 1;
    let cordoned = s.cordon(&first.node);
    s.kubectl(&["delete", "pod", "--selector", "app=nginx"]);
    if can_move {
        assert_ne!(s.scheduled_of("nginx", first), first.node);
    } else {
        s.event(&first.name, &["FailedScheduling", "unschedulable"]);
    }
    drop(cordoned);
    pods.iter().map(|pod| s.ready_again(pod)).collect()
}
