//! The permissions that a call takes: an action on each of its resources, and `CreateTags` for what is made with tags.

use std::fmt::Display;

use ebs_types::{Region, SnapshotId, Tags, VolumeId};

use crate::model::{Command, Tagged};
use crate::state::{ACCOUNT, RegionState};
use crate::wire::{Action, Request};

/// A permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Demand<'a> {
    /// `ec2:CreateVolume`, `ebs:ListSnapshotBlocks` and the like.
    pub(super) action: String,
    /// An ARN; `*` for calls that know of none.
    pub(super) resource: String,
    /// The tags that are to be set, or those whose keys are to go.
    request_tags: Vec<(&'a str, &'a str)>,
    resource_tags: Option<&'a Tags>,
    /// By what the resource that gets the tags is being made.
    create_action: Option<&'static str>,
}

impl<'a> Demand<'a> {
    fn new(action: Action, resource: String) -> Self {
        let service = if action.is_direct() { "ebs" } else { "ec2" };
        Self {
            action: format!("{service}:{action}"),
            resource,
            request_tags: Vec::new(),
            resource_tags: None,
            create_action: None,
        }
    }

    fn setting(mut self, tags: &'a Tags) -> Self {
        self.request_tags = tags.iter().collect();
        self
    }

    fn of(mut self, tags: &'a Tags) -> Self {
        self.resource_tags = Some(tags);
        self
    }

    /// The value of a condition key.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        match key.split_once('/') {
            Some(("aws:RequestTag", tag)) => {
                let found = self.request_tags.iter().find(|(key, _)| *key == tag);
                found.map(|(_, value)| *value)
            }
            Some(("aws:ResourceTag" | "ec2:ResourceTag", tag)) => self.resource_tags?.get(tag),
            _ if key == "ec2:CreateAction" => self.create_action,
            _ => None,
        }
    }

    /// `aws:TagKeys`.
    pub(super) fn tag_keys(&self) -> impl Iterator<Item = &str> {
        self.request_tags.iter().map(|(key, _)| *key)
    }
}

/// What a call takes, in the order in which EC2 asks.
pub(super) fn of<'a>(
    region: &Region,
    state: &'a RegionState,
    action: Action,
    request: &'a Request,
) -> Vec<Demand<'a>> {
    let place = Place { region, state };
    let command = match request {
        Request::Change(command) => command,
        Request::Look(_) => return vec![Demand::new(action, "*".to_owned())],
        Request::Blocks(query) => {
            return place.snapshots(action, query.snapshots());
        }
    };
    match command {
        Command::DeleteVolume(id) => place.volume(action, id).into_iter().collect(),
        Command::ModifyVolume(c) => place.volume(action, &c.volume).into_iter().collect(),
        Command::DeleteSnapshot(id) | Command::UnlockSnapshot(id) => place.snapshots(action, [id]),
        Command::LockSnapshot(c) => place.snapshots(action, [&c.snapshot]),
        Command::EnableFastRestores(c) => place.snapshots(action, &c.snapshots),
        Command::AttachVolume(c) => {
            let instance = Tagged::Instance(c.instance.clone());
            let volume = place.volume(action, &c.volume).into_iter();
            volume.chain(place.existing(action, &instance)).collect()
        }
        Command::DetachVolume(c) => {
            let instance = c.instance.clone().map(Tagged::Instance);
            let instance = instance.and_then(|instance| place.existing(action, &instance));
            let volume = place.volume(action, &c.volume).into_iter();
            volume.chain(instance).collect()
        }
        Command::CreateTags(c) => {
            let demands = place.each(action, &c.resources);
            demands.map(|demand| demand.setting(&c.tags)).collect()
        }
        Command::DeleteTags(c) => {
            let keys = c.tags.iter();
            let keys =
                keys.map(|(key, value)| (key.as_str(), value.as_deref().unwrap_or_default()));
            let keys: Vec<_> = keys.collect();
            let with_keys = |demand: Demand<'a>| Demand {
                request_tags: keys.clone(),
                ..demand
            };
            place.each(action, &c.resources).map(with_keys).collect()
        }
        Command::CreateVolume(_)
        | Command::CopyVolumes(_)
        | Command::CreateSnapshot(_)
        | Command::CreateSnapshots(_) => of_making(place, action, command),
        // What no policy of a driver narrows down takes the action alone.
        _ => vec![Demand::new(action, "*".to_owned())],
    }
}

