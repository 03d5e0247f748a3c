//! The describe actions: what is in sight, in which order, page by page.

use std::borrow::Cow;
use std::time::Duration;

use ebs_types::{Hypervisor, InstanceId, InstanceType, SnapshotId, VolumeId, listed_limits};

use super::RegionState;
use super::attachments::attachment_limit;
use super::filters::{Filtered, Sieve};
use super::stock::{Kept, Stock};
use crate::config::Settings;
use crate::model::{
    ApiError, AvailabilityZone, FastRestore, Filter, Initialization, Instance, InstanceDetails,
    InstanceTypeInfo, LockedSnapshot, Modification, Page, Paging, Query, Reply, Selection,
    Snapshot, TagDescription, Timestamp, Volume, VolumeStatus,
};

/// Answers a query.
pub(super) fn answer(
    state: &RegionState,
    now: Timestamp,
    settings: &Settings,
    query: &Query,
) -> Result<Reply, ApiError> {
    let sight = Sight {
        now,
        window: settings.consistency,
    };
    match query {
        Query::Volumes(selection) => volumes(state, sight, selection).map(Reply::Volumes),
        Query::Statuses(selection) => {
            statuses(state, sight, settings, selection).map(Reply::Statuses)
        }
        Query::Modifications(selection) => {
            modifications(state, sight, selection).map(Reply::Modifications)
        }
        Query::Snapshots { selection, owned } => {
            snapshots(state, sight, selection, *owned).map(Reply::Snapshots)
        }
        Query::FastRestores(selection) => {
            fast_restores(state, sight, settings, selection).map(Reply::FastRestores)
        }
        Query::LockedSnapshots(selection) => {
            locked_snapshots(state, sight, selection).map(Reply::LockedSnapshots)
        }
        Query::Tags(selection) => tags(state, sight, selection).map(Reply::Tags),
        Query::Instances(selection) => instances(state, sight, selection).map(Reply::Instances),
        Query::InstanceTypes(selection) => instance_types(selection).map(Reply::InstanceTypes),
        Query::Zones {
            names,
            ids,
            filters,
        } => zones(state, names, ids, filters).map(Reply::Zones),
    }
}

/// The word that EC2 has for what virtualises an instance.
pub(super) fn hypervisor(kind: Hypervisor) -> &'static str {
    match kind {
        Hypervisor::Nitro => "nitro",
        Hypervisor::Xen => "xen",
    }
}

/// Eventual consistency: what is younger than the window is not in sight by id, and for one window more not by filter.
#[derive(Clone, Copy)]
struct Sight {
    now: Timestamp,
    window: Duration,
}

impl Sight {
    fn by_id(self, created: Timestamp) -> bool {
        self.now >= created + self.window
    }

    fn by_filter(self, created: Timestamp) -> bool {
        self.now >= created + self.window.saturating_mul(2)
    }
}

fn volumes(
    state: &RegionState,
    sight: Sight,
    selection: &Selection<VolumeId>,
) -> Result<Page<Volume>, ApiError> {
    let sieve = Sieve::new::<Volume>(&selection.filters, true)?;
    let seen = seen(&state.volumes, sight, selection, &sieve)?;
    page(seen.map(Cow::Borrowed), selection, &sieve, |volume| {
        volume.id.to_string()
    })
}

/// Those of these ids, or all that may pass the filters, as far as they are in sight.
fn seen<'a, T: Kept>(
    stock: &'a Stock<T>,
    sight: Sight,
    selection: &Selection<T::Id>,
    sieve: &Sieve<'_>,
) -> Result<Box<dyn Iterator<Item = &'a T> + 'a>, ApiError> {
    if selection.ids.is_empty() {
        let candidates = candidates(stock, selection, sieve)?;
        let in_sight = move |item: &&T| sight.by_filter(item.made());
        return Ok(Box::new(candidates.filter(in_sight)));
    }
    let find = |id: &T::Id| {
        let found = stock.get(id).filter(|item| sight.by_id(item.made()));
        found.ok_or_else(|| T::unknown(id))
    };
    let found: Vec<_> = selection.ids.iter().map(find).collect::<Result<_, _>>()?;
    Ok(Box::new(found.into_iter()))
}

