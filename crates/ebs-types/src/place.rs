//! Where things are: regions, availability zones, instance types. Names only; EC2 decides which exist.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A string that cannot be a name of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{value:?} is not {kind}: expected lowercase letters, digits, '-' and '.', as in {example}"
)]
pub struct InvalidPlace {
    /// What was wanted, with its article.
    pub kind: &'static str,
    /// One of the kind.
    pub example: &'static str,
    /// What was given.
    pub value: String,
}

macro_rules! place {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as EC2 writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidPlace;

            fn from_str(text: &str) -> Result<Self, InvalidPlace> {
                let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
                if !text.is_empty() && text.len() <= 63 && text.bytes().all(fits) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidPlace { kind: $kind, example: $example, value: text.to_owned() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidPlace;

            fn try_from(text: String) -> Result<Self, InvalidPlace> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

place!(
    /// An AWS region, e.g. `eu-central-1`.
    Region,
    "a region",
    "eu-central-1"
);
place!(
    /// The name of an availability zone, e.g. `eu-central-1a`. A volume lives in one and attaches only there.
    Zone,
    "an availability zone",
    "eu-central-1a"
);
place!(
    /// An instance type, e.g. `m7i.large`.
    InstanceType,
    "an instance type",
    "m7i.large"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(
            "eu-central-1a".parse::<Zone>().unwrap().as_str(),
            "eu-central-1a"
        );
        assert_eq!(
            "m7i.large".parse::<InstanceType>().unwrap().as_str(),
            "m7i.large"
        );
        for bad in ["", "eu central", "EU", "a/b", "a\n"] {
            assert!(bad.parse::<Region>().is_err(), "{bad:?}");
        }
    }
}
