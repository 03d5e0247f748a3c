//! ModifyVolume, and the way of a modification from `modifying` to `completed`.

use std::time::Duration;

use ebs_types::{VolumeId, VolumeState};

use super::limits::{self, Asked};
use super::{Ctx, Event, RegionState, multi_attach};
use crate::model::{
    ApiError, Effect, Modification, ModifyVolume, Progress, Reply, Script, Shape, Volume,
};

const DAY: Duration = Duration::from_hours(24);

/// What a volume gets that becomes gp3, io1 or io2 without a word on IOPS.
const IOPS_OF_NEW_TYPE: u32 = 3_000;

impl RegionState {
    pub(super) fn modify_volume(
        &mut self,
        ctx: &mut Ctx<'_>,
        request: &ModifyVolume,
        script: Script,
    ) -> Result<Reply, ApiError> {
        let id = &request.volume;
        let there = self.volume(id)?;
        let wanted = request.volume_type.unwrap_or(there.volume_type);
        self.check_offered(there.outpost.as_ref(), wanted)?;
        let mut volume = self
            .volumes
            .get_mut(id)
            .ok_or_else(|| ApiError::no_volume(id))?;
        check_now(ctx, &mut volume)?;
        let from = shape_of(&volume);
        multi_attach::check_modification(&volume, request)?;
        let to = target(&from, request)?;
        let modification = Modification {
            volume: id.clone(),
            progress: Progress::Modifying,
            from,
            to,
            started: ctx.now,
            ended: None,
            message: None,
        };
        volume.modification = Some(modification.clone());
        volume.modified.push(ctx.now);
        if !script.stuck {
            let event = Event::ModificationUsable(id.clone());
            ctx.later(ctx.settings.delays.modify, event);
        }
        Ok(Reply::Modification(modification))
    }

    pub(super) fn modification_usable(&mut self, ctx: &mut Ctx<'_>, id: &VolumeId) {
        let Some(mut volume) = self.volumes.get_mut(id) else {
            return;
        };
        let Some(modification) = &mut volume.modification else {
            return;
        };
        if modification.progress != Progress::Modifying {
            return;
        }
        modification.progress = Progress::Growing;
        if modification.to.size > modification.from.size {
            let size = modification.to.size;
            let volume = id.clone();
            ctx.effects.push(Effect::Grow { volume, size });
        } else {
            drop(volume);
            self.grown(ctx, id);
        }
    }

    pub(super) fn grown(&mut self, ctx: &mut Ctx<'_>, id: &VolumeId) {
        let Some(mut volume) = self.volumes.get_mut(id) else {
            return;
        };
        let volume = &mut *volume;
        if let Some(modification) = &mut volume.modification
            && modification.progress == Progress::Growing
        {
            modification.progress = Progress::Optimizing;
            volume.size = modification.to.size;
            volume.volume_type = modification.to.volume_type;
            volume.iops = modification.to.iops;
            volume.throughput = modification.to.throughput;
            volume.multi_attach = modification.to.multi_attach;
            let event = Event::ModificationDone(id.clone());
            ctx.later(ctx.settings.delays.optimize, event);
        }
    }

    pub(super) fn modification_done(&mut self, ctx: &Ctx<'_>, id: &VolumeId) {
        if let Some(mut volume) = self.volumes.get_mut(id)
            && let Some(modification) = &mut volume.modification
            && modification.progress == Progress::Optimizing
        {
            modification.progress = Progress::Completed;
            modification.ended = Some(ctx.now);
        }
    }
}

/// Whether the volume can be modified at this moment. Forgets modifications older than a day.
fn check_now(ctx: &Ctx<'_>, volume: &mut Volume) -> Result<(), ApiError> {
    let id = &volume.id;
    if !matches!(volume.state(), VolumeState::Available | VolumeState::InUse) {
        return Err(ApiError::incorrect_state(format!(
            "Volume '{id}' is in the '{}' state.",
            volume.state()
        )));
    }
    let over = |m: &Modification| matches!(m.progress, Progress::Completed | Progress::Failed);
    if let Some(last) = volume.modification.as_ref().filter(|m| !over(m)) {
        return Err(ApiError::client(
            "IncorrectModificationState",
            format!(
                "Volume {id} is in the '{}' modification state: wait until it is 'completed'",
                last.state()
            ),
        ));
    }
    volume.modified.retain(|&start| ctx.now.since(start) < DAY);
    let most = usize::try_from(ctx.settings.modifications_per_day).unwrap_or(usize::MAX);
    if volume.modified.len() >= most {
        return Err(ApiError::client(
            "VolumeModificationRateExceeded",
            format!(
                "Volume {id} has been modified {most} times in the last 24 hours, which is the maximum."
            ),
        ));
    }
    Ok(())
}

fn shape_of(volume: &Volume) -> Shape {
    Shape {
        size: volume.size,
        volume_type: volume.volume_type,
        iops: volume.iops,
        throughput: volume.throughput,
        multi_attach: volume.multi_attach,
    }
}

/// What the volume is to become: what is not asked for stays, as far as the new type takes it.
fn target(from: &Shape, request: &ModifyVolume) -> Result<Shape, ApiError> {
    let asked_for_nothing = request.size.is_none()
        && request.volume_type.is_none()
        && request.iops.is_none()
        && request.throughput.is_none()
        && request.multi_attach.is_none();
    if asked_for_nothing {
        return Err(ApiError::missing(
            "Size, VolumeType, Iops, Throughput or MultiAttachEnabled",
        ));
    }
    let size = request.size.unwrap_or(from.size);
    if size < from.size {
        return Err(ApiError::value(format!(
            "New size cannot be smaller than existing size: {} is asked for, {} is there",
            size, from.size
        )));
    }
    let volume_type = request.volume_type.unwrap_or(from.volume_type);
    // gp2's IOPS follow from its size, so they are kept by no other type; nor are those of one type the default of another.
    let same_type = volume_type == from.volume_type;
    let kept_iops = from
        .iops
        .filter(|_| same_type && volume_type.iops().is_some());
    let kept_throughput = from.throughput.filter(|_| same_type);
    // A new type without IOPS of its own gets 3,000 (EC2 API reference, "ModifyVolume"), where a new volume would be refused.
    let iops_of_new_type = (!same_type && volume_type.iops().is_some()).then_some(IOPS_OF_NEW_TYPE);
    limits::shape(Asked {
        volume_type,
        size,
        iops: request.iops.or(kept_iops).or(iops_of_new_type),
        throughput: request.throughput.or(kept_throughput),
        multi_attach: request.multi_attach.unwrap_or(from.multi_attach),
    })
}
