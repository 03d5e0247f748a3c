//! What a volume is, what is asked of it, and what it becomes: no calls.

use ebs_types::{
    CapacityRange, Gibibytes, InvalidKind, ModificationState, Performance, VolumeId, VolumeType,
    keys,
};
use ec2::{Modification, ModifyVolume, Volume};

use crate::controller::error::Error;
use crate::controller::speed::Speed;

/// What is wanted of a volume. An expansion asks for a size, a change of the class for the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) grow: Option<CapacityRange>,
    pub(crate) change: Option<Speed>,
}

impl Ask {
    /// A size.
    pub(crate) fn grow(range: CapacityRange) -> Self {
        Self {
            grow: Some(range),
            change: None,
        }
    }

    /// Type and speed.
    pub(crate) fn change(speed: Speed) -> Self {
        Self {
            grow: None,
            change: Some(speed),
        }
    }

    /// Both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            grow: self.grow.or(other.grow),
            change: self.change.or(other.change),
        }
    }
}

/// What ModifyVolume can change of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) size: Gibibytes,
    volume_type: VolumeType,
    /// `None` where EC2 states none, or decides by itself.
    iops: Option<u32>,
    throughput: Option<u32>,
}

impl Shape {
    /// As the volume is described.
    pub(super) fn of(volume: &Volume) -> Self {
        Self {
            size: volume.size,
            volume_type: volume.volume_type,
            iops: volume.iops,
            throughput: volume.throughput,
        }
    }

    /// As the volume is, or will be once its last modification is done: that knows earlier than the volume's description.
    pub(super) fn after(volume: &Volume, last: Option<&Modification>) -> Self {
        let is = Self::of(volume);
        let Some(last) = last.filter(|last| last.state != ModificationState::Failed) else {
            return is;
        };
        let known = last.target_type.is_some();
        Self {
            // A size never shrinks, so the larger one is the later one.
            size: is.size.max(last.target_size),
            volume_type: last.target_type.unwrap_or(is.volume_type),
            iops: if known { last.target_iops } else { is.iops },
            throughput: if known {
                last.target_throughput
            } else {
                is.throughput
            },
        }
    }

    /// What becomes of it if that is asked; itself where there is nothing to change.
    ///
    /// # Errors
    /// [`Error::WouldShrink`], [`Error::OutOfRange`] and [`Error::Kind`]: what EC2 would take in no region.
    pub(super) fn plan(&self, volume: &Volume, ask: Ask) -> Result<Self, Error> {
        let change = ask.change.unwrap_or_default();
        let volume_type = change.volume_type.unwrap_or(self.volume_type);
        let size = match ask.grow {
            None => self.size,
            Some(range) => self.grown(&volume.id, volume_type, range)?,
        };
        let mut figures = change.figures(volume_type, size, true)?;
        let stays = volume_type == self.volume_type;
        if change.iops.is_none() && stays && size > self.size {
            figures.iops = self.grown_iops(volume, change, size)?;
        }
        Ok(Self {
            size,
            volume_type,
            iops: figures.iops.or(self.iops.filter(|_| stays)),
            throughput: figures.throughput.or(self.throughput.filter(|_| stays)),
        })
    }

    /// The size to have: the present one where that is enough.
    fn grown(
        &self,
        volume: &VolumeId,
        volume_type: VolumeType,
        range: CapacityRange,
    ) -> Result<Gibibytes, Error> {
        if range.limit().is_some_and(|limit| limit < self.size.bytes()) {
            return Err(Error::WouldShrink {
                volume: volume.clone(),
                size: self.size,
            });
        }
        // Whatever the type's limit: a volume that has its size has it.
        let max = (*volume_type.sizes().end()).max(self.size);
        Ok(range.pick(self.size, self.size, max)?)
    }

    /// The IOPS after an expansion of a volume that is marked as one whose IOPS grow with it. They never become fewer.
    fn grown_iops(
        &self,
        volume: &Volume,
        change: Speed,
        size: Gibibytes,
    ) -> Result<Option<u32>, InvalidKind> {
        let tag = |key: &str| volume.tags.get(key).map(String::as_str);
        let marked = tag(keys::IOPS_GROW) == Some("true");
        let ratio = tag(keys::IOPS_PER_GIB).and_then(|ratio| ratio.parse().ok());
        let Some(ratio) = ratio.filter(|_| change.grows.unwrap_or(marked)) else {
            return Ok(None);
        };
        // The mark of a volume that has become another type since.
        if self.volume_type.iops().is_none() {
            return Ok(None);
        }
        let iops = self.volume_type.iops_for(ratio, size, true)?;
        Ok(Some(iops.max(self.iops.unwrap_or_default())))
    }
}

/// The call that makes one of the other: it names what differs. A new type says anew what it is to have.
pub(super) fn difference(volume: &VolumeId, is: &Shape, to: &Shape) -> ModifyVolume {
    let other_type = is.volume_type != to.volume_type;
    ModifyVolume {
        volume: volume.clone(),
        size: (is.size != to.size).then_some(to.size),
        volume_type: other_type.then_some(to.volume_type),
        performance: Performance {
            iops: to.iops.filter(|_| other_type || is.iops != to.iops),
            throughput: to
                .throughput
                .filter(|_| other_type || is.throughput != to.throughput),
        },
    }
}