/// Those that may pass the filters, in the order of their ids, from where the page begins: what an index finds, or all.
fn candidates<'a, T: Kept>(
    stock: &'a Stock<T>,
    selection: &Selection<T::Id>,
    sieve: &Sieve<'_>,
) -> Result<Box<dyn Iterator<Item = &'a T> + 'a>, ApiError> {
    for (filter, values) in sieve.plain() {
        if let Some(found) = stock.found(filter, values) {
            return Ok(Box::new(found.into_iter()));
        }
    }
    let after = after(selection.paging.as_ref())?;
    let after = after.and_then(|id| id.parse().ok());
    Ok(Box::new(stock.after(after.as_ref())))
}

fn statuses(
    state: &RegionState,
    sight: Sight,
    settings: &Settings,
    selection: &Selection<VolumeId>,
) -> Result<Page<VolumeStatus>, ApiError> {
    let sieve = Sieve::new::<VolumeStatus>(&selection.filters, false)?;
    let all = seen(&state.volumes, sight, selection, &sieve)?.map(|volume| {
        let initialization = initialization(volume, sight.now, settings);
        Cow::Owned(VolumeStatus(volume.clone(), initialization))
    });
    page(all, selection, &sieve, |status: &VolumeStatus| {
        status.0.id.to_string()
    })
}

/// How many of its snapshot's blocks are there: as much as of the time has passed. An empty volume has nothing to fetch.
fn initialization(volume: &Volume, now: Timestamp, settings: &Settings) -> Initialization {
    let whole = settings.delays.initialize.as_millis();
    let passed = now.since(volume.created).as_millis();
    let percent = match volume.snapshot {
        Some(_) if passed < whole => passed * 100 / whole,
        None if volume.initializing => 0,
        _ => 100,
    };
    Initialization {
        percent: u8::try_from(percent).unwrap_or(100),
    }
}

fn modifications(
    state: &RegionState,
    sight: Sight,
    selection: &Selection<VolumeId>,
) -> Result<Page<Modification>, ApiError> {
    let sieve = Sieve::new::<Modification>(&selection.filters, false)?;
    let key = |modification: &Modification| modification.volume.to_string();
    if selection.ids.is_empty() {
        let all = candidates(&state.volumes, selection, &sieve)?;
        let all = all.filter_map(|volume| volume.modification.as_ref());
        return page(all.map(Cow::Borrowed), selection, &sieve, key);
    }
    let find = |id: &VolumeId| {
        let volume = state.volumes.get(id).filter(|v| sight.by_id(v.created));
        let volume = volume.ok_or_else(|| ApiError::no_volume(id))?;
        volume.modification.as_ref().ok_or_else(|| {
            ApiError::client(
                "InvalidVolumeModification.NotFound",
                format!("Modification for volume '{id}' does not exist."),
            )
        })
    };
    let all: Vec<_> = selection.ids.iter().map(find).collect::<Result<_, _>>()?;
    page(all.into_iter().map(Cow::Borrowed), selection, &sieve, key)
}

fn snapshots(
    state: &RegionState,
    sight: Sight,
    selection: &Selection<SnapshotId>,
    owned: bool,
) -> Result<Page<Snapshot>, ApiError> {
    let sieve = Sieve::new::<Snapshot>(&selection.filters, true)?;
    // Nothing here is anybody else's.
    let own = owned || !selection.ids.is_empty();
    let seen = seen(&state.snapshots, sight, selection, &sieve)?.filter(|_| own);
    page(seen.map(Cow::Borrowed), selection, &sieve, |snapshot| {
        snapshot.id.to_string()
    })
}

