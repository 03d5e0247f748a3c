//! Events: what an operator shall read beside an object (`kubectl describe node`).

use std::time::SystemTime;

use serde_json::{Value, json};

use super::error::Rule;
use super::session::{Ask, Content, Session};
use super::{KubernetesError, NodeName};

const CREATE: Rule = Rule {
    verb: "create",
    resource: "events",
    group: "events.k8s.io",
};

/// Where events about objects without a namespace are.
const NAMESPACE: &str = "default";
/// The most characters that the API takes of a note and of an instance's name.
const LONGEST_NOTE: usize = 1024;
const LONGEST_INSTANCE: usize = 128;

/// What happened to a node.
#[derive(Clone, Debug)]
pub(crate) struct Warning {
    /// Who says so: the driver.
    pub(crate) reporter: &'static str,
    /// What was being done, e.g. `NodeGetInfo`.
    pub(crate) action: &'static str,
    /// Why, in a word for programs.
    pub(crate) reason: &'static str,
    /// The same for people; what is longer than 1 KiB is cut.
    pub(crate) note: String,
}

impl Session {
    /// Tells a warning about a node.
    pub(super) async fn warn_of_node(
        &self,
        node: &NodeName,
        uid: &str,
        warning: &Warning,
    ) -> Result<(), KubernetesError> {
        let now = SystemTime::now();
        let event = event(node.as_str(), uid, warning, now);
        self.call::<Value>(Ask {
            rule: CREATE,
            path: format!("namespaces/{NAMESPACE}/events"),
            name: node.as_str(),
            content: Content::New(&event),
        })
        .await?;
        Ok(())
    }
}

fn event(node: &str, uid: &str, warning: &Warning, now: SystemTime) -> Value {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let unique = since.unwrap_or_default().as_nanos();
    // Names have at most 253 characters.
    let name = format!("{node:.200}.{unique:x}");
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "eventTime": ebs_types::utc::micro_time(now),
        "reportingController": warning.reporter,
        "reportingInstance": cut(node, LONGEST_INSTANCE),
        "action": warning.action,
        "reason": warning.reason,
        "regarding": {"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid},
        "note": cut(&warning.note, LONGEST_NOTE),
        "type": "Warning",
    })
}

/// At most so many bytes of a text.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_event_is_what_the_api_takes() {
        let warning = Warning {
            reporter: "ebs.csi.aws.com",
            action: "NodeGetInfo",
            reason: "AttachLimitGuessed",
            note: "€".repeat(400),
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        let event = event(&"n".repeat(253), "4711", &warning, now);
        let length = |pointer: &str| event.pointer(pointer).unwrap().as_str().unwrap().len();
        assert!(length("/metadata/name") <= 253);
        assert_eq!(length("/reportingInstance"), 128);
        assert_eq!(length("/note"), 1023);
        assert_eq!(event["regarding"]["uid"], "4711");
        assert_eq!(event["eventTime"], "1970-01-01T00:00:01.000000Z");
    }
}
