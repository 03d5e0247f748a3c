//! PersistentVolumes, of which only the claim is read (Kubernetes API reference: PersistentVolume v1).

use serde::Deserialize;

use super::error::Rule;
use super::session::{Ask, Content};
use super::{Kubernetes, KubernetesError};

const GET: Rule = Rule {
    verb: "get",
    resource: "persistentvolumes",
    group: "",
};

/// A PersistentVolumeClaim's name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Claim {
    /// Its own.
    #[serde(default)]
    pub(crate) name: String,
    /// That of its namespace.
    #[serde(default)]
    pub(crate) namespace: String,
}

#[derive(Deserialize)]
struct PersistentVolume {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(rename = "claimRef")]
    claim: Option<Claim>,
}

impl Kubernetes {
    /// The claim that a PersistentVolume is bound to; `None` where it is not, or where no PersistentVolume can have such a name.
    pub(crate) async fn claim_of(&self, name: &str) -> Result<Option<Claim>, KubernetesError> {
        if !is_name(name) {
            return Ok(None);
        }
        let volume: PersistentVolume = self
            .open()?
            .call(Ask {
                rule: GET,
                path: format!("{}/{name}", GET.resource),
                name,
                content: Content::Nothing,
            })
            .await?;
        Ok(volume.spec.claim)
    }
}

/// Whether it is a DNS subdomain, so that it cannot lead to another object.
fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    edge(bytes.first()) && edge(bytes.last()) && bytes.len() <= 253 && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let read = |text: &str| {
            serde_json::from_str::<PersistentVolume>(text)
                .unwrap()
                .spec
                .claim
        };
        let bound = r#"{"spec": {"claimRef": {"kind": "PersistentVolumeClaim", "name": "data", "namespace": "shop"}}}"#;
        let claim = Claim {
            name: "data".to_owned(),
            namespace: "shop".to_owned(),
        };
        assert_eq!(read(bound), Some(claim));
        assert_eq!(read(r#"{"spec": {"capacity": {}}}"#), None);
        assert_eq!(read(r#"{"spec": {"claimRef": null}}"#), None);
    }
}