fn fast_restores(
    state: &RegionState,
    sight: Sight,
    settings: &Settings,
    selection: &Selection<SnapshotId>,
) -> Result<Page<FastRestore>, ApiError> {
    let sieve = Sieve::new::<FastRestore>(&selection.filters, false)?;
    let seen = state.snapshots.values();
    let all = seen
        .filter(|snapshot| sight.by_filter(snapshot.started))
        .flat_map(|snapshot| snapshot.fast_restores(sight.now, settings.delays.snapshot));
    page(
        all.map(Cow::Owned),
        selection,
        &sieve,
        |item: &FastRestore| format!("{} {}", item.snapshot, item.zone),
    )
}

/// Those that are or were locked; ids of others are no error.
fn locked_snapshots(
    state: &RegionState,
    sight: Sight,
    selection: &Selection<SnapshotId>,
) -> Result<Page<LockedSnapshot>, ApiError> {
    let sieve = Sieve::new::<LockedSnapshot>(&selection.filters, false)?;
    let all = seen(&state.snapshots, sight, selection, &sieve)?;
    let all = all.filter_map(|snapshot| snapshot.locked(sight.now));
    page(
        all.map(Cow::Owned),
        selection,
        &sieve,
        |item: &LockedSnapshot| item.snapshot.to_string(),
    )
}

fn tags(
    state: &RegionState,
    sight: Sight,
    selection: &Selection<String>,
) -> Result<Page<TagDescription>, ApiError> {
    let sieve = Sieve::new::<TagDescription>(&selection.filters, true)?;
    let volumes = state.volumes.values();
    let volumes =
        volumes.map(|volume| (volume.id.as_str(), "volume", volume.created, &volume.tags));
    let snapshots = state.snapshots.values();
    let snapshots = snapshots.map(|s| (s.id.as_str(), "snapshot", s.started, &s.tags));
    let instances = state.instances.values();
    let instances = instances.map(|i| (i.id.as_str(), "instance", i.launched, &i.tags));
    let all = volumes.chain(snapshots).chain(instances);
    let mut all: Vec<_> = all
        .filter(|(_, _, created, _)| sight.by_filter(*created))
        .flat_map(|(resource, kind, _, tags)| {
            tags.iter().map(move |(key, value)| TagDescription {
                resource: resource.to_owned(),
                kind,
                key: key.to_owned(),
                value: value.to_owned(),
            })
        })
        .collect();
    let place = |tag: &TagDescription| format!("{} {}", tag.resource, tag.key);
    all.sort_by_cached_key(place);
    page(all.into_iter().map(Cow::Owned), selection, &sieve, place)
}

fn instances(
    state: &RegionState,
    sight: Sight,
    selection: &Selection<InstanceId>,
) -> Result<Page<InstanceDetails>, ApiError> {
    let sieve = Sieve::new::<InstanceDetails>(&selection.filters, true)?;
    let found: Vec<&Instance> = if selection.ids.is_empty() {
        let all = state.instances.values();
        let mut seen: Vec<_> = all.filter(|i| sight.by_filter(i.launched)).collect();
        seen.sort_by_key(|instance| instance.number);
        seen
    } else {
        let find = |id: &InstanceId| {
            let found = state.instances.get(id).filter(|i| sight.by_id(i.launched));
            found.ok_or_else(|| ApiError::no_instance(id))
        };
        selection.ids.iter().map(find).collect::<Result<_, _>>()?
    };
    let details = found.into_iter().map(|instance| state.details(instance));
    page(
        details.map(Cow::Owned),
        selection,
        &sieve,
        |item: &InstanceDetails| format!("{:020}", item.instance.number),
    )
}

