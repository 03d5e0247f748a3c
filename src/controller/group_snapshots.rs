//! The GroupController service: snapshots of several volumes at one moment, by EC2's CreateSnapshots.
//!
//! Answers for: the trait of the RPCs, and which snapshots are a group. One file for each operation.
//! Doesn't answer for: single snapshots, of which every member is one (`create_snapshot` and the others).
//!
//! A group is nothing but the tags of its members, so that nothing has to be remembered: [`keys::GROUP_SNAPSHOT_NAME`] is the group's CSI
//! name, which is its id too. [`keys::GROUP_SNAPSHOT_CUT`] is the same for what one call has made, and another for each call: two processes
//! can make a group twice, and members of both together would show no moment. [`keys::GROUP_SNAPSHOT_SIZE`] tells whether one is missing.

mod create;
mod cut;
mod delete;
mod get;
mod host;

use std::collections::BTreeSet;

use csi::v1::group_controller_server::GroupController;
use csi::v1::group_controller_service_capability::rpc::Type as RpcType;
use csi::v1::group_controller_service_capability::{Rpc as Offered, Type};
use csi::v1::{
    CreateVolumeGroupSnapshotRequest, CreateVolumeGroupSnapshotResponse,
    DeleteVolumeGroupSnapshotRequest, DeleteVolumeGroupSnapshotResponse,
    GetVolumeGroupSnapshotRequest, GetVolumeGroupSnapshotResponse,
    GroupControllerGetCapabilitiesRequest, GroupControllerGetCapabilitiesResponse,
    GroupControllerServiceCapability,
};
#[cfg(doc)]
use ebs_types::keys;
use ebs_types::{SnapshotId, VolumeId};
use ec2::{Ec2Error, Snapshot};
use tonic::{Request, Response, Status};

use self::cut::Cut;
use super::error::Error;
use super::{ControllerService, answer, render};
use crate::status::Rpc;

#[tonic::async_trait]
impl GroupController for ControllerService {
    async fn group_controller_get_capabilities(
        &self,
        _request: Request<GroupControllerGetCapabilitiesRequest>,
    ) -> Result<Response<GroupControllerGetCapabilitiesResponse>, Status> {
        Ok(Response::new(GroupControllerGetCapabilitiesResponse {
            capabilities: vec![GroupControllerServiceCapability {
                r#type: Some(Type::Rpc(Offered {
                    r#type: RpcType::CreateDeleteGetVolumeGroupSnapshot.into(),
                })),
            }],
        }))
    }

    async fn create_volume_group_snapshot(
        &self,
        request: Request<CreateVolumeGroupSnapshotRequest>,
    ) -> Result<Response<CreateVolumeGroupSnapshotResponse>, Status> {
        let result = create::run(self, request.into_inner()).await;
        answer(Rpc::CreateVolumeGroupSnapshot, result)
    }

    async fn delete_volume_group_snapshot(
        &self,
        request: Request<DeleteVolumeGroupSnapshotRequest>,
    ) -> Result<Response<DeleteVolumeGroupSnapshotResponse>, Status> {
        let result = delete::run(self, request.into_inner()).await;
        answer(Rpc::DeleteVolumeGroupSnapshot, result)
    }

    async fn get_volume_group_snapshot(
        &self,
        request: Request<GetVolumeGroupSnapshotRequest>,
    ) -> Result<Response<GetVolumeGroupSnapshotResponse>, Status> {
        let result = get::run(self, request.into_inner()).await;
        answer(Rpc::GetVolumeGroupSnapshot, result)
    }
}

/// The snapshots of a group, as far as a caller tells of it.
#[derive(Debug, Default)]
struct Found {
    /// What the caller listed or the group's tag found, one call's after another's, the oldest first.
    cuts: Vec<Cut>,
    /// What was listed, is there and is not the group's.
    foreign: BTreeSet<SnapshotId>,
}

/// Looks for a group, and for those of its members that the caller lists: these are found by their ids before EC2 shows them by
/// their tags. Nothing found is sure.
async fn find(
    service: &ControllerService,
    name: &str,
    listed: &BTreeSet<SnapshotId>,
) -> Result<Found, Ec2Error> {
    let whole = |members: &[Snapshot]| {
        let cuts = cut::of(members.to_vec());
        !cuts.is_empty() && cuts.iter().all(Cut::is_complete)
    };
    let mut members = service.cloud.group_members_surely(name, whole).await?;
    let mut foreign = BTreeSet::new();
    for id in listed {
        if members.iter().any(|member| member.id == *id) {
            continue;
        }
        match service.cloud.snapshot(id).await {
            Ok(snapshot) if snapshot.group() == Some(name) => members.push(snapshot),
            Ok(_) => drop(foreign.insert(id.clone())),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    members.sort_by(|a, b| (a.started, &a.id).cmp(&(b.started, &b.id)));
    Ok(Found {
        cuts: cut::of(members),
        foreign,
    })
}

/// The group in CSI's message. `handle` is what the caller calls a volume.
///
/// # Errors
/// [`Error::GroupFailed`] where EC2 has given a member up: the group will never be ready.
fn message(
    name: &str,
    cut: &Cut,
    handle: impl Fn(&VolumeId) -> String,
) -> Result<csi::v1::VolumeGroupSnapshot, Error> {
    if let Some(failed) = cut.failed() {
        return Err(Error::GroupFailed {
            name: name.to_owned(),
            snapshot: failed.id.clone(),
        });
    }
    let snapshots: Vec<_> = cut
        .members
        .iter()
        .map(|member| csi::v1::Snapshot {
            source_volume_id: member.volume.as_ref().map(&handle).unwrap_or_default(),
            ..render::snapshot(member)
        })
        .collect();
    Ok(csi::v1::VolumeGroupSnapshot {
        group_snapshot_id: name.to_owned(),
        creation_time: cut.members.first().map(|member| member.started.into()),
        ready_to_use: snapshots.iter().all(|snapshot| snapshot.ready_to_use),
        snapshots,
    })
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
