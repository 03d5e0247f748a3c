//! The parameters of a VolumeAttributesClass, which CSI calls mutable: of a volume to be modified, and of one to be made.

use std::collections::HashMap;

use super::class_tags::ClassTags;
use super::params::Parameters;
use super::speed::{Speed, TypeKeys};
use crate::status::InvalidRequest;

/// What the class asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) speed: Speed,
    pub(super) tags: ClassTags,
}

impl Attributes {
    /// Reads the map.
    ///
    /// # Errors
    /// [`InvalidRequest`] for what is not known or cannot be read.
    pub(super) fn parse(map: &HashMap<String, String>) -> Result<Self, InvalidRequest> {
        let mut map = Parameters::new("mutable_parameters", map)?;
        let speed = Speed::take(&mut map, TypeKeys::WithDeprecated)?;
        let tags = ClassTags::take(&mut map)?;
        // external-resizer's --extra-modify-metadata: whose volume this is, which its tags say already.
        for key in [
            "csi.storage.k8s.io/pvc/name",
            "csi.storage.k8s.io/pvc/namespace",
            "csi.storage.k8s.io/pv/name",
        ] {
            map.take(key);
        }
        map.finish()?;
        Ok(Self { speed, tags })
    }
}
