//! A Kubernetes object as the API shows it, and short ways to read it.

use std::fmt;

use serde_json::Value;

/// An object.
#[derive(Clone, Debug)]
pub struct Object(pub Value);

impl Object {
    /// The text at a JSON pointer, e.g. `/status/phase`; empty where there is none.
    #[must_use]
    pub fn text(&self, pointer: &str) -> &str {
        self.0
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// What is at a JSON pointer; null where there is nothing.
    #[must_use]
    pub fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The elements of the list at a JSON pointer.
    pub fn items(&self, pointer: &str) -> impl Iterator<Item = Self> {
        let list = self.0.pointer(pointer).and_then(Value::as_array);
        list.into_iter().flatten().cloned().map(Self)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// An annotation; empty where there is none.
    #[must_use]
    pub fn annotation(&self, key: &str) -> &str {
        self.0["metadata"]["annotations"][key]
            .as_str()
            .unwrap_or_default()
    }

    /// A label; empty where there is none.
    #[must_use]
    pub fn label(&self, key: &str) -> &str {
        self.0["metadata"]["labels"][key]
            .as_str()
            .unwrap_or_default()
    }

    /// Whether its deletion has begun.
    #[must_use]
    pub fn is_going(&self) -> bool {
        !self.text("/metadata/deletionTimestamp").is_empty()
    }

    /// A condition of its status, if it is there at all.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<Self> {
        self.items("/status/conditions")
            .find(|condition| condition.text("/type") == kind)
    }

    /// Whether a condition of its status is `True`.
    #[must_use]
    pub fn is(&self, condition: &str) -> bool {
        self.condition(condition)
            .is_some_and(|condition| condition.text("/status") == "True")
    }
}

/// Its status: what one wants to know of an object that is not as expected.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with status {}", self.name(), self.at("/status"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_absent_reads_as_empty() {
        let object = Object(json!({
            "metadata": {"name": "web-0", "labels": {"app": "web"}},
            "status": {"conditions": [{"type": "Ready", "status": "False"}]},
        }));
        assert_eq!((object.name(), object.label("app")), ("web-0", "web"));
        assert_eq!((object.annotation("a"), object.text("/spec/x")), ("", ""));
        assert!(object.condition("Ready").is_some() && !object.is("Ready"));
        assert!(!object.is_going());
    }
}
