//! One region: its resources, and which file's rules apply to which command, event and report.

use std::collections::BTreeMap;

use ebs_types::{InstanceId, SnapshotId, VolumeId};
use serde::{Deserialize, Serialize};

use super::stock::Stock;
use super::tokens::Tokens;
use super::{Ctx, Event, SetUp};
use crate::model::{
    ApiError, AvailabilityZone, Command, CopyVolumes, CreateVolume, Instance, OutpostRack, Reply,
    Report, RunInstances, Script, Snapshot, Volume,
};

/// Everything in one region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RegionState {
    pub(crate) zones: Vec<AvailabilityZone>,
    /// States saved before there were any have none.
    #[serde(default)]
    pub(crate) outposts: Vec<OutpostRack>,
    pub(crate) volumes: Stock<Volume>,
    pub(crate) snapshots: Stock<Snapshot>,
    pub(crate) instances: BTreeMap<InstanceId, Instance>,
    pub(super) volume_tokens: Tokens<CreateVolume, Volume>,
    #[serde(default)]
    pub(super) copy_tokens: Tokens<CopyVolumes, Volume>,
    pub(super) instance_tokens: Tokens<RunInstances, Vec<InstanceId>>,
    /// What it was at first; states saved before this was kept don't say.
    #[serde(default)]
    pub(super) made_as: Option<SetUp>,
}

impl RegionState {
    /// Takes a command.
    pub(super) fn execute(
        &mut self,
        ctx: &mut Ctx<'_>,
        command: &Command,
        script: Script,
    ) -> Result<Reply, ApiError> {
        match command {
            Command::CreateVolume(c) => self.create_volume(ctx, c, script),
            Command::CopyVolumes(c) => self.copy_volumes(ctx, c, script),
            Command::DeleteVolume(id) => self.delete_volume(ctx, id, script),
            Command::AttachVolume(c) => self.attach_volume(ctx, c, script),
            Command::DetachVolume(c) => self.detach_volume(ctx, c, script),
            Command::ModifyVolume(c) => self.modify_volume(ctx, c, script),
            Command::CreateSnapshot(c) => self.create_snapshot(ctx, c, script),
            Command::CreateSnapshots(c) => self.create_snapshots(ctx, c, script),
            Command::DeleteSnapshot(id) => self.delete_snapshot(ctx, id),
            Command::EnableFastRestores(c) => self.enable_fast_restores(ctx, c),
            Command::LockSnapshot(c) => self.lock_snapshot(ctx, c),
            Command::UnlockSnapshot(id) => self.unlock_snapshot(ctx, id),
            Command::CreateTags(c) => self.create_tags(c),
            Command::DeleteTags(c) => self.delete_tags(c),
            Command::RunInstances(c) => self.run_instances(ctx, c, script),
            Command::StartInstances(ids) => self.start_instances(ctx, ids, script),
            Command::StopInstances(ids) => self.stop_instances(ctx, ids, script),
            Command::TerminateInstances(ids) => self.terminate_instances(ctx, ids, script),
        }
    }

    /// Lets an event happen.
    pub(super) fn happen(&mut self, ctx: &mut Ctx<'_>, event: &Event) {
        match event {
            Event::VolumeReady(id) => self.volume_ready(ctx, id),
            Event::CopyInitialized(id) => self.copy_initialized(id),
            Event::VolumeFails(id, how) => self.volume_fails(ctx, id, *how),
            Event::VolumeGone(id) => self.volume_gone(ctx, id),
            Event::AttachDue(link) => self.attach_due(ctx, link),
            Event::DetachDue { link, force } => self.detach_due(ctx, link, *force),
            Event::ModificationUsable(id) => self.modification_usable(ctx, id),
            Event::ModificationDone(id) => self.modification_done(ctx, id),
            Event::SnapshotDone(id) => self.snapshot_done(ctx, id),
            Event::SnapshotFails(id, how) => self.snapshot_fails(ctx, id, *how),
            Event::InstanceRunning(id) => self.instance_running(id),
            Event::InstanceStopped(id) => self.instance_stopped(id),
            Event::InstanceTerminated(id) => self.instance_terminated(ctx, id),
            Event::InstanceForgotten(id) => {
                self.instances.remove(id);
            }
        }
    }

    /// Whether the report is about something of this region.
    pub(super) fn concerns(&self, report: &Report) -> bool {
        match report {
            Report::Attached { volume, .. }
            | Report::NotShown { volume, .. }
            | Report::Released { volume, .. }
            | Report::Busy { volume, .. }
            | Report::Grown { volume }
            | Report::VolumeFailed { volume, .. } => self.volumes.contains(volume),
            Report::SnapshotFailed { snapshot } => self.snapshots.contains(snapshot),
        }
    }

    /// Takes what the backing says.
    pub(super) fn learn(&mut self, ctx: &mut Ctx<'_>, report: &Report) {
        match report {
            Report::Attached { volume, instance } => self.attached(volume, instance),
            Report::NotShown { volume, instance } => self.not_shown(ctx, volume, instance),
            Report::Released { volume, instance } => self.released(volume, instance),
            Report::Busy { volume, instance } => self.busy(ctx, volume, instance),
            Report::Grown { volume } => self.grown(ctx, volume),
            Report::VolumeFailed { volume, reason } => self.backing_failed(ctx, volume, reason),
            Report::SnapshotFailed { snapshot } => {
                self.snapshot_fails(ctx, snapshot, crate::model::CreateFailure::Error);
            }
        }
    }

    /// The volume, unless it does not exist.
    pub(super) fn volume(&self, id: &VolumeId) -> Result<&Volume, ApiError> {
        self.volumes.get(id).ok_or_else(|| ApiError::no_volume(id))
    }

    /// The snapshot, unless it does not exist.
    pub(super) fn snapshot(&self, id: &SnapshotId) -> Result<&Snapshot, ApiError> {
        self.snapshots
            .get(id)
            .ok_or_else(|| ApiError::no_snapshot(id))
    }

    /// The instance, unless it does not exist.
    pub(super) fn instance(&self, id: &InstanceId) -> Result<&Instance, ApiError> {
        self.instances
            .get(id)
            .ok_or_else(|| ApiError::no_instance(id))
    }
}
