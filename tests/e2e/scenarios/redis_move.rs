//! examples/redis-move: a database moves to another node of its zone and finds its data there.

use e2e::{Kind, Pod, Scenario, Volume};

use crate::workload;

/// The zone that the example's class names.
const ZONE: &str = "eu-central-1a";

#[test]
fn redis_moves_with_its_data() {
    let _class = workload::class_standard_of_redis();
    let s = Scenario::start("redis-move");
    play(&s, "examples/redis-move/pvc.yaml");
}

#[test]
fn redis_moves_with_its_data_of_a_class_named_by_annotation() {
    let _class = workload::class_standard_of_redis();
    let s = Scenario::start("redis-move-annotation");
    play(&s, "examples/redis-move/pvc-annotation.yaml");
}

fn play(s: &Scenario, claim: &str) {
    let volume = claimed(s, claim);
    s.apply("examples/redis-move/redis.yaml");
    let first = s.ready_of("redis");
    s.attached(&volume, &first.node);
    s.mounted(&volume, &first, "ext4");
    assert_eq!(redis(s, &first, &["set", "foo", "bar"]), "OK");

    let second = moved(s, &first);
    s.attached(&volume, &second.node);
    s.mounted(&volume, &second, "ext4");
    s.left_node(&volume, &first.node);
    assert_eq!(redis(s, &second, &["get", "foo"]), "bar");
    found_by_name(s);

    s.kubectl(&["delete", "--filename", "examples/redis-move/redis.yaml"]);
    s.detached(&volume);
    s.left_node(&volume, &second.node);
    s.kubectl(&["delete", "pvc", "redis-data"]);
    s.deleted(&volume);
}

/// Its class makes the volume at once, in the class's zone.
fn claimed(s: &Scenario, claim: &str) -> Volume {
    s.apply("examples/redis-move/class.yaml");
    s.apply(claim);
    let volume = s.bound("redis-data");
    let seen = s.seen_with_its_tags(&volume);
    assert_eq!((seen.state.as_str(), seen.gib), ("available", 10), "{seen}");
    assert_eq!((&*seen.kind, &*seen.zone), ("gp2", ZONE), "{seen}");
    assert_eq!(s.zones_of_pv(&volume), [ZONE]);
    assert!(ZONE.starts_with(&s.cluster.region));
    volume
}

/// `kubectl cordon`, `kubectl delete pod`: a new pod starts on the zone's other node.
fn moved(s: &Scenario, first: &Pod) -> Pod {
    let cordoned = s.cordon(&first.node);
    s.kubectl(&["delete", "pod", &first.name]);
    let node = s.scheduled_of("redis", first);
    drop(cordoned);
    assert_ne!(node, first.node);
    assert_eq!(s.cluster.node(&node).zone, ZONE);
    let second = s.ready_of("redis");
    assert_eq!(second.node, node);
    second
}

/// Another pod finds it by the name of its Service. It may have to ask twice: its node learns only after the pod is ready where
/// the Service leads to now.
fn found_by_name(s: &Scenario) {
    let name = format!("redis.{}.svc.cluster.local", s.namespace);
    let run = ["run", "client", "--image=redis:7", "--restart=OnFailure"];
    let command = ["--command", "--", "redis-cli", "-h", &name, "get", "foo"];
    s.kubectl(&[&run[..], &command[..]].concat());
    s.until("the client has ended", || {
        let client = s.get(Kind::POD, "client").ok_or("there is no client")?;
        match client.text("/status/phase") {
            "Succeeded" | "Failed" => Ok(()),
            _ => Err(client.to_string()),
        }
    });
    assert_eq!(s.kubectl(&["logs", "client"]), "bar");
    s.say(&format!("{name} answers"));
}

fn redis(s: &Scenario, pod: &Pod, command: &[&str]) -> String {
    s.exec(&pod.name, &[&["redis-cli"], command].concat())
}
