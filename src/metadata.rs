//! Who this node is: instance, zone, type, and how many volumes it takes.
//!
//! Answers for: one [`NodeIdentity`]. Who the node is is asked once and kept for the life of the process; how many volumes it
//! takes is counted anew each time, since interfaces and volumes come and go. Doesn't answer for: how CSI spells it
//! (`node::info`), how the Kubernetes API is reached (`kubernetes`), who tells the operator of a weak limit (`alarm`).

mod alarm;
mod attach_limit;
mod claims;
mod imds;
mod metrics;
mod node_object;
mod sources;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ebs_types::{AttachmentLimit, InstanceId, InstanceType, ListedLimit, Outpost, Zone};
use host::Hardware;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::config::AttachLimit;
use crate::kubernetes::{Kubernetes, Node};
use alarm::Alarm;
pub(crate) use attach_limit::Limit;
use attach_limit::{Foreign, Known, Machine};
use claims::Claims;
pub(crate) use imds::Imds;
pub(crate) use metrics::LimitMetrics;
pub(crate) use node_object::instance_of;
use sources::Facts;
pub(crate) use sources::{MetadataError, Source, Sources};

/// The annotation of a Node that holds EC2's word on its instance type, as a line of the table of limits.
pub(crate) const LIMIT_ANNOTATION: &str = "ebs.csi.aws.com/attach-limit";

/// A source that did not answer is not asked again so soon for what can wait: NodeGetInfo should not.
const RESPITE: Duration = Duration::from_secs(5);

/// What EC2 calls the machine this process runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeIdentity {
    /// Its instance id; the CSI node id.
    pub(crate) instance: InstanceId,
    /// Its availability zone: only volumes of this zone can be attached.
    pub(crate) zone: Zone,
    /// The Outpost that it is on, if it is on one.
    pub(crate) outpost: Option<Outpost>,
    /// How many CSI volumes can be attached at once, at least 1.
    pub(crate) max_volumes: u32,
}

/// Looks at the machine. It may block.
pub(crate) type Look = dyn Fn() -> io::Result<Hardware> + Send + Sync;

/// What a node's metadata are made from.
pub(crate) struct Settings {
    /// Who knows the instance.
    pub(crate) sources: Sources,
    /// The limit that the operator has set, or how it is counted.
    pub(crate) limit: AttachLimit,
    /// What the machine shows.
    pub(crate) look: Arc<Look>,
    /// The cluster, for what only the Node object tells and for Events.
    pub(crate) kubernetes: Kubernetes,
    /// Where the limit is shown.
    pub(crate) metrics: LimitMetrics,
    /// The driver's name: whose volumes Kubernetes names, and who warns.
    pub(crate) driver: &'static str,
}

/// This node's identity.
pub(crate) struct Metadata {
    settings: Settings,
    state: Mutex<State>,
}

/// What is known so far.
#[derive(Debug, Default)]
struct State {
    facts: Option<Facts>,
    annotated: Option<AttachmentLimit>,
    claims: Claims,
    /// Whether the Node object has ever told which volumes are CSI's.
    claimed: bool,
    imds_again: Option<Instant>,
    node_again: Option<Instant>,
    look_failed: bool,
    node_failed: bool,
    told: Option<Limit>,
    alarm: Alarm,
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata").finish_non_exhaustive()
    }
}

