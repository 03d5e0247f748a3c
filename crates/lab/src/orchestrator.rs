//! The controller's caller: what external-provisioner, -attacher, -resizer and -snapshotter ask of a driver.
//!
//! Answers for: the requests of the Controller service, one method each, and what must be remembered of their answers.
//! Doesn't answer for: proving that the answers are true.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};
use csi::v1::controller_client::ControllerClient;
use csi::v1::group_controller_client::GroupControllerClient;
use csi::v1::volume_capability::access_mode::Mode;
use csi::v1::volume_capability::{AccessMode, AccessType, BlockVolume, MountVolume};
use csi::v1::volume_content_source::{SnapshotSource, Type as Source, VolumeSource};
use csi::v1::{
    CapacityRange, ControllerExpandVolumeRequest, ControllerPublishVolumeRequest,
    ControllerUnpublishVolumeRequest, CreateSnapshotRequest, CreateVolumeGroupSnapshotRequest,
    CreateVolumeRequest, DeleteSnapshotRequest, DeleteVolumeGroupSnapshotRequest,
    DeleteVolumeRequest, Topology, TopologyRequirement, VolumeCapability, VolumeContentSource,
};
use ebs_types::topology::ZONE_KEY;
use ebs_types::{Bytes, GIB};
use tonic::transport::Channel;

use crate::kubelet::Node;
use crate::socket::{self, Patience};

/// What a pod sees of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A directory of an ext3 file system.
    Ext3,
    /// A directory of an ext4 file system.
    Ext4,
    /// A directory of an xfs file system.
    Xfs,
    /// A directory of a btrfs file system.
    Btrfs,
    /// The device itself.
    Block,
}

impl Use {
    /// The capability that every request about such a volume carries.
    pub fn capability(self) -> VolumeCapability {
        let access_type = match self {
            Self::Ext3 | Self::Ext4 | Self::Xfs | Self::Btrfs => AccessType::Mount(MountVolume {
                fs_type: self.to_string(),
                ..MountVolume::default()
            }),
            Self::Block => AccessType::Block(BlockVolume {}),
        };
        VolumeCapability {
            access_mode: Some(AccessMode {
                mode: Mode::SingleNodeWriter.into(),
            }),
            access_type: Some(access_type),
        }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ext3 => "ext3",
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Block => "block",
        })
    }
}

/// A volume that somebody wants.
#[derive(Clone, Debug)]
pub struct Order {
    /// The PV's name: the same name, the same volume.
    pub name: String,
    /// Its size.
    pub gib: u64,
    /// What it is for.
    pub usage: Use,
    /// Where it must be.
    pub zone: String,
    /// The snapshot or volume whose bytes it begins with.
    pub source: Option<Source>,
    /// What its StorageClass says besides the type.
    pub parameters: Vec<(&'static str, &'static str)>,
}

impl Order {
    /// An empty volume of gp3.
    #[must_use]
    pub fn new(name: &str, gib: u64, usage: Use, zone: &str) -> Self {
        Self {
            name: name.to_owned(),
            gib,
            usage,
            zone: zone.to_owned(),
            source: None,
            parameters: Vec::new(),
        }
    }

    /// The same with a snapshot's bytes.
    #[must_use]
    pub fn from_snapshot(self, id: &str) -> Self {
        let snapshot_id = id.to_owned();
        Self {
            source: Some(Source::Snapshot(SnapshotSource { snapshot_id })),
            ..self
        }
    }

    /// The same with a volume's bytes of the moment.
    #[must_use]
    pub fn clone_of(self, id: &str) -> Self {
        let volume_id = id.to_owned();
        Self {
            source: Some(Source::Volume(VolumeSource { volume_id })),
            ..self
        }
    }

