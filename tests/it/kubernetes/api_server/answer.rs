//! The objects of the API server, and what it answers.

use std::collections::BTreeMap;

use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::attachments::Attachments;
use super::{NODE, Trouble};

/// How many objects a page of a list has.
const PAGE: usize = 2;

#[derive(Debug)]
pub(super) struct State {
    pub(super) nodes: BTreeMap<String, Value>,
    pub(super) leases: BTreeMap<String, Value>,
    pub(super) volumes: BTreeMap<String, Value>,
    pub(super) attachments: Attachments,
    /// Pods without a node.
    pub(super) pods: BTreeMap<String, Value>,
    pub(super) claims: BTreeMap<String, Value>,
    pub(super) events: Vec<Value>,
    pub(super) registered: bool,
    pub(super) trouble: Option<Trouble>,
    pub(super) rival: Option<Value>,
    pub(super) renamed: Option<(String, String)>,
    pub(super) asked: Vec<String>,
    version: u64,
}

/// A path of the API, taken apart.
struct Place<'a> {
    resource: &'a str,
    name: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// Reads `/api/v1/nodes/NAME` and `/apis/GROUP/v1/namespaces/NAMESPACE/leases/NAME`, each with or without the name.
    fn of(path: &'a str) -> Self {
        let mut parts: Vec<&str> = path.split('/').skip(2).collect();
        if path.starts_with("/apis/") {
            parts.remove(0);
        }
        assert_eq!(parts.remove(0), "v1", "{path}");
        if parts[0] == "namespaces" {
            parts.drain(..2);
        }
        Self {
            resource: parts[0],
            name: parts.get(1).copied(),
        }
    }
}

impl State {
    /// One node, and nothing else.
    pub(super) fn with(node: Value) -> Self {
        Self {
            nodes: BTreeMap::from([(NODE.to_owned(), node)]),
            leases: BTreeMap::new(),
            volumes: BTreeMap::new(),
            attachments: Attachments::default(),
            pods: BTreeMap::new(),
            claims: BTreeMap::new(),
            events: Vec::new(),
            registered: false,
            trouble: None,
            rival: None,
            renamed: None,
            asked: Vec::new(),
            version: 0,
        }
    }

    pub(super) fn answer(&mut self, parts: &Parts, body: &[u8]) -> (StatusCode, Value) {
        let done = self.done(parts, body);
        match self.trouble {
            Some(Trouble::LosesAnswersTo(method)) if parts.method == method => {
                let words = "the connection to the server was lost";
                refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", words)
            }
            _ => done,
        }
    }

