//! Events: what people shall read beside an object (`kubectl describe` of a node, a pod, a PVC).

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::{Value, json};

use super::KubernetesError;
use super::error::Rule;
use super::session::{Ask, Content, Session};

const CREATE: Rule = Rule {
    verb: "create",
    resource: "events",
    group: "events.k8s.io",
};
/// By the older of Event's two groups, whose selectors every version of Kubernetes knows.
const LIST: Rule = Rule {
    verb: "list",
    resource: "events",
    group: "",
};

/// Where events about objects without a namespace are.
const NAMESPACE: &str = "default";
/// The most characters that the API takes of a note and of an instance's name.
const LONGEST_NOTE: usize = 1024;
const LONGEST_INSTANCE: usize = 128;

const CLAIM: &str = "PersistentVolumeClaim";

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Severity {
    /// Good to know.
    Normal,
    /// Somebody should do something.
    Warning,
    /// A later version's word.
    #[serde(other)]
    Other,
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "Warning",
            Self::Normal | Self::Other => "Normal",
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Who says so: the driver.
    pub(crate) reporter: &'static str,
    /// Which of its processes: a node's or a pod's name.
    pub(crate) instance: String,
    /// How much it matters.
    pub(crate) severity: Severity,
    /// What was being done, e.g. `NodeGetInfo`.
    pub(crate) action: &'static str,
    /// Why, in a word for programs.
    pub(crate) reason: String,
    /// The same for people; what is longer than 1 KiB is cut.
    pub(crate) note: String,
}

/// The object that an Event is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    kind: &'static str,
    namespace: Option<&'a str>,
    name: &'a str,
    uid: &'a str,
}

impl<'a> Subject<'a> {
    pub(super) fn node(name: &'a str, uid: &'a str) -> Self {
        Self {
            kind: "Node",
            namespace: None,
            name,
            uid,
        }
    }

    pub(super) fn pod(namespace: &'a str, name: &'a str, uid: &'a str) -> Self {
        Self {
            kind: "Pod",
            namespace: Some(namespace),
            name,
            uid,
        }
    }

    pub(super) fn claim(namespace: &'a str, name: &'a str, uid: &'a str) -> Self {
        Self {
            kind: CLAIM,
            namespace: Some(namespace),
            name,
            uid,
        }
    }
}

/// An Event about a claim, as it was told before.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told {
    involved_object: Involved,
    #[serde(default)]
    reason: String,
    #[serde(rename = "type")]
    severity: Severity,
    reporting_component: String,
    event_time: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Involved {
    #[serde(default)]
    uid: String,
}

impl Told {
    /// The claim.
    pub(crate) fn uid(&self) -> &str {
        &self.involved_object.uid
    }

    /// Why it was told.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether it warned.
    pub(crate) fn is_warning(&self) -> bool {
        self.severity == Severity::Warning
    }

    /// When it was told: times of equal form, so that a later one is a greater text.
    pub(crate) fn time(&self) -> &str {
        self.event_time.as_deref().unwrap_or_default()
    }
}

impl Session {
    /// Tells an Event.
    pub(super) async fn tell(
        &self,
        about: Subject<'_>,
        event: &Event,
    ) -> Result<(), KubernetesError> {
        let object = object(about, event, SystemTime::now());
        let namespace = about.namespace.unwrap_or(NAMESPACE);
        self.call::<Value>(Ask {
            rule: CREATE,
            path: format!("namespaces/{namespace}/events"),
            name: about.name,
            content: Content::New(&object),
        })
        .await?;
        Ok(())
    }

    /// A page of the Events about claims that `reporter` has told, and what asks for the next one.
    pub(super) async fn told_of_claims(
        &self,
        reporter: &str,
        more: &str,
    ) -> Result<(Vec<Told>, String), KubernetesError> {
        let selector = format!("involvedObject.kind={CLAIM},reportingComponent={reporter}");
        let page = self.page(LIST, &selector, more, Content::Nothing).await?;
        let mut items: Vec<Told> = page.items;
        items.retain(|event| event.reporting_component == reporter);
        Ok((items, page.metadata.next))
    }
}

fn object(about: Subject<'_>, event: &Event, now: SystemTime) -> Value {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let unique = since.unwrap_or_default().as_nanos();
    // Names have at most 253 characters.
    let name = format!("{:.200}.{unique:x}", about.name);
    let namespace = about.namespace.unwrap_or(NAMESPACE);
    let mut regarding =
        json!({"apiVersion": "v1", "kind": about.kind, "name": about.name, "uid": about.uid});
    if let (Some(namespace), Some(fields)) = (about.namespace, regarding.as_object_mut()) {
        fields.insert("namespace".to_owned(), json!(namespace));
    }
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "eventTime": ebs_types::utc::micro_time(now),
        "reportingController": event.reporter,
        "reportingInstance": cut(&event.instance, LONGEST_INSTANCE),
        "action": event.action,
        "reason": event.reason,
        "regarding": regarding,
        "note": cut(&event.note, LONGEST_NOTE),
        "type": event.severity.as_str(),
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

    fn event(note: &str, instance: &str) -> Event {
        Event {
            reporter: "ebs.csi.aws.com",
            instance: instance.to_owned(),
            severity: Severity::Warning,
            action: "NodeGetInfo",
            reason: "AttachLimitGuessed".to_owned(),
            note: note.to_owned(),
        }
    }

    #[test]
    fn an_event_is_what_the_api_takes() {
        let name = "n".repeat(253);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        let event = event(&"€".repeat(400), &name);
        let object = object(Subject::node(&name, "4711"), &event, now);
        let length = |pointer: &str| object.pointer(pointer).unwrap().as_str().unwrap().len();
        assert!(length("/metadata/name") <= 253);
        assert_eq!(length("/reportingInstance"), 128);
        assert_eq!(length("/note"), 1023);
        assert_eq!(object["regarding"]["uid"], "4711");
        assert_eq!(object["metadata"]["namespace"], "default");
        assert_eq!(object["eventTime"], "1970-01-01T00:00:01.000000Z");
    }

    #[test]
    fn an_event_about_a_claim_is_in_its_namespace() {
        let about = Subject::claim("shop", "data", "4711");
        let object = object(about, &event("note", "pod"), SystemTime::now());
        assert_eq!(object["metadata"]["namespace"], "shop");
        assert_eq!(object["regarding"]["namespace"], "shop");
        assert_eq!(object["regarding"]["kind"], "PersistentVolumeClaim");
        assert_eq!(object["type"], "Warning");
    }
}
