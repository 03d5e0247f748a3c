//! Many claims and pods at once, and the law that holds for them whatever happens meanwhile: each claim has one volume, no volume is
//! without a claim.

use e2e::{Kind, LONG, Object, Pod, Scenario, Volume};

use crate::workload;

/// The names of a crowd: `app-0`, `app-1`, …
pub(crate) fn names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("app-{number}"))
}

/// A claim of the default class and a pod for each name; the pods on nodes that `selector` chooses.
pub(crate) fn manifests(names: impl Iterator<Item = String>, selector: &str) -> String {
    let class = workload::DEFAULT_CLASS;
    let each = names.map(|name| workload::manifests(&name, class, selector));
    each.collect::<Vec<_>>().join("---")
}

/// Waits until all are bound, each to a volume of its own, which is there; EC2 has no other one of this scenario.
#[track_caller]
pub(crate) fn none_lost_none_doubled(s: &Scenario, count: usize) -> Vec<Volume> {
    let volumes = s.all_bound(count);
    let mut handles: Vec<&str> = volumes.iter().map(|volume| &*volume.id).collect();
    handles.sort_unstable();
    let made = workload::made(s);
    let mut made: Vec<&str> = made.iter().map(|volume| &*volume.id).collect();
    made.sort_unstable();
    assert_eq!(handles, made, "claims' volumes, and those of EC2");
    handles.dedup();
    assert_eq!(handles.len(), count);
    s.say(&format!("EC2 has {count} volumes for them, one each"));
    volumes
}

/// Every pod writes to its own volume, which is attached to the pod's node alone and mounted there.
#[track_caller]
pub(crate) fn all_work(s: &Scenario, pods: &[Pod], volumes: &[Volume]) {
    for pod in pods {
        let volume = volumes.iter().find(|volume| volume.claim == pod.name);
        let volume = volume.unwrap_or_else(|| panic!("{} has no volume", pod.name));
        s.attached(volume, &pod.node);
        s.mounted(volume, pod, "ext4");
        workload::writes(s, &pod.name);
    }
}

/// `kubectl delete` of all pods and claims; waits until neither PV nor volume is left.
#[track_caller]
pub(crate) fn deleted(s: &Scenario) {
    s.kubectl(&["delete", "pods,pvc", "--all", "--wait=false"]);
    s.until_within(LONG, "PVs and volumes are gone", || {
        let claims = s.list(Kind::CLAIM);
        let mut volumes = s.list(Kind::VOLUME);
        volumes.retain(|pv| pv.text("/spec/claimRef/namespace") == s.namespace);
        let left: Vec<String> = claims
            .iter()
            .chain(&volumes)
            .map(Object::to_string)
            .collect();
        if !left.is_empty() {
            return Err(format!("{left:?}"));
        }
        match workload::made(s).as_slice() {
            [] => Ok(()),
            made => Err(format!("{made:?}")),
        }
    });
}