    fn done(&mut self, parts: &Parts, body: &[u8]) -> (StatusCode, Value) {
        let Place { resource, name } = Place::of(parts.uri.path());
        let method = match name {
            None if is_watch(parts) => "WATCH",
            None if parts.method == "GET" => "LIST",
            _ => parts.method.as_str(),
        };
        self.asked.push(format!("{method} {resource}"));
        if let Some(refused) = self.refuses(method, resource, name) {
            return refused;
        }
        match (method, resource, name) {
            ("LIST", "nodes", None) => self.list_nodes(parts),
            ("LIST", "persistentvolumes", None) => list(&self.volumes, parts),
            ("GET", "persistentvolumes", Some(name)) => {
                found(self.volumes.get(name), resource, name)
            }
            ("LIST", "pods", None) => self.list_waiting_pods(parts),
            ("GET", "persistentvolumeclaims", Some(name)) => {
                found(self.claims.get(name), resource, name)
            }
            ("LIST", "volumeattachments", None) => self.attachments.list(parts),
            // What comes is not known yet.
            ("WATCH", "volumeattachments", None) => (StatusCode::OK, Value::Null),
            ("LIST", "events", None) => self.list_events(parts),
            ("GET", "nodes", Some(name)) => found(self.nodes.get(name), resource, name),
            ("PATCH", "nodes", Some(name)) => self.patch(name, parts, body),
            ("GET", "csinodes", Some(NODE)) => (StatusCode::OK, csi_node(self.registered)),
            ("GET", "leases", Some(name)) => found(self.leases.get(name), resource, name),
            ("POST", "leases", None) | ("PUT", "leases", Some(_)) => self.write_lease(method, body),
            ("POST", "events", None) => self.event(body),
            (_, _, Some(name)) => found(None, resource, name),
            _ => refusal(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", resource),
        }
    }

    /// What is answered to everything, or to this, while something is wrong.
    fn refuses(
        &self,
        method: &str,
        resource: &str,
        name: Option<&str>,
    ) -> Option<(StatusCode, Value)> {
        match self.trouble? {
            Trouble::Forbids(forbidden) if forbidden == method => {
                Some(forbidden_to_all(resource, name))
            }
            Trouble::ForbidsOf(forbidden) if forbidden == format!("{method} {resource}") => {
                Some(forbidden_to_all(resource, name))
            }
            Trouble::Keeps(kept) if (method, name) == ("PATCH", Some(kept)) => {
                let words =
                    format!("admission webhook \"frozen\" denied the request: {kept} stays");
                Some(refusal(StatusCode::FORBIDDEN, "Forbidden", &words))
            }
            Trouble::Failing => {
                let words = "the server is currently unable to handle the request";
                let (code, reason) = (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable");
                Some(refusal(code, reason, words))
            }
            _ => None,
        }
    }

    /// A page of the pods that have no node, which is all that are asked for.
    fn list_waiting_pods(&self, parts: &Parts) -> (StatusCode, Value) {
        let selector = query(parts, "fieldSelector");
        assert_eq!(selector, Some("status.phase%3DPending%2Cspec.nodeName%3D"));
        list(&self.pods, parts)
    }

    /// A page of nodes, of which only the metadata are shown, or how they are, as a table.
    fn list_nodes(&self, parts: &Parts) -> (StatusCode, Value) {
        let accepted = parts.headers["accept"].to_str().unwrap();
        if accepted.contains("as=Table") {
            return table(&self.nodes, parts);
        }
        assert!(
            accepted.contains("as=PartialObjectMetadataList"),
            "{accepted}"
        );
        let shown =
            |(name, node): (&String, &Value)| (name.clone(), json!({"metadata": node["metadata"]}));
        list(&self.nodes.iter().map(shown).collect(), parts)
    }

    /// A page of the Events about claims, by the names that the older group has for their fields.
    fn list_events(&self, parts: &Parts) -> (StatusCode, Value) {
        let selector = query(parts, "fieldSelector").unwrap();
        assert_eq!(
            selector,
            "involvedObject.kind%3DPersistentVolumeClaim%2CreportingComponent%3Debs.csi.aws.com"
        );
        let ours = self.events.iter().filter(|event| {
            event["regarding"]["kind"] == "PersistentVolumeClaim"
                && event["reportingController"] == "ebs.csi.aws.com"
        });
        let shown = ours.map(|event| {
            let object = json!({
                "metadata": event["metadata"],
                "involvedObject": event["regarding"],
                "reason": event["reason"],
                "type": event["type"],
                "eventTime": event["eventTime"],
                "reportingComponent": event["reportingController"],
                "message": event["note"],
            });
            (
                event["metadata"]["name"].as_str().unwrap().to_owned(),
                object,
            )
        });
        list(&shown.collect(), parts)
    }

    /// A node was changed.
    pub(super) fn touch(&mut self, node: &str) {
        self.version += 1;
        let version = json!(self.version.to_string());
        if let Some(node) = self.nodes.get_mut(node) {
            node["metadata"]["resourceVersion"] = version;
        }
    }

    fn patch(&mut self, name: &str, parts: &Parts, body: &[u8]) -> (StatusCode, Value) {
        let patch: Value = serde_json::from_slice(body).unwrap();
        let rival = self.rival.take();
        if let Some((_, provider_id)) = self.renamed.take_if(|(node, _)| node == name) {
            self.nodes.get_mut(name).unwrap()["spec"]["providerID"] = json!(provider_id);
            self.touch(name);
        }
        let Some(node) = self.nodes.get_mut(name) else {
            return found(None, "nodes", name);
        };
        self.version += 1;
        let version = json!(self.version.to_string());
        if parts.headers["content-type"] == "application/merge-patch+json" {
            for (key, value) in patch["metadata"]["annotations"].as_object().unwrap() {
                node["metadata"]["annotations"][key] = value.clone();
            }
            node["metadata"]["resourceVersion"] = version;
            return (StatusCode::OK, node.clone());
        }
        if let Some(rival) = rival {
            node["spec"]["taints"]
                .as_array_mut()
                .unwrap()
                .insert(0, rival);
            node["metadata"]["resourceVersion"] = json!("of the rival's change");
        }
        let mut patched = node.clone();
        if patch
            .as_array()
            .unwrap()
            .iter()
            .all(|step| apply(&mut patched, step))
        {
            patched["metadata"]["resourceVersion"] = version;
            *node = patched;
            return (StatusCode::OK, node.clone());
        }
        let words = "the server rejected our request due to an error in our request";
        refusal(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", words)
    }

    /// A new lease, or one that is changed by who has read its last version.
    fn write_lease(&mut self, method: &str, body: &[u8]) -> (StatusCode, Value) {
        let mut lease: Value = serde_json::from_slice(body).unwrap();
        let name = lease["metadata"]["name"].as_str().unwrap().to_owned();
        let version = |lease: &Value| lease["metadata"]["resourceVersion"].clone();
        let known = self.leases.get(&name).map(version);
        let fits = match method {
            "POST" => known.is_none(),
            _ => known == Some(version(&lease)),
        };
        if !fits {
            let words = format!("leases {name:?} has been modified");
            return refusal(StatusCode::CONFLICT, "Conflict", &words);
        }
        for time in ["acquireTime", "renewTime"] {
            let text = lease["spec"][time].as_str().unwrap();
            assert!(
                text.len() == 27 && text.ends_with('Z'),
                "{text} is no MicroTime"
            );
        }
        self.version += 1;
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.leases.insert(name, lease.clone());
        (StatusCode::OK, lease)
    }

    fn event(&mut self, body: &[u8]) -> (StatusCode, Value) {
        let event: Value = serde_json::from_slice(body).unwrap();
        self.events.push(event.clone());
        (StatusCode::CREATED, event)
    }
}

/// Whether the request wants to be told of changes.
pub(super) fn is_watch(parts: &Parts) -> bool {
    query(parts, "watch") == Some("true")
}

/// The value of a key of the request's query.
pub(super) fn query<'a>(parts: &'a Parts, key: &str) -> Option<&'a str> {
    let pairs = parts.uri.query()?.split('&');
    let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(name, value)| (name == key).then_some(value))
}

