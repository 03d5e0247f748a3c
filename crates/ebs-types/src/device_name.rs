//! The device name given at attach. On Nitro it is only a label; one name serves one volume of an instance.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A block device name of an EC2 block device mapping, e.g. `/dev/xvdba`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceName(String);

/// A string that EC2 takes for no device name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{value:?} is not a device name: expected /dev/sd[a-z], /dev/xvd[a-z] or /dev/xvd[a-e][a-z], as in /dev/xvdba"
)]
pub struct InvalidDeviceName {
    /// What was given.
    pub value: String,
}

impl DeviceName {
    /// The names this driver hands out, best first: `xvdb*` and `xvdc*`, which EC2 documents for every HVM instance,
    /// then further two-letter ones up to the largest number of attachments that an instance type has (127 beside the root).
    pub fn candidates() -> impl Iterator<Item = Self> {
        ['b', 'c', 'd', 'a', 'e']
            .into_iter()
            .flat_map(|first| {
                ('a'..='z').map(move |second| Self(format!("/dev/xvd{first}{second}")))
            })
            .take(127)
    }

    /// Whether it is a name under which the root volume is attached (EC2 user guide, "Device names for volumes").
    #[must_use]
    pub fn is_root(&self) -> bool {
        ["/dev/xvda", "/dev/sda", "/dev/sda1"].contains(&self.as_str())
    }

    /// The name as EC2 writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeviceName {
    type Err = InvalidDeviceName;

    fn from_str(text: &str) -> Result<Self, InvalidDeviceName> {
        let letters = |part: &str| part.bytes().all(|b| b.is_ascii_lowercase());
        let ok = if let Some(rest) = text.strip_prefix("/dev/xvd") {
            letters(rest)
                && match rest.as_bytes() {
                    [_] => true,
                    [first, _] => *first <= b'e',
                    _ => false,
                }
        } else if let Some(rest) = text.strip_prefix("/dev/sd") {
            // `/dev/sda1` is the usual root; a trailing digit is a partition style name of old images.
            let bare = rest
                .strip_suffix(|c: char| c.is_ascii_digit())
                .unwrap_or(rest);
            bare.len() == 1 && letters(bare)
        } else {
            false
        };
        if ok {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidDeviceName {
                value: text.to_owned(),
            })
        }
    }
}

impl TryFrom<String> for DeviceName {
    type Error = InvalidDeviceName;

    fn try_from(text: String) -> Result<Self, InvalidDeviceName> {
        text.parse()
    }
}

impl From<DeviceName> for String {
    fn from(name: DeviceName) -> String {
        name.0
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn candidates_are_distinct_valid_and_never_the_root() {
        let names: Vec<_> = DeviceName::candidates().collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 127);
        assert_eq!(names[0].as_str(), "/dev/xvdba");
        for name in &names {
            assert_eq!(&name.as_str().parse::<DeviceName>().unwrap(), name);
            assert!(!name.is_root());
        }
    }

    #[test]
    fn other_strings_are_refused() {
        for bad in [
            "",
            "xvdba",
            "/dev/xvd",
            "/dev/xvdzz",
            "/dev/xvdBA",
            "/dev/sd",
            "/dev/sdab",
            "/dev/nvme1n1",
        ] {
            assert!(bad.parse::<DeviceName>().is_err(), "{bad}");
        }
        for good in ["/dev/sdf", "/dev/sda1", "/dev/xvda", "/dev/xvdba"] {
            assert!(good.parse::<DeviceName>().is_ok(), "{good}");
        }
    }
}
