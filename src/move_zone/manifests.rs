//! The new PersistentVolume and the claim made anew, as objects of Kubernetes.
//!
//! Answers for: what of the old ones is kept, and what is not theirs to keep. Doesn't answer for: reading or writing them anywhere.

use std::collections::HashMap;

use ebs_types::topology::{EBS_ZONE_KEY, ZONE_ID_KEY, ZONE_KEY};
use ebs_types::{Gibibytes, VolumeId, Zone};
use serde_json::{Map, Value, json};

use super::order::Flags;
use crate::identity::DRIVER_NAME;
use crate::kubernetes::Claim;

/// On a new PersistentVolume: the volume whose data it has.
pub(super) const FROM: &str = "ebs.csi.aws.com/moved-from";
/// On a new PersistentVolume: the name of the old one.
pub(super) const FROM_PV: &str = "ebs.csi.aws.com/moved-from-pv";
/// On a new PersistentVolume: the zone that it was made for.
pub(super) const TO_ZONE: &str = "ebs.csi.aws.com/moved-to-zone";
/// On a new PersistentVolume: its claim as it is to be made, as JSON. From before the old claim goes it is kept here.
pub(super) const CLAIM: &str = "ebs.csi.aws.com/moved-claim";
/// On an old PersistentVolume: the name of the new one.
pub(super) const TO_PV: &str = "ebs.csi.aws.com/moved-to-pv";
/// On an old PersistentVolume: the reclaim policy that it had.
pub(super) const POLICY: &str = "ebs.csi.aws.com/reclaim-policy-before-move";

const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
const IN_TREE: &str = "kubernetes.io/aws-ebs";
/// As zones were labelled before Kubernetes 1.17.
const OLD_ZONE_KEY: &str = "failure-domain.beta.kubernetes.io/zone";

/// Annotations that tell of the old object alone.
const PASSING: [&str; 11] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "pv.kubernetes.io/migrated-to",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
    CLAIM,
    TO_PV,
    POLICY,
    TO_ZONE,
];

/// The volume that the new PersistentVolume is of.
#[derive(Clone, Debug)]
pub(super) struct Made {
    /// EC2's id.
    pub(super) id: VolumeId,
    /// Where it is.
    pub(super) zone: Zone,
    /// Whose data it has.
    pub(super) from: VolumeId,
    /// What the driver tells its nodes of it.
    pub(super) context: HashMap<String, String>,
}

/// The new PersistentVolume: the old one's spec with another volume and another zone, free for this claim and no other.
pub(super) fn volume(old: &Value, name: &str, made: &Made, claim: Option<&Claim>) -> Value {
    let mut annotations = kept_annotations(old);
    if let Some(by) = annotations.get_mut(PROVISIONED_BY)
        && by == IN_TREE
    {
        *by = json!(DRIVER_NAME);
    }
    annotations.insert(FROM.to_owned(), json!(made.from.as_str()));
    annotations.insert(TO_ZONE.to_owned(), json!(made.zone.as_str()));
    if let Some(old_name) = text(old, "/metadata/name") {
        annotations.insert(FROM_PV.to_owned(), json!(old_name));
    }
    let mut spec = fields(old, "/spec");
    let csi = csi(&spec, made);
    for gone in ["claimRef", "awsElasticBlockStore", "csi", "nodeAffinity"] {
        spec.remove(gone);
    }
    spec.insert("csi".to_owned(), csi);
    spec.insert("nodeAffinity".to_owned(), affinity(old, &made.zone));
    if let Some(policy) = text(old, &annotation(POLICY)) {
        spec.insert("persistentVolumeReclaimPolicy".to_owned(), json!(policy));
    }
    if let Some(Claim { name, namespace }) = claim {
        // Without the claim's uid: it is for whoever makes a claim of that name, this command or a StatefulSet.
        let reference = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": name,
        });
        spec.insert("claimRef".to_owned(), reference);
    }
    let mut metadata = Map::from_iter([
        ("name".to_owned(), json!(name)),
        ("annotations".to_owned(), Value::Object(annotations)),
    ]);
    let labels = labels(old, &made.zone);
    if !labels.is_empty() {
        metadata.insert("labels".to_owned(), Value::Object(labels));
    }
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec})
}

/// The claim as it was, but for the PersistentVolume that it names.
pub(super) fn claim(old: &Value, volume: &str) -> Value {
    let mut metadata = fields(old, "/metadata");
    metadata.retain(|field, _| {
        matches!(
            field.as_str(),
            "name" | "namespace" | "labels" | "ownerReferences"
        )
    });
    let annotations = kept_annotations(old);
    if !annotations.is_empty() {
        metadata.insert("annotations".to_owned(), Value::Object(annotations));
    }
    let mut spec = fields(old, "/spec");
    spec.insert("volumeName".to_owned(), json!(volume));
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})
}

