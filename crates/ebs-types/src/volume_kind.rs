//! Volume types and what each can be given. The figures are EC2's (EBS user guide, "Amazon EBS volume types").

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Gibibytes;

/// The type of an EBS volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum VolumeType {
    /// General purpose SSD, the default.
    Gp3,
    /// General purpose SSD of the previous kind; IOPS follow from the size.
    Gp2,
    /// Provisioned IOPS SSD.
    Io1,
    /// Provisioned IOPS SSD, Block Express.
    Io2,
    /// Throughput optimized HDD.
    St1,
    /// Cold HDD.
    Sc1,
    /// Magnetic, previous generation.
    Standard,
}

/// A type that EBS does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a volume type: use one of gp3, gp2, io1, io2, st1, sc1, standard")]
pub struct UnknownVolumeType {
    /// What was given.
    pub value: String,
}

impl VolumeType {
    /// Every type, the default first.
    pub const ALL: [Self; 7] = [
        Self::Gp3,
        Self::Gp2,
        Self::Io1,
        Self::Io2,
        Self::St1,
        Self::Sc1,
        Self::Standard,
    ];

    /// EC2's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gp3 => "gp3",
            Self::Gp2 => "gp2",
            Self::Io1 => "io1",
            Self::Io2 => "io2",
            Self::St1 => "st1",
            Self::Sc1 => "sc1",
            Self::Standard => "standard",
        }
    }

    /// The sizes on offer in the regions that offer most; EC2 has the last word in each.
    #[must_use]
    pub fn sizes(self) -> RangeInclusive<Gibibytes> {
        let (min, max) = match self {
            Self::Gp3 => (1, 65_536),
            Self::Gp2 => (1, 16_384),
            Self::Io1 => (4, 16_384),
            Self::Io2 => (4, 65_536),
            Self::St1 | Self::Sc1 => (125, 16_384),
            Self::Standard => (1, 1_024),
        };
        Gibibytes(min)..=Gibibytes(max)
    }

    /// The IOPS that can be asked for, where they can be asked for at all.
    #[must_use]
    pub fn iops(self) -> Option<RangeInclusive<u32>> {
        match self {
            Self::Gp3 => Some(3_000..=80_000),
            Self::Io1 => Some(100..=64_000),
            Self::Io2 => Some(100..=256_000),
            Self::Gp2 | Self::St1 | Self::Sc1 | Self::Standard => None,
        }
    }

    /// The most IOPS per GiB, where they can be asked for.
    #[must_use]
    pub fn iops_per_gib(self) -> Option<u32> {
        match self {
            Self::Gp3 => Some(500),
            Self::Io1 => Some(50),
            Self::Io2 => Some(1_000),
            Self::Gp2 | Self::St1 | Self::Sc1 | Self::Standard => None,
        }
    }

    /// The IOPS of a volume of `size` that is to have `per_gib` for each GiB: no more than the type takes in all and per GiB, and
    /// where that is fewer than the type's least, the least if `raise`.
    ///
    /// # Errors
    /// [`InvalidKind::NotOffered`]; [`InvalidKind::TooFewPerGib`] unless `raise`.
    pub fn iops_for(self, per_gib: u32, size: Gibibytes, raise: bool) -> Result<u32, InvalidKind> {
        let (Some(allowed), Some(ratio)) = (self.iops(), self.iops_per_gib()) else {
            return Err(InvalidKind::NotOffered {
                setting: "iopsPerGB",
                value: per_gib,
                volume_type: self,
                instead: Self::Gp3,
            });
        };
        let least = *allowed.start();
        let iops = per_gib.saturating_mul(size.0);
        if iops < least && !raise {
            return Err(InvalidKind::TooFewPerGib {
                per_gib,
                iops,
                size,
                volume_type: self,
                least,
            });
        }
        let most = ratio.saturating_mul(size.0).min(*allowed.end());
        Ok(iops.min(most).max(least))
    }

    /// Whether this much can be asked of the type at all.
    ///
    /// # Errors
    /// [`InvalidKind::NotOffered`] and [`InvalidKind::OutOfRange`].
    pub fn check(self, asked: Performance) -> Result<(), InvalidKind> {
        check("iops", asked.iops, self, self.iops())?;
        check("throughput", asked.throughput, self, self.throughput())?;
        Ok(())
    }

    /// The throughput that can be asked for, in MiB/s, where it can be asked for at all.
    #[must_use]
    pub fn throughput(self) -> Option<RangeInclusive<u32>> {
        (self == Self::Gp3).then_some(125..=2_000)
    }
}

