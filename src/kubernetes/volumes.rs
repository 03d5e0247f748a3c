//! PersistentVolumes: which volume of EC2 each names, and its claim (Kubernetes API reference: PersistentVolume v1).

use std::collections::BTreeSet;

use serde::Deserialize;

use super::error::Rule;
use super::session::{Ask, Content, Session};
use super::{Kubernetes, KubernetesError};

const GET: Rule = Rule {
    verb: "get",
    resource: "persistentvolumes",
    group: "",
};
const LIST: Rule = Rule {
    verb: "list",
    ..GET
};

/// A PersistentVolumeClaim's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Claim {
    /// Its own.
    #[serde(default)]
    pub(crate) name: String,
    /// That of its namespace.
    #[serde(default)]
    pub(crate) namespace: String,
}

/// The claim that a PersistentVolume names, and no later one of its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct ClaimRef {
    /// What it is called.
    #[serde(flatten)]
    pub(crate) claim: Claim,
    /// What tells it from others; empty until it is bound.
    #[serde(default)]
    pub(crate) uid: String,
}

/// A PersistentVolume.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PersistentVolume {
    #[serde(default)]
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(rename = "claimRef")]
    claim: Option<ClaimRef>,
    csi: Option<Csi>,
    aws_elastic_block_store: Option<InTree>,
    #[serde(default)]
    persistent_volume_reclaim_policy: String,
    node_affinity: Option<NodeAffinity>,
}