/// A page of these objects.
pub(super) fn list(objects: &BTreeMap<String, Value>, parts: &Parts) -> (StatusCode, Value) {
    let from = query(parts, "continue");
    let mut rest = objects
        .iter()
        .filter(|(name, _)| Some(name.as_str()) > from);
    let page: Vec<(&String, &Value)> = rest.by_ref().take(PAGE).collect();
    let last = page.last().map(|(name, _)| name.as_str());
    let next = rest.next().and(last).unwrap_or_default();
    let items: Vec<&Value> = page.into_iter().map(|(_, object)| object).collect();
    let page = json!({"kind": "List", "metadata": {"continue": next}, "items": items});
    (StatusCode::OK, page)
}

fn found(object: Option<&Value>, resource: &str, name: &str) -> (StatusCode, Value) {
    match object {
        Some(object) => (StatusCode::OK, object.clone()),
        None => {
            let words = format!("{resource} {name:?} not found");
            refusal(StatusCode::NOT_FOUND, "NotFound", &words)
        }
    }
}

fn forbidden_to_all(resource: &str, name: Option<&str>) -> (StatusCode, Value) {
    let words = format!("{resource} {name:?} is forbidden: User \"driver\" cannot do that");
    refusal(StatusCode::FORBIDDEN, "Forbidden", &words)
}

fn refusal(code: StatusCode, reason: &str, message: &str) -> (StatusCode, Value) {
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": code.as_u16(),
    });
    (code, status)
}

fn csi_node(registered: bool) -> Value {
    let other = json!({"name": "other.csi.example.com", "nodeID": "x", "topologyKeys": null});
    let ours = json!({
        "name": "ebs.csi.aws.com",
        "nodeID": "i-0123456789abcdef0",
        "topologyKeys": ["topology.kubernetes.io/zone"],
        "allocatable": {"count": 26},
    });
    let drivers = if registered {
        vec![other, ours]
    } else {
        vec![other]
    };
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSINode",
        "metadata": {"name": NODE},
        "spec": {"drivers": drivers},
    })
}

/// A page of how nodes are, as a server prints it for people.
fn table(nodes: &BTreeMap<String, Value>, parts: &Parts) -> (StatusCode, Value) {
    assert_eq!(query(parts, "includeObject"), Some("None"));
    let from = query(parts, "continue");
    // A server refuses both together.
    let version = query(parts, "resourceVersion");
    assert!(from.is_none() || version.is_none(), "{:?}", parts.uri);
    let (code, mut page) = list(nodes, parts);
    let rows: Vec<Value> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| json!({"cells": [node["metadata"]["name"], printed(node), "<none>"], "object": null}))
        .collect();
    page["kind"] = json!("Table");
    page["rows"] = json!(rows);
    page.as_object_mut().unwrap().remove("items");
    if from.is_none() {
        let columns =
            ["Name", "Status", "Roles"].map(|name| json!({"name": name, "type": "string"}));
        page["columnDefinitions"] = json!(columns);
    }
    (code, page)
}

fn printed(node: &Value) -> String {
    let ready = node["status"]["conditions"].as_array().unwrap().iter();
    let mut ready = ready.filter(|condition| condition["type"] == "Ready");
    let ready = match ready.next() {
        Some(ready) if ready["status"] == "True" => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    match node["spec"]["unschedulable"] == true {
        true => format!("{ready},SchedulingDisabled"),
        false => ready.to_owned(),
    }
}

/// One step of a JSON patch (RFC 6902).
fn apply(patched: &mut Value, step: &Value) -> bool {
    let path = step["path"].as_str().unwrap();
    let (parent, last) = path.rsplit_once('/').unwrap();
    let last = last.replace("~1", "/");
    match step["op"].as_str().unwrap() {
        "test" => patched.pointer(path) == Some(&step["value"]),
        "remove" => match patched.pointer_mut(parent) {
            Some(Value::Array(items)) => items.remove(last.parse().unwrap()) != Value::Null,
            Some(Value::Object(fields)) => fields.remove(&last).is_some(),
            _ => false,
        },
        "add" => match patched.pointer_mut(parent) {
            Some(Value::Array(items)) if last == "-" => {
                items.push(step["value"].clone());
                true
            }
            Some(Value::Object(fields)) => {
                fields.insert(last, step["value"].clone());
                true
            }
            _ => false,
        },
        other => panic!("a step {other} was not expected"),
    }
}
