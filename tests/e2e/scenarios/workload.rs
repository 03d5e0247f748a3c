//! A claim and a pod that uses it, for scenarios that no example has.

use e2e::{Scenario, SeenVolume};

/// A PVC and a pod of the same name: the claim of this class, the pod on a node that `selector` chooses (`zone: a`, or nothing).
pub(crate) fn manifests(name: &str, class: &str, selector: &str) -> String {
    format!(
        r#"
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {name}}}
spec:
  storageClassName: {class}
  accessModes: [ReadWriteOnce]
  resources: {{requests: {{storage: 1Gi}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 1
  nodeSelector: {{{selector}}}
  containers:
    - name: app
      image: busybox:1
      command: [sleep, infinity]
      volumeMounts: [{{name: data, mountPath: /data}}]
  volumes: [{{name: data, persistentVolumeClaim: {{claimName: {name}}}}}]
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
    let command = format!("echo '{words}' >/data/note && sync");
    s.exec(pod, &["sh", "-c", &command]);
    assert_eq!(s.exec(pod, &["cat", "/data/note"]), words);
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
