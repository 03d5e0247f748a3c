//! The describe actions: what is in sight, in which order, page by page.

use std::time::Duration;

use ebs_types::{Hypervisor, InstanceId, InstanceType, SnapshotId, VolumeId, listed_limits};

use super::RegionState;
use super::attachments::attachment_limit;
use super::filters::{self, Filtered};
use crate::config::Settings;
use crate::model::{
    ApiError, AvailabilityZone, FastRestore, Filter, Initialization, InstanceDetails,
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
    filters::check::<Volume>(&selection.filters, true)?;
    let all = if selection.ids.is_empty() {
        let seen = |volume: &&Volume| sight.by_filter(volume.created);
        state.volumes.values().filter(seen).cloned().collect()
    } else {
        let find = |id: &VolumeId| {
            let found = state.volumes.get(id).filter(|v| sight.by_id(v.created));
            found.cloned().ok_or_else(|| ApiError::no_volume(id))
        };
        selection.ids.iter().map(find).collect::<Result<_, _>>()?
    };
    page(all, selection, |volume| volume.id.to_string())
}

fn statuses(
    state: &RegionState,
    sight: Sight,
    settings: &Settings,
    selection: &Selection<VolumeId>,
) -> Result<Page<VolumeStatus>, ApiError> {
    filters::check::<VolumeStatus>(&selection.filters, false)?;
    let of_each = Selection {
        ids: selection.ids.clone(),
        filters: Vec::new(),
        paging: None,
    };
    let all = volumes(state, sight, &of_each)?.items.into_iter();
    let all = all.map(|volume| {
        let initialization = initialization(&volume, sight.now, settings);
        VolumeStatus(volume, initialization)
    });
    page(all.collect(), selection, |status| status.0.id.to_string())
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
    filters::check::<Modification>(&selection.filters, false)?;
    let all = if selection.ids.is_empty() {
        let volumes = state.volumes.values();
        volumes
            .filter_map(|volume| volume.modification.clone())
            .collect()
    } else {
        let find = |id: &VolumeId| {
            let volume = state.volumes.get(id).filter(|v| sight.by_id(v.created));
            let volume = volume.ok_or_else(|| ApiError::no_volume(id))?;
            volume.modification.clone().ok_or_else(|| {
                ApiError::client(
                    "InvalidVolumeModification.NotFound",
                    format!("Modification for volume '{id}' does not exist."),
                )
            })
        };
        selection.ids.iter().map(find).collect::<Result<_, _>>()?
    };
    page(all, selection, |modification| {
        modification.volume.to_string()
    })
}

fn snapshots(
    state: &RegionState,
    sight: Sight,
    selection: &Selection<SnapshotId>,
    owned: bool,
) -> Result<Page<Snapshot>, ApiError> {
    filters::check::<Snapshot>(&selection.filters, true)?;
    let all = if !selection.ids.is_empty() {
        let find = |id: &SnapshotId| {
            let found = state.snapshots.get(id).filter(|s| sight.by_id(s.started));
            found.cloned().ok_or_else(|| ApiError::no_snapshot(id))
        };
        selection.ids.iter().map(find).collect::<Result<_, _>>()?
    } else if owned {
        let seen = |snapshot: &&Snapshot| sight.by_filter(snapshot.started);
        state.snapshots.values().filter(seen).cloned().collect()
    } else {
        Vec::new()
    };
    page(all, selection, |snapshot| snapshot.id.to_string())
}

fn fast_restores(
    state: &RegionState,
    sight: Sight,
    settings: &Settings,
    selection: &Selection<SnapshotId>,
) -> Result<Page<FastRestore>, ApiError> {
    filters::check::<FastRestore>(&selection.filters, false)?;
    let seen = state.snapshots.values();
    let all = seen
        .filter(|snapshot| sight.by_filter(snapshot.started))
        .flat_map(|snapshot| snapshot.fast_restores(sight.now, settings.delays.snapshot))
        .collect();
    page(all, selection, |item| {
        format!("{} {}", item.snapshot, item.zone)
    })
}

