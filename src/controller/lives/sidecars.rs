//! What external-provisioner, -attacher, -resizer and -snapshotter ask for next, and what they make of an answer.

use std::time::Duration;

use csi::v1::controller_server::Controller;
use csi::v1::volume_content_source::{SnapshotSource, Type, VolumeSource};
use csi::v1::{
    CapacityRange, ControllerExpandVolumeRequest, ControllerModifyVolumeRequest,
    ControllerPublishVolumeRequest, ControllerUnpublishVolumeRequest, CreateVolumeRequest,
    DeleteSnapshotRequest, DeleteVolumeRequest, TopologyRequirement, VolumeContentSource,
};
use futures::future::join_all;
use tokio::time::timeout;
use tonic::{Code, Request, Status};

use super::super::ControllerService;
use super::super::testing::{capability, create, create_request, in_zone, take};
use super::model::{Claim, Origin, World, has_class};
use super::{CLASSES, NODES};
use crate::status::is_final;

/// A volume that external-provisioner asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Creation {
    name: String,
    size: i64,
    origin: Origin,
}

/// A call that a sidecar makes for a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Create(Creation),
    Delete(String),
    Publish(String, usize),
    Unpublish(String, usize),
    Expand(String, i64),
    Modify(String, usize),
    Snapshot(String, String),
    DeleteSnapshot(String),
}

/// What the sidecar hears: an id where one was asked for. `None` if it did not wait until the end.
type Answer = Option<Result<String, Status>>;

impl Call {
    /// What is due for a claim: one call of each sidecar at most.
    pub(super) fn due(world: &World, number: usize) -> Vec<Self> {
        let claim = &world.claims[number];
        let mut due = Self::of_snapshot(claim, world.is_being_restored(number));
        let Some(volume) = &claim.volume else {
            due.extend(claim.is_pending().then(|| Self::creation(claim)));
            return due;
        };
        if claim.is_deleting {
            return vec![Self::Delete(volume.clone())];
        }
        let keeps = |node| claim.wanted && claim.node_wanted == Some(node) && !claim.is_detaching;
        match (claim.node, claim.node_wanted) {
            (Some(node), _) if !keeps(node) => due.push(Self::Unpublish(volume.clone(), node)),
            (Some(node), _) if !claim.is_attached => due.push(Self::Publish(volume.clone(), node)),
            (Some(_), _) => {}
            (None, Some(node)) if claim.wanted => due.push(Self::Publish(volume.clone(), node)),
            // Nothing is deleted that is attached, or of which a snapshot or a copy is being made.
            (None, _) if !claim.wanted && !claim.snapshot_in_background => {
                if !world.is_being_copied(number) {
                    return vec![Self::Delete(volume.clone())];
                }
            }
            (None, _) => {}
        }
        if claim.wanted && claim.size_wanted > claim.size {
            due.push(Self::Expand(volume.clone(), claim.size_wanted));
        }
        let class = claim.class_begun.or(claim.class_wanted);
        if let (true, Some(class)) = (claim.wanted && class != claim.class, class) {
            due.push(Self::Modify(volume.clone(), class));
        }
        due
    }

    fn creation(claim: &Claim) -> Self {
        Self::Create(Creation {
            name: claim.volume_name(),
            size: claim.size_made,
            origin: claim.origin.clone(),
        })
    }

    fn of_snapshot(claim: &Claim, is_being_restored: bool) -> Vec<Self> {
        match (&claim.snapshot, &claim.volume) {
            (Some(id), _) if !claim.snapshot_wanted && !is_being_restored => {
                vec![Self::DeleteSnapshot(id.clone())]
            }
            (None, Some(volume))
                if claim.snapshot_in_background || (claim.snapshot_wanted && claim.wanted) =>
            {
                vec![Self::Snapshot(volume.clone(), claim.snapshot_name())]
            }
            _ => Vec::new(),
        }
    }