/// The objects that flags describe, as those of an old volume of this size.
pub(super) fn of_flags(
    flags: &Flags,
    volume: &VolumeId,
    size: Gibibytes,
) -> (Value, Option<Value>) {
    let csi = match flags.fs {
        Some(fs) => {
            json!({"driver": DRIVER_NAME, "volumeHandle": volume.as_str(), "fsType": fs.as_str()})
        }
        None => json!({"driver": DRIVER_NAME, "volumeHandle": volume.as_str()}),
    };
    let mode = match flags.fs {
        Some(_) => "Filesystem",
        None => "Block",
    };
    let capacity = json!({"storage": format!("{}Gi", size.0)});
    let shared = json!({
        "accessModes": [flags.access_mode],
        "storageClassName": flags.storage_class,
        "volumeMode": mode,
    });
    let mut of_volume = fields(&json!({ "spec": shared }), "/spec");
    let mut of_claim = of_volume.clone();
    of_volume.extend([
        ("capacity".to_owned(), capacity.clone()),
        ("csi".to_owned(), csi),
        (
            "persistentVolumeReclaimPolicy".to_owned(),
            json!(flags.reclaim_policy),
        ),
    ]);
    of_claim.insert("resources".to_owned(), json!({"requests": capacity}));
    let claim = flags.claim.as_ref().map(|Claim { name, namespace }| {
        json!({"metadata": {"name": name, "namespace": namespace}, "spec": of_claim})
    });
    (json!({"metadata": {}, "spec": of_volume}), claim)
}

/// Where an annotation is.
pub(super) fn annotation(key: &str) -> String {
    format!("/metadata/annotations/{}", key.replace('/', "~1"))
}

/// A text of an object, where it has one there.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    let text = object.pointer(pointer)?.as_str()?;
    (!text.is_empty()).then_some(text)
}

/// The handle that a PersistentVolume has, if it is of this driver or of the time before.
pub(super) fn handle(volume: &Value) -> Option<&str> {
    match text(volume, "/spec/csi/driver") {
        Some(DRIVER_NAME) => text(volume, "/spec/csi/volumeHandle"),
        Some(_) => None,
        None => text(volume, "/spec/awsElasticBlockStore/volumeID"),
    }
}

/// The claim that an object names at `pointer`, or is.
pub(super) fn claim_at(object: &Value, pointer: &str) -> Option<Claim> {
    Some(Claim {
        name: text(object, &format!("{pointer}/name"))?.to_owned(),
        namespace: text(object, &format!("{pointer}/namespace"))?.to_owned(),
    })
}

fn fields(object: &Value, pointer: &str) -> Map<String, Value> {
    let found = object.pointer(pointer).and_then(Value::as_object);
    found.cloned().unwrap_or_default()
}

fn kept_annotations(old: &Value) -> Map<String, Value> {
    let mut annotations = fields(old, "/metadata/annotations");
    annotations.retain(|key, _| !PASSING.contains(&key.as_str()));
    annotations
}

/// What the driver needs to know of the new volume, with what was said of the old one, by either kind of PersistentVolume.
fn csi(spec: &Map<String, Value>, made: &Made) -> Value {
    let mut csi = match (spec.get("csi"), spec.get("awsElasticBlockStore")) {
        (Some(Value::Object(csi)), _) => csi.clone(),
        (_, Some(in_tree)) => of_in_tree(in_tree),
        _ => Map::new(),
    };
    let mut attributes = match csi.remove("volumeAttributes") {
        Some(Value::Object(attributes)) => attributes,
        _ => Map::new(),
    };
    let context = made.context.iter();
    attributes.extend(context.map(|(key, value)| (key.clone(), json!(value))));
    csi.insert("driver".to_owned(), json!(DRIVER_NAME));
    csi.insert("volumeHandle".to_owned(), json!(made.id.as_str()));
    if !attributes.is_empty() {
        csi.insert("volumeAttributes".to_owned(), Value::Object(attributes));
    }
    Value::Object(csi)
}

/// As Kubernetes translates it for CSI drivers.
fn of_in_tree(in_tree: &Value) -> Map<String, Value> {
    let mut csi = Map::new();
    for kept in ["fsType", "readOnly"] {
        if let Some(value) = in_tree.get(kept) {
            csi.insert(kept.to_owned(), value.clone());
        }
    }
    let partition = in_tree.get("partition").and_then(Value::as_u64);
    if let Some(partition) = partition.filter(|partition| *partition > 0) {
        let attributes = json!({"partition": partition.to_string()});
        csi.insert("volumeAttributes".to_owned(), attributes);
    }
    csi
}

/// The labels of the old one, where those that name its zone name the new one.
fn labels(old: &Value, zone: &Zone) -> Map<String, Value> {
    let mut labels = fields(old, "/metadata/labels");
    // The id of the new zone is another one, which nothing here knows.
    labels.remove(ZONE_ID_KEY);
    for key in [ZONE_KEY, EBS_ZONE_KEY, OLD_ZONE_KEY] {
        if let Some(value) = labels.get_mut(key) {
            *value = json!(zone.as_str());
        }
    }
    labels
}

/// The nodes of the new zone, by the key that the old one named its zone by.
fn affinity(old: &Value, zone: &Zone) -> Value {
    let keys: Vec<&str> = old
        .pointer("/spec/nodeAffinity/required/nodeSelectorTerms")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|term| term.get("matchExpressions")?.as_array())
        .flatten()
        .filter_map(|expression| expression.get("key")?.as_str())
        .collect();
    let key = match keys.contains(&ZONE_KEY) || !keys.contains(&EBS_ZONE_KEY) {
        true => ZONE_KEY,
        false => EBS_ZONE_KEY,
    };
    let expression = json!({"key": key, "operator": "In", "values": [zone.as_str()]});
    json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}})
}

#[cfg(test)]
mod tests;
