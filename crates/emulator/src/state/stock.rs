//! Resources of one kind by their ids, found without a look at all of them by what callers ask for most.
//!
//! Answers for: finding what a look at all of them would find, whatever is changed. Doesn't answer for: rules, and what is
//! in sight (`queries`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Deref, DerefMut};
use std::str::FromStr;

use ebs_types::{SnapshotId, Tags, VolumeId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{ApiError, Snapshot, Timestamp, Volume};

/// A kind of resource that is kept in a [`Stock`].
pub(crate) trait Kept {
    /// What tells one from the other.
    type Id: Ord + Clone + FromStr;

    /// The filter that compares with the id.
    const ID: &'static str;

    /// The filters that the kind is found by besides.
    const MARKS: &'static [&'static str];

    /// The id.
    fn id(&self) -> &Self::Id;

    /// The values that these filters compare with.
    fn marks(&self) -> Vec<Mark>;

    /// Since when there has been one.
    fn made(&self) -> Timestamp;

    /// What a caller is told who asks for one that there is not.
    fn unknown(id: &Self::Id) -> ApiError;
}

impl Kept for Volume {
    type Id = VolumeId;
    const ID: &'static str = "volume-id";
    const MARKS: &'static [&'static str] = &["tag:CSIVolumeName", INSTANCE_FILTER];

    fn id(&self) -> &VolumeId {
        &self.id
    }

    fn marks(&self) -> Vec<Mark> {
        let instances = self.attachments.iter().map(|there| &there.instance);
        let instances = instances.map(|id| (INSTANCE_FILTER, id.as_str().to_owned()));
        tagged(Self::MARKS, &self.tags).chain(instances).collect()
    }

    fn made(&self) -> Timestamp {
        self.created
    }

    fn unknown(id: &VolumeId) -> ApiError {
        ApiError::no_volume(id)
    }
}

impl Kept for Snapshot {
    type Id = SnapshotId;
    const ID: &'static str = "snapshot-id";
    const MARKS: &'static [&'static str] = &[
        "tag:CSIVolumeSnapshotName",
        "tag:CSIVolumeGroupSnapshotName",
        VOLUME_FILTER,
    ];

    fn id(&self) -> &SnapshotId {
        &self.id
    }

    fn marks(&self) -> Vec<Mark> {
        let volume = (VOLUME_FILTER, self.volume.as_str().to_owned());
        let tagged = tagged(Self::MARKS, &self.tags);
        tagged.chain([volume]).collect()
    }

    fn made(&self) -> Timestamp {
        self.started
    }

    fn unknown(id: &SnapshotId) -> ApiError {
        ApiError::no_snapshot(id)
    }
}

/// The filter by which a volume is found through the instance that it is attached to.
pub(super) const INSTANCE_FILTER: &str = "attachment.instance-id";

/// The filter by which snapshots are found through their volume.
const VOLUME_FILTER: &str = "volume-id";

/// Those of the filters that go by tags which are there.
fn tagged(filters: &'static [&'static str], tags: &Tags) -> impl Iterator<Item = Mark> {
    filters.iter().filter_map(|filter| {
        let value = tags.get(filter.strip_prefix("tag:")?)?;
        Some((*filter, value.to_owned()))
    })
}

/// One of a kind's [`Kept::MARKS`], and a value that it compares with.
pub(crate) type Mark = (&'static str, String);

/// The resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stock<T: Kept> {
    all: BTreeMap<T::Id, T>,
    index: Index<T::Id>,
}

impl<T: Kept> Stock<T> {
    /// The one with this id.
    pub(crate) fn get(&self, id: &T::Id) -> Option<&T> {
        self.all.get(id)
    }

