//! The parameters of a VolumeAttributesClass, which CSI calls mutable: of a volume to be modified, and of one to be made.

use std::collections::HashMap;

use super::class_tags::{ClassTags, InvalidTags};
use super::origin::ClaimNames;
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
    /// Reads the map of a volume that is to be modified: the sidecar says in it whose volume that is.
    ///
    /// # Errors
    /// [`InvalidRequest`] for what is not known or cannot be read.
    pub(super) fn parse(
        map: &HashMap<String, String>,
        invalid: InvalidTags,
    ) -> Result<Self, InvalidRequest> {
        Self::read(map, None, invalid)
    }

    /// Reads the map for a volume that is to be made, whose claim the StorageClass' parameters name.
    ///
    /// # Errors
    /// As [`Attributes::parse`].
    pub(super) fn for_new(
        map: &HashMap<String, String>,
        claim: &ClaimNames,
        invalid: InvalidTags,
    ) -> Result<Self, InvalidRequest> {
        Self::read(map, Some(claim), invalid)
    }

    fn read(
        map: &HashMap<String, String>,
        claim: Option<&ClaimNames>,
        invalid: InvalidTags,
    ) -> Result<Self, InvalidRequest> {
        let mut map = Parameters::new("mutable_parameters", map)?;
        let speed = Speed::take(&mut map, TypeKeys::WithDeprecated)?;
        let own = ClaimNames::take(&mut map);
        let tags = ClassTags::take(&mut map, &claim.unwrap_or(&own).variables(), invalid)?;
        map.finish()?;
        Ok(Self { speed, tags })
    }
}
