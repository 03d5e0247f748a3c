//! What the Kubernetes API is asked: this process' own Node object, and whether the kubelet has registered the driver there.
//!
//! Answers for: reaching the API server with the pod's service account, removing the startup taint, and errors that say what to
//! do. Doesn't answer for: what a Node object means to EBS (`metadata`).
//!
//! These are three requests, each made once or twice in the life of a process. A client library for all of Kubernetes would cost
//! a node plugin more memory than all else that it does; the connection is dropped as soon as nothing is left to ask.

mod access;
mod error;
mod name;
mod objects;
mod session;
mod taint;

pub(crate) use access::Access;
pub(crate) use error::KubernetesError;
pub(crate) use name::NodeName;
pub(crate) use objects::Node;
use session::Session;

/// How to find the cluster, and this process' node in it.
#[derive(Clone, Debug)]
pub(crate) struct Kubernetes {
    access: Option<Access>,
    node: Option<NodeName>,
}

impl Kubernetes {
    /// Asks nothing yet.
    pub(crate) fn new(access: Option<Access>, node: Option<NodeName>) -> Self {
        Self { access, node }
    }

    /// The Node object that this process runs on.
    pub(crate) async fn own_node(&self) -> Result<Node, KubernetesError> {
        self.open()?.node().await
    }

    /// Removes the taint `DRIVER/agent-not-ready` from this process' node once the kubelet has registered the driver. It goes on
    /// until that is done, whatever the API server does meanwhile; outside a cluster it ends at once.
    pub(crate) async fn remove_startup_taint(self, driver: &'static str) {
        taint::remove(&self, driver).await;
    }

    /// Reads the credentials, which are renewed now and then. Nothing is sent yet.
    fn open(&self) -> Result<Session, KubernetesError> {
        let access = self.access.as_ref().ok_or(KubernetesError::NotInCluster)?;
        let node = self.node.clone().ok_or(KubernetesError::NoNodeName)?;
        Session::open(access, node)
    }
}
