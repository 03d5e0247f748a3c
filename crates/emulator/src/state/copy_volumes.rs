//! CopyVolumes: a copy of a volume as it is at the moment of the call, in the same zone (EBS user guide, "Copy an Amazon EBS volume").

use ebs_types::{Gibibytes, VolumeId, VolumeState};

use super::create_volume::{default_key, key_arn};
use super::limits::{self, Asked};
use super::tokens::Tokens;
use super::{Ctx, Event, RegionState, multi_attach, outposts};
use crate::model::{
    ApiError, CopyVolumes, Effect, Health, Lifecycle, Progress, Reply, Script, Volume,
};

/// How many copies of a region may be initializing at once: the account's quota at first.
const COPIES_AT_ONCE: usize = 5;

impl RegionState {
    pub(super) fn copy_volumes(
        &mut self,
        ctx: &mut Ctx<'_>,
        request: &CopyVolumes,
        script: Script,
    ) -> Result<Reply, ApiError> {
        let asked = (request.token.as_ref(), request);
        let tokens = Self::copy_tokens;
        let volume = self.made_once(ctx, tokens, asked, script, |state, ctx| {
            let volume = state.plan_copy(ctx, request)?;
            ctx.effects.push(Effect::CopyVolume {
                volume: volume.id.clone(),
                size: volume.size,
                of: request.source.clone(),
            });
            Ok(volume)
        })?;
        Ok(Reply::Copied(volume))
    }

    fn copy_tokens(&mut self) -> &mut Tokens<CopyVolumes, Volume> {
        &mut self.copy_tokens
    }

    fn plan_copy(&self, ctx: &mut Ctx<'_>, request: &CopyVolumes) -> Result<Volume, ApiError> {
        let source = self.volume(&request.source)?;
        check_source(source)?;
        outposts::refuse_copy(source)?;
        self.check_room_for_copy(&source.id)?;
        let shape = limits::shape(Asked {
            volume_type: request.volume_type,
            size: size_of(request, source)?,
            iops: request.iops,
            throughput: request.throughput,
            multi_attach: request.multi_attach,
        })?;
        multi_attach::check_offered(&ctx.region.to_string(), &shape)?;
        let (encrypted, kms_key) = encryption_of(ctx, request, source)?;
        Ok(Volume {
            id: ctx.ids.draw(VolumeId::PREFIX),
            zone: source.zone.clone(),
            size: shape.size,
            volume_type: shape.volume_type,
            iops: shape.iops,
            throughput: shape.throughput,
            encrypted,
            kms_key,
            snapshot: None,
            multi_attach: shape.multi_attach,
            tags: request.tags.clone(),
            created: ctx.now,
            lifecycle: Lifecycle::Creating,
            attachments: Vec::new(),
            modification: None,
            health: Health::Ok,
            modified: Vec::new(),
            copy_of: Some(source.id.clone()),
            initialization_rate: None,
            initializing: true,
            outpost: None,
            lineage: None,
        })
    }

    /// One copy of a volume at a time, and a few in the region.
    fn check_room_for_copy(&self, source: &VolumeId) -> Result<(), ApiError> {
        let under_way = || self.volumes.values().filter(|volume| volume.initializing);
        if let Some(copy) = under_way().find(|copy| copy.copy_of.as_ref() == Some(source)) {
            return Err(ApiError::client(
                "ConcurrentCopyVolumeLimitExceeded",
                format!(
                    "Volume '{source}' is being copied to '{}': wait until that is initialized",
                    copy.id
                ),
            ));
        }
        if under_way().count() >= COPIES_AT_ONCE {
            return Err(ApiError::client(
                "CopyVolumesLimitExceeded",
                format!(
                    "{COPIES_AT_ONCE} volume copies are in progress, the most that you may have in a region"
                ),
            ));
        }
        Ok(())
    }

    pub(super) fn copy_initialized(&mut self, id: &VolumeId) {
        if let Some(mut copy) = self.volumes.get_mut(id) {
            copy.initializing = false;
        }
    }
}

/// A volume can be used: where it is a copy, what is left of bringing its source's blocks over goes on behind it.
pub(super) fn copy_usable(ctx: &mut Ctx<'_>, volume: &Volume) {
    if volume.initializing {
        let event = Event::CopyInitialized(volume.id.clone());
        ctx.later(ctx.settings.delays.copy, event);
    }
}

fn check_source(source: &Volume) -> Result<(), ApiError> {
    let id = &source.id;
    if !matches!(source.state(), VolumeState::Available | VolumeState::InUse) {
        return Err(ApiError::incorrect_state(format!(
            "Volume '{id}' is in the '{}' state; it can be copied when it is 'available' or 'in-use'.",
            source.state()
        )));
    }
    if source.initializing {
        return Err(ApiError::incorrect_state(format!(
            "Volume '{id}' is a copy that is still being initialized."
        )));
    }
    match source.modification.as_ref().map(|m| m.progress) {
        Some(Progress::Modifying | Progress::Growing) => Err(ApiError::incorrect_state(format!(
            "Volume '{id}' is being modified; it can be copied when that is 'optimizing' or 'completed'."
        ))),
        Some(Progress::Optimizing | Progress::Completed | Progress::Failed) | None => Ok(()),
    }
}

fn size_of(request: &CopyVolumes, source: &Volume) -> Result<Gibibytes, ApiError> {
    let size = request.size.unwrap_or(source.size);
    if size < source.size {
        return Err(ApiError::value(format!(
            "Volume of {}GiB is smaller than volume '{}', expect size >= {}GiB",
            size.0, source.id, source.size.0
        )));
    }
    Ok(size)
}

/// Whether the copy is encrypted and with which key: an encrypted volume's copy always is, with the same key unless another is asked
/// for; one of an unencrypted volume is if that is asked for (EC2 API reference, "CopyVolumes").
fn encryption_of(
    ctx: &Ctx<'_>,
    request: &CopyVolumes,
    source: &Volume,
) -> Result<(bool, Option<String>), ApiError> {
    match (&request.kms_key, request.encrypted) {
        (Some(_), None | Some(false)) => Err(ApiError::client(
            "InvalidParameterDependency",
            "The parameter KmsKeyId requires the parameter Encrypted to be set.",
        )),
        (Some(key), Some(true)) => Ok((true, Some(key_arn(ctx, key)))),
        (None, Some(true)) => Ok((true, Some(default_key(ctx)))),
        (None, None | Some(false)) => Ok((source.encrypted, source.kms_key.clone())),
    }
}
