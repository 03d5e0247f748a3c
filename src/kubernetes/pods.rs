//! Pods that wait for a node, and the claims that they name (Kubernetes API reference: Pod v1, PersistentVolumeClaim v1).

use serde::Deserialize;

use super::KubernetesError;
use super::error::Rule;
use super::objects::Condition;
use super::session::{Ask, Content, Session};
use super::volumes::{Claim, is_name};

const LIST: Rule = Rule {
    verb: "list",
    resource: "pods",
    group: "",
};
const GET_CLAIM: Rule = Rule {
    verb: "get",
    resource: "persistentvolumeclaims",
    group: "",
};

/// A pod that has no node.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct WaitingPod {
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Debug, Deserialize)]
struct Metadata {
    name: String,
    namespace: String,
    uid: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Spec {
    volumes: Option<Vec<PodVolume>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodVolume {
    name: String,
    persistent_volume_claim: Option<ClaimSource>,
    ephemeral: Option<serde::de::IgnoredAny>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClaimSource {
    claim_name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    conditions: Option<Vec<Condition>>,
}

#[derive(Debug, Deserialize)]
struct PersistentVolumeClaim {
    spec: ClaimSpec,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClaimSpec {
    #[serde(default)]
    volume_name: String,
}

impl WaitingPod {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.metadata.name
    }

    /// That of its namespace.
    pub(crate) fn namespace(&self) -> &str {
        &self.metadata.namespace
    }

    /// What tells it from another one that had its name before.
    pub(crate) fn uid(&self) -> &str {
        &self.metadata.uid
    }

    /// Why the scheduler has no node for it; `None` where it has not said so.
    pub(crate) fn why_it_waits(&self) -> Option<&str> {
        let conditions = self.status.conditions.as_deref().unwrap_or_default();
        let mut scheduled = conditions.iter().filter(|one| one.kind == "PodScheduled");
        let refused = scheduled.find(|one| one.status == "False")?;
        Some(&refused.message)
    }

    /// The claims of its volumes. One of the pod's own has the names of both.
    pub(crate) fn claims(&self) -> impl Iterator<Item = Claim> {
        let volumes = self.spec.volumes.as_deref().unwrap_or_default();
        volumes.iter().filter_map(|volume| {
            let name = match (&volume.persistent_volume_claim, &volume.ephemeral) {
                (Some(claim), _) => claim.claim_name.clone(),
                (None, Some(_)) => format!("{}-{}", self.metadata.name, volume.name),
                (None, None) => return None,
            };
            Some(Claim {
                name,
                namespace: self.metadata.namespace.clone(),
            })
        })
    }
}

impl Session {
    /// A page of the pods that have no node, and what asks for the next one; empty after the last.
    pub(super) async fn waiting_pods(
        &self,
        more: &str,
    ) -> Result<(Vec<WaitingPod>, String), KubernetesError> {
        let selector = "status.phase=Pending,spec.nodeName=";
        let page = self.page(LIST, selector, more, Content::Nothing).await?;
        Ok((page.items, page.metadata.next))
    }

    /// The PersistentVolume of a claim; empty while it is not bound, or where no claim can have such a name.
    pub(super) async fn volume_of(&self, claim: &Claim) -> Result<String, KubernetesError> {
        let Claim { name, namespace } = claim;
        if !is_name(name) || !is_name(namespace) {
            return Ok(String::new());
        }
        let claim: PersistentVolumeClaim = self
            .call(Ask {
                rule: GET_CLAIM,
                path: format!("namespaces/{namespace}/{}/{name}", GET_CLAIM.resource),
                name,
                content: Content::Nothing,
            })
            .await?;
        Ok(claim.spec.volume_name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_names_claims_in_two_ways_and_the_scheduler_why_it_waits() {
        let pod: WaitingPod = serde_json::from_value(json!({
            "metadata": {"name": "web-0", "namespace": "shop", "uid": "4711"},
            "spec": {"volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}},
                {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}},
                {"name": "token", "projected": {}},
            ]},
            "status": {"conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"},
            ]},
        }))
        .unwrap();
        let claims: Vec<Claim> = pod.claims().collect();
        let names: Vec<&str> = claims.iter().map(|claim| claim.name.as_str()).collect();
        assert_eq!(names, ["data-web-0", "web-0-scratch"]);
        assert!(claims.iter().all(|claim| claim.namespace == "shop"));
        assert_eq!(pod.why_it_waits(), Some("0/3 nodes are available"));
    }
}
