//! CSI's `CapacityRange` and the one whole number of GiB that is chosen from it.

use crate::{Bytes, Gibibytes};

/// What a caller allows a volume's size to be (CSI spec, `CapacityRange`): both ends in bytes, both optional.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapacityRange {
    required: Option<Bytes>,
    limit: Option<Bytes>,
}

/// No whole number of GiB fits the range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfRange {
    /// One of the fields is negative.
    #[error("capacity_range.{field} is {value}: it must not be negative; 0 means unset")]
    Negative {
        /// `required_bytes` or `limit_bytes`.
        field: &'static str,
        /// What was given.
        value: i64,
    },
    /// The limit is below the requirement.
    #[error(
        "capacity_range.limit_bytes ({limit}) is below required_bytes ({required}): raise the limit or ask for less"
    )]
    Empty {
        /// The lower end.
        required: Bytes,
        /// The upper end.
        limit: Bytes,
    },
    /// The range holds no whole number of GiB of what is allowed.
    #[error(
        "capacity_range allows nothing that EBS offers here: required {required}, limit {limit}, offered {min} to {max} in steps of 1 GiB"
    )]
    NoFit {
        /// The lower end, 0 if unset.
        required: Bytes,
        /// The upper end, as text because it may be unset.
        limit: String,
        /// The smallest size on offer.
        min: Gibibytes,
        /// The largest size on offer.
        max: Gibibytes,
    },
}

impl CapacityRange {
    /// Reads the two fields of the message; 0 means unset.
    ///
    /// # Errors
    /// [`OutOfRange::Negative`] and [`OutOfRange::Empty`].
    pub fn new(required: i64, limit: i64) -> Result<Self, OutOfRange> {
        let range = Self {
            required: read("required_bytes", required)?,
            limit: read("limit_bytes", limit)?,
        };
        match (range.required, range.limit) {
            (Some(required), Some(limit)) if limit < required => {
                Err(OutOfRange::Empty { required, limit })
            }
            _ => Ok(range),
        }
    }

    /// The lower end, if set.
    #[must_use]
    pub fn required(self) -> Option<Bytes> {
        self.required
    }

    /// The upper end, if set.
    #[must_use]
    pub fn limit(self) -> Option<Bytes> {
        self.limit
    }

    /// Whether a volume of this size satisfies the range.
    #[must_use]
    pub fn allows(self, size: Bytes) -> bool {
        self.required.is_none_or(|required| size >= required)
            && self.limit.is_none_or(|limit| size <= limit)
    }

    /// The size to make: the smallest whole GiB of `min..=max` in the range; `default`, cut down to the limit, where nothing is required.
    ///
    /// # Errors
    /// [`OutOfRange::NoFit`].
    pub fn pick(
        self,
        default: Gibibytes,
        min: Gibibytes,
        max: Gibibytes,
    ) -> Result<Gibibytes, OutOfRange> {
        let ceiling = self.limit.map_or(max, |limit| limit.floor_gib().min(max));
        let wanted = match self.required {
            Some(required) => required.ceil_gib(),
            None => Some(default.min(ceiling)),
        };
        match wanted.map(|size| size.max(min)) {
            Some(size) if size <= ceiling => Ok(size),
            _ => Err(OutOfRange::NoFit {
                required: self.required.unwrap_or(Bytes(0)),
                limit: self
                    .limit
                    .map_or_else(|| "none".to_owned(), |limit| limit.to_string()),
                min,
                max,
            }),
        }
    }
}

fn read(field: &'static str, value: i64) -> Result<Option<Bytes>, OutOfRange> {
    match u64::try_from(value) {
        Ok(0) => Ok(None),
        Ok(bytes) => Ok(Some(Bytes(bytes))),
        Err(_) => Err(OutOfRange::Negative { field, value }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::GIB;

    const MIN: Gibibytes = Gibibytes(1);
    const MAX: Gibibytes = Gibibytes(65_536);

    fn pick(required: u64, limit: u64) -> Result<u32, OutOfRange> {
        let range = CapacityRange::new(Bytes(required).to_csi(), Bytes(limit).to_csi())?;
        range.pick(Gibibytes(100), MIN, MAX).map(|size| size.0)
    }

    #[rstest]
    #[case(0, 0, 100)]
    #[case(1, 0, 1)]
    #[case(500 << 20, 0, 1)]
    #[case(2_000_000_000, 0, 2)]
    #[case(4 * GIB, 4 * GIB, 4)]
    #[case(0, 10 * GIB, 10)]
    #[case(65_536 * GIB, 0, 65_536)]
    fn sizes_are_picked(#[case] required: u64, #[case] limit: u64, #[case] gib: u32) {
        assert_eq!(pick(required, limit).unwrap(), gib);
    }

    #[rstest]
    #[case(4 * GIB + 1, 4 * GIB + 2)]
    #[case(0, GIB - 1)]
    #[case(65_536 * GIB + 1, 0)]
    #[case(5 * GIB, 4 * GIB)]
    fn ranges_without_a_size_are_refused(#[case] required: u64, #[case] limit: u64) {
        assert!(pick(required, limit).is_err());
    }

    proptest! {
        #[test]
        fn what_is_picked_is_allowed(required in 0..i64::MAX, limit in 0..i64::MAX) {
            if let Ok(range) = CapacityRange::new(required, limit)
                && let Ok(size) = range.pick(Gibibytes(100), MIN, MAX) {
                prop_assert!(range.allows(size.bytes()));
                prop_assert!(size >= MIN && size <= MAX);
            }
        }
    }
}
