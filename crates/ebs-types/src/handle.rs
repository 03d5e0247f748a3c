//! What Kubernetes calls a volume: the CSI volume handle, which names a volume of EC2 or a device name of each node.
//!
//! Answers for: every spelling of a handle. Doesn't answer for: whether node-local volumes are wanted, which the operator says.

use std::fmt;
use std::str::FromStr;

use crate::{DeviceName, InvalidId, VolumeId};

/// The beginning of a node-local volume's handle.
const LOCAL: &str = "local-ebs://";

/// A volume as a CSI request names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VolumeHandle {
    /// A volume of EC2, which is the same on every node.
    Ebs(VolumeId),
    /// On each node the volume that was attached to it under this device name, before Kubernetes knew of it. It is written
    /// without the name's first slash: `local-ebs://dev/xvdbz`.
    Local(DeviceName),
}

/// A string that is the handle of no volume.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHandle {
    /// It should be a volume's id.
    #[error(transparent)]
    Volume(#[from] InvalidId),
    /// It should name a device of each node.
    #[error(
        "{value:?} is not the handle of a node-local volume: expected local-ebs:// and the device name given at attach without its \
         first slash, not the root's, as in local-ebs://dev/xvdbz"
    )]
    Local {
        /// What was given.
        value: String,
    },
}

impl VolumeHandle {
    /// Whether a handle is, or is meant to be, that of a node-local volume.
    #[must_use]
    pub fn is_node_local(handle: &str) -> bool {
        handle.starts_with(LOCAL)
    }

    /// The volume's id; `None` for a node-local one.
    #[must_use]
    pub fn id(&self) -> Option<&VolumeId> {
        match self {
            Self::Ebs(id) => Some(id),
            Self::Local(_) => None,
        }
    }
}

impl FromStr for VolumeHandle {
    type Err = InvalidHandle;

    fn from_str(handle: &str) -> Result<Self, InvalidHandle> {
        let Some(name) = handle.strip_prefix(LOCAL) else {
            return Ok(Self::Ebs(VolumeId::from_handle(handle)?));
        };
        match format!("/{name}").parse::<DeviceName>() {
            Ok(name) if !name.is_root() => Ok(Self::Local(name)),
            _ => Err(InvalidHandle::Local {
                value: handle.to_owned(),
            }),
        }
    }
}

impl From<VolumeId> for VolumeHandle {
    fn from(id: VolumeId) -> Self {
        Self::Ebs(id)
    }
}

impl fmt::Display for VolumeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ebs(id) => id.fmt(f),
            Self::Local(name) => write!(f, "{LOCAL}{}", name.as_str().trim_start_matches('/')),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("vol-0123456789abcdef0", "vol-0123456789abcdef0")]
    #[case("aws://eu-central-1b/vol-1234abcd", "vol-1234abcd")]
    #[case("local-ebs://dev/xvdbz", "local-ebs://dev/xvdbz")]
    #[case("local-ebs://dev/sdf", "local-ebs://dev/sdf")]
    fn handles_are_read(#[case] handle: &str, #[case] written: &str) {
        assert_eq!(handle.parse::<VolumeHandle>().unwrap().to_string(), written);
    }

    #[rstest]
    #[case("local-ebs://")]
    #[case("local-ebs:///dev/xvdbz")]
    #[case("local-ebs://xvdbz")]
    #[case("local-ebs://dev/nvme1n1")]
    #[case("local-ebs://dev/../etc/shadow")]
    #[case("local-ebs://dev/xvda")]
    #[case("local-ebs://dev/sda1")]
    #[case("LOCAL-EBS://dev/xvdbz")]
    fn other_strings_are_refused(#[case] handle: &str) {
        let error = handle.parse::<VolumeHandle>().unwrap_err().to_string();
        assert!(error.contains(handle), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(text in "(local-ebs://)?(/?dev/)?[a-z]{0,3}d?[a-z0-9/.]{0,4}") {
            if let Ok(handle) = text.parse::<VolumeHandle>() {
                prop_assert_eq!(handle.to_string(), text.as_str());
                prop_assert_eq!(handle.id(), None);
            }
        }
    }
}
