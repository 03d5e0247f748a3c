//! New objects of old ones.

use super::*;

fn made() -> Made {
    Made {
        id: "vol-0fedcba9876543210".parse().unwrap(),
        zone: "eu-central-1b".parse().unwrap(),
        from: "vol-0123456789abcdef0".parse().unwrap(),
        context: HashMap::from([("source".to_owned(), "snap".to_owned())]),
    }
}

fn data() -> Claim {
    Claim {
        name: "data".to_owned(),
        namespace: "shop".to_owned(),
    }
}

fn dynamic() -> Value {
    json!({
        "metadata": {
            "name": "pvc-1", "uid": "1", "resourceVersion": "7", "finalizers": ["kubernetes.io/pv-protection"],
            "labels": {ZONE_KEY: "eu-central-1a", "team": "shop", OLD_ZONE_KEY: "eu-central-1a"},
            "annotations": {PROVISIONED_BY: DRIVER_NAME, "pv.kubernetes.io/bound-by-controller": "yes", "note": "kept"},
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "5Gi"}, "mountOptions": ["noatime"],
            "persistentVolumeReclaimPolicy": "Delete", "storageClassName": "gp3", "volumeMode": "Filesystem",
            "claimRef": {"name": "data", "namespace": "shop", "uid": "2"},
            "csi": {
                "driver": DRIVER_NAME, "volumeHandle": "vol-0123456789abcdef0", "fsType": "xfs",
                "volumeAttributes": {"storage.kubernetes.io/csiProvisionerIdentity": "p"},
            },
            "nodeAffinity": {"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": ZONE_KEY, "operator": "In", "values": ["eu-central-1a"]}]},
            ]}},
        },
        "status": {"phase": "Bound"},
    })
}

#[test]
fn all_that_was_wished_of_the_old_volume_is_kept() {
    let new = volume(&dynamic(), "moved", &made(), Some(&data()));
    let expected = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {
            "name": "moved",
            "labels": {ZONE_KEY: "eu-central-1b", "team": "shop", OLD_ZONE_KEY: "eu-central-1b"},
            "annotations": {
                PROVISIONED_BY: DRIVER_NAME, "note": "kept",
                FROM: "vol-0123456789abcdef0", FROM_PV: "pvc-1", TO_ZONE: "eu-central-1b",
            },
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "5Gi"}, "mountOptions": ["noatime"],
            "persistentVolumeReclaimPolicy": "Delete", "storageClassName": "gp3", "volumeMode": "Filesystem",
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": "data", "namespace": "shop"},
            "csi": {
                "driver": DRIVER_NAME, "volumeHandle": "vol-0fedcba9876543210", "fsType": "xfs",
                "volumeAttributes": {"storage.kubernetes.io/csiProvisionerIdentity": "p", "source": "snap"},
            },
            "nodeAffinity": {"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": ZONE_KEY, "operator": "In", "values": ["eu-central-1b"]}]},
            ]}},
        },
    });
    assert_eq!(new, expected);
}

#[test]
fn the_policy_of_before_the_move_counts() {
    let mut old = dynamic();
    old["spec"]["persistentVolumeReclaimPolicy"] = json!("Retain");
    old["metadata"]["annotations"][POLICY] = json!("Delete");
    old["metadata"]["annotations"][TO_PV] = json!("moved");
    let new = volume(&old, "moved", &made(), None);
    assert_eq!(new["spec"]["persistentVolumeReclaimPolicy"], "Delete");
    assert_eq!(text(&new, &annotation(TO_PV)), None);
    assert!(new["spec"].get("claimRef").is_none());
}

#[test]
fn a_volume_from_before_csi_becomes_one_of_csi() {
    let old = json!({
        "metadata": {"name": "old", "annotations": {PROVISIONED_BY: IN_TREE}},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "awsElasticBlockStore": {"volumeID": "aws://eu-central-1a/vol-1", "fsType": "ext4", "partition": 2, "readOnly": true},
        },
    });
    assert_eq!(handle(&old), Some("aws://eu-central-1a/vol-1"));
    let new = volume(&old, "moved", &made(), None);
    assert_eq!(text(&new, &annotation(PROVISIONED_BY)), Some(DRIVER_NAME));
    assert!(new["spec"].get("awsElasticBlockStore").is_none());
    let csi = json!({
        "driver": DRIVER_NAME, "volumeHandle": "vol-0fedcba9876543210", "fsType": "ext4", "readOnly": true,
        "volumeAttributes": {"partition": "2", "source": "snap"},
    });
    assert_eq!(new["spec"]["csi"], csi);
    let terms = &new["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"];
    assert_eq!(terms[0]["matchExpressions"][0]["key"], ZONE_KEY);
}

#[test]
fn the_zone_is_named_by_the_key_that_it_was_named_by() {
    let mut old = dynamic();
    let terms = json!([{"matchExpressions": [{"key": EBS_ZONE_KEY, "operator": "In", "values": ["eu-central-1a"]}]}]);
    old["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"] = terms;
    let new = volume(&old, "moved", &made(), None);
    let terms = &new["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"];
    assert_eq!(terms[0]["matchExpressions"][0]["key"], EBS_ZONE_KEY);
    assert_eq!(
        terms[0]["matchExpressions"][0]["values"][0],
        "eu-central-1b"
    );
}

#[test]
fn a_claim_keeps_what_its_user_wrote() {
    let old = json!({
        "metadata": {
            "name": "data", "namespace": "shop", "uid": "2", "resourceVersion": "8", "creationTimestamp": "x",
            "finalizers": ["kubernetes.io/pvc-protection"], "managedFields": [], "labels": {"app": "shop"},
            "ownerReferences": [{"kind": "StatefulSet", "name": "shop"}],
            "annotations": {
                "pv.kubernetes.io/bind-completed": "yes", "volume.kubernetes.io/selected-node": "n",
                "volume.beta.kubernetes.io/storage-class": "standard",
            },
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": "pvc-1", "resources": {"requests": {"storage": "1Gi"}}},
        "status": {"phase": "Bound"},
    });
    let expected = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "data", "namespace": "shop", "labels": {"app": "shop"},
            "ownerReferences": [{"kind": "StatefulSet", "name": "shop"}],
            "annotations": {"volume.beta.kubernetes.io/storage-class": "standard"},
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": "moved", "resources": {"requests": {"storage": "1Gi"}}},
    });
    assert_eq!(claim(&old, "moved"), expected);
}

#[test]
fn flags_make_the_objects_that_they_describe() {
    let flags = Flags {
        claim: Some(data()),
        storage_class: "gp3".to_owned(),
        fs: None,
        reclaim_policy: "Retain".to_owned(),
        access_mode: "ReadWriteOnce".to_owned(),
    };
    let id = "vol-0123456789abcdef0".parse().unwrap();
    let (old, old_claim) = of_flags(&flags, &id, Gibibytes(10));
    let new = volume(&old, "moved", &made(), flags.claim.as_ref());
    assert_eq!(new["spec"]["capacity"]["storage"], "10Gi");
    assert_eq!(new["spec"]["volumeMode"], "Block");
    assert_eq!(new["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    assert!(new["spec"]["csi"].get("fsType").is_none());
    assert_eq!(text(&new, &annotation(FROM_PV)), None);
    let new = claim(&old_claim.unwrap(), "moved");
    assert_eq!(new["spec"]["resources"]["requests"]["storage"], "10Gi");
    assert_eq!(new["spec"]["volumeName"], "moved");
    assert_eq!(new["metadata"]["namespace"], "shop");
}