/// Which nodes can have the volume: those of any of the terms.
#[derive(Clone, Debug, Deserialize)]
struct NodeAffinity {
    required: Option<NodeSelector>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeSelector {
    node_selector_terms: Vec<Term>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Term {
    match_expressions: Option<Vec<Expression>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Expression {
    key: String,
    operator: String,
    values: Option<Vec<String>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Csi {
    driver: String,
    volume_handle: String,
}

/// As volumes of EBS were written before CSI. Kubernetes hands them to the driver.
#[derive(Clone, Debug, Deserialize)]
struct InTree {
    #[serde(rename = "volumeID")]
    volume: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    phase: String,
}

impl PersistentVolume {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The volume's handle, if it is this driver's.
    pub(crate) fn handle(&self, driver: &str) -> Option<&str> {
        match (&self.spec.csi, &self.spec.aws_elastic_block_store) {
            (Some(csi), _) => (csi.driver == driver).then_some(&*csi.volume_handle),
            (None, Some(in_tree)) => Some(&in_tree.volume),
            (None, None) => None,
        }
    }

    /// The zones whose nodes can have it, by that label of a zone which is among `keys`; `None` where it does not say.
    pub(crate) fn zones(&self, keys: &[&str]) -> Option<BTreeSet<&str>> {
        let required = self.spec.node_affinity.as_ref()?.required.as_ref()?;
        let mut zones = BTreeSet::new();
        for term in &required.node_selector_terms {
            let mut expressions = term.match_expressions.iter().flatten();
            let of_zone =
                expressions.find(|one| keys.contains(&one.key.as_str()) && one.operator == "In")?;
            zones.extend(of_zone.values.iter().flatten().map(String::as_str));
        }
        Some(zones)
    }

    /// The claim that it names, bound or not.
    pub(crate) fn claim(&self) -> Option<&ClaimRef> {
        self.spec.claim.as_ref()
    }

    /// The claim that has it now.
    pub(crate) fn bound(&self) -> Option<&ClaimRef> {
        let bound = self.status.phase == "Bound";
        self.claim().filter(|claim| bound && !claim.uid.is_empty())
    }

    /// Whether its volume is to go, now that its claim is gone.
    pub(crate) fn is_leaving(&self) -> bool {
        let free = matches!(self.status.phase.as_str(), "Released" | "Failed");
        free && self.spec.persistent_volume_reclaim_policy == "Delete"
    }
}

impl Kubernetes {
    /// The claim that a PersistentVolume is bound to; `None` where it is not, or where no PersistentVolume can have such a name.
    pub(crate) async fn claim_of(&self, name: &str) -> Result<Option<Claim>, KubernetesError> {
        let volume = self.open()?.persistent_volume(name).await?;
        let claim = volume.and_then(|volume| volume.spec.claim);
        Ok(claim.map(|named| named.claim))
    }
}

impl Session {
    /// The PersistentVolume of this name; `None` where none can have it.
    pub(super) async fn persistent_volume(
        &self,
        name: &str,
    ) -> Result<Option<PersistentVolume>, KubernetesError> {
        if !is_name(name) {
            return Ok(None);
        }
        self.call(Ask {
            rule: GET,
            path: format!("{}/{name}", GET.resource),
            name,
            content: Content::Nothing,
        })
        .await
        .map(Some)
    }

    /// A page of all PersistentVolumes, and what asks for the next one; empty after the last.
    pub(super) async fn persistent_volumes(
        &self,
        more: &str,
    ) -> Result<(Vec<PersistentVolume>, String), KubernetesError> {
        let page = self.page(LIST, "", more, Content::Nothing).await?;
        Ok((page.items, page.metadata.next))
    }
}

/// Whether it is a DNS subdomain, as names of objects are, so that it cannot lead to another object.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    edge(bytes.first()) && edge(bytes.last()) && bytes.len() <= 253 && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(object: Value) -> PersistentVolume {
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_name_that_could_be_another_path_is_none() {
        for good in ["pvc-0a1b", "data.example.com", "1"] {
            assert!(is_name(good), "{good:?}");
        }
        let long = "a".repeat(254);
        for bad in ["", "../nodes/n", "a/b", "a?b", "-a", "a.", "A", &long] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn the_claim_is_read_where_there_is_one() {
        let claim = json!({"kind": "PersistentVolumeClaim", "name": "data", "namespace": "shop", "uid": "4711"});
        let expected = ClaimRef {
            claim: Claim {
                name: "data".to_owned(),
                namespace: "shop".to_owned(),
            },
            uid: "4711".to_owned(),
        };
        let volume = read(json!({"spec": {"claimRef": claim}, "status": {"phase": "Bound"}}));
        assert_eq!(volume.claim(), Some(&expected));
        assert_eq!(volume.bound(), Some(&expected));
        let released = read(json!({"spec": {"claimRef": claim}, "status": {"phase": "Released"}}));
        assert_eq!(released.claim(), Some(&expected));
        assert_eq!(released.bound(), None);
        for none in [json!({"capacity": {}}), json!({"claimRef": null})] {
            assert_eq!(read(json!({"spec": none})).claim(), None);
        }
    }

    #[test]
    fn a_driver_has_its_own_volumes_and_those_from_before_csi() {
        let csi =
            |driver: &str| json!({"spec": {"csi": {"driver": driver, "volumeHandle": "vol-1"}}});
        let ours = "ebs.csi.aws.com";
        assert_eq!(read(csi(ours)).handle(ours), Some("vol-1"));
        assert_eq!(read(csi("efs.csi.aws.com")).handle(ours), None);
        let old = json!({"spec": {"awsElasticBlockStore": {"volumeID": "aws://z/vol-2"}}});
        assert_eq!(read(old).handle(ours), Some("aws://z/vol-2"));
        assert_eq!(read(json!({"spec": {"nfs": {}}})).handle(ours), None);
    }

    #[test]
    fn a_volume_says_in_which_zones_it_can_be_had() {
        const KEYS: [&str; 2] = ["topology.kubernetes.io/zone", "old/zone"];
        let zones = |terms: Value| {
            let affinity = json!({"required": {"nodeSelectorTerms": terms}});
            let volume = read(json!({"spec": {"nodeAffinity": affinity}}));
            let zones = volume.zones(&KEYS)?;
            Some(zones.into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        let term = |key: &str, zones: &[&str]| {
            let other = json!({"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]});
            json!({"matchExpressions": [other, {"key": key, "operator": "In", "values": zones}]})
        };
        let [new, old] = [term(KEYS[0], &["a"]), term(KEYS[1], &["b", "a"])];
        assert_eq!(zones(json!([new])).unwrap(), ["a"]);
        assert_eq!(zones(json!([new, old])).unwrap(), ["a", "b"]);
        // Any node will do for one of the terms.
        assert_eq!(zones(json!([new, term("team", &["x"])])), None);
        assert_eq!(read(json!({"spec": {}})).zones(&KEYS), None);
    }

    #[test]
    fn a_volume_leaves_once_its_claim_is_gone_if_its_policy_says_so() {
        let is_leaving = |phase: &str, policy: &str| {
            let spec = json!({"persistentVolumeReclaimPolicy": policy});
            read(json!({"spec": spec, "status": {"phase": phase}})).is_leaving()
        };
        assert!(is_leaving("Released", "Delete") && is_leaving("Failed", "Delete"));
        assert!(!is_leaving("Bound", "Delete") && !is_leaving("Released", "Retain"));
    }
}