    /// The request that external-provisioner makes for it.
    #[must_use]
    pub fn request(&self) -> CreateVolumeRequest {
        let zone = HashMap::from([(ZONE_KEY.to_owned(), self.zone.clone())]);
        let zone = Topology { segments: zone };
        let source = self.source.clone().map(|source| VolumeContentSource {
            r#type: Some(source),
        });
        let parameters = [("type", "gp3")].iter().chain(&self.parameters);
        CreateVolumeRequest {
            name: self.name.clone(),
            capacity_range: Some(gib_or_more(self.gib)),
            volume_capabilities: vec![self.usage.capability()],
            parameters: parameters
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            volume_content_source: source,
            accessibility_requirements: Some(TopologyRequirement {
                requisite: vec![zone.clone()],
                preferred: vec![zone],
            }),
            ..CreateVolumeRequest::default()
        }
    }
}

/// A volume, as the orchestrator remembers it.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The handle: EC2's id.
    pub id: String,
    /// Its size in bytes.
    pub bytes: i64,
    /// What it is for.
    pub usage: Use,
    /// What the driver wants to be told with every request.
    pub context: HashMap<String, String>,
}

/// The driver's Controller service.
#[derive(Clone, Debug)]
pub struct Controller {
    client: ControllerClient<Channel>,
    groups: GroupControllerClient<Channel>,
    patience: Patience,
}

