//! What external-provisioner, -attacher, -resizer and -snapshotter ask for next, and what they make of an answer.

use std::time::Duration;

use csi::v1::controller_server::Controller;
use csi::v1::{
    CapacityRange, ControllerExpandVolumeRequest, ControllerPublishVolumeRequest,
    ControllerUnpublishVolumeRequest, CreateVolumeRequest, DeleteSnapshotRequest,
    DeleteVolumeRequest, TopologyRequirement,
};
use futures::future::join_all;
use tokio::time::timeout;
use tonic::{Code, Request, Status};

use super::super::ControllerService;
use super::super::testing::{capability, create, create_request, take};
use super::super::topology::accessible_from;
use super::NODES;
use super::model::{Claim, World};
use crate::status::is_final;

/// A call that a sidecar makes for a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Create(String),
    Delete(String),
    Publish(String, usize),
    Unpublish(String, usize),
    Expand(String, i64),
    Snapshot(String, String),
    DeleteSnapshot(String),
}

/// What the sidecar hears: an id where one was asked for. `None` if it did not wait until the end.
type Answer = Option<Result<String, Status>>;

impl Call {
    /// What is due for a claim: one call of each sidecar at most.
    pub(super) fn due(claim: &Claim) -> Vec<Self> {
        let Some(volume) = &claim.volume else {
            let create = claim.wanted || claim.in_background;
            let mut due = Self::of_snapshot(claim, None);
            due.extend(create.then(|| Self::Create(claim.name.clone())));
            return due;
        };
        if claim.is_deleting {
            return vec![Self::Delete(volume.clone())];
        }
        let mut due = Self::of_snapshot(claim, Some(volume));
        let keeps = |node| claim.wanted && claim.node_wanted == Some(node) && !claim.is_detaching;
        match (claim.node, claim.node_wanted) {
            (Some(node), _) if !keeps(node) => due.push(Self::Unpublish(volume.clone(), node)),
            (Some(node), _) if !claim.is_attached => due.push(Self::Publish(volume.clone(), node)),
            (Some(_), _) => {}
            (None, Some(node)) if claim.wanted => due.push(Self::Publish(volume.clone(), node)),
            // Nothing is deleted that is attached, or of which a snapshot is being taken.
            (None, _) if !claim.wanted && !claim.snapshot_in_background => {
                return vec![Self::Delete(volume.clone())];
            }
            (None, _) => {}
        }
        if claim.wanted && claim.size_wanted > claim.size {
            due.push(Self::Expand(volume.clone(), claim.size_wanted));
        }
        due
    }

    fn of_snapshot(claim: &Claim, volume: Option<&String>) -> Vec<Self> {
        match (&claim.snapshot, volume) {
            (Some(id), _) if !claim.snapshot_wanted => vec![Self::DeleteSnapshot(id.clone())],
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
            Self::Create(name) => return Ok(create(process, creation(name)).await?.volume_id),
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
                let message = ControllerUnpublishVolumeRequest {
                    volume_id: volume.clone(),
                    node_id: NODES[*node].to_owned(),
                    ..ControllerUnpublishVolumeRequest::default()
                };
                process
                    .controller_unpublish_volume(Request::new(message))
                    .await?;
            }
            Self::Expand(volume, gib) => {
                let message = ControllerExpandVolumeRequest {
                    volume_id: volume.clone(),
                    capacity_range: Some(gib_or_more(*gib)),
                    ..ControllerExpandVolumeRequest::default()
                };
                process
                    .controller_expand_volume(Request::new(message))
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

fn creation(name: &str) -> CreateVolumeRequest {
    let mut request = create_request(name);
    request.capacity_range = Some(gib_or_more(10));
    request.accessibility_requirements = Some(TopologyRequirement {
        requisite: accessible_from(&"z-a".parse().unwrap()),
        preferred: vec![],
    });
    request
}

fn publication(volume: &str, node: usize) -> ControllerPublishVolumeRequest {
    ControllerPublishVolumeRequest {
        volume_id: volume.to_owned(),
        node_id: NODES[node].to_owned(),
        volume_capability: Some(capability()),
        ..ControllerPublishVolumeRequest::default()
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
            Call::Create(name) if !succeeded && over && !twice => {
                let there = self.volumes(name);
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
            Call::Expand(..) | Call::DeleteSnapshot(_) => {}
        }
    }

    /// The answer: an id, or nothing, which may be the end of it.
    fn hears(&mut self, call: &Call, id: Option<String>, over: bool) {
        match (call, id) {
            (Call::Create(name), Some(id)) => {
                let known = self.volume.get_or_insert_with(|| id.clone());
                assert_eq!(*known, id, "two volumes of {name}");
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
            (Call::DeleteSnapshot(_), Some(_)) => self.snapshot = None,
            _ => {}
        }
    }
}