    /// Makes the call: the id in its answer, if it has one.
    async fn make(&self, process: &ControllerService) -> Result<String, Status> {
        match self {
            Self::Create(wanted) => {
                return Ok(create(process, wanted.request()).await?.volume_id);
            }
            Self::Snapshot(volume, name) => {
                return Ok(take(process, name, volume).await?.snapshot_id);
            }
            Self::Delete(volume) => {
                let message = DeleteVolumeRequest {
                    volume_id: volume.clone(),
                    ..DeleteVolumeRequest::default()
                };
                process.delete_volume(Request::new(message)).await?;
            }
            Self::Publish(volume, node) => {
                let message = publication(volume, *node);
                process
                    .controller_publish_volume(Request::new(message))
                    .await?;
            }
            Self::Unpublish(volume, node) => {
                let message = unpublication(volume, *node);
                process
                    .controller_unpublish_volume(Request::new(message))
                    .await?;
            }
            Self::Expand(volume, gib) => {
                let message = expansion(volume, *gib);
                process
                    .controller_expand_volume(Request::new(message))
                    .await?;
            }
            Self::Modify(volume, class) => {
                let message = modification(volume, *class);
                process
                    .controller_modify_volume(Request::new(message))
                    .await?;
            }
            Self::DeleteSnapshot(snapshot) => {
                let message = DeleteSnapshotRequest {
                    snapshot_id: snapshot.clone(),
                    ..DeleteSnapshotRequest::default()
                };
                process.delete_snapshot(Request::new(message)).await?;
            }
        }
        Ok(String::new())
    }

    /// The codes that the RPC may answer to a well-formed request under these faults (docs/SEMANTICS.md).
    fn may_answer(&self, code: Code) -> bool {
        let tries_again = matches!(
            code,
            Code::Aborted
                | Code::Unavailable
                | Code::Internal
                | Code::DeadlineExceeded
                | Code::PermissionDenied
                | Code::ResourceExhausted
        );
        tries_again || (code == Code::FailedPrecondition && !matches!(self, Self::Create(_)))
    }
}

impl Creation {
    fn request(&self) -> CreateVolumeRequest {
        let source = match &self.origin {
            Origin::Nothing => None,
            Origin::Volume(_, id) => Some(Type::Volume(VolumeSource {
                volume_id: id.clone(),
            })),
            Origin::Snapshot(_, id) => Some(Type::Snapshot(SnapshotSource {
                snapshot_id: id.clone(),
            })),
        };
        CreateVolumeRequest {
            capacity_range: Some(gib_or_more(self.size)),
            accessibility_requirements: Some(TopologyRequirement {
                requisite: vec![in_zone("z-a")],
                preferred: vec![],
            }),
            volume_content_source: source.map(|source| VolumeContentSource {
                r#type: Some(source),
            }),
            ..create_request(&self.name)
        }
    }
}

fn modification(volume: &str, class: usize) -> ControllerModifyVolumeRequest {
    let (volume_type, iops, tag) = CLASSES[class];
    let tag = format!("class={tag}");
    let parameters = [
        ("type", volume_type),
        ("iops", iops),
        ("tagSpecification_1", &tag),
    ];
    ControllerModifyVolumeRequest {
        volume_id: volume.to_owned(),
        mutable_parameters: parameters
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..ControllerModifyVolumeRequest::default()
    }
}

fn publication(volume: &str, node: usize) -> ControllerPublishVolumeRequest {
    ControllerPublishVolumeRequest {
        volume_id: volume.to_owned(),
        node_id: NODES[node].to_owned(),
        volume_capability: Some(capability()),
        ..ControllerPublishVolumeRequest::default()
    }
}

fn unpublication(volume: &str, node: usize) -> ControllerUnpublishVolumeRequest {
    ControllerUnpublishVolumeRequest {
        volume_id: volume.to_owned(),
        node_id: NODES[node].to_owned(),
        ..ControllerUnpublishVolumeRequest::default()
    }
}

fn expansion(volume: &str, gib: i64) -> ControllerExpandVolumeRequest {
    ControllerExpandVolumeRequest {
        volume_id: volume.to_owned(),
        capacity_range: Some(gib_or_more(gib)),
        ..ControllerExpandVolumeRequest::default()
    }
}

fn gib_or_more(gib: i64) -> CapacityRange {
    CapacityRange {
        required_bytes: gib << 30,
        limit_bytes: 0,
    }
}

impl World {
    /// Each sidecar's next call, all at once; some make theirs twice, as two that believe to be the leader do.
    pub(super) async fn round(&mut self, deadline: Duration, twice: bool) {
        let mut calls = self.calls();
        for (claim, call) in &calls {
            self.claims[*claim].begins(call);
        }
        if twice {
            calls.extend(calls.clone());
        }
        let process = &self.process;
        let answers = calls
            .iter()
            .map(|(_, call)| async { timeout(deadline, call.make(process)).await.ok() });
        let answers: Vec<Answer> = join_all(answers).await;
        for ((claim, call), answer) in calls.into_iter().zip(answers) {
            if let Some(Err(status)) = &answer {
                assert!(call.may_answer(status.code()), "{call:?}: {status:?}");
            }
            self.hear(claim, &call, answer, twice);
        }
        self.laws_hold();
    }

