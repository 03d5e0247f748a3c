//! What the Kubernetes API is asked: Node objects, above all this process' own, leases, PersistentVolumes, VolumeAttachments, pods
//! without a node, and Events to tell.
//!
//! Answers for: reaching the API server with the pod's service account, removing the startup taint, and errors that say what to
//! do. Doesn't answer for: what a Node object means to EBS (`metadata`), who leads (`cluster`).
//!
//! These are a few requests, each made now and then. A client library for all of Kubernetes would cost a node plugin more memory
//! than all else that it does.

mod access;
mod attachments;
mod claims;
mod error;
mod events;
mod leases;
mod list;
mod name;
mod node_states;
mod nodes;
mod objects;
mod out_of_service;
mod pods;
mod session;
mod taint;
mod volumes;
mod watch;

use std::time::Duration;

pub(crate) use access::Access;
pub(crate) use attachments::{Attachment, Attachments};
pub(crate) use error::KubernetesError;
use events::Subject;
pub(crate) use events::{Event, Severity, Told};
pub(crate) use leases::{Lease, LeaseName};
pub(crate) use name::NodeName;
pub(crate) use node_states::NodeState;
pub(crate) use objects::{Named, Node};
pub(crate) use pods::WaitingPod;
use session::Session;
pub(crate) use volumes::{Claim, ClaimRef, PersistentVolume, is_name};
pub(crate) use watch::Watched;

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

    /// Whether there is a cluster to ask.
    pub(crate) fn is_in_cluster(&self) -> bool {
        self.access.is_some()
    }

    /// The namespace of this process' pod, where that is known.
    pub(crate) fn namespace(&self) -> Option<String> {
        self.access.as_ref()?.namespace()
    }

    /// The Node object that this process runs on.
    pub(crate) async fn own_node(&self) -> Result<Node, KubernetesError> {
        // Without a cluster the name does not matter.
        let session = self.open()?;
        session.node(self.node_name()?).await
    }

    /// Tells something about this process' node, as an Event that `kubectl describe node` shows. The node's name is the reporting
    /// instance.
    pub(crate) async fn tell_of_own_node(&self, event: Event) -> Result<(), KubernetesError> {
        let session = self.open()?;
        let name = self.node_name()?;
        let uid = match session.node(name).await {
            Ok(node) => node.uid().to_owned(),
            // That it may not be read can be what the warning is about. The kubelet's Events have a Node's name for its uid, and
            // are shown as well.
            Err(KubernetesError::Forbidden { .. }) => name.to_string(),
            Err(error) => return Err(error),
        };
        let event = Event {
            instance: name.to_string(),
            ..event
        };
        let about = Subject::node(name.as_str(), &uid);
        session.tell(about, &event).await
    }

    /// Removes the taint `DRIVER/agent-not-ready` from this process' node once the kubelet has registered the driver. It goes on
    /// until that is done, whatever the API server does meanwhile; outside a cluster it ends at once.
    pub(crate) async fn remove_startup_taint(self, driver: &'static str) {
        taint::remove(&self, driver).await;
    }

    /// A connection for what asks again and again.
    pub(crate) fn connect(&self) -> Result<Connection, KubernetesError> {
        Ok(Connection {
            session: self.open()?,
        })
    }

    /// Reads whom to trust. Nothing is sent yet.
    fn open(&self) -> Result<Session, KubernetesError> {
        let access = self.access.as_ref().ok_or(KubernetesError::NotInCluster)?;
        Session::open(access)
    }

    /// The name of this process' node.
    pub(crate) fn node_name(&self) -> Result<&NodeName, KubernetesError> {
        self.node.as_ref().ok_or(KubernetesError::NoNodeName)
    }
}

/// A connection to the API server. To be made anew after a failure: the certificate may be another one by then.
#[derive(Debug)]
pub(crate) struct Connection {
    session: Session,
}

impl Connection {
    /// Shows labels and annotations of every Node, page by page.
    pub(crate) async fn nodes(&self, with: impl FnMut(Vec<Named>)) -> Result<(), KubernetesError> {
        self.session.nodes(with).await
    }

    /// All Nodes, and whether each is ready and takes pods: a hint, to be looked at again in the Node ([`Node::is_ready`]).
    pub(crate) async fn node_states(&self) -> Result<Vec<NodeState>, KubernetesError> {
        self.session.node_states().await
    }

    /// A Node as it is now; `None` where there is none.
    pub(crate) async fn node(&self, name: &NodeName) -> Result<Option<Node>, KubernetesError> {
        found(self.session.node(name).await)
    }

    /// Puts Kubernetes' taint on a Node by which its pods and volumes leave at once, and an annotation `mark` that says whose it is.
    ///
    /// # Errors
    /// [`KubernetesError::Conflict`] if anything about the Node has changed since it was read.
    pub(crate) async fn put_out_of_service(
        &self,
        node: &Node,
        mark: &str,
        value: &str,
    ) -> Result<(), KubernetesError> {
        self.session.put_out_of_service(node, mark, value).await
    }

