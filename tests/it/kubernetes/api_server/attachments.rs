//! VolumeAttachments of the API server, and who watches them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::StreamBody;
use hyper::StatusCode;
use hyper::body::{Body, Bytes, Frame};
use hyper::http::request::Parts;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::ApiServer;
use super::answer::{State, list, query};

/// All there are, and what has become of others.
#[derive(Debug, Default)]
pub(super) struct Attachments {
    objects: BTreeMap<String, Value>,
    /// The name of each that has gone; a change's version is its place in this list, from 1 on.
    gone: Vec<String>,
    /// Changes up to this version are not remembered any more.
    forgotten: usize,
    /// How often all watches were ended.
    cuts: usize,
}

impl Attachments {
    pub(super) fn list(&self, parts: &Parts) -> (StatusCode, Value) {
        let (status, mut page) = list(&self.objects, parts);
        page["metadata"]["resourceVersion"] = json!(self.gone.len().to_string());
        (status, page)
    }
}

impl ApiServer {
    /// A volume is attached to a node by a driver.
    pub(crate) fn attach(&self, pv: &str, driver: &str, node: &str) {
        let object = json!({
            "apiVersion": "storage.k8s.io/v1",
            "kind": "VolumeAttachment",
            "metadata": {"name": name_of(pv)},
            "spec": {"attacher": driver, "nodeName": node, "source": {"persistentVolumeName": pv}},
            "status": {"attached": true},
        });
        self.state().attachments.objects.insert(name_of(pv), object);
    }

    /// It is detached.
    pub(crate) fn detach(&self, pv: &str) {
        let attachments = &mut self.state().attachments;
        attachments.objects.remove(&name_of(pv)).unwrap();
        attachments.gone.push(name_of(pv));
    }

    /// What has changed until now is not told any more.
    pub(crate) fn forget(&self) {
        let attachments = &mut self.state().attachments;
        attachments.forgotten = attachments.gone.len();
    }

    /// All watches end.
    pub(crate) fn end_watches(&self) {
        self.state().attachments.cuts += 1;
    }
}

fn name_of(pv: &str) -> String {
    format!("csi-{pv}")
}

/// Tells what becomes of one attachment, until the time of the watch is over.
pub(super) fn watch(
    state: &Arc<Mutex<State>>,
    parts: &Parts,
) -> impl Body<Data = Bytes, Error = Infallible> + Send + Sync + use<> {
    let selector = query(parts, "fieldSelector").unwrap();
    let name = selector
        .strip_prefix("metadata.name%3D")
        .unwrap()
        .to_owned();
    let version: usize = query(parts, "resourceVersion").unwrap().parse().unwrap();
    let lasts = query(parts, "timeoutSeconds").unwrap().parse().unwrap();
    let until = Instant::now() + Duration::from_secs(lasts);
    let state = Arc::clone(state);
    let cuts = state.lock().unwrap().attachments.cuts;
    let (send, receive) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while Instant::now() < until {
            let line = {
                let known = &state.lock().unwrap().attachments;
                if known.cuts != cuts {
                    return;
                }
                line(known, &name, version)
            };
            if let Some(line) = line {
                // In two pieces, as a network may hand it on.
                let text = format!("{line}\n");
                let (first, second) = text.split_at(9);
                for piece in [first, second] {
                    let _ = send.send(Bytes::from(piece.to_owned()));
                    sleep(Duration::from_millis(5)).await;
                }
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    });
    let receive = Mutex::new(receive);
    StreamBody::new(futures::stream::poll_fn(move |context| {
        let next = receive.lock().unwrap().poll_recv(context);
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }))
}

/// What there is to tell of an attachment since that version.
fn line(known: &Attachments, name: &str, version: usize) -> Option<Value> {
    if version < known.forgotten {
        let words = format!("too old resource version: {version}");
        let object = json!({"kind": "Status", "code": 410, "message": words, "reason": "Expired"});
        return Some(json!({"type": "ERROR", "object": object}));
    }
    let gone = known.gone[version..].iter().any(|one| one == name);
    gone.then(|| json!({"type": "DELETED", "object": {"metadata": {"name": name}}}))
}
