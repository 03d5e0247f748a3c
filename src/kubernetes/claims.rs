//! PersistentVolumes and claims as they are, whole, and the pods that use a claim: for who writes them anew
//! (Kubernetes API reference: PersistentVolume, PersistentVolumeClaim and Pod v1).
//!
//! Answers for: the requests. Doesn't answer for: what an object is to say (`move_zone`).

use serde_json::{Value, json};

use super::error::Rule;
use super::list::{Page, escaped};
use super::session::{Ask, Content};
use super::volumes::is_name;
use super::{Claim, Connection, KubernetesError};

const VOLUMES: Rule = Rule {
    verb: "get",
    resource: "persistentvolumes",
    group: "",
};
const CLAIMS: Rule = Rule {
    resource: "persistentvolumeclaims",
    ..VOLUMES
};
const PODS: Rule = Rule {
    verb: "list",
    resource: "pods",
    ..VOLUMES
};

/// So many pods at a time, some of which are large.
const PAGE: u32 = 50;

impl Connection {
    /// A PersistentVolume with all that it says; `None` where there is none.
    pub(crate) async fn whole_volume(&self, name: &str) -> Result<Option<Value>, KubernetesError> {
        if !is_name(name) {
            return Ok(None);
        }
        let path = format!("{}/{name}", VOLUMES.resource);
        self.read(VOLUMES, path, name).await
    }

    /// A page of all PersistentVolumes with all that they say, and what asks for the next one; empty after the last.
    pub(crate) async fn whole_volumes(
        &self,
        more: &str,
    ) -> Result<(Vec<Value>, String), KubernetesError> {
        let list = Rule {
            verb: "list",
            ..VOLUMES
        };
        let page: Page<Value> = self.session.page(list, "", more, Content::Nothing).await?;
        Ok((page.items, page.metadata.next))
    }

    /// Makes a PersistentVolume.
    ///
    /// # Errors
    /// [`KubernetesError::Conflict`] where there is one of its name.
    pub(crate) async fn make_volume(&self, volume: &Value) -> Result<Value, KubernetesError> {
        let rule = Rule {
            verb: "create",
            ..VOLUMES
        };
        self.ask(rule, VOLUMES.resource.to_owned(), Content::New(volume))
            .await
    }

    /// Changes what a PersistentVolume says, by a merge patch.
    pub(crate) async fn change_volume(
        &self,
        name: &str,
        change: &Value,
    ) -> Result<Value, KubernetesError> {
        let rule = Rule {
            verb: "patch",
            ..VOLUMES
        };
        let path = format!("{}/{name}", VOLUMES.resource);
        self.ask(rule, path, Content::Merged(change)).await
    }

    /// A claim with all that it says; `None` where there is none.
    pub(crate) async fn whole_claim(
        &self,
        claim: &Claim,
    ) -> Result<Option<Value>, KubernetesError> {
        if !is_name(&claim.namespace) || !is_name(&claim.name) {
            return Ok(None);
        }
        self.read(CLAIMS, object(claim), &claim.name).await
    }

    /// Makes a claim.
    ///
    /// # Errors
    /// [`KubernetesError::Conflict`] where there is one of its name.
    pub(crate) async fn make_claim(
        &self,
        claim: &Claim,
        object: &Value,
    ) -> Result<Value, KubernetesError> {
        let rule = Rule {
            verb: "create",
            ..CLAIMS
        };
        let path = format!("namespaces/{}/{}", claim.namespace, CLAIMS.resource);
        self.ask(rule, path, Content::New(object)).await
    }

    /// Deletes the claim of this name and uid, and no later one of its name. It goes once nothing uses it.
    pub(crate) async fn delete_claim(
        &self,
        claim: &Claim,
        uid: &str,
    ) -> Result<(), KubernetesError> {
        let rule = Rule {
            verb: "delete",
            ..CLAIMS
        };
        let options =
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}});
        let deleted = self.ask(rule, object(claim), Content::Deleted(&options));
        match deleted.await {
            Ok(_) | Err(KubernetesError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A page of the pods of a namespace, and what asks for the next one; empty after the last.
    pub(crate) async fn pods(
        &self,
        namespace: &str,
        more: &str,
    ) -> Result<(Vec<Value>, String), KubernetesError> {
        let next = escaped(more);
        let path = format!("namespaces/{namespace}/pods?limit={PAGE}&continue={next}");
        let asked = self.session.call::<Page<Value>>(Ask {
            rule: PODS,
            path,
            name: "",
            content: Content::Nothing,
        });
        let page = asked.await?;
        Ok((page.items, page.metadata.next))
    }

    async fn read(
        &self,
        rule: Rule,
        path: String,
        name: &str,
    ) -> Result<Option<Value>, KubernetesError> {
        let asked = self.session.call(Ask {
            rule,
            path,
            name,
            content: Content::Nothing,
        });
        match asked.await {
            Ok(object) => Ok(Some(object)),
            Err(KubernetesError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn ask(
        &self,
        rule: Rule,
        path: String,
        content: Content<'_>,
    ) -> Result<Value, KubernetesError> {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        self.session
            .call(Ask {
                rule,
                path,
                name: &name,
                content,
            })
            .await
    }
}

/// Where a claim is.
fn object(claim: &Claim) -> String {
    let Claim { namespace, name } = claim;
    format!("namespaces/{namespace}/{}/{name}", CLAIMS.resource)
}
