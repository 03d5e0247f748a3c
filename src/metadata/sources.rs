//! Who is asked what this process runs on, in which order and how patiently.
//!
//! Answers for: the first source that tells, later ones for what it leaves open, and one error with all reasons. Doesn't answer
//! for: how each source is asked, what becomes of the answers.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use ebs_types::{InstanceId, InstanceType, Outpost, Region, Zone};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use super::imds::{Imds, ImdsError};
use super::node_object::{self, NodeObjectError};
use crate::kubernetes::{Kubernetes, KubernetesError};

/// How often a source is asked before its failure is told, and the first pause between two attempts; each further one is twice as long.
pub(super) const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// No further attempt begins so long after the first one: callers wait, and a source that is silent takes seconds each time.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same where another source is left. A moment's trouble must not lead to the poorer source, but the usual trouble is a
/// service that cannot be reached at all.
const PATIENCE_BEFORE_NEXT: Duration = Duration::from_millis(1500);

/// Where this process learns what it runs on.
#[derive(Debug)]
pub(crate) enum Source {
    /// The instance metadata service.
    Imds(Box<Imds>),
    /// This node's object in Kubernetes.
    Kubernetes(Kubernetes),
    /// The same, with labels that count what is attached, where there are any.
    Labels(Kubernetes),
}

/// What a source tells of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) instance: InstanceId,
    pub(super) zone: Zone,
    pub(super) instance_type: InstanceType,
    pub(super) outpost: Option<Outpost>,
    /// `None` where the source doesn't know.
    pub(super) in_use: Option<InUse>,
}

/// What takes attachments of an instance beside CSI volumes, as somebody else has counted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InUse {
    /// Who has.
    pub(super) by: Teller,
    /// EBS volumes that are not for CSI, the root volume not counted.
    pub(super) volumes: u32,
    /// Network interfaces, the primary one included.
    pub(super) interfaces: u32,
}

/// Who counts for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Teller {
    /// The instance metadata service.
    Imds,
    /// Whoever labels nodes.
    Labels,
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
pub(super) enum SourceError {
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

/// All sources, in the order in which they are asked.
#[derive(Debug)]
pub(crate) struct Sources(Vec<Source>);

impl Sources {
    /// Asks nothing yet.
    pub(crate) fn new(sources: Vec<Source>) -> Self {
        Self(sources)
    }

    /// What the first source tells that does. If that does not know what is in use, further ones are asked for it.
    pub(super) async fn facts(&self) -> Result<Facts, MetadataError> {
        let mut known: Option<Facts> = None;
        let mut failures = Vec::new();
        for (at, source) in self.0.iter().enumerate() {
            let next = self.0.get(at + 1);
            if known.is_some() && !source.counts() {
                continue;
            }
            let patience = match next {
                Some(_) => PATIENCE_BEFORE_NEXT,
                None => PATIENCE,
            };
            match (retried(patience, || source.facts()).await, &mut known) {
                (Ok(facts), None) => known = Some(facts),
                (Ok(facts), Some(known)) => {
                    if !known.complete(&facts) {
                        tracing::warn!(
                            here = %known.instance,
                            there = %facts.instance,
                            "{source} is about another instance: what it counts is left out"
                        );
                    }
                }
                (Err(error), None) => {
                    if let Some(next) = next {
                        tracing::warn!(%error, "{next} is asked instead");
                    }
                    failures.push(error);
                }
                (Err(error), Some(_)) => {
                    tracing::debug!(%error, "{source} does not tell what is in use");
                }
            }
            if known.as_ref().is_some_and(|known| known.in_use.is_some()) {
                break;
            }
        }
        known.ok_or(MetadataError { failures })
    }

    /// What instance metadata says now, asked once; `None` where it is no source.
    pub(super) async fn imds_now(&self) -> Option<Result<Facts, ImdsError>> {
        let mut imds = self.0.iter().filter_map(|source| match source {
            Source::Imds(imds) => Some(imds),
            Source::Kubernetes(_) | Source::Labels(_) => None,
        });
        Some(imds.next()?.facts().await)
    }

    /// The region that this process runs in. Every source knows it equally well and a controller cannot serve before, so all are
    /// asked at once. Asked at each call: a controller needs it once.
    pub(crate) async fn region(&self) -> Result<Region, MetadataError> {
        let ask = |source| retried(PATIENCE, move || Source::region(source));
        // The object of the node is read once.
        let sources = self.0.iter().filter(|source| match source {
            Source::Labels(_) => !self
                .0
                .iter()
                .any(|one| matches!(one, Source::Kubernetes(_))),
            Source::Imds(_) | Source::Kubernetes(_) => true,
        });
        let mut answers: FuturesUnordered<_> = sources.map(ask).collect();
        let mut failures = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(region) => return Ok(region),
                Err(error) => failures.push(error),
            }
        }
        Err(MetadataError { failures })
    }
}

impl Facts {
    /// Adds what another source knows of the instance, or now; false where it is about another instance.
    pub(super) fn complete(&mut self, other: &Self) -> bool {
        if other.instance != self.instance {
            return false;
        }
        self.in_use = other.in_use.or(self.in_use);
        if self.outpost.is_none() {
            self.outpost.clone_from(&other.outpost);
        }
        true
    }
}

impl Source {
    /// Whether it may know what is in use.
    fn counts(&self) -> bool {
        !matches!(self, Self::Kubernetes(_))
    }

    async fn facts(&self) -> Result<Facts, SourceError> {
        match self {
            Self::Imds(imds) => Ok(imds.facts().await?),
            Self::Kubernetes(kubernetes) => Ok(node_object::facts(&kubernetes.own_node().await?)?),
            Self::Labels(kubernetes) => {
                let node = kubernetes.own_node().await?;
                let in_use = node_object::in_use(&node)?;
                let facts = node_object::facts(&node)?;
                Ok(Facts { in_use, ..facts })
            }
        }
    }

    async fn region(&self) -> Result<Region, SourceError> {
        match self {
            Self::Imds(imds) => Ok(imds.region().await?),
            Self::Kubernetes(kubernetes) | Self::Labels(kubernetes) => {
                Ok(node_object::region(&kubernetes.own_node().await?)?)
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Imds(_) => "instance metadata",
            Self::Kubernetes(_) => "Kubernetes",
            Self::Labels(_) => "the Node's labels",
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
