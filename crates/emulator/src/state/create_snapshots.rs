//! CreateSnapshots: snapshots of the volumes of one instance, crash-consistent across them (EC2 API reference, "CreateSnapshots").

use ebs_types::{InstanceState, Tags, VolumeId};

use super::snapshots::plan;
use super::{Ctx, RegionState};
use crate::model::{ApiError, CreateSnapshots, Effect, Instance, Phase, Reply, Script, Volume};

/// How many volumes a call can leave out besides the root (EC2 API reference, "InstanceSpecification").
const MOST_EXCLUDED: usize = 40;

impl RegionState {
    /// Everything or nothing is begun. What a fault makes of a snapshot, it makes of the first one alone: the others are completed.
    pub(super) fn create_snapshots(
        &mut self,
        ctx: &mut Ctx<'_>,
        request: &CreateSnapshots,
        mut script: Script,
    ) -> Result<Reply, ApiError> {
        let instance = self.instance(&request.instance)?;
        check_instance(instance)?;
        self.check_excluded(instance, request)?;
        let volumes: Vec<_> = self.volumes_taken(request).collect();
        if volumes.is_empty() {
            return Err(ApiError::value(format!(
                "Instance '{}' has no attached volume that is not excluded",
                instance.id
            )));
        }
        let mut snapshots = Vec::with_capacity(volumes.len());
        for volume in volumes {
            let tags = tags_of(volume, request)?;
            let outpost = request.outpost.as_ref();
            snapshots.push(plan(ctx, volume, outpost, &request.description, tags)?);
        }
        let of = snapshots.iter().map(|s| (s.volume.clone(), s.id.clone()));
        ctx.effects
            .push(Effect::CreateSnapshots { of: of.collect() });
        for snapshot in &snapshots {
            self.begin_snapshot(ctx, snapshot, std::mem::take(&mut script));
        }
        Ok(Reply::SnapshotSet(snapshots))
    }

    /// The volumes that the call is about: those that the instance has, or is letting go of, and that are not left out.
    pub(crate) fn volumes_taken(&self, request: &CreateSnapshots) -> impl Iterator<Item = &Volume> {
        self.attached_to(&request.instance).filter(|volume| {
            let there = volume.attachment_to(&request.instance);
            let there = there.is_some_and(|a| !matches!(a.phase, Phase::Attaching));
            there && !request.excluded.contains(&volume.id)
        })
    }

    fn check_excluded(
        &self,
        instance: &Instance,
        request: &CreateSnapshots,
    ) -> Result<(), ApiError> {
        if !request.exclude_boot {
            // Its root volume has no bytes here.
            return Err(ApiError::client(
                "UnsupportedOperation",
                "Root volumes have no bytes in the emulator: set ExcludeBootVolume",
            ));
        }
        if request.excluded.len() > MOST_EXCLUDED {
            return Err(ApiError::value(format!(
                "{} volumes are excluded; at most {MOST_EXCLUDED} can be",
                request.excluded.len()
            )));
        }
        let attached = |id: &VolumeId| {
            let volume = self.volumes.get(id);
            volume.is_some_and(|volume| volume.attachment_to(&instance.id).is_some())
        };
        // The root volume is in no list but the instance's own, so that it is refused here too.
        match request.excluded.iter().find(|id| !attached(id)) {
            None => Ok(()),
            Some(id) => Err(ApiError::value(format!(
                "The volume '{id}' is not a data volume of instance '{}'",
                instance.id
            ))),
        }
    }
}

fn check_instance(instance: &Instance) -> Result<(), ApiError> {
    match instance.state {
        InstanceState::Terminated | InstanceState::ShuttingDown => Err(ApiError::client(
            "IncorrectInstanceState",
            format!("Instance '{}' is '{}'", instance.id, instance.state),
        )),
        InstanceState::Pending
        | InstanceState::Running
        | InstanceState::Stopping
        | InstanceState::Stopped => Ok(()),
    }
}

/// What the call asks for goes before what the volume has.
fn tags_of(volume: &Volume, request: &CreateSnapshots) -> Result<Tags, ApiError> {
    if !request.copy_tags {
        return Ok(request.tags.clone());
    }
    let mut tags = volume.tags.clone();
    for (key, value) in &request.tags {
        tags.set(key, value)
            .map_err(|error| ApiError::client("TagLimitExceeded", error.to_string()))?;
    }
    Ok(tags)
}
