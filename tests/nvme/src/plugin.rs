//! The node plugin's caller, outside of the machine.
//!
//! Answers for: the requests that kubelet makes, over the port that qemu forwards.
//! Doesn't answer for: the directories that kubelet makes; see [`crate::node`].

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use csi::v1::identity_client::IdentityClient;
use csi::v1::node_client::NodeClient;
use csi::v1::{
    NodeExpandVolumeRequest, NodeGetVolumeHealthRequest, NodeGetVolumeStatsRequest,
    NodeGetVolumeStatsResponse, NodePublishVolumeRequest, NodeStageVolumeRequest,
    NodeUnpublishVolumeRequest, NodeUnstageVolumeRequest, ProbeRequest,
};
use lab::socket::Patience;
use tokio::time::{Instant, sleep};
use tonic::transport::{Channel, Endpoint};

use crate::volume::Volume;

/// How long the driver may take until it answers.
const START: Duration = Duration::from_secs(60);

/// How long a call is repeated. Hundreds of programs at once take an emulated processor minutes.
const REPEATED: Duration = Duration::from_secs(600);

/// How often it is asked.
const TICK: Duration = Duration::from_millis(20);

/// Where a volume is staged, in the guest.
#[must_use]
pub fn staging_path(volume: &Volume) -> String {
    format!("/var/lib/kubelet/plugins/{}/globalmount", volume.id)
}

/// Where a pod sees a volume, in the guest.
#[must_use]
pub fn target_path(volume: &Volume, pod: &str) -> String {
    format!("/var/lib/kubelet/pods/{pod}/{}/volume", volume.id)
}

/// How kubelet asks for a volume to be staged.
#[must_use]
pub fn stage_request(volume: &Volume) -> NodeStageVolumeRequest {
    NodeStageVolumeRequest {
        volume_id: volume.id.clone(),
        publish_context: HashMap::new(),
        staging_target_path: staging_path(volume),
        volume_capability: Some(volume.capability()),
        volume_context: volume.context.clone(),
        ..NodeStageVolumeRequest::default()
    }
}

/// The plugin of one machine.
#[derive(Clone, Debug)]
pub struct Plugin {
    channel: Channel,
    patience: Patience,
}

impl Plugin {
    /// The plugin behind a port of this machine.
    pub(crate) fn at(port: u16) -> Result<Self> {
        let channel = Endpoint::new(format!("http://127.0.0.1:{port}"))?.connect_lazy();
        Ok(Self {
            channel,
            patience: Patience::lasting(REPEATED),
        })
    }

    /// The same, but the first answer counts: nothing is repeated.
    #[must_use]
    pub fn once(&self) -> Self {
        Self {
            patience: Patience::ONCE,
            ..self.clone()
        }
    }

    /// Waits until it answers.
    pub async fn wait(&self) -> Result<()> {
        let begin = Instant::now();
        loop {
            let probe = IdentityClient::new(self.channel.clone())
                .probe(ProbeRequest {})
                .await;
            match probe {
                Ok(_) => return Ok(()),
                Err(status) if begin.elapsed() > START => {
                    return Err(status).context("the driver does not answer");
                }
                Err(_) => sleep(TICK).await,
            }
        }
    }

    fn node(&self) -> NodeClient<Channel> {
        NodeClient::new(self.channel.clone())
    }

    /// NodeStageVolume.
    pub async fn stage(&self, volume: &Volume) -> Result<()> {
        self.stage_with(stage_request(volume)).await
    }

    /// NodeStageVolume, without the volume.
    pub async fn stage_with(&self, message: NodeStageVolumeRequest) -> Result<()> {
        self.patience
            .call(
                "NodeStageVolume",
                &self.node(),
                &message,
                async |mut node, request| node.node_stage_volume(request).await,
            )
            .await?;
        Ok(())
    }

    /// NodeUnstageVolume.
    pub async fn unstage(&self, volume: &Volume) -> Result<()> {
        let message = NodeUnstageVolumeRequest {
            volume_id: volume.id.clone(),
            staging_target_path: staging_path(volume),
        };
        self.patience
            .call(
                "NodeUnstageVolume",
                &self.node(),
                &message,
                async |mut node, request| node.node_unstage_volume(request).await,
            )
            .await?;
        Ok(())
    }

    /// NodePublishVolume.
    pub async fn publish(&self, volume: &Volume, pod: &str) -> Result<()> {
        let message = NodePublishVolumeRequest {
            volume_id: volume.id.clone(),
            staging_target_path: staging_path(volume),
            target_path: target_path(volume, pod),
            volume_capability: Some(volume.capability()),
            volume_context: volume.context.clone(),
            ..NodePublishVolumeRequest::default()
        };
        self.patience
            .call(
                "NodePublishVolume",
                &self.node(),
                &message,
                async |mut node, request| node.node_publish_volume(request).await,
            )
            .await?;
        Ok(())
    }

    /// NodeUnpublishVolume.
    pub async fn unpublish(&self, volume: &Volume, pod: &str) -> Result<()> {
        let message = NodeUnpublishVolumeRequest {
            volume_id: volume.id.clone(),
            target_path: target_path(volume, pod),
        };
        self.patience
            .call(
                "NodeUnpublishVolume",
                &self.node(),
                &message,
                async |mut node, request| node.node_unpublish_volume(request).await,
            )
            .await?;
        Ok(())
    }

    /// NodeExpandVolume to what the device has: the new size in bytes.
    pub async fn expand(&self, volume: &Volume, pod: &str) -> Result<i64> {
        let message = NodeExpandVolumeRequest {
            volume_id: volume.id.clone(),
            volume_path: target_path(volume, pod),
            staging_target_path: staging_path(volume),
            volume_capability: Some(volume.capability()),
            ..NodeExpandVolumeRequest::default()
        };
        let answer = self
            .patience
            .call(
                "NodeExpandVolume",
                &self.node(),
                &message,
                async |mut node, request| node.node_expand_volume(request).await,
            )
            .await?;
        Ok(answer.capacity_bytes)
    }

    /// NodeGetVolumeStats, of a volume that a pod uses.
    pub async fn stats(&self, volume: &Volume, pod: &str) -> Result<NodeGetVolumeStatsResponse> {
        let message = NodeGetVolumeStatsRequest {
            volume_id: volume.id.clone(),
            volume_path: target_path(volume, pod),
            staging_target_path: staging_path(volume),
        };
        self.patience
            .call(
                "NodeGetVolumeStats",
                &self.node(),
                &message,
                async |mut node, request| node.node_get_volume_stats(request).await,
            )
            .await
    }

    /// NodeGetVolumeHealth, of a volume that a pod uses: what is wrong with it, in words.
    pub async fn troubles(&self, volume: &Volume, pod: &str) -> Result<Vec<String>> {
        let message = NodeGetVolumeHealthRequest {
            volume_id: volume.id.clone(),
            volume_publish_path: target_path(volume, pod),
            staging_target_path: staging_path(volume),
        };
        let answer = self
            .patience
            .call(
                "NodeGetVolumeHealth",
                &self.node(),
                &message,
                async |mut node, request| node.node_get_volume_health(request).await,
            )
            .await?;
        let health = answer.volume_health.unwrap_or_default();
        let troubles = health.health_statuses.into_iter();
        Ok(troubles.map(|trouble| trouble.message).collect())
    }
}
