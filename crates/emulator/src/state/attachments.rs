//! AttachVolume, DetachVolume, and the way of an attachment from `attaching` to gone.

use ebs_types::{
    AttachmentLimit, Hypervisor, InstanceId, InstanceState, InstanceType, VolumeId, VolumeState,
};

use super::stock::INSTANCE_FILTER;
use super::{Ctx, Event, Link, RegionState, multi_attach, outposts};
use crate::model::{
    ApiError, AttachVolume, Attachment, DetachVolume, Effect, Instance, Phase, ROOT_DEVICE, Reply,
    Script, Volume,
};

impl RegionState {
    pub(super) fn attach_volume(
        &mut self,
        ctx: &mut Ctx<'_>,
        request: &AttachVolume,
        script: Script,
    ) -> Result<Reply, ApiError> {
        let volume = self.volume(&request.volume)?;
        let instance = self.instance(&request.instance)?;
        check_instance(instance)?;
        check_volume(volume, instance)?;
        self.check_room(request, instance)?;
        let attachment = Attachment {
            instance: request.instance.clone(),
            device: request.device.clone(),
            since: ctx.now,
            phase: Phase::Attaching,
            card: request.card,
            serial: ctx.ids.serial(),
        };
        if !script.stuck {
            let link = link(&request.volume, &attachment);
            ctx.later(ctx.settings.delays.attach, Event::AttachDue(link));
        }
        if let Some(mut volume) = self.volumes.get_mut(&request.volume) {
            volume.attachments.push(attachment.clone());
        }
        Ok(Reply::Attachment {
            volume: request.volume.clone(),
            attachment,
        })
    }

    /// Whether the instance has the device name and, on the EBS card, a slot to spare.
    fn check_room(&self, request: &AttachVolume, instance: &Instance) -> Result<(), ApiError> {
        let there: Vec<&Attachment> = self
            .attached_to(&instance.id)
            .filter_map(|volume| volume.attachment_to(&instance.id))
            .collect();
        let wanted = request.device.as_str();
        let mut taken = there.iter().map(|attachment| attachment.device.as_str());
        if [ROOT_DEVICE, "/dev/sda1"].contains(&wanted) || taken.any(|name| name == wanted) {
            return Err(ApiError::value(format!(
                "Invalid value '{wanted}' for unixDevice. Attachment point {wanted} is already in use"
            )));
        }
        let (card, cards) = (request.card, cards(instance));
        if card >= cards {
            return Err(ApiError::value(format!(
                "Value ({card}) for parameter ebsCardIndex is invalid: instances of type {} have {cards} EBS cards",
                instance.instance_type
            )));
        }
        let on_card = there.iter().filter(|other| other.card == card).count();
        if on_card >= room(instance, card) {
            return Err(ApiError::client(
                "AttachmentLimitExceeded",
                format!(
                    "Instance {} of type {} has no room for another attachment on EBS card {card}: {} volumes beside the root are its maximum",
                    instance.id,
                    instance.instance_type,
                    room(instance, card)
                ),
            ));
        }
        Ok(())
    }

    pub(super) fn detach_volume(
        &mut self,
        ctx: &mut Ctx<'_>,
        request: &DetachVolume,
        script: Script,
    ) -> Result<Reply, ApiError> {
        let instance = leaving_instance(self.volume(&request.volume)?, request)?;
        let stopped = self
            .instances
            .get(&instance)
            .is_none_or(|i| i.state == InstanceState::Stopped);
        let mut volume = self.volumes.get_mut(&request.volume);
        let volume = volume.as_deref_mut();
        let Some(attachment) = volume.and_then(|volume| volume.attachment_to_mut(&instance)) else {
            return Err(not_attached(request, &instance));
        };
        let link = link(&request.volume, attachment);
        if !attachment.is_leaving() {
            attachment.phase = Phase::Detaching;
            let delay = match stopped || request.force {
                true => std::time::Duration::ZERO,
                false => ctx.settings.delays.detach,
            };
            if !script.stuck {
                let force = request.force;
                ctx.later(delay, Event::DetachDue { link, force });
            }
        } else if request.force {
            let now = std::time::Duration::ZERO;
            ctx.later(now, Event::DetachDue { link, force: true });
        }
        Ok(Reply::Attachment {
            volume: request.volume.clone(),
            attachment: attachment.clone(),
        })
    }

