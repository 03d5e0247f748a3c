//! The end of a volume, and what becomes of one by itself.

use ebs_types::{VolumeId, VolumeState};

use super::copy_volumes::copy_usable;
use super::{Ctx, Event, RegionState};
use crate::model::{ApiError, CreateFailure, Effect, Lifecycle, Progress, Reply, Script};

impl RegionState {
    pub(super) fn delete_volume(
        &mut self,
        ctx: &mut Ctx<'_>,
        id: &VolumeId,
        script: Script,
    ) -> Result<Reply, ApiError> {
        let mut volume = self
            .volumes
            .get_mut(id)
            .ok_or_else(|| ApiError::no_volume(id))?;
        match volume.state() {
            VolumeState::Available | VolumeState::Error => {
                volume.lifecycle = Lifecycle::Deleting;
                if !script.stuck {
                    ctx.later(ctx.settings.delays.delete, Event::VolumeGone(id.clone()));
                }
                Ok(Reply::Done)
            }
            VolumeState::InUse => {
                let users: Vec<_> = volume
                    .attachments
                    .iter()
                    .map(|attachment| attachment.instance.as_str())
                    .collect();
                Err(ApiError::client(
                    "VolumeInUse",
                    format!("Volume {id} is currently attached to {}", users.join(", ")),
                ))
            }
            other => Err(ApiError::incorrect_state(format!(
                "The volume '{id}' is '{other}'"
            ))),
        }
    }

    pub(super) fn volume_ready(&mut self, ctx: &mut Ctx<'_>, id: &VolumeId) {
        if let Some(mut volume) = self.volumes.get_mut(id)
            && volume.lifecycle == Lifecycle::Creating
        {
            volume.lifecycle = Lifecycle::Ready;
            copy_usable(ctx, &volume);
        }
    }

    pub(super) fn volume_fails(&mut self, ctx: &mut Ctx<'_>, id: &VolumeId, how: CreateFailure) {
        match how {
            CreateFailure::Vanish => self.volume_gone(ctx, id),
            CreateFailure::Error => {
                if let Some(mut volume) = self.volumes.get_mut(id) {
                    volume.lifecycle = Lifecycle::Failed;
                    volume.initializing = false;
                }
            }
        }
    }

    pub(super) fn volume_gone(&mut self, ctx: &mut Ctx<'_>, id: &VolumeId) {
        if self.volumes.remove(id).is_some() {
            ctx.effects
                .push(Effect::DeleteVolume { volume: id.clone() });
        }
    }

    /// The backing could not make the volume, or not grow it: the first is the volume's end, the second the modification's.
    pub(super) fn backing_failed(&mut self, ctx: &Ctx<'_>, id: &VolumeId, reason: &str) {
        let Some(mut volume) = self.volumes.get_mut(id) else {
            return;
        };
        match &mut volume.modification {
            Some(modification) if modification.progress == Progress::Growing => {
                modification.progress = Progress::Failed;
                modification.ended = Some(ctx.now);
                modification.message = Some(reason.to_owned());
            }
            _ => {
                volume.lifecycle = Lifecycle::Failed;
                volume.initializing = false;
            }
        }
    }
}
