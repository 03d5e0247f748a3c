//! The node plugin's caller: what kubelet asks of a driver, on one instance.
//!
//! Answers for: the requests of the Node service, one method each, and the directories that kubelet makes for them.
//! Doesn't answer for: proving that the answers are true.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use csi::v1::node_client::NodeClient;
use csi::v1::volume_health::VolumeHealthEntry;
use csi::v1::{
    NodeExpandVolumeRequest, NodeGetInfoRequest, NodeGetInfoResponse, NodeGetVolumeHealthRequest,
    NodeGetVolumeStatsRequest, NodePublishVolumeRequest, NodeStageVolumeRequest,
    NodeUnpublishVolumeRequest, NodeUnstageVolumeRequest, VolumeUsage,
};
use tonic::transport::Channel;

use crate::orchestrator::{Claim, Use, gib_or_more};
use crate::socket::{self, Patience};

/// An instance with its node plugin.
#[derive(Clone, Debug)]
pub struct Node {
    /// Whom the story calls it; also its process.
    pub name: String,
    /// Its id, which is the CSI node id.
    pub instance: String,
    /// Its zone.
    pub zone: String,
    client: NodeClient<Channel>,
    kubelet: PathBuf,
    patience: Patience,
}

impl Node {
    /// The plugin that serves at `socket`; mounts go below `kubelet`.
    pub fn at(
        name: &str,
        instance: &str,
        zone: &str,
        socket: &Path,
        kubelet: PathBuf,
    ) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            instance: instance.to_owned(),
            zone: zone.to_owned(),
            client: NodeClient::new(socket::channel(socket)?),
            kubelet,
            patience: Patience::SIDECAR,
        })
    }

    /// The same with other patience.
    #[must_use]
    pub fn with(&self, patience: Patience) -> Self {
        Self {
            patience,
            ..self.clone()
        }
    }

    /// The bare client, for requests that nobody should make.
    #[must_use]
    pub fn client(&self) -> NodeClient<Channel> {
        self.client.clone()
    }

    /// Where a volume is mounted once for all pods.
    pub fn staging_path(&self, claim: &Claim) -> PathBuf {
        self.csi()
            .join("ebs.csi.aws.com")
            .join(&claim.id)
            .join("globalmount")
    }

    /// Where a pod sees a volume: a directory, or a device node.
    pub fn target_path(&self, claim: &Claim, pod: &str) -> PathBuf {
        match claim.usage {
            Use::Block => self
                .csi()
                .join("volumeDevices/publish")
                .join(&claim.id)
                .join(pod),
            _ => self
                .kubelet
                .join("pods")
                .join(pod)
                .join("volumes/kubernetes.io~csi")
                .join(&claim.id)
                .join("mount"),
        }
    }

    fn csi(&self) -> PathBuf {
        self.kubelet.join("plugins/kubernetes.io/csi")
    }

    /// NodeGetInfo.
    pub async fn info(&self) -> Result<NodeGetInfoResponse> {
        self.patience
            .call(
                "NodeGetInfo",
                &self.client,
                &NodeGetInfoRequest {},
                async |mut client, request| client.node_get_info(request).await,
            )
            .await
    }

    /// NodeStageVolume.
    pub async fn stage(
        &self,
        claim: &Claim,
        publish_context: &HashMap<String, String>,
    ) -> Result<()> {
        self.stage_as(claim, claim.usage, publish_context).await
    }

    /// NodeStageVolume for another use than the volume was made for.
    pub async fn stage_as(
        &self,
        claim: &Claim,
        usage: Use,
        publish_context: &HashMap<String, String>,
    ) -> Result<()> {
        let staging = self.staging_path(claim);
        fs::create_dir_all(&staging)?;
        let message = NodeStageVolumeRequest {
            volume_id: claim.id.clone(),
            publish_context: publish_context.clone(),
            staging_target_path: text(&staging),
            volume_capability: Some(usage.capability()),
            volume_context: claim.context.clone(),
            ..NodeStageVolumeRequest::default()
        };
        self.patience
            .call(
                "NodeStageVolume",
                &self.client,
                &message,
                async |mut client, request| client.node_stage_volume(request).await,
            )
            .await?;
        Ok(())
    }

    /// NodeUnstageVolume.
    pub async fn unstage(&self, claim: &Claim) -> Result<()> {
        let message = NodeUnstageVolumeRequest {
            volume_id: claim.id.clone(),
            staging_target_path: text(&self.staging_path(claim)),
        };
        self.patience
            .call(
                "NodeUnstageVolume",
                &self.client,
                &message,
                async |mut client, request| client.node_unstage_volume(request).await,
            )
            .await?;
        Ok(())
    }

    /// NodePublishVolume: where the pod sees the volume.
    pub async fn publish(
        &self,
        claim: &Claim,
        pod: &str,
        publish_context: &HashMap<String, String>,
        readonly: bool,
    ) -> Result<PathBuf> {
        let target = self.target_path(claim, pod);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        let message = NodePublishVolumeRequest {
            volume_id: claim.id.clone(),
            publish_context: publish_context.clone(),
            staging_target_path: text(&self.staging_path(claim)),
            target_path: text(&target),
            volume_capability: Some(claim.usage.capability()),
            readonly,
            volume_context: claim.context.clone(),
            ..NodePublishVolumeRequest::default()
        };
        self.patience
            .call(
                "NodePublishVolume",
                &self.client,
                &message,
                async |mut client, request| client.node_publish_volume(request).await,
            )
            .await?;
        Ok(target)
    }

    /// NodeUnpublishVolume.
    pub async fn unpublish(&self, claim: &Claim, pod: &str) -> Result<()> {
        let message = NodeUnpublishVolumeRequest {
            volume_id: claim.id.clone(),
            target_path: text(&self.target_path(claim, pod)),
        };
        self.patience
            .call(
                "NodeUnpublishVolume",
                &self.client,
                &message,
                async |mut client, request| client.node_unpublish_volume(request).await,
            )
            .await?;
        Ok(())
    }

    /// NodeExpandVolume, of a volume that `pod` uses.
    pub async fn expand(&self, claim: &Claim, pod: &str, gib: u64) -> Result<i64> {
        let message = NodeExpandVolumeRequest {
            volume_id: claim.id.clone(),
            volume_path: text(&self.target_path(claim, pod)),
            capacity_range: Some(gib_or_more(gib)),
            staging_target_path: text(&self.staging_path(claim)),
            volume_capability: Some(claim.usage.capability()),
            ..NodeExpandVolumeRequest::default()
        };
        let answer = self
            .patience
            .call(
                "NodeExpandVolume",
                &self.client,
                &message,
                async |mut client, request| client.node_expand_volume(request).await,
            )
            .await?;
        Ok(answer.capacity_bytes)
    }

    /// NodeGetVolumeHealth, of a volume that `pod` uses: what is wrong with it.
    pub async fn health(&self, claim: &Claim, pod: &str) -> Result<Vec<VolumeHealthEntry>> {
        let message = NodeGetVolumeHealthRequest {
            volume_id: claim.id.clone(),
            volume_publish_path: text(&self.target_path(claim, pod)),
            staging_target_path: text(&self.staging_path(claim)),
        };
        let answer = self
            .patience
            .call(
                "NodeGetVolumeHealth",
                &self.client,
                &message,
                async |mut client, request| client.node_get_volume_health(request).await,
            )
            .await?;
        Ok(answer.volume_health.unwrap_or_default().health_statuses)
    }

    /// NodeGetVolumeStats, of a volume that `pod` uses.
    pub async fn stats(&self, claim: &Claim, pod: &str) -> Result<Vec<VolumeUsage>> {
        let message = NodeGetVolumeStatsRequest {
            volume_id: claim.id.clone(),
            volume_path: text(&self.target_path(claim, pod)),
            staging_target_path: text(&self.staging_path(claim)),
        };
        let answer = self
            .patience
            .call(
                "NodeGetVolumeStats",
                &self.client,
                &message,
                async |mut client, request| client.node_get_volume_stats(request).await,
            )
            .await?;
        Ok(answer.usage)
    }
}

/// A path as CSI writes it. Those below the run directory are made of plain names only.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
