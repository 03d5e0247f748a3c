//! One look at all Nodes after the other, and what it leads to.
//!
//! Answers for: asking EC2 about nobody who is ready, one change for one Node, and telling it. Doesn't answer for: when to look.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ebs_types::InstanceId;
use ec2::{Cloud, Ec2Error};

use super::metrics::FailOverMetrics;
use super::suspects::{Finding, Suspects, Why};
use super::{MARK, WHEN_STOPPED};
use crate::cluster::host_name;
use crate::kubernetes::{
    Connection, Event, Kubernetes, KubernetesError, Node, NodeName, NodeState, Severity,
};
use crate::metadata::instance_of;

/// What was being done when an Event came up.
const ACTION: &str = "FailOver";
/// How often a change is tried where others change the Node at the same time.
const ATTEMPTS: u32 = 5;

/// Why a look did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    #[error(transparent)]
    Ec2(#[from] Ec2Error),
}

/// What is known between looks.
#[derive(Debug)]
pub(super) struct Watcher {
    driver: &'static str,
    instance: String,
    suspects: Suspects,
    metrics: FailOverMetrics,
    /// The names of Nodes that are marked as out of service by this driver, once those of former leaders are known.
    marked: Option<BTreeSet<String>>,
    /// What is being put, until it is sure that it was: an answer may get lost.
    putting: BTreeMap<String, (InstanceId, Why)>,
    /// Nodes whose owner was told how a stopped instance can fail over, with that instance.
    advised: BTreeMap<String, InstanceId>,
    /// What the API server did not take yet.
    untold: Vec<(Node, Event)>,
}

impl Drop for Watcher {
    /// Who does not lead any more knows nothing.
    fn drop(&mut self) {
        self.metrics.show([]);
    }
}

impl Watcher {
    pub(super) fn new(driver: &'static str, window: Duration, metrics: &FailOverMetrics) -> Self {
        Self {
            driver,
            instance: host_name(),
            suspects: Suspects::new(window),
            metrics: metrics.clone(),
            marked: None,
            putting: BTreeMap::new(),
            advised: BTreeMap::new(),
            untold: Vec::new(),
        }
    }

    /// Looks at all Nodes. What keeps it from one of them keeps it from no other; the first such error is handed on at the end.
    pub(super) async fn round(
        &mut self,
        kubernetes: &Kubernetes,
        cloud: &Cloud,
    ) -> Result<(), LookError> {
        let connection = kubernetes.connect()?;
        let mut failed = Failed::default();
        let nodes = connection.node_states().await?;
        self.back(&connection, &nodes, &mut failed).await?;
        let unready = nodes.iter().filter(|node| !node.ready);
        self.suspects.are(unready.map(|node| node.name.clone()));
        self.read(&connection, &mut failed).await?;
        self.ask(&connection, cloud, &mut failed).await?;
        self.metrics.show(self.suspects.states());
        self.tell(&connection, &mut failed).await?;
        failed.0.map_or(Ok(()), Err)
    }

    /// Takes the taint from marked Nodes that are ready again. Only a machine that runs makes a Node ready.
    async fn back(
        &mut self,
        connection: &Connection,
        nodes: &[NodeState],
        failed: &mut Failed,
    ) -> Result<(), LookError> {
        if self.marked.is_none() {
            self.marked = Some(marked(connection).await?);
        }
        let marked = self.marked.get_or_insert_default();
        let there: BTreeMap<&str, bool> = nodes
            .iter()
            .map(|node| (node.name.as_str(), node.ready))
            .collect();
        // Where the Node is gone, so is the taint.
        marked.retain(|name| there.contains_key(name.as_str()));
        let ready = |name: &&String| there.get(name.as_str()) == Some(&true);
        for name in marked.iter().filter(ready).cloned().collect::<Vec<_>>() {
            failed.note(self.put_back(connection, &name).await)?;
        }
        Ok(())
    }

    async fn put_back(&mut self, connection: &Connection, name: &str) -> Result<(), LookError> {
        let done = changed(connection, name, &Wish::Back).await?;
        let Some((node, change)) = done.filter(|(_, change)| *change != Change::NotNow) else {
            return Ok(());
        };
        self.marked.get_or_insert_default().remove(name);
        if change == Change::Done && node.is_out_of_service() {
            tracing::info!(node = name, "a Node is ready again, and back in service");
            self.metrics.back();
            let note = "The Node is ready again: the taint node.kubernetes.io/out-of-service that this driver had put on it is taken away"
                .to_owned();
            let event = self.event(Severity::Normal, "BackInService", note);
            self.untold.push((node, event));
        }
        Ok(())
    }