impl FromStr for VolumeType {
    type Err = UnknownVolumeType;

    fn from_str(text: &str) -> Result<Self, UnknownVolumeType> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownVolumeType {
                value: text.to_owned(),
            })
    }
}

impl fmt::Display for VolumeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A volume type together with what can be asked of that type, so that throughput on gp2 cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeKind {
    /// gp3; what is left out is EC2's baseline: 3,000 IOPS and 125 MiB/s.
    Gp3 {
        /// Provisioned IOPS.
        iops: Option<u32>,
        /// Provisioned throughput in MiB/s.
        throughput: Option<u32>,
    },
    /// gp2.
    Gp2,
    /// io1.
    Io1 {
        /// Provisioned IOPS.
        iops: u32,
    },
    /// io2.
    Io2 {
        /// Provisioned IOPS.
        iops: u32,
    },
    /// st1.
    St1,
    /// sc1.
    Sc1,
    /// standard.
    Standard,
}

/// What a user may ask of a volume's speed, before it is known whether its type offers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Performance {
    /// Provisioned IOPS.
    pub iops: Option<u32>,
    /// Provisioned throughput in MiB/s.
    pub throughput: Option<u32>,
}

/// What was asked for can never be had of this volume type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKind {
    /// The type does not take this setting.
    #[error(
        "{setting}={value} cannot be set on a volume of type {volume_type}: leave it out or use type {instead}"
    )]
    NotOffered {
        /// `iops` or `throughput`.
        setting: &'static str,
        /// What was given.
        value: u32,
        /// The type.
        volume_type: VolumeType,
        /// A type that takes the setting.
        instead: VolumeType,
    },
    /// The setting is outside every region's limits.
    #[error("{setting}={value} is out of range for a volume of type {volume_type}: {} to {} are allowed", .allowed.start(), .allowed.end())]
    OutOfRange {
        /// `iops` or `throughput`.
        setting: &'static str,
        /// What was given.
        value: u32,
        /// The type.
        volume_type: VolumeType,
        /// What is allowed.
        allowed: RangeInclusive<u32>,
    },
    /// So many IOPS per GiB make too few for a volume of this size.
    #[error(
        "iopsPerGB={per_gib} makes {iops} IOPS for {size}, and a volume of type {volume_type} has {least} at least: \
         ask for more, or set allowAutoIOPSPerGBIncrease=true"
    )]
    TooFewPerGib {
        /// What was given.
        per_gib: u32,
        /// What comes of it.
        iops: u32,
        /// The volume's size.
        size: Gibibytes,
        /// The type.
        volume_type: VolumeType,
        /// The least that the type has.
        least: u32,
    },
    /// The type cannot be made without IOPS.
    #[error("iops is required for a volume of type {volume_type}: set it to {} to {}", .allowed.start(), .allowed.end())]
    IopsRequired {
        /// The type.
        volume_type: VolumeType,
        /// What is allowed.
        allowed: RangeInclusive<u32>,
    },
}

impl VolumeKind {
    /// Joins a type and what is asked of its speed.
    ///
    /// # Errors
    /// [`InvalidKind`] where the two can go together in no region.
    pub fn new(volume_type: VolumeType, asked: Performance) -> Result<Self, InvalidKind> {
        let iops = check("iops", asked.iops, volume_type, volume_type.iops())?;
        let throughput = check(
            "throughput",
            asked.throughput,
            volume_type,
            volume_type.throughput(),
        )?;
        let required = || {
            iops.ok_or_else(|| InvalidKind::IopsRequired {
                volume_type,
                allowed: volume_type.iops().unwrap_or(0..=0),
            })
        };
        Ok(match volume_type {
            VolumeType::Gp3 => Self::Gp3 { iops, throughput },
            VolumeType::Gp2 => Self::Gp2,
            VolumeType::Io1 => Self::Io1 { iops: required()? },
            VolumeType::Io2 => Self::Io2 { iops: required()? },
            VolumeType::St1 => Self::St1,
            VolumeType::Sc1 => Self::Sc1,
            VolumeType::Standard => Self::Standard,
        })
    }