impl Controller {
    /// The one that serves at `socket`.
    pub fn at(socket: &Path) -> Result<Self> {
        Ok(Self {
            client: ControllerClient::new(socket::channel(socket)?),
            groups: GroupControllerClient::new(socket::channel(socket)?),
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
    pub fn client(&self) -> ControllerClient<Channel> {
        self.client.clone()
    }

    /// The bare client of the service for groups of volumes.
    #[must_use]
    pub fn groups(&self) -> GroupControllerClient<Channel> {
        self.groups.clone()
    }

    /// CreateVolume.
    pub async fn create(&self, order: &Order) -> Result<Claim> {
        let message = order.request();
        let volume = self
            .patience
            .call(
                "CreateVolume",
                &self.client,
                &message,
                async |mut client, request| client.create_volume(request).await,
            )
            .await?
            .volume
            .context("CreateVolume answered without a volume")?;
        Ok(Claim {
            id: volume.volume_id,
            bytes: volume.capacity_bytes,
            usage: order.usage,
            context: volume.volume_context,
        })
    }

    /// DeleteVolume.
    pub async fn delete(&self, claim: &Claim) -> Result<()> {
        let message = DeleteVolumeRequest {
            volume_id: claim.id.clone(),
            ..DeleteVolumeRequest::default()
        };
        self.patience
            .call(
                "DeleteVolume",
                &self.client,
                &message,
                async |mut client, request| client.delete_volume(request).await,
            )
            .await?;
        Ok(())
    }

    /// ControllerPublishVolume: what the node needs to know.
    pub async fn attach(&self, claim: &Claim, node: &Node) -> Result<HashMap<String, String>> {
        let message = ControllerPublishVolumeRequest {
            volume_id: claim.id.clone(),
            node_id: node.instance.clone(),
            volume_capability: Some(claim.usage.capability()),
            volume_context: claim.context.clone(),
            ..ControllerPublishVolumeRequest::default()
        };
        let answer = self
            .patience
            .call(
                "ControllerPublishVolume",
                &self.client,
                &message,
                async |mut client, request| client.controller_publish_volume(request).await,
            )
            .await?;
        Ok(answer.publish_context)
    }

    /// ControllerUnpublishVolume.
    pub async fn detach(&self, claim: &Claim, node: &Node) -> Result<()> {
        let message = ControllerUnpublishVolumeRequest {
            volume_id: claim.id.clone(),
            node_id: node.instance.clone(),
            ..ControllerUnpublishVolumeRequest::default()
        };
        self.patience
            .call(
                "ControllerUnpublishVolume",
                &self.client,
                &message,
                async |mut client, request| client.controller_unpublish_volume(request).await,
            )
            .await?;
        Ok(())
    }

    /// ControllerExpandVolume: the size in bytes, and whether the node has something to do.
    pub async fn expand(&self, claim: &Claim, range: CapacityRange) -> Result<(i64, bool)> {
        let message = ControllerExpandVolumeRequest {
            volume_id: claim.id.clone(),
            capacity_range: Some(range),
            volume_capability: Some(claim.usage.capability()),
            ..ControllerExpandVolumeRequest::default()
        };
        let answer = self
            .patience
            .call(
                "ControllerExpandVolume",
                &self.client,
                &message,
                async |mut client, request| client.controller_expand_volume(request).await,
            )
            .await?;
        Ok((answer.capacity_bytes, answer.node_expansion_required))
    }

    /// CreateSnapshot: its id, once it can be restored from.
    pub async fn snapshot(&self, claim: &Claim, name: &str) -> Result<String> {
        let message = CreateSnapshotRequest {
            source_volume_id: claim.id.clone(),
            name: name.to_owned(),
            ..CreateSnapshotRequest::default()
        };
        // EC2 copies in the background. Like external-snapshotter, ask under the same name until it says that it is ready.
        loop {
            let snapshot = self
                .patience
                .call(
                    "CreateSnapshot",
                    &self.client,
                    &message,
                    async |mut client, request| client.create_snapshot(request).await,
                )
                .await?
                .snapshot
                .context("CreateSnapshot answered without a snapshot")?;
            if snapshot.ready_to_use {
                return Ok(snapshot.snapshot_id);
            }
            tokio::time::sleep(socket::PAUSE).await;
        }
    }

    /// CreateVolumeGroupSnapshot: the id of each volume's snapshot, in their order, once all can be restored from.
    pub async fn group_snapshot(&self, of: &[Claim], name: &str) -> Result<Vec<String>> {
        let message = CreateVolumeGroupSnapshotRequest {
            name: name.to_owned(),
            source_volume_ids: of.iter().map(|claim| claim.id.clone()).collect(),
            ..CreateVolumeGroupSnapshotRequest::default()
        };
        loop {
            let group = self
                .patience
                .call(
                    "CreateVolumeGroupSnapshot",
                    &self.groups,
                    &message,
                    async |mut client, request| client.create_volume_group_snapshot(request).await,
                )
                .await?
                .group_snapshot
                .context("CreateVolumeGroupSnapshot answered without a group")?;
            if group.ready_to_use {
                let id = |claim: &Claim| {
                    let mut members = group.snapshots.iter();
                    let member = members.find(|member| member.source_volume_id == claim.id);
                    let id = member.map(|member| member.snapshot_id.clone());
                    id.with_context(|| format!("the group has no snapshot of {}", claim.id))
                };
                return of.iter().map(id).collect();
            }
            tokio::time::sleep(socket::PAUSE).await;
        }
    }

    /// DeleteVolumeGroupSnapshot.
    pub async fn delete_group_snapshot(&self, name: &str, members: &[String]) -> Result<()> {
        let message = DeleteVolumeGroupSnapshotRequest {
            group_snapshot_id: name.to_owned(),
            snapshot_ids: members.to_vec(),
            ..DeleteVolumeGroupSnapshotRequest::default()
        };
        self.patience
            .call(
                "DeleteVolumeGroupSnapshot",
                &self.groups,
                &message,
                async |mut client, request| client.delete_volume_group_snapshot(request).await,
            )
            .await?;
        Ok(())
    }

    /// DeleteSnapshot.
    pub async fn delete_snapshot(&self, id: &str) -> Result<()> {
        let message = DeleteSnapshotRequest {
            snapshot_id: id.to_owned(),
            ..DeleteSnapshotRequest::default()
        };
        self.patience
            .call(
                "DeleteSnapshot",
                &self.client,
                &message,
                async |mut client, request| client.delete_snapshot(request).await,
            )
            .await?;
        Ok(())
    }
}

/// At least so many GiB, as a PVC asks.
#[must_use]
pub fn gib_or_more(gib: u64) -> CapacityRange {
    CapacityRange {
        required_bytes: Bytes(gib * GIB).to_csi(),
        limit_bytes: 0,
    }
}

/// So many GiB and no more.
#[must_use]
pub fn exactly_gib(gib: u64) -> CapacityRange {
    CapacityRange {
        limit_bytes: Bytes(gib * GIB).to_csi(),
        ..gib_or_more(gib)
    }
}
