//! What becomes of a volume that EC2 has accepted to make.
//!
//! Answers for: waiting until it can be used, in as few looks as there can be; deleting what nobody may keep: a double of an older
//! volume, and one that EC2 failed to make. Doesn't answer for: the call that made it.

use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use ebs_types::{VolumeId, VolumeState};
use ec2::{Begun, Change, Ec2Error, ErrorKind, Volume};

use super::{Creation, Made};
use crate::controller::error::Error;

/// How old a volume can be at most that a call has just made. AWS refuses requests of clocks that are more than 5 minutes off.
const FRESH: Duration = Duration::from_secs(15 * 60);

/// What became of a volume that was watched.
pub(super) enum Fate {
    Ready(Box<Volume>),
    Errored,
    /// Gone; whether it was seen alive before.
    Gone {
        seen: bool,
    },
}

/// What looks by name have shown.
enum Named {
    /// An older volume of the name; whether ours is listed too.
    Double { oldest: Box<Volume>, listed: bool },
    /// Ours is the oldest, or the only one.
    Alone(Fate),
    /// Ours is not shown, or no more; whether it was.
    Unlisted { seen: bool },
}

impl Creation<'_> {
    /// EC2 accepted. Is it the only one of its name, and does it become usable?
    pub(super) async fn settle(&self, made: Volume) -> Result<Made, Error> {
        let fate = match self.watch_name(&made).await? {
            Named::Double { oldest, listed } => {
                self.drop_double(&made, &oldest, listed).await?;
                return self.adopt(*oldest).await.map(Made::of);
            }
            Named::Alone(fate) => fate,
            // EC2's filters are the last to learn of a change: by their ids volumes are shown earlier.
            Named::Unlisted { seen } => self.watch(&made.id, seen).await?,
        };
        match fate {
            Fate::Ready(volume) => {
                self.service.keys.worked(volume.kms_key.as_deref());
                Ok(Made::Volume(volume))
            }
            Fate::Errored => {
                self.clean_up(&made.id).await?;
                Err(self.failed(&made, "its state became error"))
            }
            Fate::Gone { seen: true } => {
                self.service.volumes.roll(&self.spec.name);
                Err(self.failed(&made, "it vanished while it was being made"))
            }
            Fate::Gone { seen: false } => {
                self.service.keys.failed(made.kms_key.as_deref());
                match self.existing().await? {
                    Some(volume) => self.adopt(volume).await.map(Made::of),
                    None => Ok(Made::TokenBurnt),
                }
            }
        }
    }

    /// Looks by name, which shows doubles too, until the volume can be used, or what is to be done about it is known.
    async fn watch_name(&self, made: &Volume) -> Result<Named, Error> {
        let mut seen = false;
        let begun = match is_ready(made) || !self.service.keys.is_trusted(made.kms_key.as_deref()) {
            true => Begun::NowInDoubt,
            false => Begun::Now,
        };
        let looked = self
            .service
            .cloud
            .watch_volumes_named(&self.spec.name, begun, |named| {
                let mine = named.iter().find(|volume| volume.id == made.id);
                let mut alive = named
                    .iter()
                    .filter(|volume| volume.state != VolumeState::Error);
                match (alive.next(), mine) {
                    (Some(oldest), _) if oldest.id != made.id => {
                        ControlFlow::Break(Named::Double {
                            oldest: Box::new(oldest.clone()),
                            listed: mine.is_some(),
                        })
                    }
                    (_, None) => ControlFlow::Break(Named::Unlisted { seen }),
                    (_, Some(mine)) => {
                        seen = true;
                        fate(mine, seen).map_break(Named::Alone)
                    }
                }
            });
        looked.await.map_err(|error| self.in_doubt(error))
    }

    /// Deletes what this call made, since an older volume of the name exists. A dead id of a burnt token is none to delete,
    /// and what is attached, or was made by a call of long ago, may be in use by somebody who was given it then.
    async fn drop_double(&self, made: &Volume, kept: &Volume, listed: bool) -> Result<(), Error> {
        if !is_fresh(made) {
            tracing::warn!(volume.name = %self.spec.name, volume.id = %made.id, kept = %kept.id, "leaving a double of an older volume to its user");
            return Ok(());
        }
        if !listed {
            match self.service.cloud.volume(&made.id).await {
                Ok(volume) if !volume.state.is_gone() && volume.created >= kept.created => {}
                Ok(_) => return Ok(()),
                Err(error) if error.is_not_found() => return Ok(()),
                Err(error) => return Err(self.in_doubt(error)),
            }
        }
        tracing::warn!(volume.name = %self.spec.name, volume.id = %made.id, kept = %kept.id, "deleting a double of an older volume");
        match self.service.cloud.delete_volume(&made.id).await {
            Err(error) if error.kind == ErrorKind::VolumeInUse => Ok(()),
            result => self.deleted(result),
        }
    }

    /// Removes a volume that EC2 failed to make, and its token with it.
    pub(super) async fn clean_up(&self, id: &VolumeId) -> Result<(), Error> {
        tracing::warn!(volume.name = %self.spec.name, volume.id = %id, "deleting a volume that could not be made");
        let result = self.service.cloud.delete_volume(id).await;
        self.deleted(result)?;
        self.service.volumes.roll(&self.spec.name);
        Ok(())
    }

    fn deleted(&self, result: Result<(), Ec2Error>) -> Result<(), Error> {
        match result {
            Err(error) if !error.is_not_found() => Err(self.in_doubt(error)),
            _ => Ok(()),
        }
    }

    pub(super) async fn watch(&self, id: &VolumeId, mut seen: bool) -> Result<Fate, Error> {
        let cloud = &self.service.cloud;
        let looked = cloud.watch_volume(id, Change::Made, Begun::Earlier, |volume| {
            seen |= volume.state == VolumeState::Creating;
            fate(volume, seen)
        });
        match looked.await {
            Ok(fate) => Ok(fate),
            Err(error) if error.is_not_found() => Ok(Fate::Gone { seen }),
            Err(error) => Err(self.in_doubt(error)),
        }
    }

    fn failed(&self, made: &Volume, how: &'static str) -> Error {
        let (name, volume) = (self.spec.name.clone(), made.id.clone());
        match made.kms_key.clone() {
            Some(key) => Error::KeyRefused {
                name,
                volume,
                key,
                how,
            },
            None => Error::CreationFailed { name, volume, how },
        }
    }
}

/// What a look tells of a volume that is being made.
fn fate(volume: &Volume, seen: bool) -> ControlFlow<Fate> {
    match volume.state {
        VolumeState::Creating => ControlFlow::Continue(()),
        VolumeState::Available | VolumeState::InUse => {
            ControlFlow::Break(Fate::Ready(Box::new(volume.clone())))
        }
        VolumeState::Error => ControlFlow::Break(Fate::Errored),
        VolumeState::Deleting | VolumeState::Deleted => ControlFlow::Break(Fate::Gone { seen }),
    }
}

/// Whether a volume can be used.
pub(super) fn is_ready(volume: &Volume) -> bool {
    matches!(volume.state, VolumeState::Available | VolumeState::InUse)
}

/// Whether a call of these minutes made the volume.
fn is_fresh(volume: &Volume) -> bool {
    let age = SystemTime::now().duration_since(volume.created);
    // Made in the future: EC2's clock is ahead of ours.
    age.unwrap_or_default() < FRESH
}
