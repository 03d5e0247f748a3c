//! What each call does to the small EC2.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use ebs_types::{
    AttachmentState, FastRestoreState, InstanceId, InstanceState, InstanceType, ListedLimit,
    LockMode, LockState, ModificationState, SnapshotId, SnapshotLock, SnapshotState, Tags,
    VolumeId, VolumeState, Zone, keys,
};
use ec2::{
    Action, AttachVolume, Attachment, AvailabilityZone, CopyVolume, CreateSnapshot,
    CreateSnapshots, CreateVolume, Ec2, Ec2Error, ErrorKind, FastRestore, Instance, LockedSnapshot,
    Modification, ModifyVolume, Page, Snapshot, SnapshotQuery, Volume, VolumeQuery, VolumeSort,
    VolumeStatus, VolumeStatusQuery,
};
use tokio::time::Instant;

use super::rules::{modification, page};
use super::{FakeEc2, Fault, TAKES};

/// How long an instance keeps what it was asked to let go of, when it does.
const BUSY: Duration = Duration::from_secs(600);

#[async_trait::async_trait]
impl Ec2 for FakeEc2 {
    async fn create_volume(&self, request: &CreateVolume) -> Result<Volume, Ec2Error> {
        self.act(Action::CreateVolume, |state, fault| {
            if let Some((first, volume)) = state.tokens.get(request.token.as_str()) {
                return match first == request {
                    true => Ok(volume.clone()),
                    false => Err(ErrorKind::IdempotentParameterMismatch),
                };
            }
            let volume = state.make(request);
            state.spoil(&volume.id, fault);
            Ok(volume)
        })
        .await
    }

    async fn copy_volume(&self, request: &CopyVolume) -> Result<Volume, Ec2Error> {
        self.act(Action::CopyVolumes, |state, fault| {
            if let Some((first, volume)) = state.copies.get(request.token.as_str()) {
                return match first == request {
                    true => Ok(volume.clone()),
                    false => Err(ErrorKind::IdempotentParameterMismatch),
                };
            }
            if !state.volumes.contains_key(&request.source) {
                return Err(ErrorKind::VolumeNotFound);
            }
            let volume = state.copy(request);
            state.spoil(&volume.id, fault);
            Ok(volume)
        })
        .await
    }

    async fn delete_volume(&self, id: &VolumeId) -> Result<(), Ec2Error> {
        self.act(Action::DeleteVolume, |state, _| {
            match state.volumes.get(id) {
                None => Err(ErrorKind::VolumeNotFound),
                Some(volume) if !volume.attachments.is_empty() => Err(ErrorKind::VolumeInUse),
                Some(_) => {
                    state.volumes.remove(id);
                    Ok(())
                }
            }
        })
        .await
    }

    async fn describe_volumes(&self, query: &VolumeQuery) -> Result<Page<Volume>, Ec2Error> {
        self.act(Action::DescribeVolumes, |state, _| {
            let shown = |volume: &&Volume| state.shown(volume.id.as_str());
            let items = match query {
                VolumeQuery::Ids(ids) => ids
                    .iter()
                    .map(|id| {
                        state
                            .volumes
                            .get(id)
                            .filter(shown)
                            .cloned()
                            .ok_or(ErrorKind::VolumeNotFound)
                    })
                    .collect::<Result<_, _>>()?,
                VolumeQuery::Names(names) => state
                    .volumes
                    .values()
                    .filter(shown)
                    .filter(|volume| {
                        names
                            .iter()
                            .any(|name| volume.name() == Some(name.as_str()))
                    })
                    .cloned()
                    .collect(),
                VolumeQuery::Listed { sort, max, token } => {
                    let of_sort = |volume: &&Volume| match sort {
                        VolumeSort::Marked => volume.is_marked(),
                        VolumeSort::InState(state) => volume.state == *state,
                    };
                    let all = state.volumes.iter().filter(|(_, volume)| of_sort(volume));
                    return page(all, *max, token.as_deref());
                }
                other => panic!("the controller does not ask for {other:?}"),
            };
            Ok(Page { items, next: None })
        })
        .await
    }

