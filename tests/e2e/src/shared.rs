//! What scenarios that run at the same time have in common: the cluster's peace, its nodes, objects that no namespace has.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use anyhow::Result;
use serde_json::Value;

use crate::kubectl::Kubectl;

static PEACE: RwLock<()> = RwLock::new(());
static CORDONED: Mutex<()> = Mutex::new(());
static GLOBAL: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

/// A scenario's right to run. A scenario that failed takes nothing from the others: poison is ignored.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Beside others.
    Shared {
        _peace: RwLockReadGuard<'static, ()>,
    },
    /// With nobody beside it.
    Alone {
        _peace: RwLockWriteGuard<'static, ()>,
    },
}

impl Turn {
    pub(crate) fn shared() -> Self {
        Self::Shared {
            _peace: PEACE.read().unwrap_or_else(PoisonError::into_inner),
        }
    }

    pub(crate) fn alone() -> Self {
        Self::Alone {
            _peace: PEACE.write().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// A node that takes no new pods, until this is dropped. One at a time, so that no two scenarios close each other's way out.
#[derive(Debug)]
pub struct Cordon<'a> {
    kubectl: &'a Kubectl,
    node: String,
    _only: MutexGuard<'static, ()>,
}

impl<'a> Cordon<'a> {
    pub(crate) fn new(kubectl: &'a Kubectl, node: &str) -> Result<Self> {
        let only = CORDONED.lock().unwrap_or_else(PoisonError::into_inner);
        kubectl.done("default", &["cordon", node])?;
        Ok(Self {
            kubectl,
            node: node.to_owned(),
            _only: only,
        })
    }
}

impl Drop for Cordon<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.kubectl.done("default", &["uncordon", &self.node]) {
            eprintln!("{} stays cordoned: {error:#}", self.node);
        }
    }
}

/// Applies manifests and returns those objects, as `KIND.GROUP/NAME`, that are the whole cluster's: they stay until everyone who
/// applied them has given them back.
pub(crate) fn apply(apply: impl FnOnce() -> Result<String>) -> Result<Vec<String>> {
    // Held meanwhile, so that nobody deletes what is just being found to be there.
    let mut users = GLOBAL.lock().unwrap_or_else(PoisonError::into_inner);
    let applied: Value = serde_json::from_str(&apply()?)?;
    let objects = match &applied["items"] {
        Value::Array(items) => items.iter().collect(),
        _ => vec![&applied],
    };
    let global: Vec<String> = objects
        .into_iter()
        .filter(|object| object["metadata"]["namespace"].is_null())
        .map(reference)
        .collect();
    for object in &global {
        *users.entry(object.clone()).or_default() += 1;
    }
    Ok(global)
}

/// Gives objects of the whole cluster back; the last one who does deletes them.
pub(crate) fn give_back(kubectl: &Kubectl, objects: &[String]) -> Result<()> {
    let mut users = GLOBAL.lock().unwrap_or_else(PoisonError::into_inner);
    for object in objects {
        let count = users.entry(object.clone()).or_default();
        *count = count.saturating_sub(1);
        if *count == 0 {
            let options = ["delete", "--ignore-not-found", "--wait=false", object];
            kubectl.done("default", &options)?;
        }
    }
    Ok(())
}

/// An object as `kubectl` takes it: `storageclass.storage.k8s.io/standard`.
fn reference(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_lowercase();
    let (kind, version) = (text(&object["kind"]), text(&object["apiVersion"]));
    let name = text(&object["metadata"]["name"]);
    match version.split_once('/') {
        Some((group, _)) => format!("{kind}.{group}/{name}"),
        None => format!("{kind}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_the_whole_cluster_are_told_from_a_namespaces() {
        let list = serde_json::json!({"items": [
            {"kind": "StorageClass", "apiVersion": "storage.k8s.io/v1", "metadata": {"name": "a"}},
            {"kind": "PersistentVolume", "apiVersion": "v1", "metadata": {"name": "b"}},
            {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "c", "namespace": "d"}},
        ]});
        let global = apply(|| Ok(list.to_string())).unwrap();
        assert_eq!(
            global,
            ["storageclass.storage.k8s.io/a", "persistentvolume/b"]
        );
    }
}