    /// Finds out about the instances of Nodes that are not ready.
    async fn read(
        &mut self,
        connection: &Connection,
        failed: &mut Failed,
    ) -> Result<(), LookError> {
        for name in self.suspects.unread() {
            let read = async {
                let Ok(parsed) = name.parse::<NodeName>() else {
                    return Ok(None);
                };
                Ok(connection.node(&parsed).await?)
            };
            match read.await {
                Ok(Some(node)) => self.seen(node, &name),
                Ok(None) => self.suspects.settled(&name),
                Err(error) => failed.note(Err(error))?,
            }
        }
        Ok(())
    }

    /// Asks EC2 about those instances, all at once, and does what its answers lead to.
    async fn ask(
        &mut self,
        connection: &Connection,
        cloud: &Cloud,
        failed: &mut Failed,
    ) -> Result<(), LookError> {
        let due = self.suspects.due();
        if due.is_empty() {
            return Ok(());
        }
        let ids: Vec<InstanceId> = due.iter().map(|(_, id)| id.clone()).collect();
        let words = cloud.instances(&ids).await;
        for (name, id) in due {
            let word = words.get(&id);
            if let Some(Err(error)) = word
                && !error.is_not_found()
            {
                failed.note(Err(LookError::Ec2(error.clone())))?;
            }
            match self.suspects.told(&name, word) {
                Finding::May(why) => {
                    let put = self.put(connection, &name, &id, why).await;
                    failed.note(put)?;
                }
                Finding::Leave { new: true } => {
                    let state = word.and_then(|word| Some(word.as_ref().ok()?.state.as_str()));
                    tracing::info!(node = name, instance.id = %id, state, "a Node is not ready, and EC2 does not say that its \
                        instance is terminated: its pods and volumes are left alone");
                }
                Finding::NeverKnown { new: true } => {
                    tracing::warn!(node = name, instance.id = %id, "a Node is not ready, and EC2 has never known its instance: it \
                        may be another account's or region's, so it is left alone; if it is gone, delete the Node");
                }
                Finding::Leave { new: false } | Finding::NeverKnown { new: false } => {}
            }
        }
        Ok(())
    }

    /// Puts a Node out of service, if it is as it was thought to be.
    async fn put(
        &mut self,
        connection: &Connection,
        name: &str,
        id: &InstanceId,
        why: Why,
    ) -> Result<(), LookError> {
        self.putting.insert(name.to_owned(), (id.clone(), why));
        match changed(connection, name, &Wish::Out(id, why)).await? {
            Some((node, Change::Done)) => self.has_put(node, name),
            Some((node, Change::NotNow)) => {
                self.putting.remove(name);
                self.advise(node, name, id);
            }
            // It is ready, out of service, or another one.
            Some((node, Change::Never)) => self.seen(node, name),
            None => self.suspects.settled(name),
        }
        Ok(())
    }

    /// Takes in what a Node that was not ready says.
    fn seen(&mut self, node: Node, name: &str) {
        if node.annotation(MARK).is_none() {
            self.putting.remove(name);
            let instance = instance_of(&node).filter(|_| may_change(&node));
            self.suspects.read(name, instance);
        } else {
            // By a call whose answer was lost, or by somebody else who led.
            self.has_put(node, name);
        }
    }

    /// A Node is marked as out of service.
    fn has_put(&mut self, node: Node, name: &str) {
        self.marked.get_or_insert_default().insert(name.to_owned());
        self.suspects.settled(name);
        let Some((id, why)) = self.putting.remove(name) else {
            return;
        };
        self.metrics.put(why);
        let because = because(&id, why);
        tracing::warn!(node = name, instance.id = %id, "{because}: its Node is out of service, pods and volumes move");
        let note = format!(
            "{because}. The taint node.kubernetes.io/out-of-service=nodeshutdown:NoExecute lets its pods and volumes move at once; \
             it goes with the Node, or when the Node is ready again"
        );
        let event = self.event(Severity::Warning, "OutOfService", note);
        self.untold.push((node, event));
    }

    /// Tells once how a stopped instance can fail over.
    fn advise(&mut self, node: Node, name: &str, id: &InstanceId) {
        if self.advised.get(name) == Some(id) {
            return;
        }
        self.advised.insert(name.to_owned(), id.clone());
        tracing::info!(node = name, instance.id = %id, "a Node is not ready and its instance is stopped: its pods and volumes are left \
            alone, as nobody has asked for more by the annotation {WHEN_STOPPED}=true");
        let note = format!(
            "Instance {id} is stopped: its volumes stay with it. If it will not run again soon: kubectl annotate node {name} \
             {WHEN_STOPPED}=true lets pods and volumes move"
        );
        let event = self.event(Severity::Normal, "InstanceStopped", note);
        self.untold.push((node, event));
    }