    async fn describe_volume_status(
        &self,
        query: &VolumeStatusQuery,
    ) -> Result<Page<VolumeStatus>, Ec2Error> {
        self.act(Action::DescribeVolumeStatus, |state, _| {
            let status = |id: &VolumeId| VolumeStatus {
                volume: id.clone(),
                trouble: state.troubles.get(id).copied(),
                events: Vec::new(),
                initialization: None,
            };
            match query {
                VolumeStatusQuery::Ids(ids) => {
                    let there = |id: &VolumeId| match state.volumes.contains_key(id) {
                        true => Ok(status(id)),
                        false => Err(ErrorKind::VolumeNotFound),
                    };
                    let items = ids.iter().map(there).collect::<Result<_, _>>()?;
                    Ok(Page { items, next: None })
                }
                VolumeStatusQuery::Unwell { max, token } => {
                    let all: BTreeMap<_, _> = state
                        .troubles
                        .keys()
                        .map(|id| (id.clone(), status(id)))
                        .collect();
                    page(all.iter(), *max, token.as_deref())
                }
            }
        })
        .await
    }

    async fn attach_volume(&self, request: &AttachVolume) -> Result<Attachment, Ec2Error> {
        let (volume, instance) = (&request.volume, &request.instance);
        let device = &request.device;
        self.act(Action::AttachVolume, |state, fault| {
            let zone = match state.instances.get(instance) {
                None => return Err(ErrorKind::InstanceNotFound),
                Some(host) if host.state != InstanceState::Running => {
                    return Err(ErrorKind::IncorrectState);
                }
                Some(host) => host.zone.clone(),
            };
            let taken = state
                .volumes
                .values()
                .flat_map(|volume| &volume.attachments)
                .any(|a| a.instance == *instance && a.device == device.as_str());
            let found = state
                .volumes
                .get_mut(volume)
                .ok_or(ErrorKind::VolumeNotFound)?;
            let here = found.attachment_to(instance).is_some();
            if here || (!found.attachments.is_empty() && !found.multi_attach) {
                return Err(ErrorKind::VolumeInUse);
            }
            if found.zone != zone {
                return Err(ErrorKind::ZoneMismatch);
            }
            if taken {
                return Err(ErrorKind::DeviceNameTaken);
            }
            let attachment = Attachment {
                volume: volume.clone(),
                instance: instance.clone(),
                device: device.to_string(),
                state: AttachmentState::Attaching,
                since: Some(SystemTime::now()),
            };
            found.attachments.push(attachment.clone());
            found.state = VolumeState::InUse;
            let stuck = matches!(fault, Some(Fault::Stick));
            let takes = if stuck {
                Duration::from_secs(86_400)
            } else {
                TAKES
            };
            state.settles.insert(volume.clone(), Instant::now() + takes);
            Ok(attachment)
        })
        .await
    }

    async fn detach_volume(
        &self,
        volume: &VolumeId,
        instance: &InstanceId,
    ) -> Result<Attachment, Ec2Error> {
        self.act(Action::DetachVolume, |state, fault| {
            let found = state
                .volumes
                .get_mut(volume)
                .ok_or(ErrorKind::VolumeNotFound)?;
            let attachment = found
                .attachments
                .iter_mut()
                .find(|a| a.instance == *instance);
            let attachment = attachment.ok_or(ErrorKind::IncorrectState)?;
            let (is, takes) = match fault {
                Some(Fault::Stick) => (AttachmentState::Busy, BUSY),
                _ => (AttachmentState::Detaching, TAKES),
            };
            attachment.state = is;
            let attachment = attachment.clone();
            state.settles.insert(volume.clone(), Instant::now() + takes);
            Ok(attachment)
        })
        .await
    }

