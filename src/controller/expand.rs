//! ControllerExpandVolume: one ModifyVolume, then a watch until the new size can be used.
//!
//! EBS grants a volume few modifications a day, so one that is under way already is joined and not asked for again.

use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use csi::v1::volume_capability::AccessType;
use csi::v1::{ControllerExpandVolumeRequest, ControllerExpandVolumeResponse};
use ebs_types::{CapacityRange, Gibibytes, ModificationState, VolumeId};
use ec2::{Ec2Error, ErrorKind, Modification, ModifyVolume, Volume};

use super::error::Error;
use super::{ControllerService, request};
use crate::inflight::Key;
use crate::status::{InvalidRequest, Rpc};

/// The older of EBS's two published limits: one modification in so many hours. The newer one, four in 24 hours, shows no time to wait for.
const COOLDOWN: Duration = Duration::from_secs(6 * 3600);

/// Serves the RPC.
pub(super) async fn run(
    service: &ControllerService,
    message: ControllerExpandVolumeRequest,
) -> Result<ControllerExpandVolumeResponse, Error> {
    let handle = request::volume_id(&message.volume_id)?;
    let range = message
        .capacity_range
        .as_ref()
        .ok_or(InvalidRequest::Missing {
            field: "capacity_range",
            hint: "say how large the volume is to be",
        })?;
    let range = CapacityRange::new(range.required_bytes, range.limit_bytes)?;
    let id = request::volume(handle)?;
    let _guard = service.begin(Key::Modification(id.clone()), Rpc::ControllerExpandVolume)?;
    let size = Expansion {
        service,
        volume: &id,
    }
    .grow(range)
    .await?;
    // The device grows under a raw block user by itself; a file system has to be grown on it.
    let is_block = message
        .volume_capability
        .is_some_and(|capability| matches!(capability.access_type, Some(AccessType::Block(_))));
    Ok(ControllerExpandVolumeResponse {
        capacity_bytes: size.bytes().to_csi(),
        node_expansion_required: !is_block,
    })
}

/// One expansion under way.
struct Expansion<'a> {
    service: &'a ControllerService,
    volume: &'a VolumeId,
}

impl Expansion<'_> {
    /// The size that the volume has afterwards.
    async fn grow(&self, range: CapacityRange) -> Result<Gibibytes, Error> {
        let volume = self.service.cloud.volume(self.volume).await?;
        if volume.state.is_gone() {
            return Err(Error::VolumeGone { volume: volume.id });
        }
        let target = target(&volume, range)?;
        if target == volume.size {
            return Ok(volume.size);
        }
        let size = self.reach(target).await?;
        // An earlier request may have asked for more than this one takes.
        if range.limit().is_some_and(|limit| limit < size.bytes()) {
            let volume = volume.id;
            return Err(Error::WouldShrink { volume, size });
        }
        Ok(size)
    }

    /// Joins what an earlier request began, before this process started or with an answer that was lost; else begins.
    async fn reach(&self, target: Gibibytes) -> Result<Gibibytes, Error> {
        let last = self.service.cloud.modification(self.volume).await?;
        if last.is_some_and(|last| {
            last.state == ModificationState::Modifying && last.target_size >= target
        }) {
            return self.wait(target).await;
        }
        let request = ModifyVolume {
            volume: self.volume.clone(),
            size: Some(target),
            kind: None,
        };
        match self.service.cloud.modify_volume(&request).await {
            Ok(_) => self.wait(target).await,
            Err(refusal) => match refusal.kind {
                ErrorKind::ModificationInProgress
                | ErrorKind::IncorrectState
                | ErrorKind::ModificationRateExceeded => self.join(target, refusal).await,
                _ => Err(refusal.into()),
            },
        }
    }

    /// EC2 refused because of an earlier modification. If that one leads to the wanted size it is this very expansion,
    /// begun by a request whose answer was lost.
    async fn join(&self, target: Gibibytes, refusal: Ec2Error) -> Result<Gibibytes, Error> {
        let Some(last) = self.service.cloud.modification(self.volume).await? else {
            return Err(refusal.into());
        };
        match last.state {
            ModificationState::Modifying if last.target_size >= target => self.wait(target).await,
            ModificationState::Optimizing | ModificationState::Completed
                if last.target_size >= target =>
            {
                Ok(last.target_size)
            }
            ModificationState::Modifying | ModificationState::Optimizing => {
                Err(Error::ModificationUnderWay {
                    volume: self.volume.clone(),
                    state: last.state.as_str(),
                    detail: detail(&last),
                })
            }
            // EC2 does not show yet the one that it speaks of.
            ModificationState::Completed | ModificationState::Failed
                if refusal.kind == ErrorKind::ModificationInProgress =>
            {
                Err(refusal.into())
            }
            ModificationState::Completed | ModificationState::Failed => Err(Error::TooSoon {
                volume: self.volume.clone(),
                wait: wait_words(&last, SystemTime::now()),
                error: Box::new(refusal),
            }),
        }
    }

    async fn wait(&self, target: Gibibytes) -> Result<Gibibytes, Error> {
        let look = |modification: &Modification| match modification.state {
            // The record of an earlier one: EC2 does not show yet what it has accepted.
            _ if modification.target_size < target => ControlFlow::Continue(()),
            ModificationState::Modifying => ControlFlow::Continue(()),
            ModificationState::Optimizing | ModificationState::Completed => {
                ControlFlow::Break(Ok(modification.target_size))
            }
            ModificationState::Failed => {
                let why = modification.status.clone();
                ControlFlow::Break(Err(why.unwrap_or_else(|| "it gave no reason".to_owned())))
            }
        };
        let cloud = &self.service.cloud;
        let ended = cloud.watch_modification(self.volume, look).await?;
        ended.map_err(|why| Error::ModificationFailed {
            volume: self.volume.clone(),
            why,
        })
    }
}

/// The size to have: the present one where that is enough.
fn target(volume: &Volume, range: CapacityRange) -> Result<Gibibytes, Error> {
    let has = volume.size;
    if range.limit().is_some_and(|limit| limit < has.bytes()) {
        return Err(Error::WouldShrink {
            volume: volume.id.clone(),
            size: has,
        });
    }
    // Whatever the type's limit: a volume that has its size has it.
    let max = (*volume.volume_type.sizes().end()).max(has);
    Ok(range.pick(has, has, max)?)
}

fn detail(last: &Modification) -> String {
    format!("to {}", last.target_size)
}

fn wait_words(last: &Modification, now: SystemTime) -> String {
    let left = last
        .started
        .and_then(|started| (started + COOLDOWN).duration_since(now).ok());
    match left {
        Some(left) => format!(
            "the last modification began less than 6 h ago, the next is allowed in {} min at the latest where EBS limits them to one in 6 h",
            left.as_secs().div_ceil(60)
        ),
        None => "EBS allows 4 modifications of a volume in 24 h, and each only once the one before is completed".to_owned(),
    }
}

#[cfg(test)]
mod tests;
