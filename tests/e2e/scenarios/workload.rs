//! What scenarios have in common: a claim and a pod that uses it, where no example has them, and a class that two examples have.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use e2e::{Kind, Pod, Scenario, SeenVolume, Volume};

/// Two examples have a class of this name, and not the same one.
static STANDARD: RwLock<()> = RwLock::new(());

/// Before its beginning: the scenario uses redis-move's class `standard`.
pub(crate) fn class_standard_of_redis() -> RwLockReadGuard<'static, ()> {
    STANDARD.read().unwrap_or_else(PoisonError::into_inner)
}

/// Before its beginning: the scenario makes a class `standard` of its own.
pub(crate) fn class_standard_of_its_own() -> RwLockWriteGuard<'static, ()> {
    STANDARD.write().unwrap_or_else(PoisonError::into_inner)
}

/// A PVC and a pod of the same name: the claim of this class, the pod on a node that `selector` chooses (`zone: a`, or nothing).
pub(crate) fn manifests(name: &str, class: &str, selector: &str) -> String {
    let pod = pod(name, name, &format!("nodeSelector: {{{selector}}}"));
    format!("{}---{pod}", claim(name, class))
}

/// A PVC of this class.
pub(crate) fn claim(name: &str, class: &str) -> String {
    format!(
        r#"
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {name}}}
spec:
  storageClassName: {class}
  accessModes: [ReadWriteOnce]
  resources: {{requests: {{storage: 1Gi}}}}
"#
    )
}

/// A pod with a claim's volume at `/data`; `place` says where it runs, in YAML.
pub(crate) fn pod(name: &str, claim: &str, place: &str) -> String {
    format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 1
  {place}
  containers:
    - name: app
      image: busybox:1
      command: [sleep, infinity]
      volumeMounts: [{{name: data, mountPath: /data}}]
  volumes: [{{name: data, persistentVolumeClaim: {{claimName: {claim}}}}}]
"#
    )
}

/// A class of this driver; `rest` is what it says beyond its name, in YAML.
pub(crate) fn class(name: &str, rest: &str) -> String {
    format!(
        r#"
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {{name: {name}}}
provisioner: ebs.csi.aws.com
{rest}
"#
    )
}

/// The class that the driver brings.
pub(crate) const DEFAULT_CLASS: &str = "ebs-csi-default-sc";

/// The pod writes words that nothing else would, and they are there.
#[track_caller]
pub(crate) fn writes(s: &Scenario, pod: &str) {
    let words = format!("written by {pod} after {} ms", s.elapsed().as_millis());
    note(s, pod, &words);
    assert_eq!(read(s, pod), words);
}

/// The volumes that EC2 has of this scenario, dynamic ones alone.
#[track_caller]
pub(crate) fn made(s: &Scenario) -> Vec<SeenVolume> {
    let mut volumes = s.ec2(async |cloud| cloud.volumes().await);
    volumes.retain(|volume| {
        let made_for = volume.tags.get("kubernetes.io/created-for/pvc/namespace");
        made_for == Some(&s.namespace)
    });
    volumes
}

/// The pod writes these words, and they are on the disk.
#[track_caller]
pub(crate) fn note(s: &Scenario, pod: &str, words: &str) {
    let command = format!("echo '{words}' >/data/note && sync");
    s.exec(pod, &["sh", "-c", &command]);
}

/// What the pod reads of them.
#[track_caller]
pub(crate) fn read(s: &Scenario, pod: &str) -> String {
    s.exec(pod, &["cat", "/data/note"])
}

/// What `df` says of the size of the volume that the pod has at `path`.
#[track_caller]
pub(crate) fn kib(s: &Scenario, pod: &str, path: &str) -> u64 {
    let said = s.exec(pod, &["df", "-k", path]);
    let line = said.lines().last().unwrap_or_default();
    let size = line.split_whitespace().nth(1);
    size.and_then(|size| size.parse().ok())
        .unwrap_or_else(|| panic!("df said {said:?}"))
}

/// It is the same pod still, and none of its containers has ended.
#[track_caller]
pub(crate) fn never_restarted(s: &Scenario, pod: &Pod) {
    let object = s.get(Kind::POD, &pod.name).unwrap();
    assert_eq!(object.text("/metadata/uid"), pod.uid);
    assert_eq!(object.at("/status/containerStatuses/0/restartCount"), 0);
}

/// Claim and PV have the new size, and the claim waits for nothing any more.
#[track_caller]
pub(crate) fn grown(s: &Scenario, volume: &Volume, size: &str) {
    let capacity = format!("PVC {} has {size} and no conditions", volume.claim);
    s.until(&capacity, || {
        let claim = s.get(Kind::CLAIM, &volume.claim).ok_or("it is gone")?;
        let done = claim.text("/status/capacity/storage") == size
            && claim.items("/status/conditions").count() == 0;
        if done {
            return Ok(());
        }
        Err(format!("{claim}, events {:?}", s.events(&volume.claim)))
    });
    let pv = s.pv(&volume.pv);
    assert_eq!(pv.text("/spec/capacity/storage"), size, "{pv}");
}