    /// Tells what is to be told; what the API server does not take is told at the next look.
    async fn tell(
        &mut self,
        connection: &Connection,
        failed: &mut Failed,
    ) -> Result<(), LookError> {
        self.advised.retain(|name, _| self.suspects.has(name));
        self.putting.retain(|name, _| self.suspects.has(name));
        while let Some((node, event)) = self.untold.last() {
            let told = connection.tell_of_node(node, event).await;
            match told {
                Err(error) if error.is_transient() => return failed.note(Err(error.into())),
                other => failed.note(other.map_err(LookError::from))?,
            }
            self.untold.pop();
        }
        Ok(())
    }

    fn event(&self, severity: Severity, reason: &str, note: String) -> Event {
        Event {
            reporter: self.driver,
            instance: self.instance.clone(),
            severity,
            action: ACTION,
            reason: reason.to_owned(),
            note,
        }
    }
}

/// What is to become of a Node.
#[derive(Clone, Copy, Debug)]
enum Wish<'a> {
    /// Back in service.
    Back,
    /// Out of service, as the Node of this instance.
    Out(&'a InstanceId, Why),
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Done,
    /// It is not ready yet; or nobody has asked for it.
    NotNow,
    /// It is not, or not any more, as it was thought to be.
    Never,
}

/// The first error of a look.
#[derive(Default)]
struct Failed(Option<LookError>);

impl Failed {
    /// Keeps an error that is one Node's; any other ends the look.
    fn note(&mut self, done: Result<(), LookError>) -> Result<(), LookError> {
        match done {
            Err(LookError::Kubernetes(error)) if error.is_for_all() => Err(error.into()),
            Err(error) => {
                self.0.get_or_insert(error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

/// Reads a Node and changes it, anew as long as others change it meanwhile; `None` where there is none.
async fn changed(
    connection: &Connection,
    name: &str,
    wish: &Wish<'_>,
) -> Result<Option<(Node, Change)>, KubernetesError> {
    let Ok(name) = name.parse::<NodeName>() else {
        return Ok(None);
    };
    let mut attempts = 0;
    loop {
        attempts += 1;
        let Some(node) = connection.node(&name).await? else {
            return Ok(None);
        };
        match change(connection, &node, wish).await {
            Ok(change) => return Ok(Some((node, change))),
            Err(KubernetesError::NotFound { .. }) => return Ok(None),
            Err(KubernetesError::Conflict { .. }) if attempts < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
}

/// Changes a Node as it was read, if it is then still to be changed.
async fn change(
    connection: &Connection,
    node: &Node,
    wish: &Wish<'_>,
) -> Result<Change, KubernetesError> {
    match *wish {
        Wish::Back if node.annotation(MARK).is_none() => return Ok(Change::Never),
        Wish::Back if !node.is_ready() => return Ok(Change::NotNow),
        Wish::Back => connection.put_back_in_service(node, MARK).await?,
        Wish::Out(id, _) if !may_change(node) || instance_of(node).as_ref() != Some(id) => {
            return Ok(Change::Never);
        }
        Wish::Out(_, Why::Stopped) if !wants_stopped(node) => return Ok(Change::NotNow),
        Wish::Out(id, _) => {
            let value = id.to_string();
            connection.put_out_of_service(node, MARK, &value).await?;
        }
    }
    Ok(Change::Done)
}

/// Whether a Node may be put out of service at all: it is not ready, not out of service already, and was not before (then
/// somebody has taken the taint away by hand, and knows why).
fn may_change(node: &Node) -> bool {
    !node.is_ready() && !node.is_out_of_service() && node.annotation(MARK).is_none()
}

fn wants_stopped(node: &Node) -> bool {
    node.annotation(WHEN_STOPPED) == Some("true")
}

fn because(id: &InstanceId, why: Why) -> String {
    match why {
        Why::Terminated => format!("EC2 says that instance {id} is terminated"),
        Why::Forgotten => format!("EC2 does not list instance {id} any more, which it did before"),
        Why::Stopped => {
            format!("EC2 says that instance {id} is stopped, and the Node has {WHEN_STOPPED}=true")
        }
    }
}

/// The Nodes that were put out of service by this driver.
async fn marked(connection: &Connection) -> Result<BTreeSet<String>, KubernetesError> {
    let mut marked = BTreeSet::new();
    connection
        .nodes(|page| {
            let ours = page.iter().filter(|node| node.annotation(MARK).is_some());
            marked.extend(ours.map(|node| node.name().to_owned()));
        })
        .await?;
    Ok(marked)
}