    async fn modify_volume(&self, request: &ModifyVolume) -> Result<Modification, Ec2Error> {
        self.act(Action::ModifyVolume, |state, _| {
            if !state.volumes.contains_key(&request.volume) {
                return Err(ErrorKind::VolumeNotFound);
            }
            let last = state.modifications.get(&request.volume);
            if last.is_some_and(|last| last.state != ModificationState::Completed) {
                return Err(ErrorKind::ModificationInProgress);
            }
            let modification = modification(&state.volumes[&request.volume], request);
            state.modified += 1;
            state
                .modifications
                .insert(request.volume.clone(), modification.clone());
            state
                .settles
                .insert(request.volume.clone(), Instant::now() + TAKES);
            Ok(modification)
        })
        .await
    }

    async fn describe_volumes_modifications(
        &self,
        volumes: &[VolumeId],
    ) -> Result<Vec<Modification>, Ec2Error> {
        self.act(Action::DescribeVolumesModifications, |state, _| {
            Ok(volumes
                .iter()
                .filter_map(|id| state.modifications.get(id).cloned())
                .collect())
        })
        .await
    }

    async fn create_snapshot(&self, request: &CreateSnapshot) -> Result<Snapshot, Ec2Error> {
        self.act(Action::CreateSnapshot, |state, _| {
            let of = state
                .volumes
                .get(&request.volume)
                .ok_or(ErrorKind::VolumeNotFound)?;
            let size = of.size;
            let snapshot = Snapshot {
                id: format!("snap-{}", state.id()).parse().unwrap(),
                volume: Some(request.volume.clone()),
                state: SnapshotState::Pending,
                size,
                outpost: request.outpost.clone(),
                started: SystemTime::UNIX_EPOCH,
                tags: request
                    .tags
                    .iter()
                    .map(|(k, v)| (k.to_owned(), v.to_owned()))
                    .collect(),
            };
            state
                .hidden
                .insert(snapshot.id.to_string(), Instant::now() + state.lag);
            state
                .snapshots
                .insert(snapshot.id.clone(), snapshot.clone());
            Ok(snapshot)
        })
        .await
    }

    async fn create_snapshots(&self, request: &CreateSnapshots) -> Result<Vec<Snapshot>, Ec2Error> {
        self.act(Action::CreateSnapshots, |state, fault| {
            state.take_together(request, fault)
        })
        .await
    }

    async fn delete_snapshot(&self, id: &SnapshotId) -> Result<(), Ec2Error> {
        self.act(Action::DeleteSnapshot, |state, _| {
            if state.locks.contains_key(id) {
                return Err(ErrorKind::Other);
            }
            let gone = state.snapshots.remove(id);
            gone.map(|_| ()).ok_or(ErrorKind::SnapshotNotFound)
        })
        .await
    }

    async fn enable_fast_restores(
        &self,
        snapshot: &SnapshotId,
        zones: &[Zone],
    ) -> Result<(), Ec2Error> {
        self.act(Action::EnableFastSnapshotRestores, |state, _| {
            state.snapshot(snapshot)?;
            for zone in zones {
                let there = |r: &FastRestore| r.snapshot == *snapshot && r.zone == *zone;
                if !state.fast_restores.iter().any(there) {
                    state.fast_restores.push(FastRestore {
                        snapshot: snapshot.clone(),
                        zone: zone.clone(),
                        state: FastRestoreState::Enabling,
                    });
                }
            }
            Ok(())
        })
        .await
    }

    async fn describe_fast_restores(
        &self,
        snapshots: &[SnapshotId],
    ) -> Result<Vec<FastRestore>, Ec2Error> {
        self.act(Action::DescribeFastSnapshotRestores, |state, _| {
            let of = |r: &&FastRestore| snapshots.contains(&r.snapshot);
            Ok(state.fast_restores.iter().filter(of).cloned().collect())
        })
        .await
    }

    async fn lock_snapshot(
        &self,
        snapshot: &SnapshotId,
        lock: &SnapshotLock,
    ) -> Result<(), Ec2Error> {
        self.act(Action::LockSnapshot, |state, _| {
            state.snapshot(snapshot)?;
            // In compliance mode for good: a repetition changes nothing, which EC2 refuses.
            if state.locks.contains_key(snapshot) {
                return Err(ErrorKind::Other);
            }
            let locked = LockedSnapshot {
                snapshot: snapshot.clone(),
                state: match lock.mode {
                    LockMode::Governance => LockState::Governance,
                    LockMode::Compliance { .. } => LockState::Compliance,
                },
                expires: None,
                cools_off: None,
            };
            state.locks.insert(snapshot.clone(), locked);
            Ok(())
        })
        .await
    }