    /// Lets go of everything attached to an instance that is gone.
    pub(super) fn release_all(&mut self, ctx: &mut Ctx<'_>, instance: &InstanceId) {
        let there = self.attached_to(instance);
        let ids: Vec<VolumeId> = there.map(|volume| volume.id.clone()).collect();
        for id in ids {
            self.change_attachment(&id, instance, |attachment| {
                attachment.phase = Phase::Detaching;
                let link = link(&id, attachment);
                ctx.later(
                    std::time::Duration::ZERO,
                    Event::DetachDue { link, force: true },
                );
            });
        }
    }

    /// The volumes that have an attachment to the instance, in the order of their ids.
    pub(crate) fn attached_to(&self, instance: &InstanceId) -> impl Iterator<Item = &Volume> {
        let ids = self.volumes.marked(INSTANCE_FILTER, instance.as_str());
        let ids = ids.unwrap_or_default();
        ids.iter().filter_map(|id| self.volumes.get(id))
    }

    pub(super) fn attach_due(&mut self, ctx: &mut Ctx<'_>, link: &Link) {
        self.change_linked(link, |attachment| {
            if attachment.phase == Phase::Attaching {
                attachment.phase = Phase::Connecting;
                ctx.effects.push(Effect::Attach {
                    volume: link.volume.clone(),
                    instance: link.instance.clone(),
                });
            }
        });
    }

    pub(super) fn detach_due(&mut self, ctx: &mut Ctx<'_>, link: &Link, force: bool) {
        self.change_linked(link, |attachment| {
            if !attachment.is_leaving() {
                return;
            }
            // A retry of a busy one stays busy for those who look, until the device is let go of.
            if attachment.phase == Phase::Detaching {
                attachment.phase = Phase::Releasing;
            }
            ctx.effects.push(Effect::Detach {
                volume: link.volume.clone(),
                instance: link.instance.clone(),
                force,
            });
        });
    }

    pub(super) fn attached(&mut self, volume: &VolumeId, instance: &InstanceId) {
        self.change_attachment(volume, instance, |attachment| {
            if attachment.phase == Phase::Connecting {
                attachment.phase = Phase::Attached;
            }
        });
    }

    /// The device could not be shown, for example because a former one of the volume is still open: it is tried again, and
    /// the attachment stays `attaching` meanwhile.
    pub(super) fn not_shown(
        &mut self,
        ctx: &mut Ctx<'_>,
        volume: &VolumeId,
        instance: &InstanceId,
    ) {
        self.change_attachment(volume, instance, |attachment| {
            if attachment.phase == Phase::Connecting {
                attachment.phase = Phase::Attaching;
                let event = Event::AttachDue(link(volume, attachment));
                ctx.later(ctx.settings.delays.busy_retry, event);
            }
        });
    }

    pub(super) fn released(&mut self, volume: &VolumeId, instance: &InstanceId) {
        if let Some(mut volume) = self.volumes.get_mut(volume) {
            volume
                .attachments
                .retain(|a| &a.instance != instance || !a.is_leaving());
        }
    }

    pub(super) fn busy(&mut self, ctx: &mut Ctx<'_>, volume: &VolumeId, instance: &InstanceId) {
        self.change_attachment(volume, instance, |attachment| {
            if attachment.is_leaving() {
                attachment.phase = Phase::Busy;
                let event = Event::DetachDue {
                    link: link(volume, attachment),
                    force: false,
                };
                ctx.later(ctx.settings.delays.busy_retry, event);
            }
        });
    }

    /// Does something to an attachment, if it is there.
    fn change_attachment(
        &mut self,
        volume: &VolumeId,
        instance: &InstanceId,
        change: impl FnOnce(&mut Attachment),
    ) {
        if let Some(mut volume) = self.volumes.get_mut(volume)
            && let Some(attachment) = volume.attachment_to_mut(instance)
        {
            change(attachment);
        }
    }

