//! Metadata for tests that are about something else.

use std::sync::Arc;

use host::Hardware;

use super::sources::{Facts, Source, Sources};
use super::{LimitMetrics, Metadata, NodeIdentity, Settings, State};
use crate::config::AttachLimit;
use crate::kubernetes::Kubernetes;

impl Metadata {
    /// An identity that is known without asking.
    pub(crate) fn known(identity: NodeIdentity) -> Self {
        let metadata = Self::of(Vec::new(), AttachLimit::Fixed(identity.max_volumes));
        let facts = Facts {
            instance: identity.instance,
            zone: identity.zone,
            instance_type: "m5.large".parse().unwrap(),
            outpost: identity.outpost,
            in_use: None,
        };
        let state = State {
            facts: Some(facts),
            ..State::default()
        };
        Self {
            state: tokio::sync::Mutex::new(state),
            ..metadata
        }
    }

    /// Those of a machine that shows nothing, outside a cluster.
    pub(super) fn of(sources: Vec<Source>, limit: AttachLimit) -> Self {
        Self::new(Settings {
            sources: Sources::new(sources),
            limit,
            look: Arc::new(|| Ok(Hardware::default())),
            kubernetes: Kubernetes::new(None, None),
            metrics: LimitMetrics::default(),
            driver: "ebs.csi.aws.com",
        })
    }
}