    async fn describe_locked_snapshots(
        &self,
        snapshots: &[SnapshotId],
    ) -> Result<Vec<LockedSnapshot>, Ec2Error> {
        self.act(Action::DescribeLockedSnapshots, |state, _| {
            let lock = |id| state.locks.get(id).cloned();
            Ok(snapshots.iter().filter_map(lock).collect())
        })
        .await
    }

    async fn create_tags(&self, volume: &VolumeId, tags: &Tags) -> Result<(), Ec2Error> {
        self.act(Action::CreateTags, |state, _| {
            let volume = state.volumes.get_mut(volume);
            let volume = volume.ok_or(ErrorKind::VolumeNotFound)?;
            let tags = tags.iter();
            volume
                .tags
                .extend(tags.map(|(key, value)| (key.to_owned(), value.to_owned())));
            Ok(())
        })
        .await
    }

    async fn delete_tags(&self, volume: &VolumeId, keys: &[String]) -> Result<(), Ec2Error> {
        self.act(Action::DeleteTags, |state, _| {
            let volume = state.volumes.get_mut(volume);
            let volume = volume.ok_or(ErrorKind::VolumeNotFound)?;
            volume.tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
    }

    async fn describe_snapshots(&self, query: &SnapshotQuery) -> Result<Page<Snapshot>, Ec2Error> {
        self.act(Action::DescribeSnapshots, |state, _| {
            let shown = |snapshot: &&Snapshot| state.shown(snapshot.id.as_str());
            match query {
                SnapshotQuery::Ids(ids) => {
                    let items = ids
                        .iter()
                        .map(|id| {
                            let found = state.snapshots.get(id).filter(shown).cloned();
                            found.ok_or(ErrorKind::SnapshotNotFound)
                        })
                        .collect::<Result<_, _>>()?;
                    Ok(Page { items, next: None })
                }
                SnapshotQuery::Names(names) => Ok(state.snapshots_of(names, Snapshot::name)),
                SnapshotQuery::Groups(names) => Ok(state.snapshots_of(names, Snapshot::group)),
                SnapshotQuery::OfVolume(volume) => {
                    let of = |s: &&Snapshot| s.volume.as_ref() == Some(volume);
                    let items = state.snapshots.values().filter(of).cloned().collect();
                    Ok(Page { items, next: None })
                }
                SnapshotQuery::Marked { volume, max, token } => {
                    let of = |s: &&Snapshot| {
                        let marked = s.tags.contains_key(keys::CLUSTER_MARK);
                        marked && (volume.is_none() || s.volume == *volume)
                    };
                    let all = state.snapshots.iter().filter(|(_, snapshot)| of(snapshot));
                    page(all, *max, token.as_deref())
                }
            }
        })
        .await
    }

    async fn describe_instances(&self, ids: &[InstanceId]) -> Result<Vec<Instance>, Ec2Error> {
        self.act(Action::DescribeInstances, |state, _| {
            ids.iter()
                .map(|id| {
                    state
                        .instances
                        .get(id)
                        .cloned()
                        .ok_or(ErrorKind::InstanceNotFound)
                })
                .collect()
        })
        .await
    }

    async fn describe_availability_zones(&self) -> Result<Vec<AvailabilityZone>, Ec2Error> {
        self.act(Action::DescribeAvailabilityZones, |_, _| {
            Ok(["z-b", "z-a", "z-local"]
                .into_iter()
                .map(|name| AvailabilityZone {
                    name: name.parse().unwrap(),
                    id: name.to_owned(),
                    available: true,
                    ordinary: name != "z-local",
                })
                .collect())
        })
        .await
    }

    async fn describe_instance_type(
        &self,
        _instance_type: &InstanceType,
    ) -> Result<Option<ListedLimit>, Ec2Error> {
        self.act(Action::DescribeInstanceTypes, |_, _| Ok(None))
            .await
    }
}
