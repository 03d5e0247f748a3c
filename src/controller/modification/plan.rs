//! What a volume is, what is asked of it, and what it becomes: no calls.

use ebs_types::{
    CapacityRange, Gibibytes, InvalidKind, ModificationState, Performance, VolumeId, VolumeType,
    keys,
};
use ec2::{Modification, ModifyVolume, Volume};

use crate::controller::error::Error;
use crate::controller::speed::Speed;
use crate::status::InvalidRequest;

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
        match last.filter(|last| last.state != ModificationState::Failed) {
            None => Self::of(volume),
            Some(last) => Self::led_to(volume, last),
        }
    }

    /// To what a modification of this volume leads, or would have led.
    pub(super) fn led_to(volume: &Volume, last: &Modification) -> Self {
        let is = Self::of(volume);
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
    /// [`Error::WouldShrink`], [`Error::OutOfRange`], [`Error::Kind`] and [`Error::Invalid`]: what EC2 would take in no region.
    pub(super) fn plan(&self, volume: &Volume, ask: Ask) -> Result<Self, Error> {
        let change = ask.change.unwrap_or_default();
        let volume_type = change.volume_type.unwrap_or(self.volume_type);
        if volume.multi_attach && volume_type != self.volume_type {
            return Err(keeps_its_type(volume, volume_type).into());
        }
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

/// EBS user guide, "Multi-Attach": the type cannot be modified while it is enabled.
fn keeps_its_type(volume: &Volume, wanted: VolumeType) -> InvalidRequest {
    InvalidRequest::value(
        "mutable_parameters.type",
        wanted.as_str(),
        format!(
            "volume {} has Multi-Attach and stays {}: leave the type out, or restore a snapshot of it with the type that is wanted",
            volume.id, volume.volume_type
        ),
    )
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::SystemTime;

    use ebs_types::VolumeState;
    use proptest::prelude::*;

    use super::*;
    use crate::controller::speed::Iops;

    fn volume(tags: BTreeMap<String, String>) -> Volume {
        Volume {
            id: "vol-00000001".parse().unwrap(),
            state: VolumeState::InUse,
            zone: "eu-central-1a".parse().unwrap(),
            outpost: None,
            size: Gibibytes(100),
            volume_type: VolumeType::Gp3,
            iops: Some(3_000),
            throughput: Some(125),
            encrypted: false,
            kms_key: None,
            snapshot: None,
            copy_of: None,
            multi_attach: false,
            attachments: vec![],
            tags,
            created: SystemTime::UNIX_EPOCH,
        }
    }

    fn types() -> impl Strategy<Value = VolumeType> {
        proptest::sample::select(VolumeType::ALL.to_vec())
    }

    fn speeds() -> impl Strategy<Value = Speed> {
        let iops = prop_oneof![
            (1_u32..300_000).prop_map(Iops::Fixed),
            (1_u32..2_000).prop_map(Iops::PerGib)
        ];
        let some = proptest::option::of::<BoxedStrategy<Iops>>;
        (
            proptest::option::of(types()),
            some(iops.boxed()),
            proptest::option::of(100_u32..2_100),
            any::<Option<bool>>(),
        )
            .prop_map(|(volume_type, iops, throughput, grows)| Speed {
                volume_type,
                iops,
                throughput,
                grows,
            })
    }

    proptest! {
        /// What every look relies on: a volume that was given what is asked for wants nothing more.
        #[test]
        fn what_was_done_is_done(
            change in proptest::option::of(speeds()),
            gib in proptest::option::of(1_i64..20_000),
            from in types(),
            ratio in proptest::option::of(1_u32..2_000),
        ) {
            let marks = ratio.map(|ratio| [
                (keys::IOPS_GROW.to_owned(), "true".to_owned()),
                (keys::IOPS_PER_GIB.to_owned(), ratio.to_string()),
            ]);
            let volume = volume(marks.into_iter().flatten().collect());
            let grow = gib.map(|gib| CapacityRange::new(gib << 30, 0).unwrap());
            let is = Shape { volume_type: from, ..Shape::of(&volume) };
            if let Ok(to) = is.plan(&volume, Ask { grow, change }) {
                prop_assert!(to.size >= is.size);
                prop_assert_eq!(to.plan(&volume, Ask { grow, change }).unwrap(), to.clone());
                for alone in [Ask { grow, change: None }, Ask { grow: None, change }] {
                    prop_assert_eq!(to.plan(&volume, alone).unwrap(), to.clone());
                }
            }
        }
    }

    #[test]
    fn the_call_names_what_differs() {
        let volume = volume(BTreeMap::new());
        let is = Shape::of(&volume);
        let faster = Shape {
            iops: Some(4_000),
            ..is.clone()
        };
        let call = difference(&volume.id, &is, &faster);
        assert_eq!((call.size, call.volume_type), (None, None));
        let (iops, throughput) = (Some(4_000), None);
        assert_eq!(call.performance, Performance { iops, throughput });
    }
}
