//! A volume that load is made with: the requests about it, made in advance, and what is known of it.
//!
//! Answers for: one call of each phase, and what has to be tidied up whatever the answers were.
//! Doesn't answer for: when and how often calls are made; see [`super::drive`].

use std::collections::HashMap;
use std::time::Duration;

use csi::v1::controller_client::ControllerClient;
use csi::v1::{
    ControllerExpandVolumeRequest, ControllerPublishVolumeRequest,
    ControllerUnpublishVolumeRequest, CreateSnapshotRequest, CreateVolumeRequest,
    DeleteSnapshotRequest, DeleteVolumeRequest,
};
use lab::announcement::Instance;
use lab::orchestrator::{Order, Use, gib_or_more};
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::phase::Phase;

/// Whom calls are made through.
pub(super) type Client = ControllerClient<Channel>;

/// The size at first, in GiB.
const SIZE: u64 = 1;

/// The size after the expansion, in GiB.
const GROWN: u64 = 2;

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    No,
    /// It was asked for or asked away, and the answer leaves it open.
    Maybe,
    Yes,
}

/// A volume.
#[derive(Clone, Debug)]
pub(super) struct Volume {
    /// Its place among those of the run, from 0.
    pub(super) number: usize,
    order: CreateVolumeRequest,
    node: String,
    id: String,
    context: HashMap<String, String>,
    snapshot: String,
    there: Known,
    attached: Known,
    snapped: Known,
}

impl Volume {
    /// A volume that is to be made in the zone of the instance that it is to be attached to.
    pub(super) fn new(run: &str, number: usize, instance: &Instance) -> Self {
        let name = format!("pvc-{run}-{number}");
        Self {
            number,
            order: Order::new(&name, SIZE, Use::Ext4, &instance.zone).request(),
            node: instance.id.clone(),
            id: String::new(),
            context: HashMap::new(),
            snapshot: String::new(),
            there: Known::No,
            attached: Known::No,
            snapped: Known::No,
        }
    }

    /// Whether the volume is as far as a phase needs it to be.
    pub(super) fn is_ready_for(&self, phase: Phase) -> bool {
        match phase {
            Phase::Create => self.there == Known::No,
            Phase::Expand | Phase::Snapshot => self.there == Known::Yes,
            Phase::Publish => self.there == Known::Yes && self.attached == Known::No,
            Phase::Unpublish => self.attached == Known::Yes,
            Phase::DeleteSnapshot => self.snapped == Known::Yes,
            Phase::Delete => self.there == Known::Yes && self.attached == Known::No,
        }
    }

    /// Whether a phase takes something away that is, or may be, left of it. What may be there must be asked for again under its
    /// name before it can be deleted.
    pub(super) fn is_tidied_by(&self, phase: Phase) -> bool {
        match phase {
            Phase::Create => self.there == Known::Maybe && self.id.is_empty(),
            Phase::Snapshot => self.snapped == Known::Maybe && self.snapshot.is_empty(),
            Phase::Unpublish => self.attached != Known::No,
            Phase::DeleteSnapshot => self.snapped != Known::No && !self.snapshot.is_empty(),
            Phase::Delete => self.there != Known::No && !self.id.is_empty(),
            Phase::Expand | Phase::Publish => false,
        }
    }

    /// What may be left of it in EC2.
    pub(super) fn remains(&self) -> Vec<String> {
        let mut all = Vec::new();
        if self.snapped != Known::No {
            all.push(match self.snapshot.is_empty() {
                true => format!("perhaps a snapshot of {}", self.id),
                false => self.snapshot.clone(),
            });
        }
        if self.there != Known::No {
            all.push(match self.id.is_empty() {
                true => format!("perhaps a volume {}", self.order.name),
                false => self.id.clone(),
            });
        }
        all
    }

    /// Makes the call of a phase once.
    pub(super) async fn ask(
        &mut self,
        phase: Phase,
        client: &Client,
        timeout: Duration,
    ) -> Result<(), Status> {
        self.set(phase, Known::Maybe);
        match phase {
            Phase::Create => self.create(client, timeout).await,
            Phase::Expand => self.expand(client, timeout).await,
            Phase::Snapshot => self.take(client, timeout).await,
            Phase::Publish => self.publish(client, timeout).await,
            Phase::Unpublish => self.unpublish(client, timeout).await,
            Phase::DeleteSnapshot => self.delete_snapshot(client, timeout).await,
            Phase::Delete => self.delete(client, timeout).await,
        }?;
        self.set(phase, aim(phase));
        Ok(())
    }

