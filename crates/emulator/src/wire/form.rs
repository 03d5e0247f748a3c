//! The parameters of a request: taken one by one, so that what is left over at the end is what nobody knows.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::str::FromStr;

use ebs_types::Tags;

use super::urlencoded;
use crate::model::{ApiError, Filter, Paging, Selection};

/// Parameters of every request that say nothing about what is asked: the version, and signatures in the query string.
const IGNORED: [&str; 8] = [
    "Version",
    "AWSAccessKeyId",
    "Signature",
    "SignatureMethod",
    "SignatureVersion",
    "Timestamp",
    "Expires",
    "SecurityToken",
];

/// Parameters not yet taken. Those of a list's entry are a form of their own, whose names are told from the whole's by a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    prefix: String,
    entries: BTreeMap<String, String>,
}

impl Form {
    /// Reads form-encoded text: a body or a query string.
    ///
    /// # Errors
    /// `MalformedQueryString`; `InvalidParameterCombination` for a parameter given twice.
    pub(crate) fn read(parts: &[&[u8]]) -> Result<Self, ApiError> {
        let mut entries = BTreeMap::new();
        for part in parts {
            let pairs = urlencoded::pairs(part).map_err(|error| {
                ApiError::client(
                    "MalformedQueryString",
                    format!("The query string cannot be read: {error}"),
                )
            })?;
            for (key, value) in pairs {
                if IGNORED.contains(&key.as_str()) || key.starts_with("X-Amz-") {
                    continue;
                }
                if let Some((key, _)) = entries.insert(key.clone(), value).map(|old| (key, old)) {
                    return Err(ApiError::combination(format!(
                        "The parameter {key} was given more than once"
                    )));
                }
            }
        }
        Ok(Self {
            prefix: String::new(),
            entries,
        })
    }