/// What a call takes that makes a volume or a snapshot; nothing for any other.
fn of_making<'a>(place: Place<'a, '_>, action: Action, command: &'a Command) -> Vec<Demand<'a>> {
    let (kind, tags, sources): (_, _, Vec<_>) = match command {
        Command::CreateVolume(c) => {
            let source = c.snapshot.clone().map(Tagged::Snapshot);
            let source = source.and_then(|source| place.existing(action, &source));
            ("volume", &c.tags, source.into_iter().collect())
        }
        Command::CopyVolumes(c) => ("volume", &c.tags, place.volumes(action, [&c.source])),
        Command::CreateSnapshot(c) => ("snapshot", &c.tags, place.volumes(action, [&c.volume])),
        Command::CreateSnapshots(c) => {
            let taken = place.state.volumes_taken(c).map(|volume| &volume.id);
            let mut from = place.volumes(action, taken);
            from.extend(place.existing(action, &Tagged::Instance(c.instance.clone())));
            ("snapshot", &c.tags, from)
        }
        _ => return Vec::new(),
    };
    making(
        action,
        action.as_str(),
        &place.arn(kind, "*"),
        tags,
        sources,
    )
}

/// What is made, what it is made from, and its tags, which take a permission of their own.
fn making<'a>(
    action: Action,
    by: &'static str,
    made: &str,
    tags: &'a Tags,
    sources: Vec<Demand<'a>>,
) -> Vec<Demand<'a>> {
    let mut demands = vec![Demand::new(action, made.to_owned()).setting(tags)];
    demands.extend(sources);
    if !tags.is_empty() {
        demands.push(Demand {
            create_action: Some(by),
            ..Demand::new(Action::CreateTags, made.to_owned()).setting(tags)
        });
    }
    demands
}

#[derive(Clone, Copy)]
struct Place<'a, 'r> {
    region: &'r Region,
    state: &'a RegionState,
}

impl<'a> Place<'a, '_> {
    fn arn(self, kind: &str, id: impl Display) -> String {
        // Snapshots belong to no account in their ARNs.
        let account = if kind == "snapshot" { "" } else { ACCOUNT };
        format!("arn:aws:ec2:{}:{account}:{kind}/{id}", self.region)
    }

    fn volume(self, action: Action, id: &VolumeId) -> Option<Demand<'a>> {
        self.existing(action, &Tagged::Volume(id.clone()))
    }

    fn volumes<'b>(
        self,
        action: Action,
        ids: impl IntoIterator<Item = &'b VolumeId>,
    ) -> Vec<Demand<'a>> {
        let demands = ids.into_iter().map(|id| self.volume(action, id));
        demands.flatten().collect()
    }

    fn snapshots<'b>(
        self,
        action: Action,
        ids: impl IntoIterator<Item = &'b SnapshotId>,
    ) -> Vec<Demand<'a>> {
        let snapshots = ids.into_iter().map(|id| Tagged::Snapshot(id.clone()));
        let demands = snapshots.map(|snapshot| self.existing(action, &snapshot));
        demands.flatten().collect()
    }

    /// The permission on each resource that exists.
    fn each(self, action: Action, resources: &[Tagged]) -> impl Iterator<Item = Demand<'a>> {
        let demands = resources
            .iter()
            .map(move |resource| self.existing(action, resource));
        demands.flatten()
    }

    /// The permission on a resource that exists.
    fn existing(self, action: Action, resource: &Tagged) -> Option<Demand<'a>> {
        let (kind, tags) = match resource {
            Tagged::Volume(id) => ("volume", &self.state.volumes.get(id)?.tags),
            Tagged::Snapshot(id) => ("snapshot", &self.state.snapshots.get(id)?.tags),
            Tagged::Instance(id) => ("instance", &self.state.instances.get(id)?.tags),
        };
        let arn = self.arn(kind, resource.as_str());
        Some(Demand::new(action, arn).of(tags))
    }
}