    /// The same, to change anything of it but its id.
    pub(super) fn get_mut(&mut self, id: &T::Id) -> Option<Changing<'_, T>> {
        let item = self.all.get_mut(id)?;
        Some(Changing {
            before: item.marks(),
            item,
            index: &mut self.index,
        })
    }

    /// Whether there is one.
    pub(super) fn contains(&self, id: &T::Id) -> bool {
        self.all.contains_key(id)
    }

    /// Adds one, or puts it in the place of that with its id.
    pub(super) fn insert(&mut self, item: T) {
        let id = item.id().clone();
        self.remove(&id);
        self.index.add(&id, item.marks());
        self.all.insert(id, item);
    }

    /// Takes one away.
    pub(super) fn remove(&mut self, id: &T::Id) -> Option<T> {
        let item = self.all.remove(id)?;
        self.index.take(id, &item.marks());
        Some(item)
    }

    /// All of them, in the order of their ids.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.all.values()
    }

    /// Those whose ids come after this one, in their order.
    pub(super) fn after<'a>(
        &'a self,
        id: Option<&T::Id>,
    ) -> impl Iterator<Item = &'a T> + use<'a, T> {
        let start = id.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.all.range((start, Bound::Unbounded));
        range.map(|(_id, item)| item)
    }

    /// Those that a filter finds by any of these values, in the order of their ids; `None` if that takes a look at all of them.
    pub(super) fn found<'v>(
        &self,
        filter: &str,
        values: impl Iterator<Item = &'v str>,
    ) -> Option<Vec<&T>> {
        let ids: BTreeSet<T::Id> = if filter == T::ID {
            values.filter_map(|value| value.parse().ok()).collect()
        } else {
            let found = values.map(|value| self.marked(filter, value));
            let found = found.collect::<Option<Vec<_>>>()?;
            found.into_iter().flatten().cloned().collect()
        };
        Some(ids.iter().filter_map(|id| self.all.get(id)).collect())
    }

    /// The ids of those that a filter finds by a value without `*` and `?`; `None` if that takes a look at all of them.
    pub(super) fn marked(&self, filter: &str, value: &str) -> Option<&[T::Id]> {
        let known = T::MARKS.contains(&filter);
        known.then(|| self.index.find(filter, value))
    }
}

impl<T: Kept> Default for Stock<T> {
    fn default() -> Self {
        Self {
            all: BTreeMap::new(),
            index: Index::default(),
        }
    }
}

impl<T: Kept> FromIterator<T> for Stock<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut stock = Self::default();
        items.into_iter().for_each(|item| stock.insert(item));
        stock
    }
}

/// It is written as the map that it was before it could find anything.
impl<T: Kept<Id: Serialize> + Serialize> Serialize for Stock<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.all.serialize(to)
    }
}

impl<'de, T: Kept<Id: Deserialize<'de>> + Deserialize<'de>> Deserialize<'de> for Stock<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let all = BTreeMap::<T::Id, T>::deserialize(from)?;
        Ok(all.into_values().collect())
    }
}

/// A resource that is being changed. What it is found by follows when this ends.
pub(super) struct Changing<'a, T: Kept> {
    before: Vec<Mark>,
    item: &'a mut T,
    index: &'a mut Index<T::Id>,
}

impl<T: Kept> Deref for Changing<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.item
    }
}

impl<T: Kept> DerefMut for Changing<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.item
    }
}

impl<T: Kept> Drop for Changing<'_, T> {
    fn drop(&mut self) {
        let after = self.item.marks();
        if after != self.before {
            let id = self.item.id();
            self.index.take(id, &self.before);
            self.index.add(id, after);
        }
    }
}

/// Ids in their order, by filter and value; nothing of what has none.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Index<Id>(BTreeMap<&'static str, BTreeMap<String, Vec<Id>>>);

impl<Id> Default for Index<Id> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<Id: Ord + Clone> Index<Id> {
    fn find(&self, filter: &str, value: &str) -> &[Id] {
        let values = self.0.get(filter);
        let ids = values.and_then(|values| values.get(value));
        ids.map_or(&[], Vec::as_slice)
    }

    fn add(&mut self, id: &Id, marks: Vec<Mark>) {
        for (filter, value) in marks {
            let values = self.0.entry(filter).or_default();
            // Most values are those of one resource.
            let ids = values.entry(value).or_insert_with(|| Vec::with_capacity(1));
            if let Err(place) = ids.binary_search(id) {
                ids.insert(place, id.clone());
            }
        }
    }

    fn take(&mut self, id: &Id, marks: &[Mark]) {
        for (filter, value) in marks {
            let Some(values) = self.0.get_mut(filter) else {
                continue;
            };
            if let Some(ids) = values.get_mut(value) {
                ids.retain(|other| other != id);
                if ids.is_empty() {
                    values.remove(value);
                }
            }
            if values.is_empty() {
                self.0.remove(filter);
            }
        }
    }
}
