//! Leases: by which of several processes one leads (Kubernetes API reference, Lease coordination.k8s.io/v1).
//!
//! Answers for: reading and writing one. Doesn't answer for: who leads when (`cluster::leader`).

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::error::Rule;
use super::session::{Ask, Content, Session};
use super::{KubernetesError, found};

const GET: Rule = Rule {
    verb: "get",
    resource: "leases",
    group: "coordination.k8s.io",
};
const CREATE: Rule = Rule {
    verb: "create",
    ..GET
};
const UPDATE: Rule = Rule {
    verb: "update",
    ..GET
};

/// Which lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeaseName {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name there.
    pub(crate) name: &'static str,
}

/// A lease as it was read. Equal ones are the same version of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lease(Value);

impl Lease {
    /// Who leads by it; `None` where nobody does.
    pub(crate) fn holder(&self) -> Option<&str> {
        let holder = self.0.pointer("/spec/holderIdentity")?.as_str()?;
        (!holder.is_empty()).then_some(holder)
    }

    /// For how long its holder leads after each renewal. `None` where that is not told.
    pub(crate) fn lasts(&self) -> Option<Duration> {
        let seconds = self.0.pointer("/spec/leaseDurationSeconds")?.as_u64()?;
        Some(Duration::from_secs(seconds))
    }

    fn transitions(&self) -> u64 {
        let count = self.0.pointer("/spec/leaseTransitions");
        count.and_then(Value::as_u64).unwrap_or_default()
    }
}

impl Session {
    /// The lease; `None` where nobody has made it yet.
    pub(super) async fn lease(&self, lease: &LeaseName) -> Result<Option<Lease>, KubernetesError> {
        let ask = Ask {
            rule: GET,
            path: object(lease),
            name: lease.name,
            content: Content::Nothing,
        };
        Ok(found(self.call(ask).await)?.map(Lease))
    }

    /// Makes the lease, held by this one. A conflict where another has made it meanwhile.
    pub(super) async fn create_lease(
        &self,
        lease: &LeaseName,
        holder: &str,
        lasts: Duration,
    ) -> Result<Lease, KubernetesError> {
        let spec = spec(None, holder, lasts, SystemTime::now());
        let object = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": lease.name, "namespace": lease.namespace},
            "spec": spec,
        });
        let made = self.call(Ask {
            rule: CREATE,
            path: list(lease),
            name: lease.name,
            content: Content::New(&object),
        });
        Ok(Lease(made.await?))
    }

    /// Takes, renews or (with an empty holder) gives back the lease. A conflict where it is not any more as it was read.
    pub(super) async fn update_lease(
        &self,
        lease: &LeaseName,
        read: &Lease,
        holder: &str,
        lasts: Duration,
    ) -> Result<Lease, KubernetesError> {
        let mut object = read.0.clone();
        if let Some(object) = object.as_object_mut() {
            let spec = spec(Some(read), holder, lasts, SystemTime::now());
            object.insert("spec".to_owned(), spec);
        }
        let changed = self.call(Ask {
            rule: UPDATE,
            path: self::object(lease),
            name: lease.name,
            content: Content::Whole(&object),
        });
        Ok(Lease(changed.await?))
    }
}

fn list(lease: &LeaseName) -> String {
    format!("namespaces/{}/leases", lease.namespace)
}

fn object(lease: &LeaseName) -> String {
    format!("{}/{}", list(lease), lease.name)
}

fn spec(before: Option<&Lease>, holder: &str, lasts: Duration, now: SystemTime) -> Value {
    let now = ebs_types::utc::micro_time(now);
    let held = before.and_then(Lease::holder);
    let acquired = match before {
        Some(lease) if held == Some(holder) => lease.0.pointer("/spec/acquireTime").cloned(),
        _ => None,
    };
    let transitions = before.map_or(0, Lease::transitions) + u64::from(acquired.is_none());
    json!({
        "holderIdentity": holder,
        "leaseDurationSeconds": lasts.as_secs().max(1),
        "acquireTime": acquired.unwrap_or_else(|| json!(now)),
        "renewTime": now,
        "leaseTransitions": transitions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str) -> Lease {
        Lease(json!({"spec": {
            "holderIdentity": holder, "acquireTime": "then", "leaseTransitions": 3, "leaseDurationSeconds": 15,
        }}))
    }

    #[test]
    fn a_renewal_keeps_what_a_change_of_leader_sets() {
        let lasts = Duration::from_secs(15);
        let renewed = spec(Some(&lease("me")), "me", lasts, SystemTime::UNIX_EPOCH);
        assert_eq!(
            (&renewed["acquireTime"], &renewed["leaseTransitions"]),
            (&json!("then"), &json!(3))
        );
        let taken = spec(Some(&lease("other")), "me", lasts, SystemTime::UNIX_EPOCH);
        let now = json!("1970-01-01T00:00:00.000000Z");
        assert_eq!(
            (&taken["acquireTime"], &taken["leaseTransitions"]),
            (&now, &json!(4))
        );
        assert_eq!(taken["leaseDurationSeconds"], 15);
    }

    #[test]
    fn a_lease_that_was_given_back_has_no_holder() {
        assert_eq!(lease("").holder(), None);
        assert_eq!(Lease(json!({})).holder(), None);
        assert_eq!(lease("me").holder(), Some("me"));
        assert_eq!(lease("me").lasts(), Some(Duration::from_secs(15)));
    }
}
