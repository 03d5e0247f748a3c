//! A cluster as `kubectl proxy` shows it: objects by their paths, and what Kubernetes' own controllers do with claims and
//! PersistentVolumes. It can stop answering after a change, as if the one who asked were cut off there.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// How many objects a page of a list has.
const PAGE: usize = 2;

/// The cluster.
pub(super) struct Cluster {
    state: Arc<Mutex<State>>,
    url: String,
    server: AbortHandle,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    /// Changes asked for.
    changes: usize,
    deletions: usize,
    /// The change after which nobody is answered, counted from 1.
    silent_after: Option<usize>,
    is_silent: bool,
    /// Whether somebody makes a claim anew as soon as it has gone.
    has_stateful_set: bool,
    uids: u32,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Cluster {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let serving = Arc::clone(&state);
        let server = tokio::spawn(async move {
            loop {
                let (socket, _peer) = listener.accept().await.unwrap();
                let state = Arc::clone(&serving);
                let service = service_fn(move |request| {
                    let state = Arc::clone(&state);
                    async move { Ok::<_, Infallible>(serve(&state, request).await) }
                });
                let connection = http1::Builder::new();
                // Who asked may be killed meanwhile.
                let connection = connection.serve_connection(TokioIo::new(socket), service);
                tokio::spawn(async move { drop(connection.await) });
            }
        });
        Self {
            state,
            url,
            server: server.abort_handle(),
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn put(&self, path: &str, object: Value) {
        self.state().objects.insert(path.to_owned(), object);
    }

    pub(super) fn get(&self, path: &str) -> Option<Value> {
        self.state().objects.get(path).cloned()
    }

    pub(super) fn all(&self) -> BTreeMap<String, Value> {
        self.state().objects.clone()
    }

    /// How many changes were asked for.
    pub(super) fn changes(&self) -> usize {
        self.state().changes
    }

    /// How many objects were deleted.
    pub(super) fn deletions(&self) -> usize {
        self.state().deletions
    }

    /// After so many more changes nobody is answered.
    pub(super) fn fall_silent_after(&self, changes: usize) {
        let mut state = self.state();
        state.silent_after = Some(state.changes + changes);
        state.is_silent = false;
    }

    pub(super) fn is_silent(&self) -> bool {
        self.state().is_silent
    }

    /// Everybody is answered again.
    pub(super) fn answer(&self) {
        let mut state = self.state();
        state.silent_after = None;
        state.is_silent = false;
    }

    /// From here on a claim that goes is made anew, without a volume, by a StatefulSet.
    pub(super) fn has_stateful_set(&self) {
        self.state().has_stateful_set = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

async fn serve(state: &Mutex<State>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    assert!(
        !parts.headers.contains_key("authorization"),
        "a proxy is told no token"
    );
    let body = body.collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let path = parts
        .uri
        .path()
        .strip_prefix("/api/v1/")
        .unwrap()
        .to_owned();
    let from = parts
        .uri
        .query()
        .and_then(|query| query.split("continue=").nth(1));
    let answer = {
        let mut state = state.lock().unwrap();
        let answer = state.answer(
            parts.method.as_str(),
            &path,
            from.unwrap_or_default(),
            &body,
        );
        (!state.is_silent).then_some(answer)
    };
    let Some((code, answer)) = answer else {
        return std::future::pending().await;
    };
    let mut response = Response::new(Full::new(Bytes::from(answer.to_string())));
    *response.status_mut() = code;
    response
}

impl State {
    fn answer(
        &mut self,
        method: &str,
        path: &str,
        from: &str,
        body: &Value,
    ) -> (StatusCode, Value) {
        if method != "GET" && !self.is_silent {
            self.changes += 1;
        }
        let answer = match method {
            _ if self.is_silent => (StatusCode::OK, Value::Null),
            "GET" if is_list(path) => (StatusCode::OK, self.page(path, from)),
            "GET" => self.found(path),
            "POST" => self.make(path, body),
            "PATCH" => self.patch(path, body),
            "DELETE" => self.delete(path, body),
            other => panic!("{other} {path} was not expected"),
        };
        self.bind();
        if self.silent_after == Some(self.changes) {
            self.is_silent = true;
        }
        answer
    }

    fn found(&self, path: &str) -> (StatusCode, Value) {
        match self.objects.get(path) {
            Some(object) => (StatusCode::OK, object.clone()),
            None => refusal(StatusCode::NOT_FOUND, path),
        }
    }

    fn page(&self, path: &str, from: &str) -> Value {
        let prefix = format!("{path}/");
        let mut rest = self.objects.iter().filter(|(place, _)| {
            let name = place.strip_prefix(&prefix);
            name.is_some_and(|name| name > from)
        });
        let page: Vec<(&String, &Value)> = rest.by_ref().take(PAGE).collect();
        let last = page
            .last()
            .and_then(|(place, _)| place.strip_prefix(&prefix));
        let next = rest.next().and(last).unwrap_or_default();
        let items: Vec<&Value> = page.into_iter().map(|(_, object)| object).collect();
        json!({"kind": "List", "metadata": {"continue": next}, "items": items})
    }

    fn make(&mut self, path: &str, body: &Value) -> (StatusCode, Value) {
        let place = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap());
        if self.objects.contains_key(&place) {
            return refusal(StatusCode::CONFLICT, &place);
        }
        let mut object = body.clone();
        self.uids += 1;
        object["metadata"]["uid"] = json!(format!("uid-{}", self.uids));
        object["status"] =
            json!({"phase": if path == "persistentvolumes" { "Available" } else { "Pending" }});
        self.objects.insert(place, object.clone());
        (StatusCode::CREATED, object)
    }

    fn patch(&mut self, path: &str, body: &Value) -> (StatusCode, Value) {
        match self.objects.get_mut(path) {
            Some(object) => {
                merge(object, body);
                (StatusCode::OK, object.clone())
            }
            None => refusal(StatusCode::NOT_FOUND, path),
        }
    }

    fn delete(&mut self, path: &str, body: &Value) -> (StatusCode, Value) {
        assert!(
            path.contains("/persistentvolumeclaims/"),
            "{path} is deleted"
        );
        let Some(object) = self.objects.get(path) else {
            return refusal(StatusCode::NOT_FOUND, path);
        };
        if object["metadata"]["uid"] != body["preconditions"]["uid"] {
            return refusal(StatusCode::CONFLICT, path);
        }
        self.deletions += 1;
        let gone = self.objects.remove(path).unwrap();
        self.reclaim(&gone);
        if self.has_stateful_set {
            let (list, _) = path.rsplit_once('/').unwrap();
            let mut fresh = json!({"metadata": gone["metadata"], "spec": gone["spec"]});
            fresh["spec"].as_object_mut().unwrap().remove("volumeName");
            self.make(list, &fresh);
        }
        (StatusCode::OK, gone)
    }

    /// The PersistentVolume of a claim that has gone; with policy Delete its volume goes, which no test survives.
    fn reclaim(&mut self, claim: &Value) {
        let name = claim["spec"]["volumeName"].as_str().unwrap_or_default();
        if let Some(volume) = self.objects.get_mut(&format!("persistentvolumes/{name}")) {
            let policy = &volume["spec"]["persistentVolumeReclaimPolicy"];
            assert_eq!(policy, "Retain", "the data of {name} are lost");
            volume["status"]["phase"] = json!("Released");
        }
    }

    /// As the controller of PersistentVolumes does: claims get those that are kept for them.
    fn bind(&mut self) {
        let free: Vec<(String, Value)> = self
            .objects
            .iter()
            .filter(|(path, object)| {
                path.starts_with("persistentvolumes/") && object["status"]["phase"] == "Available"
            })
            .map(|(path, object)| (path.clone(), object["spec"]["claimRef"].clone()))
            .collect();
        for (path, reference) in free {
            let (namespace, name) = (&reference["namespace"], &reference["name"]);
            let (Some(namespace), Some(name)) = (namespace.as_str(), name.as_str()) else {
                continue;
            };
            let of = format!("namespaces/{namespace}/persistentvolumeclaims/{name}");
            let volume = path.trim_start_matches("persistentvolumes/").to_owned();
            let Some(claim) = self.objects.get_mut(&of) else {
                continue;
            };
            let wanted = claim["spec"]["volumeName"].as_str().unwrap_or_default();
            if wanted.is_empty() || wanted == volume {
                claim["spec"]["volumeName"] = json!(volume);
                claim["status"]["phase"] = json!("Bound");
                let uid = claim["metadata"]["uid"].clone();
                let volume = self.objects.get_mut(&path).unwrap();
                volume["spec"]["claimRef"]["uid"] = uid;
                volume["status"]["phase"] = json!("Bound");
            }
        }
    }
}

/// Whether a path is that of all objects of a kind.
fn is_list(path: &str) -> bool {
    path.split('/').count() % 2 == 1
}

fn merge(object: &mut Value, change: &Value) {
    let Some(fields) = change.as_object() else {
        *object = change.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, value) in fields {
        merge(&mut object[key], value);
    }
}

fn refusal(code: StatusCode, path: &str) -> (StatusCode, Value) {
    let status =
        json!({"kind": "Status", "message": format!("{path}: {code}"), "code": code.as_u16()});
    (code, status)
}