    /// The parameters not yet taken, in the order of their names.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = self.entries.iter();
        entries.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A parameter that is not yet taken.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.entries.get(name).map(String::as_str)
    }

    /// Takes a parameter.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.entries.remove(name)
    }

    /// Takes one that must be there.
    ///
    /// # Errors
    /// `MissingParameter`.
    pub(super) fn required(&mut self, name: &str) -> Result<String, ApiError> {
        self.take(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| ApiError::missing(&self.full(name)))
    }

    /// Takes a true or false.
    ///
    /// # Errors
    /// `InvalidParameterValue`.
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        self.take(name)
            .map(|value| match value.to_ascii_lowercase().as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(ApiError::value(format!(
                    "Invalid value '{value}' for {}: expected true or false",
                    self.full(name)
                ))),
            })
            .transpose()
    }

    /// Takes a number.
    ///
    /// # Errors
    /// `InvalidParameterValue`.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<u32>, ApiError> {
        self.take(name)
            .map(|value| {
                value.parse().map_err(|_| {
                    ApiError::value(format!(
                        "Invalid value '{value}' for {}: expected a whole number from 0 to {}",
                        self.full(name),
                        u32::MAX
                    ))
                })
            })
            .transpose()
    }

    /// Takes an id.
    ///
    /// # Errors
    /// `MissingParameter`, or the id type's `Malformed`.
    pub(super) fn id<T: WireId>(&mut self, name: &str) -> Result<T, ApiError> {
        let text = self.required(name)?;
        read_id(&text)
    }

    /// Takes an id that may be left out.
    ///
    /// # Errors
    /// The id type's `Malformed`.
    pub(super) fn optional_id<T: WireId>(&mut self, name: &str) -> Result<Option<T>, ApiError> {
        self.take(name).map(|text| read_id(&text)).transpose()
    }

    /// Takes the ids of a list.
    ///
    /// # Errors
    /// The id type's `Malformed`.
    pub(super) fn ids<T: WireId>(&mut self, name: &str) -> Result<Vec<T>, ApiError> {
        self.list(name).iter().map(|text| read_id(text)).collect()
    }

    /// Takes a name of a place or a type, which has no code of its own for what is malformed.
    ///
    /// # Errors
    /// `InvalidParameterValue`.
    pub(super) fn named<T>(&mut self, name: &str) -> Result<Option<T>, ApiError>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        self.take(name)
            .map(|text| {
                text.parse().map_err(|error| {
                    ApiError::value(format!("Invalid value for {}: {error}", self.full(name)))
                })
            })
            .transpose()
    }

    /// Takes the list `NAME.1`, `NAME.2`, … in the order of its numbers.
    pub(super) fn list(&mut self, name: &str) -> Vec<String> {
        let start = format!("{name}.");
        let mut found: Vec<(u32, String)> = self
            .starting_with(&start)
            .filter_map(|key| {
                let number = key.strip_prefix(&start)?;
                Some((number.parse().ok()?, key.clone()))
            })
            .collect();
        found.sort_unstable();
        let values = found
            .into_iter()
            .filter_map(|(_, key)| self.entries.remove(&key));
        values.collect()
    }

    /// Takes the entries `NAME.1.*`, `NAME.2.*`, … in the order of their numbers.
    pub(super) fn groups(&mut self, name: &str) -> Vec<Self> {
        let mut groups: BTreeMap<u32, Self> = BTreeMap::new();
        let start = format!("{name}.");
        let keys: Vec<String> = self.starting_with(&start).cloned().collect();
        for key in keys {
            let Some((number, inner)) = key
                .strip_prefix(&start)
                .and_then(|rest| rest.split_once('.'))
            else {
                continue;
            };
            let Ok(index) = number.parse() else { continue };
            if let Some(value) = self.entries.remove(&key) {
                let group = groups.entry(index).or_insert_with(|| Self {
                    prefix: format!("{}{start}{number}.", self.prefix),
                    entries: BTreeMap::new(),
                });
                group.entries.insert(inner.to_owned(), value);
            }
        }
        groups.into_values().collect()
    }

    /// The names of the parameters that start so.
    fn starting_with(&self, start: &str) -> impl Iterator<Item = &String> {
        let from = (Bound::Included(start), Bound::Unbounded);
        let behind = self.entries.range::<str, _>(from);
        let names = behind.map(|(name, _value)| name);
        names.take_while(move |name| name.starts_with(start))
    }

    /// Takes the filters.
    ///
    /// # Errors
    /// `MissingParameter` and `UnknownParameter`.
    pub(super) fn filters(&mut self) -> Result<Vec<Filter>, ApiError> {
        let read = |mut group: Self| {
            let filter = Filter {
                name: group.required("Name")?,
                values: group.list("Value"),
            };
            group.finish()?;
            Ok(filter)
        };
        self.groups("Filter").into_iter().map(read).collect()
    }

    /// Takes the tags for a new resource of this kind. Specifications for other kinds are refused, as EC2 does.
    ///
    /// # Errors
    /// `InvalidParameterValue` and `TagLimitExceeded`.
    pub(super) fn tags(&mut self, kind: &str) -> Result<Tags, ApiError> {
        let mut tags = Tags::new();
        for mut group in self.groups("TagSpecification") {
            let given = group.required("ResourceType")?;
            if given != kind {
                return Err(ApiError::value(format!(
                    "'{given}' is not a valid taggable resource type for this operation: use {kind}"
                )));
            }
            for mut tag in group.groups("Tag") {
                let key = tag.required("Key")?;
                let value = tag.take("Value").unwrap_or_default();
                tag.finish()?;
                set_tag(&mut tags, key, value)?;
            }
            group.finish()?;
        }
        Ok(tags)
    }

    /// Takes a selection: ids, filters and the page. `most` is the largest page; more is cut to it.
    ///
    /// # Errors
    /// `InvalidParameterCombination` for ids together with pages, `InvalidParameterValue` for a page below 5.
    pub(super) fn selection<T: WireId>(
        &mut self,
        ids: &str,
        most: u32,
    ) -> Result<Selection<T>, ApiError> {
        let ids: Vec<T> = self.ids(ids)?;
        if !ids.is_empty() && self.entries.contains_key("MaxResults") {
            return Err(ApiError::combination(
                "The parameter MaxResults cannot be used with ids in the same request: leave one of them out",
            ));
        }
        Ok(Selection {
            ids,
            ..self.pages(most)?
        })
    }

    /// The same of what cannot be chosen by ids.
    ///
    /// # Errors
    /// `InvalidParameterValue` for a page below 5.
    pub(super) fn pages<T>(&mut self, most: u32) -> Result<Selection<T>, ApiError> {
        let filters = self.filters()?;
        let max = self.number("MaxResults")?;
        let token = self.take("NextToken").filter(|token| !token.is_empty());
        if let Some(max) = max.filter(|max| *max < 5) {
            return Err(ApiError::value(format!(
                "Value ( {max} ) for parameter maxResults is invalid. Expecting a value greater than 5."
            )));
        }
        let size = max.unwrap_or(most).min(most);
        let paged = max.is_some() || token.is_some();
        let paging = paged.then(|| Paging {
            max: usize::try_from(size).unwrap_or(usize::MAX),
            token,
        });
        Ok(Selection {
            ids: Vec::new(),
            filters,
            paging,
        })
    }

    /// Refuses what nobody took.
    ///
    /// # Errors
    /// `UnknownParameter`, naming the first one.
    pub(super) fn finish(&self) -> Result<(), ApiError> {
        match self.entries.keys().next() {
            None => Ok(()),
            Some(key) => Err(ApiError::client(
                "UnknownParameter",
                format!("The parameter {} is not recognized", self.full(key)),
            )),
        }
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// Adds one of several tags that a request sets.
///
/// # Errors
/// `InvalidParameterValue` and `TagLimitExceeded`.
pub(super) fn set_tag(tags: &mut Tags, key: String, value: String) -> Result<(), ApiError> {
    if tags.get(&key).is_some() {
        return Err(ApiError::value(format!(
            "Duplicate tag key '{key}' specified."
        )));
    }
    if key.chars().chain(value.chars()).any(char::is_control) {
        return Err(ApiError::value(format!(
            "Tag {key:?} holds control characters, which are not allowed in keys and values"
        )));
    }
    tags.set(key, value).map_err(|error| match error {
        ebs_types::InvalidTag::TooMany { .. } => {
            ApiError::client("TagLimitExceeded", error.to_string())
        }
        _ => ApiError::value(error.to_string()),
    })
}

/// An id with EC2's code for one that cannot be.
pub(super) trait WireId: FromStr<Err: std::fmt::Display> {
    /// The code.
    const MALFORMED: &'static str;
}

impl WireId for ebs_types::VolumeId {
    const MALFORMED: &'static str = "InvalidVolumeID.Malformed";
}

impl WireId for ebs_types::SnapshotId {
    const MALFORMED: &'static str = "InvalidSnapshotID.Malformed";
}

impl WireId for ebs_types::InstanceId {
    const MALFORMED: &'static str = "InvalidInstanceID.Malformed";
}

impl WireId for ebs_types::InstanceType {
    const MALFORMED: &'static str = "InvalidInstanceType";
}

/// Reads an id.
///
/// # Errors
/// The id type's `Malformed`.
pub(super) fn read_id<T: WireId>(text: &str) -> Result<T, ApiError> {
    text.parse()
        .map_err(|error: T::Err| ApiError::client(T::MALFORMED, format!("Invalid id: {error}")))
}