    /// The same, unless another attachment of the same two has taken its place.
    fn change_linked(&mut self, link: &Link, change: impl FnOnce(&mut Attachment)) {
        self.change_attachment(&link.volume, &link.instance, |attachment| {
            if attachment.serial == link.serial {
                change(attachment);
            }
        });
    }
}

pub(super) fn link(volume: &VolumeId, attachment: &Attachment) -> Link {
    Link {
        volume: volume.clone(),
        instance: attachment.instance.clone(),
        serial: attachment.serial,
    }
}

/// The limit of a type that the table lacks: unlike the one that is common, so that whoever guesses is found out.
const NEWER: AttachmentLimit = AttachmentLimit {
    hypervisor: Hypervisor::Nitro,
    volumes: 40,
    shared: false,
    ebs_cards: 1,
};

/// How many volumes instances of a type take.
pub(super) fn attachment_limit(instance_type: &InstanceType) -> AttachmentLimit {
    AttachmentLimit::listed(instance_type).unwrap_or(NEWER)
}

/// How many EBS cards an instance has.
fn cards(instance: &Instance) -> u32 {
    attachment_limit(&instance.instance_type).ebs_cards.max(1)
}

/// How many volumes an instance takes on an EBS card, beside the root, which is on the first one. EC2's figure is for all cards, which
/// share it evenly; it has the primary network interface taken off already where interfaces count, and an instance here has no other.
fn room(instance: &Instance, card: u32) -> usize {
    let share = attachment_limit(&instance.instance_type).volumes / cards(instance);
    let root = u32::from(card == 0);
    usize::try_from(share.saturating_sub(root)).unwrap_or(usize::MAX)
}

fn check_instance(instance: &Instance) -> Result<(), ApiError> {
    match instance.state {
        InstanceState::Running | InstanceState::Stopped | InstanceState::Stopping => Ok(()),
        InstanceState::Pending | InstanceState::ShuttingDown | InstanceState::Terminated => Err(
            ApiError::incorrect_state(format!("Instance '{}' is not 'running'.", instance.id)),
        ),
    }
}

fn check_volume(volume: &Volume, instance: &Instance) -> Result<(), ApiError> {
    let id = &volume.id;
    match volume.state() {
        VolumeState::Available | VolumeState::InUse => {
            multi_attach::check_attachment(volume, instance)?;
        }
        other => {
            return Err(ApiError::incorrect_state(format!(
                "Volume '{id}' is not 'available'; it is '{other}'."
            )));
        }
    }
    if volume.zone == instance.zone {
        outposts::check_together(volume, instance)
    } else {
        Err(ApiError::client(
            "InvalidVolume.ZoneMismatch",
            format!(
                "The volume '{id}' is not in the same availability zone as instance '{}'",
                instance.id
            ),
        ))
    }
}

/// The instance that a detach means.
fn leaving_instance(volume: &Volume, request: &DetachVolume) -> Result<InstanceId, ApiError> {
    let id = &volume.id;
    let found = match (&request.instance, volume.attachments.as_slice()) {
        (_, []) => {
            return Err(ApiError::incorrect_state(format!(
                "Volume '{id}' is in the '{}' state.",
                volume.state()
            )));
        }
        (Some(instance), _) => volume.attachment_to(instance),
        (None, [only]) => Some(only),
        (None, _) => return Err(ApiError::missing("InstanceId")),
    };
    match (found, &request.device) {
        (Some(attachment), None) => Ok(attachment.instance.clone()),
        (Some(attachment), Some(device)) if attachment.device.as_str() == device => {
            Ok(attachment.instance.clone())
        }
        (Some(attachment), Some(_)) => Err(not_attached(request, &attachment.instance)),
        (None, _) => {
            let meant = request.instance.clone();
            Err(match meant {
                Some(instance) => not_attached(request, &instance),
                None => ApiError::missing("InstanceId"),
            })
        }
    }
}

fn not_attached(request: &DetachVolume, instance: &InstanceId) -> ApiError {
    let place = request
        .device
        .as_ref()
        .map(|device| format!(" as device '{device}'"))
        .unwrap_or_default();
    ApiError::client(
        "InvalidAttachment.NotFound",
        format!(
            "The volume '{}' is not attached to instance '{instance}'{place}.",
            request.volume
        ),
    )
}