impl RegionState {
    /// The instance, with what is attached to it.
    pub(super) fn details(&self, instance: &Instance) -> InstanceDetails {
        let volumes = self.attached_to(&instance.id).filter_map(|volume| {
            let attachment = volume.attachment_to(&instance.id)?;
            Some((volume.id.clone(), attachment.clone()))
        });
        InstanceDetails {
            instance: instance.clone(),
            volumes: volumes.collect(),
        }
    }
}

/// The types of the table, or those named; a named one that the table doesn't have is newer.
fn instance_types(selection: &Selection<InstanceType>) -> Result<Page<InstanceTypeInfo>, ApiError> {
    let sieve = Sieve::new::<InstanceTypeInfo>(&selection.filters, false)?;
    let mut all: Vec<_> = if selection.ids.is_empty() {
        listed_limits()
            .map(|(name, limit)| InstanceTypeInfo {
                name: name.to_owned(),
                limit,
            })
            .collect()
    } else {
        let info = |id: &InstanceType| InstanceTypeInfo {
            name: id.as_str().to_owned(),
            limit: attachment_limit(id),
        };
        selection.ids.iter().map(info).collect()
    };
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all.dedup_by(|a, b| a.name == b.name);
    page(
        all.into_iter().map(Cow::Owned),
        selection,
        &sieve,
        |info: &InstanceTypeInfo| info.name.clone(),
    )
}

fn zones(
    state: &RegionState,
    names: &[String],
    ids: &[String],
    filters: &[Filter],
) -> Result<Vec<AvailabilityZone>, ApiError> {
    let sieve = Sieve::new::<AvailabilityZone>(filters, false)?;
    let zone_named = |name: &String| state.zones.iter().any(|zone| zone.name.as_str() == name);
    let unknown = names.iter().find(|name| !zone_named(name));
    let zone_with = |id: &String| state.zones.iter().any(|zone| &zone.id == id);
    let unknown = unknown.or_else(|| ids.iter().find(|id| !zone_with(id)));
    if let Some(unknown) = unknown {
        return Err(ApiError::value(format!(
            "Invalid availability zone: [{unknown}]"
        )));
    }
    let wanted = |zone: &&AvailabilityZone| {
        (names.is_empty() || names.iter().any(|name| name == zone.name.as_str()))
            && (ids.is_empty() || ids.contains(&zone.id))
            && sieve.passes(*zone)
    };
    Ok(state.zones.iter().filter(wanted).cloned().collect())
}

/// Filters, and cuts a page. The token is the key after which the next page starts, so it stays good whatever comes or
/// goes in between; items must come in the order of their keys, and none is looked at behind the page's end.
fn page<'a, T: Filtered + Clone + 'a, Id>(
    all: impl Iterator<Item = Cow<'a, T>>,
    selection: &Selection<Id>,
    sieve: &Sieve<'_>,
    key: impl Fn(&T) -> String,
) -> Result<Page<T>, ApiError> {
    let passing = |item: &Cow<'_, T>| sieve.passes(item.as_ref());
    let Some(paging) = &selection.paging else {
        let items = all.filter(passing).map(Cow::into_owned).collect();
        return Ok(Page { items, next: None });
    };
    let after = after(Some(paging))?.unwrap_or_default();
    let mut items: Vec<T> = all
        .filter(|item| after.is_empty() || key(item).as_str() > after)
        .filter(passing)
        .take(paging.max.saturating_add(1))
        .map(Cow::into_owned)
        .collect();
    let more = items.len() > paging.max;
    items.truncate(paging.max);
    let next = items
        .last()
        .filter(|_| more)
        .map(|item| format!("after:{}", key(item)));
    Ok(Page { items, next })
}

/// The key after which a page starts.
fn after(paging: Option<&Paging>) -> Result<Option<&str>, ApiError> {
    let token = paging.and_then(|paging| paging.token.as_deref());
    let wrong = |token: &str| ApiError::value(format!("Invalid value '{token}' for nextToken"));
    token
        .map(|token| token.strip_prefix("after:").ok_or_else(|| wrong(token)))
        .transpose()
}
