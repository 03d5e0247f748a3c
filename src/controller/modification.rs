//! Modifying a volume: what is wanted of its size, type and speed, in as few ModifyVolume as EC2 allows.
//!
//! Answers for: joining what is under way already, sending together what is wanted together, and when the next one is possible.
//! Doesn't answer for: tags, and what RPCs say (`expand`, `modify`).
//!
//! EBS grants a volume few modifications a day, and each only once the one before is completed, which takes minutes to hours. An
//! expansion and a change of the class that come at the same time, as when somebody edits both in one PVC, must not take two. Nobody
//! waits for the other, though: whoever comes first looks at the volume, and sends what both want if the second has come meanwhile.

mod desk;
mod plan;
mod words;

use std::ops::ControlFlow;
use std::time::SystemTime;

use ebs_types::{ModificationState, VolumeId};
use ec2::{Ec2Error, ErrorKind, Modification, ModifyVolume, Outcome, Volume};

pub(super) use self::desk::Desk;
use self::desk::Seat;
use self::plan::difference;
pub(super) use self::plan::{Ask, Shape};
use super::ControllerService;
use super::error::Error;

/// How far a modification is that was asked for.
pub(super) enum Begun {
    /// The volume is as wanted.
    Done(Shape),
    /// EC2 has accepted what leads there: just now, with the modification as it told it, or before.
    UnderWay(Option<Box<Modification>>),
}

/// One RPC's modification of a volume, which has its turn.
pub(super) struct Modifying<'a> {
    service: &'a ControllerService,
    ask: Ask,
    seat: Seat<'a>,
    /// The volume when the turn came.
    pub(super) volume: Volume,
}

impl<'a> Modifying<'a> {
    /// Says what is wanted, waits for the other RPC's turn to end, and looks at the volume.
    ///
    /// # Errors
    /// [`Error::VolumeGone`] and EC2's.
    pub(super) async fn of(
        service: &'a ControllerService,
        id: &VolumeId,
        ask: Ask,
    ) -> Result<Self, Error> {
        let seat = service.modifications.sit(id, ask).await;
        let volume = service.cloud.volume(id).await?;
        if volume.state.is_gone() {
            return Err(Error::VolumeGone { volume: volume.id });
        }
        Ok(Self {
            service,
            ask,
            seat,
            volume,
        })
    }

    /// Brings it about that the volume has, or will have, what is wanted. Returns as soon as EC2 has accepted.
    ///
    /// # Errors
    /// Those of planning and of EC2; [`Error::ModificationUnderWay`] and [`Error::TooSoon`], when nothing of this has been begun.
    pub(super) async fn begin(&self) -> Result<Begun, Error> {
        let is = Shape::of(&self.volume);
        let desk = &self.service.modifications;
        if self.wants(&is)? && !desk.may_be_under_way(&self.volume.id) {
            // Where an earlier modification leads there, or elsewhere, EC2 refuses this one.
            return self.send(&is).await;
        }
        // Size and nothing are sure from the volume alone; its other attributes may be on their way to something else.
        let settled = self.ask.change.is_none_or(|change| change.is_empty());
        if settled && !self.wants(&is)? {
            return Ok(Begun::Done(is));
        }
        let last = self.service.cloud.modification(&self.volume.id).await?;
        let is = Shape::after(&self.volume, last.as_ref());
        if self.wants(&is)? {
            return self.send(&is).await;
        }
        match last {
            Some(last) if last.state == ModificationState::Modifying => Ok(Begun::UnderWay(None)),
            _ => Ok(Begun::Done(is)),
        }
    }

    /// Waits until what was begun can be used: `optimizing` is enough.
    ///
    /// # Errors
    /// [`Error::ModificationFailed`] and EC2's.
    pub(super) async fn finish(&self, begun: Begun) -> Result<Shape, Error> {
        let shape = self.usable(begun).await?;
        self.service.modifications.ended(&self.volume.id);
        Ok(shape)
    }

    async fn usable(&self, begun: Begun) -> Result<Shape, Error> {
        let since = match begun {
            Begun::Done(shape) => return Ok(shape),
            Begun::UnderWay(None) => ec2::Begun::Earlier,
            Begun::UnderWay(Some(accepted)) => match self.look(&accepted) {
                ControlFlow::Break(done) => return done,
                ControlFlow::Continue(()) => ec2::Begun::Now,
            },
        };
        let cloud = &self.service.cloud;
        cloud
            .watch_modification(&self.volume.id, since, |last| self.look(last))
            .await?
    }