    /// The type alone.
    #[must_use]
    pub fn volume_type(self) -> VolumeType {
        match self {
            Self::Gp3 { .. } => VolumeType::Gp3,
            Self::Gp2 => VolumeType::Gp2,
            Self::Io1 { .. } => VolumeType::Io1,
            Self::Io2 { .. } => VolumeType::Io2,
            Self::St1 => VolumeType::St1,
            Self::Sc1 => VolumeType::Sc1,
            Self::Standard => VolumeType::Standard,
        }
    }

    /// The provisioned IOPS, if any were asked for.
    #[must_use]
    pub fn iops(self) -> Option<u32> {
        match self {
            Self::Gp3 { iops, .. } => iops,
            Self::Io1 { iops } | Self::Io2 { iops } => Some(iops),
            Self::Gp2 | Self::St1 | Self::Sc1 | Self::Standard => None,
        }
    }

    /// The provisioned throughput in MiB/s, if any was asked for.
    #[must_use]
    pub fn throughput(self) -> Option<u32> {
        match self {
            Self::Gp3 { throughput, .. } => throughput,
            _ => None,
        }
    }
}

fn check(
    setting: &'static str,
    value: Option<u32>,
    volume_type: VolumeType,
    allowed: Option<RangeInclusive<u32>>,
) -> Result<Option<u32>, InvalidKind> {
    match (value, allowed) {
        (None, _) => Ok(None),
        (Some(value), None) => Err(InvalidKind::NotOffered {
            setting,
            value,
            volume_type,
            instead: VolumeType::Gp3,
        }),
        (Some(value), Some(allowed)) if allowed.contains(&value) => Ok(Some(value)),
        (Some(value), Some(allowed)) => Err(InvalidKind::OutOfRange {
            setting,
            value,
            volume_type,
            allowed,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(
        volume_type: VolumeType,
        iops: Option<u32>,
        throughput: Option<u32>,
    ) -> Result<VolumeKind, InvalidKind> {
        VolumeKind::new(volume_type, Performance { iops, throughput })
    }

    #[test]
    fn types_take_what_they_offer() {
        assert_eq!(
            kind(VolumeType::Gp3, Some(4_000), Some(500)).unwrap(),
            VolumeKind::Gp3 {
                iops: Some(4_000),
                throughput: Some(500)
            }
        );
        assert_eq!(
            kind(VolumeType::Io2, Some(100), None).unwrap().iops(),
            Some(100)
        );
        assert_eq!(kind(VolumeType::Gp2, None, None).unwrap(), VolumeKind::Gp2);
    }

    #[test]
    fn refusals_name_setting_value_and_way_out() {
        let text = |result: Result<VolumeKind, InvalidKind>| result.unwrap_err().to_string();
        assert_eq!(
            text(kind(VolumeType::Gp2, None, Some(125))),
            "throughput=125 cannot be set on a volume of type gp2: leave it out or use type gp3"
        );
        assert_eq!(
            text(kind(VolumeType::Gp3, Some(100), None)),
            "iops=100 is out of range for a volume of type gp3: 3000 to 80000 are allowed"
        );
        assert_eq!(
            text(kind(VolumeType::Io1, None, None)),
            "iops is required for a volume of type io1: set it to 100 to 64000"
        );
    }

    #[test]
    fn iops_per_gib_stay_within_what_the_type_takes() {
        let iops = |volume_type: VolumeType, per_gib, size, raise| {
            volume_type.iops_for(per_gib, Gibibytes(size), raise)
        };
        assert_eq!(iops(VolumeType::Io1, 50, 100, false), Ok(5_000));
        assert_eq!(iops(VolumeType::Io1, 500, 100, false), Ok(5_000));
        assert_eq!(iops(VolumeType::Io2, 1_000, 1_000, false), Ok(256_000));
        assert_eq!(iops(VolumeType::Gp3, 10, 100, true), Ok(3_000));
        assert_eq!(iops(VolumeType::Gp3, 5_000, 1, false), Ok(3_000));
        let words = iops(VolumeType::Io2, 2, 4, false).unwrap_err().to_string();
        assert!(words.contains("allowAutoIOPSPerGBIncrease"), "{words}");
        assert!(iops(VolumeType::Gp2, 3, 100, true).is_err());
    }

    #[test]
    fn spellings_are_read_back() {
        for volume_type in VolumeType::ALL {
            assert_eq!(
                volume_type.as_str().parse::<VolumeType>().unwrap(),
                volume_type
            );
        }
        assert!("GP3".parse::<VolumeType>().is_err());
    }
}
