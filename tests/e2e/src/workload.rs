//! Pods: ready ones, new ones in the place of old ones, and those that are gone.

use crate::api::Kind;
use crate::object::Object;
use crate::scenario::{LONG, Scenario};

/// A pod that was ready when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its unique id: a pod of the same name that comes later has another.
    pub uid: String,
    /// The node that it runs on.
    pub node: String,
}

impl Pod {
    fn of(pod: &Object) -> Self {
        Self {
            name: pod.name().to_owned(),
            uid: pod.text("/metadata/uid").to_owned(),
            node: pod.text("/spec/nodeName").to_owned(),
        }
    }
}

impl Scenario {
    /// Waits until a pod is ready.
    #[track_caller]
    pub fn ready(&self, pod: &str) -> Pod {
        self.until(&format!("pod {pod} is ready"), || {
            self.find_ready(pod, |found| found.name() == pod)
        })
    }

    /// Waits until the namespace has so many pods and all are ready.
    #[track_caller]
    pub fn all_ready(&self, count: usize) -> Vec<Pod> {
        self.until_within(LONG, &format!("{count} pods are ready"), || {
            let pods = self.list(Kind::POD);
            let waits = |pod: &&Object| !pod.is("Ready") || pod.is_going();
            match pods.iter().find(waits) {
                None if pods.len() == count => Ok(pods.iter().map(Pod::of).collect()),
                None => Err(format!("there are {}", pods.len())),
                Some(pod) => Err(format!("{pod}, events {:?}", self.events(pod.name()))),
            }
        })
    }

    /// Waits until the pod of this name is ready, and another one than `old`.
    #[track_caller]
    pub fn ready_again(&self, old: &Pod) -> Pod {
        let Pod { name, uid, .. } = old;
        self.until(&format!("a new pod {name} is ready"), || {
            let other = |found: &Object| found.name() == name && found.text("/metadata/uid") != uid;
            self.find_ready(name, other)
        })
    }

    /// Waits until a pod with the label `app=APP` is ready.
    #[track_caller]
    pub fn ready_of(&self, app: &str) -> Pod {
        self.until(&format!("a pod of {app} is ready"), || {
            self.find_ready(app, |found| found.label("app") == app)
        })
    }

    /// Waits until a pod with the label `app=APP`, and another one than `old`, has been given a node; returns the node's name.
    #[track_caller]
    pub fn scheduled_of(&self, app: &str, old: &Pod) -> String {
        self.until(&format!("a new pod of {app} has a node"), || {
            let pods = self.list(Kind::POD);
            let new = pods.iter().find(|pod| {
                pod.label("app") == app && pod.text("/metadata/uid") != old.uid && !pod.is_going()
            });
            match new.map(|pod| pod.text("/spec/nodeName")) {
                None | Some("") => Err(format!("{new:?}")),
                Some(node) => Ok(node.to_owned()),
            }
        })
    }

    /// `kubectl delete -f FILE`, one after the other, each until all of it is gone.
    #[track_caller]
    pub fn delete(&self, files: &[&str]) {
        for file in files {
            self.kubectl(&["delete", "--filename", file]);
            self.say(&format!("kubectl delete -f {file}"));
        }
    }

    /// Waits until there is no such object.
    #[track_caller]
    pub fn gone(&self, kind: Kind, name: &str) {
        self.until(&format!("{name} is gone"), || match self.get(kind, name) {
            None => Ok(()),
            Some(object) => Err(object.to_string()),
        });
    }

    fn find_ready(&self, name: &str, fits: impl Fn(&Object) -> bool) -> Result<Pod, String> {
        let pods = self.list(Kind::POD);
        let ready = |pod: &&Object| pod.is("Ready") && !pod.is_going();
        let found = pods.iter().filter(|pod| fits(pod)).find(ready);
        found.map(Pod::of).ok_or_else(|| {
            let pods: Vec<String> = pods.iter().map(ToString::to_string).collect();
            format!("{pods:?}, events {:?}", self.events(name))
        })
    }
}