    /// Takes that taint and the annotation away again.
    ///
    /// # Errors
    /// As [`Connection::put_out_of_service`].
    pub(crate) async fn put_back_in_service(
        &self,
        node: &Node,
        mark: &str,
    ) -> Result<(), KubernetesError> {
        self.session.put_back_in_service(node, mark).await
    }

    /// Tells something about a Node, as an Event that `kubectl describe node` shows.
    pub(crate) async fn tell_of_node(
        &self,
        node: &Node,
        event: &Event,
    ) -> Result<(), KubernetesError> {
        let about = Subject::node(node.name(), node.uid());
        self.session.tell(about, event).await
    }

    /// A driver's attachments to a node.
    pub(crate) async fn attachments(
        &self,
        driver: &str,
        node: &NodeName,
    ) -> Result<Attachments, KubernetesError> {
        self.session.attachments(driver, node).await
    }

    /// Waits until one of the attachments is gone, for `lasts` at most (whole seconds).
    pub(crate) async fn until_detached(
        &self,
        listed: &Attachments,
        attachment: &Attachment,
        lasts: Duration,
    ) -> Result<Watched, KubernetesError> {
        self.session.until_detached(listed, attachment, lasts).await
    }

    /// Gives a Node an annotation.
    pub(crate) async fn annotate_node(
        &self,
        name: &NodeName,
        key: &str,
        value: &str,
    ) -> Result<(), KubernetesError> {
        self.session.annotate_node(name, key, value).await
    }

    /// A page of all PersistentVolumes, and what asks for the next one; empty after the last.
    pub(crate) async fn persistent_volumes(
        &self,
        more: &str,
    ) -> Result<(Vec<PersistentVolume>, String), KubernetesError> {
        self.session.persistent_volumes(more).await
    }

    /// A PersistentVolume as it is now; `None` where there is none.
    pub(crate) async fn persistent_volume(
        &self,
        name: &str,
    ) -> Result<Option<PersistentVolume>, KubernetesError> {
        found(self.session.persistent_volume(name).await).map(Option::flatten)
    }

    /// A page of the pods that have no node, and what asks for the next one; empty after the last.
    pub(crate) async fn waiting_pods(
        &self,
        more: &str,
    ) -> Result<(Vec<WaitingPod>, String), KubernetesError> {
        self.session.waiting_pods(more).await
    }

    /// The PersistentVolume that a claim is bound to; `None` where there is none, or no such claim.
    pub(crate) async fn volume_of(
        &self,
        claim: &Claim,
    ) -> Result<Option<PersistentVolume>, KubernetesError> {
        match found(self.session.volume_of(claim).await)? {
            Some(name) if !name.is_empty() => self.persistent_volume(&name).await,
            _ => Ok(None),
        }
    }

    /// Tells something about a pod, as an Event that `kubectl describe pod` shows.
    pub(crate) async fn tell_of_pod(
        &self,
        pod: &WaitingPod,
        event: &Event,
    ) -> Result<(), KubernetesError> {
        let about = Subject::pod(pod.namespace(), pod.name(), pod.uid());
        self.session.tell(about, event).await
    }

    /// Tells something about a claim, as an Event that `kubectl describe pvc` shows.
    pub(crate) async fn tell_of_claim(
        &self,
        claim: &ClaimRef,
        event: &Event,
    ) -> Result<(), KubernetesError> {
        let Claim { name, namespace } = &claim.claim;
        let about = Subject::claim(namespace, name, &claim.uid);
        self.session.tell(about, event).await
    }

    /// A page of the Events about claims that `reporter` has told, and what asks for the next one; empty after the last.
    pub(crate) async fn told_of_claims(
        &self,
        reporter: &str,
        more: &str,
    ) -> Result<(Vec<Told>, String), KubernetesError> {
        self.session.told_of_claims(reporter, more).await
    }

    /// Reads a lease; `None` where nobody has made it yet.
    pub(crate) async fn lease(&self, lease: &LeaseName) -> Result<Option<Lease>, KubernetesError> {
        self.session.lease(lease).await
    }

    /// Makes a lease, or takes, renews or (with an empty holder) gives back the one that was read.
    ///
    /// # Errors
    /// [`KubernetesError::Conflict`] where another was faster.
    pub(crate) async fn hold_lease(
        &self,
        lease: &LeaseName,
        read: Option<&Lease>,
        holder: &str,
        lasts: Duration,
    ) -> Result<Lease, KubernetesError> {
        match read {
            Some(read) => self.session.update_lease(lease, read, holder, lasts).await,
            None => self.session.create_lease(lease, holder, lasts).await,
        }
    }
}

/// An object that may not be there.
fn found<T>(answer: Result<T, KubernetesError>) -> Result<Option<T>, KubernetesError> {
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(KubernetesError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
