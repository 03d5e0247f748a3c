//! Tags, within EC2's limits (EC2 user guide, "Tag your resources": 50 a resource, key ≤ 128, value ≤ 256 characters, `aws:` reserved).

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most tags that a resource can carry.
pub const MAX_TAGS: usize = 50;

/// Keys that this driver writes or reads; the same as the Go driver's, so that either finds the other's resources.
pub mod keys {
    /// The CSI name (the PV's name) of a volume.
    pub const VOLUME_NAME: &str = "CSIVolumeName";
    /// The CSI name of a snapshot.
    pub const SNAPSHOT_NAME: &str = "CSIVolumeSnapshotName";
    /// The CSI name of the group snapshot that a snapshot is a member of.
    pub const GROUP_SNAPSHOT_NAME: &str = "CSIVolumeGroupSnapshotName";
    /// Tells the snapshots of one CreateSnapshots call from those of another one under the same name.
    pub const GROUP_SNAPSHOT_CUT: &str = "ebs.csi.aws.com/group-snapshot-cut";
    /// How many members the group snapshot has, the snapshot itself among them.
    pub const GROUP_SNAPSHOT_SIZE: &str = "ebs.csi.aws.com/group-snapshot-size";
    /// Marks every resource that a CSI driver of EBS made; IAM policies are scoped by it. Its value is `true`.
    pub const CLUSTER_MARK: &str = "ebs.csi.aws.com/cluster";
    /// Prefix of the tag that gives a resource to one Kubernetes cluster, with value `owned`.
    pub const CLUSTER_OWNED_PREFIX: &str = "kubernetes.io/cluster/";
    /// The cluster's id, in the in-tree driver's spelling.
    pub const KUBERNETES_CLUSTER: &str = "KubernetesCluster";
    /// What the AWS console shows as a resource's name.
    pub const NAME: &str = "Name";
    /// Name of the PVC a volume was made for.
    pub const PVC_NAME: &str = "kubernetes.io/created-for/pvc/name";
    /// Namespace of the PVC a volume was made for.
    pub const PVC_NAMESPACE: &str = "kubernetes.io/created-for/pvc/namespace";
    /// Name of the PV a volume was made for.
    pub const PV_NAME: &str = "kubernetes.io/created-for/pv/name";
    /// The volume whose data a volume or snapshot was made to bring to another zone.
    pub const MOVED_FROM: &str = "ebs.csi.aws.com/moved-from";
    /// `true` on a volume whose IOPS grow with its size.
    pub const IOPS_GROW: &str = "ebs.csi.aws.com/AllowAutoIOPSIncreaseOnModify";
    /// The IOPS per GiB that such a volume is to have.
    pub const IOPS_PER_GIB: &str = "ebs.csi.aws.com/IOPSPerGb";

    /// Whether drivers and clusters find their resources, or what was agreed on them, by this key: no class may set or delete it.
    #[must_use]
    pub fn is_reserved(key: &str) -> bool {
        let named = [
            VOLUME_NAME,
            SNAPSHOT_NAME,
            GROUP_SNAPSHOT_NAME,
            KUBERNETES_CLUSTER,
        ];
        named.contains(&key)
            || key.starts_with("ebs.csi.aws.com/")
            || key.starts_with("kubernetes.io/")
            || key
                .get(..4)
                .is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
    }
}

/// A tag that EC2 would refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTag {
    /// The key is empty or too long.
    #[error("tag key {key:?} has {length} characters: 1 to 128 are allowed")]
    KeyLength {
        /// What was given.
        key: String,
        /// Its characters.
        length: usize,
    },
    /// The key starts with the prefix that AWS keeps for itself.
    #[error("tag key {key:?} starts with aws:, which AWS reserves: choose another key")]
    Reserved {
        /// What was given.
        key: String,
    },
    /// The value is too long.
    #[error("the value of tag {key:?} has {length} characters: at most 256 are allowed")]
    ValueLength {
        /// The tag's key.
        key: String,
        /// The value's characters.
        length: usize,
    },
    /// There are too many.
    #[error("tag {key:?} would be the 51st: a resource carries at most 50 tags")]
    TooMany {
        /// The key that found no room.
        key: String,
    },
}

/// A resource's tags: a map in key order, every entry within EC2's limits. Copies share it until one of them is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Arc<BTreeMap<String, String>>);

impl Tags {
    /// No tags.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a tag, replacing the value of an equal key.
    ///
    /// # Errors
    /// [`InvalidTag`] where EC2 would refuse it.
    pub fn set(
        &mut self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<(), InvalidTag> {
        let (key, value) = (key.into(), value.into());
        let length = key.chars().count();
        if length == 0 || length > 128 {
            return Err(InvalidTag::KeyLength { key, length });
        }
        if key
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
        {
            return Err(InvalidTag::Reserved { key });
        }
        let length = value.chars().count();
        if length > 256 {
            return Err(InvalidTag::ValueLength { key, length });
        }
        if self.0.len() >= MAX_TAGS && !self.0.contains_key(&key) {
            return Err(InvalidTag::TooMany { key });
        }
        Arc::make_mut(&mut self.0).insert(key, value);
        Ok(())
    }

    /// Takes a tag away, if it is there.
    pub fn remove(&mut self, key: &str) {
        if self.0.contains_key(key) {
            Arc::make_mut(&mut self.0).remove(key);
        }
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The tags in key order.
    pub fn iter(&self) -> Iter<'_> {
        self.into_iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Tags {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(from).map(|tags| Self(Arc::new(tags)))
    }
}

/// The tags in key order, as pairs of key and value.
pub(crate) type Iter<'a> = std::iter::Map<
    btree_map::Iter<'a, String, String>,
    fn((&'a String, &'a String)) -> (&'a str, &'a str),
>;

impl<'a> IntoIterator for &'a Tags {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_kept() {
        let mut tags = Tags::new();
        for n in 0..MAX_TAGS {
            tags.set(format!("k{n}"), "v").unwrap();
        }
        assert!(matches!(
            tags.set("one more", ""),
            Err(InvalidTag::TooMany { .. })
        ));
        tags.set("k0", "new").unwrap();
        assert_eq!(tags.get("k0"), Some("new"));

        let mut tags = Tags::new();
        assert!(matches!(
            tags.set("", ""),
            Err(InvalidTag::KeyLength { .. })
        ));
        assert!(matches!(
            tags.set("k".repeat(129), ""),
            Err(InvalidTag::KeyLength { .. })
        ));
        assert!(matches!(
            tags.set("AWS:x", ""),
            Err(InvalidTag::Reserved { .. })
        ));
        assert!(matches!(
            tags.set("k", "v".repeat(257)),
            Err(InvalidTag::ValueLength { .. })
        ));
        tags.set("é".repeat(128), "é".repeat(256)).unwrap();
    }
}