    /// Nothing came of a phase, and no answer of it leaves that open.
    pub(super) fn settle(&mut self, phase: Phase) {
        let as_before = match aim(phase) {
            Known::Yes => Known::No,
            Known::No | Known::Maybe => Known::Yes,
        };
        self.set(phase, as_before);
    }

    fn set(&mut self, phase: Phase, known: Known) {
        match phase {
            Phase::Create | Phase::Delete => self.there = known,
            Phase::Publish | Phase::Unpublish => self.attached = known,
            Phase::Snapshot | Phase::DeleteSnapshot => self.snapped = known,
            Phase::Expand => {}
        }
    }

    async fn create(&mut self, client: &Client, timeout: Duration) -> Result<(), Status> {
        let request = within(timeout, self.order.clone());
        let answer = client.clone().create_volume(request).await?.into_inner();
        let volume = answer.volume.ok_or_else(|| lacks("volume"))?;
        self.id = volume.volume_id;
        self.context = volume.volume_context;
        Ok(())
    }

    async fn expand(&self, client: &Client, timeout: Duration) -> Result<(), Status> {
        let message = ControllerExpandVolumeRequest {
            volume_id: self.id.clone(),
            capacity_range: Some(gib_or_more(GROWN)),
            volume_capability: Some(Use::Ext4.capability()),
            ..ControllerExpandVolumeRequest::default()
        };
        let request = within(timeout, message);
        client.clone().controller_expand_volume(request).await?;
        Ok(())
    }

    async fn take(&mut self, client: &Client, timeout: Duration) -> Result<(), Status> {
        let message = CreateSnapshotRequest {
            source_volume_id: self.id.clone(),
            name: self.order.name.replacen("pvc", "snapshot", 1),
            ..CreateSnapshotRequest::default()
        };
        let request = within(timeout, message);
        let answer = client.clone().create_snapshot(request).await?.into_inner();
        let snapshot = answer.snapshot.ok_or_else(|| lacks("snapshot"))?;
        self.snapshot = snapshot.snapshot_id;
        Ok(())
    }

    async fn publish(&self, client: &Client, timeout: Duration) -> Result<(), Status> {
        let message = ControllerPublishVolumeRequest {
            volume_id: self.id.clone(),
            node_id: self.node.clone(),
            volume_capability: Some(Use::Ext4.capability()),
            volume_context: self.context.clone(),
            ..ControllerPublishVolumeRequest::default()
        };
        let request = within(timeout, message);
        client.clone().controller_publish_volume(request).await?;
        Ok(())
    }

    async fn unpublish(&self, client: &Client, timeout: Duration) -> Result<(), Status> {
        let message = ControllerUnpublishVolumeRequest {
            volume_id: self.id.clone(),
            node_id: self.node.clone(),
            ..ControllerUnpublishVolumeRequest::default()
        };
        let request = within(timeout, message);
        client.clone().controller_unpublish_volume(request).await?;
        Ok(())
    }

    async fn delete_snapshot(&self, client: &Client, timeout: Duration) -> Result<(), Status> {
        let message = DeleteSnapshotRequest {
            snapshot_id: self.snapshot.clone(),
            ..DeleteSnapshotRequest::default()
        };
        let request = within(timeout, message);
        client.clone().delete_snapshot(request).await?;
        Ok(())
    }

    async fn delete(&self, client: &Client, timeout: Duration) -> Result<(), Status> {
        let message = DeleteVolumeRequest {
            volume_id: self.id.clone(),
            ..DeleteVolumeRequest::default()
        };
        let request = within(timeout, message);
        client.clone().delete_volume(request).await?;
        Ok(())
    }
}

/// What a phase makes of what it is about.
fn aim(phase: Phase) -> Known {
    match phase {
        Phase::Unpublish | Phase::DeleteSnapshot | Phase::Delete => Known::No,
        Phase::Create | Phase::Expand | Phase::Snapshot | Phase::Publish => Known::Yes,
    }
}

fn within<M>(timeout: Duration, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

fn lacks(what: &str) -> Status {
    Status::internal(format!("the answer lacks the {what}"))
}