impl Metadata {
    /// Asks nothing yet.
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: Mutex::default(),
        }
    }

    /// The identity. The first success asks the sources, with patience; a failure is not kept. Later calls count again what is
    /// in use, and put up with sources that are silent. Callers wait for each other.
    pub(crate) async fn identity(&self) -> Result<NodeIdentity, MetadataError> {
        let mut state = self.state.lock().await;
        let facts = self.facts(&mut state).await?;
        let known = self.in_use(&mut state, &facts).await;
        let limit = attach_limit::reckon(&facts.instance_type, self.settings.limit, &known);
        self.tell(&mut state, &facts, limit);
        Ok(NodeIdentity {
            instance: facts.instance,
            zone: facts.zone,
            outpost: facts.outpost,
            max_volumes: limit.max_volumes,
        })
    }

    /// The instance, where that is known and nobody is just asking.
    pub(crate) fn instance(&self) -> Option<InstanceId> {
        let state = self.state.try_lock().ok()?;
        state.facts.as_ref().map(|facts| facts.instance.clone())
    }

    /// Who the node is, and what instance metadata counts now.
    async fn facts(&self, state: &mut State) -> Result<Facts, MetadataError> {
        let Some(facts) = &mut state.facts else {
            let facts = self.settings.sources.facts().await?;
            // What has just failed is left alone for a moment.
            state.imds_again = Some(Instant::now() + RESPITE);
            return Ok(state.facts.insert(facts).clone());
        };
        let fixed = matches!(self.settings.limit, AttachLimit::Fixed(_));
        if !fixed && is_time(state.imds_again) {
            match self.settings.sources.imds_now().await {
                Some(Ok(now)) => {
                    let this_instance = facts.complete(&now);
                    tracing::debug!(this_instance, "instance metadata counts again");
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "what instance metadata said before counts");
                    state.imds_again = Some(Instant::now() + RESPITE);
                }
                None => {}
            }
        }
        Ok(facts.clone())
    }

    /// What takes attachments beside CSI volumes, from everybody who knows something of it.
    async fn in_use(&self, state: &mut State, facts: &Facts) -> Known {
        if matches!(self.settings.limit, AttachLimit::Fixed(_)) {
            return Known::default();
        }
        let seen = self.look(state).await;
        let now = Instant::now();
        if let Some(seen) = &seen {
            state.claims.see(&seen.volumes, now);
        }
        let checked = self.tell_apart(state, facts).await && seen.is_some();
        let hardware = seen.unwrap_or_default();
        let foreign = Foreign {
            least: state.claims.foreign(now) + hardware.nameless_volumes,
            most: state.claims.unclaimed() + hardware.nameless_volumes,
        };
        Known {
            annotated: state.annotated,
            in_use: facts.in_use,
            // Elsewhere nobody names CSI's volumes.
            unchecked: !checked && self.settings.kubernetes.is_in_cluster(),
            machine: Machine {
                volumes: (checked && hardware.volume_count() > 0).then_some(foreign),
                interfaces: hardware.interfaces,
                stores: hardware.stores,
                accelerators: hardware.accelerators,
            },
        }
    }

    /// Whether it is known which of the volumes that the machine shows are CSI's. The Node object is asked where that is open, or
    /// the instance type's figure is.
    async fn tell_apart(&self, state: &mut State, facts: &Facts) -> bool {
        // Instance metadata accounts for so many, and the root volume is everybody's.
        let expected = facts.in_use.map_or(1, |in_use| in_use.volumes + 1);
        let open = state.claims.unclaimed();
        // No more than expected may still be others than expected: what was there at the start can have gone.
        let undecided = !state.claimed || state.claims.newcomers() > 0;
        let unclaimed = open > expected || (expected > 1 && open > 1 && undecided);
        let unlisted =
            AttachmentLimit::listed(&facts.instance_type).is_none() && state.annotated.is_none();
        if !unclaimed && !unlisted {
            return true;
        }
        match self.own_node(state).await {
            Some(node) => {
                state.learn(&node, &facts.instance_type, self.settings.driver);
                true
            }
            None => !unclaimed || state.claimed,
        }
    }

    /// What the machine shows; `None` where that cannot be read.
    async fn look(&self, state: &mut State) -> Option<Hardware> {
        let look = Arc::clone(&self.settings.look);
        let seen = tokio::task::spawn_blocking(move || look()).await;
        let seen = seen.map_err(io::Error::other).flatten();
        let failed_before = std::mem::replace(&mut state.look_failed, seen.is_err());
        if let Err(error) = &seen
            && !failed_before
        {
            tracing::warn!(%error, "sysfs does not show what is attached to this node, so the attachment limit does without");
        }
        seen.ok()
    }

    /// The Node object, where it can be read.
    async fn own_node(&self, state: &mut State) -> Option<Node> {
        if !self.settings.kubernetes.is_in_cluster() || !is_time(state.node_again) {
            return None;
        }
        let node = self.settings.kubernetes.own_node().await;
        let failed_before = std::mem::replace(&mut state.node_failed, node.is_err());
        if let Err(error) = &node {
            state.node_again = Some(Instant::now() + RESPITE);
            if failed_before {
                tracing::debug!(%error, "the Node object still tells nothing about the attachment limit");
            } else {
                tracing::warn!(%error, "the Node object tells nothing about the attachment limit, it is asked again");
            }
        }
        node.ok()
    }

    /// Says what is new about the limit.
    fn tell(&self, state: &mut State, facts: &Facts, limit: Limit) {
        if state.told.replace(limit) != Some(limit) {
            tracing::info!(
                instance.id = %facts.instance,
                instance.r#type = %facts.instance_type,
                zone = %facts.zone,
                max_volumes = limit.max_volumes,
                figure = %limit.figure.as_str(),
                counted = %limit.counted.as_str(),
                "this node is known"
            );
        }
        let Settings {
            kubernetes,
            driver,
            metrics,
            ..
        } = &self.settings;
        metrics.set(limit);
        state
            .alarm
            .raise(kubernetes, driver, &facts.instance_type, limit);
    }
}

impl State {
    /// What the Node object tells beside who the node is.
    fn learn(&mut self, node: &Node, instance_type: &InstanceType, driver: &str) {
        self.claims.claim(node.volumes_of(driver));
        self.claimed = true;
        let Some(line) = node.annotation(LIMIT_ANNOTATION) else {
            return;
        };
        match line.parse::<ListedLimit>() {
            Ok(told) if told.instance_type == *instance_type => self.annotated = Some(told.limit),
            Ok(told) => {
                tracing::debug!(annotation = %told, "the Node's annotation is about another instance type");
            }
            Err(error) => {
                tracing::warn!(%error, "the Node's annotation {LIMIT_ANNOTATION} is left alone");
            }
        }
    }
}

fn is_time(not_before: Option<Instant>) -> bool {
    not_before.is_none_or(|not_before| Instant::now() >= not_before)
}

/// The instance type in a Node's label, if it is one that the table of limits lacks.
pub(crate) fn unlisted_type(node: &crate::kubernetes::Named) -> Option<InstanceType> {
    let label = node.label(node_object::INSTANCE_TYPE[0])?;
    let instance_type = node_object::type_of_label(label).parse().ok()?;
    AttachmentLimit::listed(&instance_type)
        .is_none()
        .then_some(instance_type)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
