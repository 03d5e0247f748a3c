//! Who this node is: instance, zone, type, and how many volumes it takes.
//!
//! Answers for: one [`NodeIdentity`], fetched at first need or beforehand and kept for the life of the process, and the order in
//! which its sources are asked. Doesn't answer for: how CSI spells it (`node::info`), how the Kubernetes API is reached (`kubernetes`).

mod attach_limit;
mod imds;
mod node_object;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use ebs_types::{InstanceId, InstanceType, Region, Zone};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::config::AttachLimit;
use crate::kubernetes::{Kubernetes, KubernetesError};
pub(crate) use imds::{Imds, ImdsError};
use node_object::NodeObjectError;

/// What EC2 calls the machine this process runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeIdentity {
    /// Its instance id; the CSI node id.
    pub(crate) instance: InstanceId,
    /// Its availability zone: only volumes of this zone can be attached.
    pub(crate) zone: Zone,
    /// Its instance type.
    pub(crate) instance_type: InstanceType,
    /// How many CSI volumes can be attached at once, at least 1.
    pub(crate) max_volumes: u32,
}

/// Why this node's identity is not known: what each source said.
#[derive(Debug)]
pub(crate) struct MetadataError {
    failures: Vec<SourceError>,
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, failure) in self.failures.iter().enumerate() {
            let before = if at == 0 { "" } else { "; and " };
            write!(f, "{before}{failure}")?;
        }
        Ok(())
    }
}

impl std::error::Error for MetadataError {}

/// Why one source did not tell.
#[derive(Debug, thiserror::Error)]
enum SourceError {
    /// Instance metadata did not.
    #[error(transparent)]
    Imds(#[from] ImdsError),
    /// The Kubernetes API did not.
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    /// It did, but the Node object does not say enough.
    #[error(transparent)]
    NodeObject(#[from] NodeObjectError),
}

impl SourceError {
    fn is_transient(&self) -> bool {
        match self {
            Self::Imds(error) => error.is_transient(),
            Self::Kubernetes(error) => error.is_transient(),
            // Kubernetes takes longer to complete the object than a caller waits.
            Self::NodeObject(_) => false,
        }
    }
}

/// Where the identity comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// The instance metadata service.
    Imds(Box<Imds>),
    /// This node's object in Kubernetes.
    Kubernetes(Kubernetes),
}

/// What a source tells of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    instance: InstanceId,
    zone: Zone,
    instance_type: InstanceType,
    /// `None` where the source doesn't know.
    in_use: Option<InUse>,
}

/// What takes attachments of an instance beside CSI volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InUse {
    /// EBS volumes that the instance was started with, the root volume not counted.
    volumes: u32,
    /// Network interfaces, the primary one included.
    interfaces: u32,
}

impl InUse {
    /// What every instance has.
    const LEAST: Self = Self {
        volumes: 0,
        interfaces: 1,
    };
}

/// This node's identity, fetched once.
#[derive(Debug)]
pub(crate) struct Metadata {
    sources: Vec<Source>,
    limit: AttachLimit,
    known: OnceCell<NodeIdentity>,
}

/// How often a source is asked before its failure is told, and the first pause between two attempts; each further one is twice as long.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// No further attempt begins so long after the first one: callers wait, and a source that is silent takes seconds each time.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same where another source is left. A moment's trouble must not lead to the poorer source, but the usual trouble is a
/// service that cannot be reached at all.
const PATIENCE_BEFORE_NEXT: Duration = Duration::from_millis(1500);

impl Metadata {
    /// Asks nothing yet. The sources will be asked in this order, until one tells.
    pub(crate) fn new(sources: Vec<Source>, limit: AttachLimit) -> Self {
        Self {
            sources,
            limit,
            known: OnceCell::new(),
        }
    }

    /// An identity that is known without asking.
    #[cfg(test)]
    pub(crate) fn known(identity: NodeIdentity) -> Self {
        let limit = AttachLimit::Fixed(identity.max_volumes);
        Self {
            sources: Vec::new(),
            limit,
            known: OnceCell::new_with(Some(identity)),
        }
    }

    /// The identity, from a source at the first success and from memory ever after. A failure is not kept.
    /// Several callers share one attempt.
    pub(crate) async fn identity(&self) -> Result<&NodeIdentity, MetadataError> {
        let fetch = || async {
            let facts = self.facts().await?;
            self.warn_of_guess(&facts);
            let identity = self.identify(facts);
            tracing::info!(
                instance.id = %identity.instance,
                instance.r#type = %identity.instance_type,
                zone = %identity.zone,
                max_volumes = identity.max_volumes,
                "this node is known"
            );
            Ok(identity)
        };
        self.known.get_or_try_init(fetch).await
    }

    /// The region that this process runs in. Every source knows it equally well and a controller cannot serve before, so all are
    /// asked at once. Asked at each call: a controller needs it once.
    pub(crate) async fn region(&self) -> Result<Region, MetadataError> {
        let ask = |source| retried(PATIENCE, move || Source::region(source));
        let mut answers: FuturesUnordered<_> = self.sources.iter().map(ask).collect();
        let mut failures = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(region) => return Ok(region),
                Err(error) => failures.push(error),
            }
        }
        Err(MetadataError { failures })
    }

    /// What the first source tells that does.
    async fn facts(&self) -> Result<Facts, MetadataError> {
        let mut failures = Vec::new();
        let mut sources = self.sources.iter().peekable();
        while let Some(source) = sources.next() {
            let patience = match sources.peek() {
                Some(_) => PATIENCE_BEFORE_NEXT,
                None => PATIENCE,
            };
            match retried(patience, || source.facts()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    if let Some(next) = sources.peek() {
                        tracing::warn!(%error, "{next} is asked instead");
                    }
                    failures.push(error);
                }
            }
        }
        Err(MetadataError { failures })
    }

    fn warn_of_guess(&self, facts: &Facts) {
        if facts.in_use.is_none() && !matches!(self.limit, AttachLimit::Fixed(_)) {
            tracing::warn!(
                "Kubernetes does not know what else is attached to this node's instance: the attachment limit allows for its root \
                 volume and one network interface; if it has more, set --reserved-volume-attachments or let this pod reach instance \
                 metadata"
            );
        }
    }

    fn identify(&self, facts: Facts) -> NodeIdentity {
        let max_volumes = attach_limit::max_volumes(&facts.instance_type, self.limit, facts.in_use);
        NodeIdentity {
            instance: facts.instance,
            zone: facts.zone,
            instance_type: facts.instance_type,
            max_volumes,
        }
    }
}

impl Source {
    async fn facts(&self) -> Result<Facts, SourceError> {
        match self {
            Self::Imds(imds) => Ok(imds.facts().await?),
            Self::Kubernetes(kubernetes) => Ok(node_object::facts(&kubernetes.own_node().await?)?),
        }
    }

    async fn region(&self) -> Result<Region, SourceError> {
        match self {
            Self::Imds(imds) => Ok(imds.region().await?),
            Self::Kubernetes(kubernetes) => Ok(node_object::region(&kubernetes.own_node().await?)?),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Imds(_) => "instance metadata",
            Self::Kubernetes(_) => "Kubernetes",
        })
    }
}

async fn retried<T, F>(patience: Duration, attempt: impl Fn() -> F) -> Result<T, SourceError>
where
    F: Future<Output = Result<T, SourceError>>,
{
    let begin = Instant::now();
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(error) if error.is_transient() && begin.elapsed() < patience => {
                tracing::debug!(%error, "it will be asked again");
            }
            settled => return settled,
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    attempt().await
}
