//! What a StorageClass or VolumeAttributesClass asks of a volume's type and speed.

use ebs_types::{Gibibytes, InvalidKind, Performance, VolumeType};

use super::params::Parameters;
use crate::status::InvalidRequest;

/// The switch that makes IOPS grow with the size.
pub(super) const GROWS: &str = "allowAutoIOPSIncreaseOnModify";

/// IOPS as they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Iops {
    /// So many. More than the type takes is refused.
    Fixed(u32),
    /// So many for each GiB, as far as the type takes them.
    PerGib(u32),
}

/// What is asked; what is left out stays as it is, or is EC2's default for a new volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Speed {
    pub(super) volume_type: Option<VolumeType>,
    pub(super) iops: Option<Iops>,
    /// In MiB/s.
    pub(super) throughput: Option<u32>,
    /// Whether the IOPS grow with the size when the volume is expanded.
    pub(super) grows: Option<bool>,
}

/// Which spellings of the type's key a map may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TypeKeys {
    /// `type` alone: StorageClasses.
    Current,
    /// The deprecated `volumeType` too: VolumeAttributesClasses.
    WithDeprecated,
}

impl Speed {
    /// Takes the keys that are about it.
    ///
    /// # Errors
    /// [`InvalidRequest`] where a value cannot be read, or `iops` and `iopsPerGB` are both given.
    pub(super) fn take(map: &mut Parameters, keys: TypeKeys) -> Result<Self, InvalidRequest> {
        const TYPES: &str = "use one of gp3, gp2, io1, io2, st1, sc1, standard";
        let current = map.take_parsed("type", TYPES)?;
        let deprecated = match keys {
            TypeKeys::Current => None,
            TypeKeys::WithDeprecated => map.take_parsed("volumeType", TYPES)?,
        };
        let fixed = map.take_parsed("iops", "give a whole number of operations per second")?;
        let per_gib = map.take_parsed(
            "iopsPerGB",
            "give a whole number of operations per second for each GiB",
        )?;
        let iops = match (fixed, per_gib) {
            (Some(iops), Some(ratio)) => {
                return Err(InvalidRequest::value(
                    map.field(),
                    format!("iops={iops}, iopsPerGB={ratio}"),
                    "these exclude each other; keep one of them",
                ));
            }
            (Some(iops), None) => Some(Iops::Fixed(iops)),
            (None, Some(ratio)) => Some(Iops::PerGib(ratio)),
            (None, None) => None,
        };
        Ok(Self {
            volume_type: current.or(deprecated),
            iops,
            throughput: map.take_parsed("throughput", "give a whole number of MiB per second")?,
            grows: map.take_parsed(GROWS, "use true or false")?,
        })
    }

    /// This, and where it says nothing what `below` says. IOPS and throughput that `below` asks of another type don't count, as
    /// they wouldn't if a volume made by `below` were modified to this.
    pub(super) fn over(self, below: Self) -> Self {
        let types = [self.volume_type, below.volume_type].map(|t| t.unwrap_or(VolumeType::Gp3));
        let same = self.volume_type.is_none() || types.first() == types.last();
        Self {
            volume_type: self.volume_type.or(below.volume_type),
            iops: self.iops.or(below.iops.filter(|_| same)),
            throughput: self.throughput.or(below.throughput.filter(|_| same)),
            grows: self.grows.or(below.grows),
        }
    }

    /// Whether it asks for nothing of EC2's ModifyVolume.
    pub(super) fn is_empty(self) -> bool {
        self.volume_type.is_none() && self.iops.is_none() && self.throughput.is_none()
    }

    /// In figures, for a volume of this type and size. IOPS per GiB are raised to the type's least if `raise`.
    ///
    /// # Errors
    /// [`InvalidKind`] where the type can be asked for them in no region.
    pub(super) fn figures(
        self,
        volume_type: VolumeType,
        size: Gibibytes,
        raise: bool,
    ) -> Result<Performance, InvalidKind> {
        let iops = match self.iops {
            None => None,
            Some(Iops::Fixed(iops)) => Some(iops),
            Some(Iops::PerGib(ratio)) => Some(volume_type.iops_for(ratio, size, raise)?),
        };
        let asked = Performance {
            iops,
            throughput: self.throughput,
        };
        volume_type.check(asked)?;
        Ok(asked)
    }

    /// The IOPS for each GiB, if that is how they are asked for.
    pub(super) fn per_gib(self) -> Option<u32> {
        match self.iops {
            Some(Iops::PerGib(ratio)) => Some(ratio),
            Some(Iops::Fixed(_)) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speed(map: &[(&str, &str)]) -> Result<Speed, String> {
        let map = map
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let mut map = Parameters::new("mutable_parameters", &map).unwrap();
        let speed = Speed::take(&mut map, TypeKeys::WithDeprecated).map_err(|e| e.to_string())?;
        map.finish().map_err(|e| e.to_string())?;
        Ok(speed)
    }

    #[test]
    fn keys_are_read_in_any_case() {
        let read = speed(&[
            ("VOLUMETYPE", "io2"),
            ("iopspergb", "7"),
            ("AllowAutoIOPSIncreaseOnModify", "True"),
        ])
        .unwrap();
        let expected = Speed {
            volume_type: Some(VolumeType::Io2),
            iops: Some(Iops::PerGib(7)),
            throughput: None,
            grows: Some(true),
        };
        assert_eq!(read, expected);
        let both = speed(&[("volumeType", "io2"), ("type", "gp3")]).unwrap();
        assert_eq!(both.volume_type, Some(VolumeType::Gp3));
    }

    #[test]
    fn two_kinds_of_iops_are_refused() {
        let words = speed(&[("iops", "4000"), ("iopsPerGB", "5")]).unwrap_err();
        assert!(words.contains("exclude each other"), "{words}");
    }

    #[test]
    fn what_another_type_was_asked_for_does_not_count() {
        let class = speed(&[("type", "io2"), ("iops", "10000")]).unwrap();
        let to_gp3 = speed(&[("type", "gp3"), ("throughput", "250")]).unwrap();
        assert_eq!(to_gp3.over(class), to_gp3);
        let faster = speed(&[("iops", "20000")]).unwrap();
        let expected = speed(&[("type", "io2"), ("iops", "20000")]).unwrap();
        assert_eq!(faster.over(class), expected);
        // A StorageClass that names no type means gp3.
        let class = speed(&[("throughput", "250")]).unwrap();
        let named = speed(&[("type", "gp3"), ("iops", "4000")]).unwrap();
        assert_eq!(named.over(class).throughput, Some(250));
    }
}
