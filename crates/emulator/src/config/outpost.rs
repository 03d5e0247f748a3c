//! Outposts, as a configuration asks for them.

use std::fmt;
use std::str::FromStr;

use ebs_types::{VolumeType, Zone};
use serde::{Deserialize, Serialize};

/// An Outpost with its instances; its text is `ZONE:INSTANCES:TYPE,…`, as in `eu-central-1a:2:gp2`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutpostConfig {
    /// The zone that it belongs to.
    pub zone: Zone,
    /// How many instances run on it, 0 to 1000.
    pub instances: usize,
    /// The types of volumes that it offers, at least one. Those of racks of the first generation offer gp2 alone.
    pub volume_types: Vec<VolumeType>,
}

/// A text that describes no Outpost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no Outpost: write ZONE:INSTANCES:TYPE,…, as in eu-central-1a:2:gp2; 0 to 1000 instances, at least one type of volumes"
)]
pub struct InvalidOutpostConfig {
    /// What was given.
    pub text: String,
}

impl FromStr for OutpostConfig {
    type Err = InvalidOutpostConfig;

    fn from_str(text: &str) -> Result<Self, InvalidOutpostConfig> {
        let read = || {
            let mut parts = text.split(':');
            let config = Self {
                zone: parts.next()?.parse().ok()?,
                instances: parts.next()?.parse().ok().filter(|count| *count <= 1_000)?,
                volume_types: parts
                    .next()?
                    .split(',')
                    .map(str::parse)
                    .collect::<Result<_, _>>()
                    .ok()?,
            };
            parts.next().is_none().then_some(config)
        };
        read().ok_or_else(|| InvalidOutpostConfig {
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for OutpostConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: Vec<&str> = self.volume_types.iter().map(|one| one.as_str()).collect();
        write!(f, "{}:{}:{}", self.zone, self.instances, types.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outpost_is_read_and_written() {
        let text = "eu-central-1a:2:gp2,gp3";
        let config: OutpostConfig = text.parse().unwrap();
        assert_eq!(config.instances, 2);
        assert_eq!(config.volume_types, [VolumeType::Gp2, VolumeType::Gp3]);
        assert_eq!(config.to_string(), text);
        for bad in [
            "",
            "a",
            "a:1",
            "a:1:",
            "a:x:gp2",
            "a:1001:gp2",
            "a:1:gp9",
            "a:1:gp2:more",
        ] {
            let refused = bad.parse::<OutpostConfig>().unwrap_err();
            assert!(refused.to_string().contains("ZONE:INSTANCES"), "{bad:?}");
        }
    }
}
