//! examples/mongo-sts: three members of a replicated store, which find each other by name and their volumes by theirs.

use std::array;

use e2e::{Kind, Pod, Scenario, Volume};

use crate::workload;

const FILE: &str = "examples/mongo-sts/mongo.yaml";

#[test]
fn each_member_of_a_replicated_store_has_its_volume() {
    let _class = workload::class_standard_of_its_own();
    let s = Scenario::start("mongo-sts");
    s.apply_all(&["examples/mongo-sts/class.yaml", FILE]);
    let volumes: [Volume; 3] = array::from_fn(|n| s.bound(&claim(n)));
    let pods: [Pod; 3] = array::from_fn(|n| s.ready(&format!("mongo-{n}")));
    each_has_its_volume(&s, &pods, &volumes);
    names_resolve(&s);
    answers(&s, 0, &["put", "foo", "bar"], "OK");
    answers(&s, 1, &["get", "foo"], "foo\nbar");

    let again = down_and_up(&s, &pods, &volumes);
    each_has_its_volume(&s, &again, &volumes);
    answers(&s, 2, &["get", "foo"], "foo\nbar");

    protected_while_used(&s, &again[2], &volumes[2]);
    s.delete(&[FILE]);
    for volume in &volumes[..2] {
        s.detached(volume);
        assert_eq!(s.bound(&volume.claim), *volume, "claims stay");
    }
    s.kubectl(&["delete", "pvc", "--selector", "app=mongo"]);
    for volume in &volumes[..2] {
        s.deleted(volume);
    }
}

fn claim(number: usize) -> String {
    format!("mongo-persistent-storage-mongo-{number}")
}

fn each_has_its_volume(s: &Scenario, pods: &[Pod], volumes: &[Volume]) {
    for (pod, volume) in pods.iter().zip(volumes) {
        let seen = s.attached(volume, &pod.node);
        assert_eq!((&*seen.kind, seen.gib), ("gp2", 2), "{seen}");
        s.seen_with_its_tags(volume);
        s.mounted(volume, pod, "ext4");
    }
}

/// A member's name, and the Service's, which has all of them.
fn names_resolve(s: &Scenario) {
    for name in ["mongo-1.mongo-service", "mongo-service"] {
        let whole = format!("{name}.{}.svc.cluster.local", s.namespace);
        s.until(&format!("{whole} resolves"), || {
            s.attempt(&["exec", "mongo-0", "--", "nslookup", &whole])
        });
    }
}

/// Waits until the store answers so when that member is asked: members need some time to find each other.
fn answers(s: &Scenario, member: usize, command: &[&str], answer: &str) {
    let endpoint = format!("--endpoints=mongo-{member}.mongo-service:27017");
    let exec = ["exec", "mongo-0", "--", "etcdctl", &endpoint];
    let command = [&exec[..], command].concat();
    s.until(&format!("mongo-{member} answers {answer:?}"), || {
        match s.attempt(&command)? {
            said if said == answer => Ok(()),
            said => Err(said),
        }
    });
}

/// `kubectl scale`, to one replica and to three again.
fn down_and_up(s: &Scenario, pods: &[Pod; 3], volumes: &[Volume; 3]) -> [Pod; 3] {
    s.kubectl(&["scale", "statefulset", "mongo", "--replicas=1"]);
    for (pod, volume) in pods.iter().zip(volumes).skip(1) {
        s.gone(Kind::POD, &pod.name);
        s.detached(volume);
    }
    for (volume, number) in volumes.iter().zip(0..) {
        assert_eq!(s.bound(&claim(number)), *volume, "claims stay");
    }
    s.kubectl(&["scale", "statefulset", "mongo", "--replicas=3"]);
    let [first, second, third] = pods;
    [first.clone(), s.ready_again(second), s.ready_again(third)]
}

/// A claim that is deleted works on for its pod, and goes with it; the volume after it.
fn protected_while_used(s: &Scenario, pod: &Pod, volume: &Volume) {
    s.kubectl(&["delete", "pvc", &volume.claim, "--wait=false"]);
    let object = s.get(Kind::CLAIM, &volume.claim).unwrap();
    assert!(object.is_going(), "{object}");
    s.attached(volume, &pod.node);
    answers(s, 2, &["get", "foo"], "foo\nbar");
    s.kubectl(&["scale", "statefulset", "mongo", "--replicas=2"]);
    s.gone(Kind::POD, &pod.name);
    s.gone(Kind::CLAIM, &volume.claim);
    s.deleted(volume);
}
