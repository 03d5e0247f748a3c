//! Sizes: CSI counts bytes, EBS counts GiB. Rounding between the two happens here and nowhere else.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bytes in one GiB.
pub const GIB: u64 = 1 << 30;

/// A size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bytes(pub u64);

/// A size in GiB (2^30 bytes), EBS's unit for volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gibibytes(pub u32);

impl Bytes {
    /// The size as CSI's signed 64-bit field; sizes beyond it (8 EiB) are cut to its maximum.
    #[must_use]
    pub fn to_csi(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// The smallest number of whole GiB that holds these bytes; `None` beyond `u32::MAX` GiB.
    #[must_use]
    pub fn ceil_gib(self) -> Option<Gibibytes> {
        u32::try_from(self.0.div_ceil(GIB)).ok().map(Gibibytes)
    }

    /// The largest number of whole GiB within these bytes, cut to `u32::MAX` GiB.
    #[must_use]
    pub fn floor_gib(self) -> Gibibytes {
        Gibibytes(u32::try_from(self.0 / GIB).unwrap_or(u32::MAX))
    }
}

impl Gibibytes {
    /// The same size in bytes.
    #[must_use]
    pub fn bytes(self) -> Bytes {
        Bytes(u64::from(self.0) * GIB)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 0 && self.0.is_multiple_of(GIB) {
            write!(f, "{} GiB", self.0 / GIB)
        } else {
            write!(f, "{} bytes", self.0)
        }
    }
}

impl fmt::Display for Gibibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} GiB", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rounding_brackets_the_size(bytes in 0..u64::from(u32::MAX) * GIB) {
            let up = Bytes(bytes).ceil_gib().unwrap();
            let down = Bytes(bytes).floor_gib();
            prop_assert!(down.bytes().0 <= bytes && bytes <= up.bytes().0);
            prop_assert!(up.0 - down.0 <= 1);
        }
    }

    #[test]
    fn sizes_beyond_the_unit_are_not_wrapped() {
        assert_eq!(Bytes(u64::MAX).ceil_gib(), None);
        assert_eq!(Bytes(u64::MAX).to_csi(), i64::MAX);
    }
}
