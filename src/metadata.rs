//! Who this node is: instance, zone, type, and how many volumes it takes.
//!
//! Answers for: one [`NodeIdentity`], fetched at first need or beforehand and kept for the life of the process. Doesn't answer for:
//! how CSI spells it (`node::info`).

mod attach_limit;
mod imds;

use std::future::Future;
use std::time::Duration;

use ebs_types::{InstanceId, InstanceType, Region, Zone};
use tokio::sync::OnceCell;

use crate::config::AttachLimit;
pub(crate) use imds::{Imds, ImdsError};

/// What EC2 calls the machine this process runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeIdentity {
    /// Its instance id; the CSI node id.
    pub(crate) instance: InstanceId,
    /// Its availability zone: only volumes of this zone can be attached.
    pub(crate) zone: Zone,
    /// Its region.
    pub(crate) region: Region,
    /// Its instance type.
    pub(crate) instance_type: InstanceType,
    /// How many CSI volumes can be attached at once, at least 1.
    pub(crate) max_volumes: u32,
}

/// Why this node's identity is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetadataError {
    /// Instance metadata did not tell.
    #[error(transparent)]
    Imds(#[from] ImdsError),
}

impl MetadataError {
    fn is_transient(&self) -> bool {
        match self {
            Self::Imds(error) => error.is_transient(),
        }
    }
}

/// Where the identity comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// The instance metadata service.
    Imds(Imds),
}

/// What a source tells of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    instance: InstanceId,
    zone: Zone,
    region: Region,
    instance_type: InstanceType,
    in_use: InUse,
}

/// What takes attachments of an instance beside CSI volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InUse {
    /// EBS volumes that the instance was started with, the root volume not counted.
    volumes: u32,
    /// Network interfaces, the primary one included.
    interfaces: u32,
}

/// This node's identity, fetched once.
#[derive(Debug)]
pub(crate) struct Metadata {
    source: Source,
    limit: AttachLimit,
    known: OnceCell<NodeIdentity>,
}

/// How often a source is asked before its failure is told, and the first pause between two attempts; each further one is twice as long.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

impl Metadata {
    /// Asks nothing yet.
    pub(crate) fn new(source: Source, limit: AttachLimit) -> Self {
        Self {
            source,
            limit,
            known: OnceCell::new(),
        }
    }

    /// An identity that is known without asking.
    #[cfg(test)]
    pub(crate) fn known(identity: NodeIdentity) -> Self {
        let limit = AttachLimit::Fixed(identity.max_volumes);
        let source = Source::Imds(Imds::new(None).unwrap());
        Self {
            source,
            limit,
            known: OnceCell::new_with(Some(identity)),
        }
    }

    /// The identity, from the source at the first success and from memory ever after. A failure is not kept.
    /// Several callers share one attempt.
    pub(crate) async fn identity(&self) -> Result<&NodeIdentity, MetadataError> {
        let fetch = || async {
            let facts = retried(|| self.source.facts()).await?;
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

    fn identify(&self, facts: Facts) -> NodeIdentity {
        let max_volumes = attach_limit::max_volumes(&facts.instance_type, self.limit, facts.in_use);
        NodeIdentity {
            instance: facts.instance,
            zone: facts.zone,
            region: facts.region,
            instance_type: facts.instance_type,
            max_volumes,
        }
    }
}

impl Source {
    async fn facts(&self) -> Result<Facts, MetadataError> {
        match self {
            Self::Imds(imds) => Ok(imds.facts().await?),
        }
    }
}

async fn retried<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, MetadataError>
where
    F: Future<Output = Result<T, MetadataError>>,
{
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(error) if error.is_transient() => {
                tracing::debug!(%error, "instance metadata will be asked again");
            }
            settled => return settled,
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    attempt().await
}
