//! Tags that a class sets or deletes: `tagSpecification_N` = `key=template`, `tagDeletion_N` = `key`.
//!
//! Answers for: reading and evaluating them, and that none touches what drivers find their resources by.
//! Doesn't answer for: the order in which tags from several places count (`volume_spec`), nor the calls (`modify`).

use std::collections::BTreeMap;

use ebs_types::{InvalidTag, Tags, keys};

use super::params::Parameters;
use super::template::{Template, Variables};
use crate::status::InvalidRequest;

/// What becomes of a class' tag that cannot be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum InvalidTags {
    /// The request is refused.
    #[default]
    Refused,
    /// The log warns of it, and everything else goes on without it.
    LeftOut,
}

impl InvalidTags {
    fn judge<T>(self, tag: Result<T, InvalidRequest>) -> Result<Option<T>, InvalidRequest> {
        match (tag, self) {
            (Ok(tag), _) => Ok(Some(tag)),
            (Err(error), Self::Refused) => Err(error),
            (Err(error), Self::LeftOut) => {
                tracing::warn!(%error, "this tag is left out");
                Ok(None)
            }
        }
    }
}

/// The tags that a class names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ClassTags {
    pub(super) set: Tags,
    /// Keys. One that is set too is not in here.
    pub(super) delete: Vec<String>,
}

impl ClassTags {
    /// Takes `tagSpecification_…`, whatever comes after it, in the order of the keys: the last one of equal tags counts.
    ///
    /// # Errors
    /// Unless it is to be left out, [`InvalidRequest`] for a value that is no `key=value`, or names a reserved key, or whose
    /// template is wrong.
    pub(super) fn take_set(
        map: &mut Parameters,
        variables: &Variables,
        invalid: InvalidTags,
    ) -> Result<Self, InvalidRequest> {
        let mut set = Tags::new();
        for (field, text) in map.take_all("tagSpecification_") {
            invalid.judge(add(&mut set, &field, &text, variables))?;
        }
        Ok(Self {
            set,
            delete: Vec::new(),
        })
    }

    /// Takes `tagDeletion_…` too.
    ///
    /// # Errors
    /// As [`ClassTags::take_set`].
    pub(super) fn take(
        map: &mut Parameters,
        variables: &Variables,
        invalid: InvalidTags,
    ) -> Result<Self, InvalidRequest> {
        let Self { set, mut delete } = Self::take_set(map, variables, invalid)?;
        for (field, key) in map.take_all("tagDeletion_") {
            let can_go = invalid.judge(check_deletion(&field, &key))?.is_some();
            if can_go && set.get(&key).is_none() {
                delete.push(key);
            }
        }
        Ok(Self { set, delete })
    }

    /// Adds the marks by which a volume's IOPS grow with its size, or takes them away; `None` leaves both as they are.
    pub(super) fn mark_growth(
        &mut self,
        grows: Option<bool>,
        per_gib: Option<u32>,
    ) -> Result<(), InvalidTag> {
        match grows {
            Some(true) => self.set.set(keys::IOPS_GROW, "true")?,
            Some(false) => {
                let marks = [keys::IOPS_GROW, keys::IOPS_PER_GIB];
                self.delete.extend(marks.map(str::to_owned));
                return Ok(());
            }
            None => {}
        }
        match per_gib {
            Some(ratio) => self.set.set(keys::IOPS_PER_GIB, ratio.to_string()),
            None => Ok(()),
        }
    }

    /// What is not yet as it is to be on a resource that has these tags.
    pub(super) fn still_to_do(&self, has: &BTreeMap<String, String>) -> Self {
        let mut set = Tags::new();
        for (key, value) in &self.set {
            if has.get(key).map(String::as_str) != Some(value) {
                // It fitted into the same type before.
                let _ = set.set(key, value);
            }
        }
        let delete = self.delete.iter().filter(|key| has.contains_key(*key));
        Self {
            set,
            delete: delete.cloned().collect(),
        }
    }
}

/// Adds the tag that `text` gives.
fn add(
    tags: &mut Tags,
    field: &str,
    text: &str,
    variables: &Variables,
) -> Result<(), InvalidRequest> {
    let refused = |why: &str| InvalidRequest::value(field, text, why);
    let (key, template) = text
        .split_once('=')
        .ok_or_else(|| refused("write key=value"))?;
    check(key).map_err(refused)?;
    let value = Template::parse(template)
        .and_then(|template| template.evaluate(variables))
        .map_err(|error| refused(&error.to_string()))?;
    tags.set(key, value)
        .map_err(|error| refused(&error.to_string()))
}

fn check_deletion(field: &str, key: &str) -> Result<(), InvalidRequest> {
    let refused = |why: &str| InvalidRequest::value(field, key, why);
    check(key).map_err(refused)?;
    // What no tag can be called is on no volume.
    Tags::new()
        .set(key, "")
        .map_err(|error| refused(&error.to_string()))
}

fn check(key: &str) -> Result<(), &'static str> {
    if keys::is_reserved(key) {
        return Err("this key is reserved: drivers and clusters find their volumes by it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn tags(map: &[(&str, &str)]) -> Result<ClassTags, String> {
        let map = map
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let mut map = Parameters::new("mutable_parameters", &map).unwrap();
        let tags = ClassTags::take(&mut map, &Variables::default(), InvalidTags::Refused)
            .map_err(|e| e.to_string())?;
        map.finish().map_err(|e| e.to_string())?;
        Ok(tags)
    }

    #[test]
    fn tags_are_set_and_deleted() {
        let read = tags(&[
            ("tagSpecification_1", "team=storage=2"),
            ("TAGSPECIFICATION_b", "empty="),
            ("tagDeletion_1", "old"),
            ("tagDeletion_2", "team"),
        ])
        .unwrap();
        let set: Vec<_> = read.set.iter().collect();
        assert_eq!(set, [("empty", ""), ("team", "storage=2")]);
        assert_eq!(read.delete, ["old"]);
        let has = [("team", "storage=2"), ("other", "x")];
        let has = has.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let left = read.still_to_do(&has);
        let set: Vec<_> = left.set.iter().collect();
        assert_eq!((set, left.delete), (vec![("empty", "")], vec![]));
    }

    #[rstest]
    #[case("tagSpecification_1", "team", "write key=value")]
    #[case("tagSpecification_1", "team={{ .PVCName", "}} is missing")]
    #[case("tagSpecification_1", "team={{ range .X }}", "range")]
    #[case("tagSpecification_1", "team={{ .PVC }}", "no such variable")]
    #[case("tagSpecification_1", "CSIVolumeName=x", "reserved")]
    #[case("tagSpecification_1", "kubernetes.io/cluster/blue=owned", "reserved")]
    #[case("tagSpecification_1", "AWS:x=y", "reserved")]
    #[case("tagSpecification_1", "=x", "1 to 128")]
    #[case("tagDeletion_1", "ebs.csi.aws.com/cluster", "reserved")]
    #[case("tagDeletion_1", "", "1 to 128")]
    #[case("tagSpecificatio_1", "a=b", "not known")]
    fn what_cannot_be_a_tag_is_refused(#[case] key: &str, #[case] value: &str, #[case] part: &str) {
        let words = tags(&[(key, value)]).unwrap_err();
        assert!(words.contains(part) && words.contains(key), "{words}");
    }
}