    /// What a look at the last modification tells of this one.
    fn look(&self, last: &Modification) -> ControlFlow<Result<Shape, Error>> {
        let to = Shape::led_to(&self.volume, last);
        match (self.wants(&to), last.state) {
            // Another request has led the volume to where this one may not be.
            (Err(error), _) => ControlFlow::Break(Err(error)),
            // The record of an earlier one: EC2 does not show yet what it has accepted.
            (Ok(true), _) | (Ok(false), ModificationState::Modifying) => ControlFlow::Continue(()),
            (Ok(false), ModificationState::Optimizing | ModificationState::Completed) => {
                ControlFlow::Break(Ok(to))
            }
            (Ok(false), ModificationState::Failed) => {
                let why = last.status.clone();
                ControlFlow::Break(Err(Error::ModificationFailed {
                    volume: self.volume.id.clone(),
                    why: why.unwrap_or_else(|| "it gave no reason".to_owned()),
                }))
            }
        }
    }

    /// Whether a volume of this shape lacks anything of what is wanted.
    fn wants(&self, is: &Shape) -> Result<bool, Error> {
        Ok(is.plan(&self.volume, self.ask)? != *is)
    }

    /// Sends what is wanted, and with it what the other RPC wants, if there is one by now.
    async fn send(&self, is: &Shape) -> Result<Begun, Error> {
        let alone = is.plan(&self.volume, self.ask)?;
        // What the other one wants may be impossible: that is for its own call to say.
        let together = self
            .seat
            .others()
            .and_then(|other| is.plan(&self.volume, self.ask.and(other)).ok())
            .filter(|together| *together != alone);
        if let Some(together) = together {
            match self.call(is, &together).await {
                Err(refusal) if spoilt(&refusal) => {}
                result => return self.sent(result).await,
            }
        }
        let result = self.call(is, &alone).await;
        self.sent(result).await
    }

    async fn call(&self, is: &Shape, to: &Shape) -> Result<Modification, Ec2Error> {
        let request: ModifyVolume = difference(&self.volume.id, is, to);
        self.service.modifications.sending(&self.volume.id);
        let accepted = self.service.cloud.modify_volume(&request).await?;
        self.service.modifications.accepted(&self.volume.id);
        Ok(accepted)
    }

    async fn sent(&self, result: Result<Modification, Ec2Error>) -> Result<Begun, Error> {
        match result {
            Ok(accepted) => Ok(Begun::UnderWay(Some(Box::new(accepted)))),
            Err(refusal) => match refusal.kind {
                ErrorKind::ModificationInProgress
                | ErrorKind::IncorrectState
                | ErrorKind::ModificationRateExceeded => self.join(refusal).await,
                _ => Err(refusal.into()),
            },
        }
    }

    /// EC2 refused because of an earlier modification. If that one leads to what is wanted it is this very one, begun by a
    /// request whose answer was lost.
    async fn join(&self, refusal: Ec2Error) -> Result<Begun, Error> {
        let volume = &self.volume.id;
        let Some(last) = self.service.cloud.modification(volume).await? else {
            return Err(refusal.into());
        };
        let is = Shape::after(&self.volume, Some(&last));
        let leads_there = !self.wants(&is)?;
        match last.state {
            ModificationState::Modifying if leads_there => Ok(Begun::UnderWay(None)),
            ModificationState::Optimizing | ModificationState::Completed if leads_there => {
                Ok(Begun::Done(is))
            }
            ModificationState::Modifying | ModificationState::Optimizing => {
                Err(Error::ModificationUnderWay {
                    volume: volume.clone(),
                    state: last.state.as_str(),
                    detail: words::progress(&last, SystemTime::now()),
                })
            }
            ModificationState::Completed | ModificationState::Failed
                if refusal.kind == ErrorKind::ModificationRateExceeded =>
            {
                let oldest = self.service.modifications.oldest_of_a_full_day(volume);
                Err(Error::TooSoon {
                    volume: volume.clone(),
                    wait: words::wait(&last, oldest, SystemTime::now()),
                    error: Box::new(refusal),
                })
            }
            // EC2 does not show yet the one that it speaks of.
            ModificationState::Completed | ModificationState::Failed => Err(refusal.into()),
        }
    }
}

/// Whether EC2 refused what was sent together for what it is: one alone may be possible.
fn spoilt(refusal: &Ec2Error) -> bool {
    refusal.outcome == Outcome::NotDone
        && matches!(
            refusal.kind,
            ErrorKind::InvalidParameter
                | ErrorKind::QuotaExceeded
                | ErrorKind::ModificationSizeLimitExceeded
        )
}
