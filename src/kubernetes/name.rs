//! The name of a Node object.

use std::fmt;
use std::str::FromStr;

/// A DNS subdomain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeName(String);

/// A text that cannot be the name of a Node object.
#[derive(Debug, thiserror::Error)]
#[error(
    "{value:?} is not the name of a node: expected lowercase letters, digits, '-' and '.', as in ip-10-0-0-1.ec2.internal"
)]
pub(crate) struct InvalidNodeName {
    value: String,
}

impl FromStr for NodeName {
    type Err = InvalidNodeName;

    fn from_str(text: &str) -> Result<Self, InvalidNodeName> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        let ends_well = text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric());
        if ends_well && text.len() <= 253 && text.bytes().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidNodeName {
                value: text.to_owned(),
            })
        }
    }
}

impl NodeName {
    /// As Kubernetes writes it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_be_another_path_is_refused() {
        for good in ["node-1", "ip-10-0-0-1.eu-central-1.compute.internal", "1"] {
            assert_eq!(good.parse::<NodeName>().unwrap().to_string(), good);
        }
        let long = "a".repeat(254);
        for bad in ["", "Node", "a/b", "../nodes", "a b", "-a", "a.", &long] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad:?}");
        }
    }
}