    fn hear(&mut self, number: usize, call: &Call, answer: Answer, twice: bool) {
        let succeeded = matches!(answer, Some(Ok(_)));
        let over = match &answer {
            Some(Ok(_)) => true,
            Some(Err(status)) => is_final(status.code()),
            None => false,
        };
        match call {
            Call::Create(wanted) if !succeeded && over && !twice => {
                let there = self.volumes(&wanted.name);
                assert!(there.is_empty(), "{answer:?}, and there is {there:?}");
            }
            Call::Snapshot(_, name) if !succeeded && over && !twice => {
                let there = self.snapshots(name);
                assert!(there.is_empty(), "{answer:?}, and there is {there:?}");
            }
            _ => {}
        }
        let id = answer.and_then(Result::ok);
        self.claims[number].hears(call, id, over && !twice);
        if succeeded {
            self.is_done(call);
        }
    }

    /// Success is true.
    fn is_done(&self, call: &Call) {
        let state = self.fake.state();
        let volume = |id: &String| {
            state
                .volumes
                .values()
                .find(|volume| volume.id.as_str() == id)
        };
        let nodes = |id: &String| -> Vec<String> {
            let attachments = volume(id)
                .into_iter()
                .flat_map(|volume| &volume.attachments);
            attachments.map(|a| a.instance.to_string()).collect()
        };
        let done = match call {
            Call::Create(_) | Call::Snapshot(..) => true,
            Call::Delete(id) => volume(id).is_none(),
            Call::Publish(id, node) => nodes(id) == [NODES[*node]],
            Call::Unpublish(id, node) => !nodes(id).contains(&NODES[*node].to_owned()),
            Call::Expand(id, gib) => {
                volume(id).is_some_and(|volume| i64::from(volume.size.0) >= *gib)
            }
            Call::Modify(id, class) => volume(id).is_some_and(|volume| has_class(volume, *class)),
            Call::DeleteSnapshot(id) => state.snapshots.keys().all(|known| known.as_str() != id),
        };
        assert!(done, "{call:?} is not done");
    }
}

impl Claim {
    /// The call is about to be made: from now on it may come to something.
    fn begins(&mut self, call: &Call) {
        match call {
            Call::Create(_) => self.in_background = true,
            Call::Snapshot(..) => self.snapshot_in_background = true,
            Call::Delete(_) => self.is_deleting = true,
            Call::Publish(_, node) => self.node = Some(*node),
            Call::Unpublish(..) => self.is_detaching = true,
            Call::Modify(_, class) => self.class_begun = Some(*class),
            Call::Expand(..) | Call::DeleteSnapshot(_) => {}
        }
    }

    /// The answer: an id, or nothing, which may be the end of it.
    fn hears(&mut self, call: &Call, id: Option<String>, over: bool) {
        match (call, id) {
            (Call::Create(wanted), Some(id)) => {
                let known = self.volume.get_or_insert_with(|| id.clone());
                assert_eq!(*known, id, "two volumes of {wanted:?}");
                self.in_background = false;
            }
            (Call::Create(_), None) => self.in_background &= !over || self.volume.is_some(),
            (Call::Snapshot(_, name), Some(id)) => {
                let known = self.snapshot.get_or_insert_with(|| id.clone());
                assert_eq!(*known, id, "two snapshots of {name}");
                self.snapshot_in_background = false;
            }
            (Call::Snapshot(..), None) => self.snapshot_in_background &= !over,
            (Call::Delete(_), Some(_)) => self.forget_volume(),
            (Call::Publish(..), Some(_)) => self.is_attached = true,
            (Call::Unpublish(..), Some(_)) => {
                self.node = None;
                self.is_attached = false;
                self.is_detaching = false;
            }
            (Call::Expand(_, gib), Some(_)) => self.size = *gib,
            (Call::Modify(_, class), Some(_)) => {
                self.class = Some(*class);
                self.class_begun = None;
            }
            (Call::Modify(..), None) if over => self.class_begun = None,
            (Call::DeleteSnapshot(_), Some(_)) => self.snapshot = None,
            _ => {}
        }
    }
}