/// Those that are or were locked; ids of others are no error.
fn locked_snapshots(
    state: &RegionState,
    sight: Sight,
    selection: &Selection<SnapshotId>,
) -> Result<Page<LockedSnapshot>, ApiError> {
    filters::check::<LockedSnapshot>(&selection.filters, false)?;
    let which = Selection {
        ids: selection.ids.clone(),
        filters: Vec::new(),
        paging: None,
    };
    let snapshots = snapshots(state, sight, &which, true)?.items.into_iter();
    let all = snapshots
        .filter_map(|snapshot| snapshot.locked(sight.now))
        .collect();
    page(all, selection, |item| item.snapshot.to_string())
}

fn tags(
    state: &RegionState,
    sight: Sight,
    selection: &Selection<String>,
) -> Result<Page<TagDescription>, ApiError> {
    filters::check::<TagDescription>(&selection.filters, true)?;
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
    page(all, selection, place)
}

fn instances(
    state: &RegionState,
    sight: Sight,
    selection: &Selection<InstanceId>,
) -> Result<Page<InstanceDetails>, ApiError> {
    filters::check::<InstanceDetails>(&selection.filters, true)?;
    let ids: Vec<InstanceId> = if selection.ids.is_empty() {
        let mut seen: Vec<_> = state
            .instances
            .values()
            .filter(|instance| sight.by_filter(instance.launched))
            .collect();
        seen.sort_by_key(|instance| instance.number);
        seen.into_iter()
            .map(|instance| instance.id.clone())
            .collect()
    } else {
        for id in &selection.ids {
            let found = state.instances.get(id).filter(|i| sight.by_id(i.launched));
            found.ok_or_else(|| ApiError::no_instance(id))?;
        }
        selection.ids.clone()
    };
    let details = state.details(&ids);
    page(details, selection, |item| {
        format!("{:020}", item.instance.number)
    })
}

impl RegionState {
    /// Those of the instances that exist, with what is attached to them.
    pub(super) fn details(&self, ids: &[InstanceId]) -> Vec<InstanceDetails> {
        let mut details: Vec<_> = ids
            .iter()
            .filter_map(|id| self.instances.get(id))
            .map(|instance| InstanceDetails {
                instance: instance.clone(),
                volumes: Vec::new(),
            })
            .collect();
        for volume in self.volumes.values() {
            for attachment in &volume.attachments {
                let mut there = details.iter_mut();
                if let Some(item) = there.find(|item| item.instance.id == attachment.instance) {
                    item.volumes.push((volume.id.clone(), attachment.clone()));
                }
            }
        }
        details
    }
}

/// The types of the table, or those named; a named one that the table doesn't have is newer.
fn instance_types(selection: &Selection<InstanceType>) -> Result<Page<InstanceTypeInfo>, ApiError> {
    filters::check::<InstanceTypeInfo>(&selection.filters, false)?;
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
    page(all, selection, |info| info.name.clone())
}

fn zones(
    state: &RegionState,
    names: &[String],
    ids: &[String],
    filters: &[Filter],
) -> Result<Vec<AvailabilityZone>, ApiError> {
    filters::check::<AvailabilityZone>(filters, false)?;
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
            && filters::passes(*zone, filters)
    };
    Ok(state.zones.iter().filter(wanted).cloned().collect())
}

/// Filters, and cuts a page. The token is the key after which the next page starts, so it stays good whatever comes or
/// goes in between; items must come in the order of their keys.
fn page<T: Filtered, Id>(
    all: Vec<T>,
    selection: &Selection<Id>,
    key: impl Fn(&T) -> String,
) -> Result<Page<T>, ApiError> {
    let mut items: Vec<T> = all
        .into_iter()
        .filter(|item| filters::passes(item, &selection.filters))
        .collect();
    let Some(Paging { max, token }) = &selection.paging else {
        return Ok(Page { items, next: None });
    };
    if let Some(token) = token {
        let after = token
            .strip_prefix("after:")
            .ok_or_else(|| ApiError::value(format!("Invalid value '{token}' for nextToken")))?;
        items.retain(|item| key(item).as_str() > after);
    }
    let more = items.len() > *max;
    items.truncate(*max);
    let next = items
        .last()
        .filter(|_| more)
        .map(|item| format!("after:{}", key(item)));
    Ok(Page { items, next })
}
