//! CreateTags, DeleteTags.

use ebs_types::{InvalidTag, Tags};

use super::RegionState;
use crate::model::{ApiError, CreateTags, DeleteTags, Reply, Tagged};

impl RegionState {
    /// Sets the tags on all of the resources, or on none.
    pub(super) fn create_tags(&mut self, request: &CreateTags) -> Result<Reply, ApiError> {
        let mut tagged = Vec::new();
        for resource in &request.resources {
            let mut tags = self.tags_of(resource)?.clone();
            for (key, value) in &request.tags {
                tags.set(key, value).map_err(|error| refused(&error))?;
            }
            tagged.push((resource, tags));
        }
        for (resource, tags) in tagged {
            self.change_tags(resource, |there| *there = tags)?;
        }
        Ok(Reply::Done)
    }

    /// Deletes the tags, as far as they are there.
    pub(super) fn delete_tags(&mut self, request: &DeleteTags) -> Result<Reply, ApiError> {
        for resource in &request.resources {
            self.tags_of(resource)?;
        }
        for resource in &request.resources {
            self.change_tags(resource, |tags| {
                if request.tags.is_empty() {
                    *tags = Tags::new();
                }
                for (key, value) in &request.tags {
                    if value.is_none() || value.as_deref() == tags.get(key) {
                        tags.remove(key);
                    }
                }
            })?;
        }
        Ok(Reply::Done)
    }

    fn tags_of(&self, resource: &Tagged) -> Result<&Tags, ApiError> {
        match resource {
            Tagged::Volume(id) => Ok(&self.volume(id)?.tags),
            Tagged::Snapshot(id) => Ok(&self.snapshot(id)?.tags),
            Tagged::Instance(id) => Ok(&self.instance(id)?.tags),
        }
    }

    fn change_tags(
        &mut self,
        resource: &Tagged,
        change: impl FnOnce(&mut Tags),
    ) -> Result<(), ApiError> {
        match resource {
            Tagged::Volume(id) => {
                let volume = self.volumes.get_mut(id);
                change(&mut volume.ok_or_else(|| ApiError::no_volume(id))?.tags);
            }
            Tagged::Snapshot(id) => {
                let snapshot = self.snapshots.get_mut(id);
                change(&mut snapshot.ok_or_else(|| ApiError::no_snapshot(id))?.tags);
            }
            Tagged::Instance(id) => {
                let instance = self.instances.get_mut(id);
                change(&mut instance.ok_or_else(|| ApiError::no_instance(id))?.tags);
            }
        }
        Ok(())
    }
}

fn refused(error: &InvalidTag) -> ApiError {
    match error {
        InvalidTag::TooMany { .. } => ApiError::client("TagLimitExceeded", error.to_string()),
        _ => ApiError::value(error.to_string()),
    }
}
