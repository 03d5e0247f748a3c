//! Resource ids of EC2: a prefix and 8 or 17 lowercase hexadecimal digits (EC2 user guide, "Resource IDs").

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A string that is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{value:?} is not {kind} id: expected {prefix} followed by 8 or 17 lowercase hexadecimal digits"
)]
pub struct InvalidId {
    /// The kind of resource with its article, e.g. `a volume`.
    pub kind: &'static str,
    /// The prefix every id of that kind starts with, e.g. `vol-`.
    pub prefix: &'static str,
    /// What was given.
    pub value: String,
}

/// Whether `digits` has the form that EC2 gives the part after an id's prefix.
fn is_hex_part(digits: &str) -> bool {
    matches!(digits.len(), 8 | 17)
        && digits
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

macro_rules! resource_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The prefix of every id of this kind.
            pub const PREFIX: &'static str = $prefix;

            /// The id as EC2 writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                match text.strip_prefix($prefix) {
                    Some(digits) if is_hex_part(digits) => Ok(Self(text.to_owned())),
                    _ => Err(InvalidId { kind: $kind, prefix: $prefix, value: text.to_owned() }),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

resource_id!(
    /// The id of an EBS volume, `vol-…`. It is the CSI volume handle of every volume this driver makes.
    VolumeId,
    "a volume",
    "vol-"
);
resource_id!(
    /// The id of an EBS snapshot, `snap-…`.
    SnapshotId,
    "a snapshot",
    "snap-"
);
resource_id!(
    /// The id of an EC2 instance, `i-…`. It is the CSI node id.
    InstanceId,
    "an instance",
    "i-"
);

impl VolumeId {
    /// Reads a CSI volume handle: `vol-…`, or Kubernetes' in-tree spelling `aws://zone/vol-…`, whose zone may be empty.
    ///
    /// # Errors
    /// [`InvalidId`] where neither form fits.
    pub fn from_handle(handle: &str) -> Result<Self, InvalidId> {
        let last = match handle.strip_prefix("aws://") {
            Some(rest) => rest.split_once('/').map_or(rest, |(_zone, id)| id),
            None => handle,
        };
        last.parse().map_err(|_| InvalidId {
            kind: "a volume",
            prefix: Self::PREFIX,
            value: handle.to_owned(),
        })
    }

    /// Reads the serial number of an EBS NVMe controller: the id without its hyphen, padded with blanks by the device
    /// (EBS user guide, "Map NVMe volumes").
    ///
    /// # Errors
    /// [`InvalidId`] where the serial is not of that form.
    pub fn from_nvme_serial(serial: &str) -> Result<Self, InvalidId> {
        let trimmed = serial.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0');
        trimmed
            .strip_prefix("vol")
            .map(|digits| format!("vol-{digits}"))
            .unwrap_or_default()
            .parse()
            .map_err(|_| InvalidId {
                kind: "a volume",
                prefix: "vol",
                value: trimmed.to_owned(),
            })
    }

    /// The serial number that the volume's NVMe controller reports: `vol0123…`.
    #[must_use]
    pub fn nvme_serial(&self) -> String {
        self.0.replacen('-', "", 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("vol-0123456789abcdef0", "vol-0123456789abcdef0")]
    #[case("vol-1234abcd", "vol-1234abcd")]
    #[case("aws://eu-central-1b/vol-1234abcd", "vol-1234abcd")]
    #[case("aws:///vol-1234abcd", "vol-1234abcd")]
    fn handles_are_read(#[case] handle: &str, #[case] id: &str) {
        assert_eq!(VolumeId::from_handle(handle).unwrap().as_str(), id);
    }

    #[rstest]
    #[case("")]
    #[case("vol-")]
    #[case("vol-1234ABCD")]
    #[case("vol-1234abc")]
    #[case("snap-1234abcd")]
    #[case("aws://vol-1234abcd/x")]
    #[case("aws://a/b/vol-1234abcd")]
    #[case("vol-1234abcd\n")]
    fn other_strings_are_refused(#[case] handle: &str) {
        let error = VolumeId::from_handle(handle).unwrap_err();
        assert_eq!(error.value, handle);
    }

    proptest! {
        #[test]
        fn serial_and_id_are_one_to_one(digits in "[0-9a-f]{17}") {
            let id: VolumeId = format!("vol-{digits}").parse().unwrap();
            let padded = format!("{:<20}", id.nvme_serial());
            prop_assert_eq!(VolumeId::from_nvme_serial(&padded).unwrap(), id);
        }

        #[test]
        fn no_string_panics(text in ".*") {
            let _ = VolumeId::from_handle(&text);
            let _ = VolumeId::from_nvme_serial(&text);
        }
    }
}
