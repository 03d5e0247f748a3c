//! An EC2 in memory for tests with a paused clock: it shows what it holds, takes a second for each call, and fails as scripted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use ebs_types::{
    AttachmentState, Gibibytes, InstanceId, InstanceState, InstanceType, ListedLimit,
    ModificationState, SnapshotId, SnapshotLock, Tags, VolumeId, VolumeState, VolumeType, Zone,
    keys,
};
use tokio::time::{Instant, sleep};

use crate::{
    Action, AttachVolume, Attachment, AvailabilityZone, CopyVolume, CreateSnapshot,
    CreateSnapshots, CreateVolume, Ec2, Ec2Error, ErrorKind, FastRestore, Instance, LockedSnapshot,
    Modification, ModifyVolume, Page, Snapshot, SnapshotQuery, Volume, VolumeQuery, VolumeStatus,
    VolumeStatusQuery,
};

/// How long every call takes.
pub(super) const LATENCY: Duration = Duration::from_millis(10);

#[derive(Default)]
pub(super) struct Fake {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    volumes: BTreeMap<VolumeId, Volume>,
    modifications: BTreeMap<VolumeId, Modification>,
    instances: BTreeMap<InstanceId, Instance>,
    calls: Vec<Call>,
    faults: VecDeque<Ec2Error>,
    keeps_ids_to_itself: bool,
    shows_what_was: bool,
    /// What the driver cannot read.
    unreadable: Option<VolumeId>,
}

/// A call that arrived.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) action: Action,
    pub(super) at: Instant,
    /// By how many ids or names it asked.
    pub(super) keys: usize,
}

pub(super) fn volume_id(number: usize) -> VolumeId {
    format!("vol-{number:017x}").parse().unwrap()
}

pub(super) fn instance_id(number: usize) -> InstanceId {
    format!("i-{number:017x}").parse().unwrap()
}

pub(super) fn volume(number: usize, name: &str) -> Volume {
    Volume {
        id: volume_id(number),
        state: VolumeState::Creating,
        zone: "eu-central-1a".parse().unwrap(),
        outpost: None,
        size: Gibibytes(1),
        volume_type: VolumeType::Gp3,
        iops: Some(3_000),
        throughput: Some(125),
        encrypted: false,
        kms_key: None,
        snapshot: None,
        copy_of: None,
        multi_attach: false,
        attachments: Vec::new(),
        tags: [(keys::VOLUME_NAME.to_owned(), name.to_owned())].into(),
        created: SystemTime::UNIX_EPOCH + Duration::from_secs(number as u64),
    }
}

pub(super) fn modification(number: usize, state: ModificationState) -> Modification {
    Modification {
        volume: volume_id(number),
        state,
        status: None,
        target_size: Gibibytes(2),
        target_type: None,
        target_iops: None,
        target_throughput: None,
        started: None,
        progress: None,
    }
}

pub(super) fn refusal(action: Action, code: &str, message: &str) -> Ec2Error {
    Ec2Error::from_answer(action, 400, Some(code), message, None)
}

pub(super) fn trouble(action: Action, code: &str) -> Ec2Error {
    Ec2Error::from_answer(action, 503, Some(code), "", None)
}

impl Fake {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn put(&self, volume: Volume) {
        let mut state = self.state.lock().unwrap();
        state.volumes.insert(volume.id.clone(), volume);
    }

    pub(super) fn put_instance(&self, number: usize) {
        let instance = Instance {
            id: instance_id(number),
            state: InstanceState::Running,
            instance_type: "m7i.large".parse().unwrap(),
            zone: "eu-central-1a".parse().unwrap(),
            root_device: None,
            outpost: None,
            block_devices: Vec::new(),
        };
        let mut state = self.state.lock().unwrap();
        state.instances.insert(instance.id.clone(), instance);
    }

    pub(super) fn put_modification(&self, modification: Modification) {
        let mut state = self.state.lock().unwrap();
        state
            .modifications
            .insert(modification.volume.clone(), modification);
    }

    pub(super) fn remove(&self, number: usize) {
        self.state
            .lock()
            .unwrap()
            .volumes
            .remove(&volume_id(number));
    }

    pub(super) fn set_state(&self, number: usize, to: VolumeState) {
        let mut state = self.state.lock().unwrap();
        state.volumes.get_mut(&volume_id(number)).unwrap().state = to;
    }

    /// The next call fails so.
    pub(super) fn fail_next(&self, error: Ec2Error) {
        self.state.lock().unwrap().faults.push_back(error);
    }

    /// From now on "not found" does not say what was not found.
    pub(super) fn keep_ids_to_itself(&self) {
        self.state.lock().unwrap().keeps_ids_to_itself = true;
    }

    /// From now on descriptions show deleted volumes as they were.
    pub(super) fn show_what_was(&self) {
        self.state.lock().unwrap().shows_what_was = true;
    }

    /// From now on no answer that has this volume can be read.
    pub(super) fn garble(&self, number: usize) {
        self.state.lock().unwrap().unreadable = Some(volume_id(number));
    }

    /// The calls so far; forgets them.
    pub(super) fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.state.lock().unwrap().calls)
    }

    async fn call<T>(
        &self,
        action: Action,
        keys: usize,
        act: impl FnOnce(&mut State) -> Result<T, Ec2Error>,
    ) -> Result<T, Ec2Error> {
        let at = Instant::now();
        let fault = {
            let mut state = self.state.lock().unwrap();
            state.calls.push(Call { action, at, keys });
            state.faults.pop_front()
        };
        sleep(LATENCY).await;
        match fault {
            Some(error) => Err(error),
            None => act(&mut self.state.lock().unwrap()),
        }
    }
}

impl State {
    /// Every one of these ids, or the refusal that EC2 gives for the first unknown one.
    fn by_ids<K: Ord + ToString, V: Clone>(
        &self,
        map: &BTreeMap<K, V>,
        ids: &[K],
        refused: (Action, &str),
    ) -> Result<Vec<V>, Ec2Error> {
        ids.iter()
            .map(|id| {
                map.get(id).cloned().ok_or_else(|| {
                    let named = if self.keeps_ids_to_itself {
                        String::new()
                    } else {
                        format!(" '{}'", id.to_string())
                    };
                    refusal(
                        refused.0,
                        refused.1,
                        &format!("The thing{named} does not exist."),
                    )
                })
            })
            .collect()
    }

    fn volume(&self, action: Action, id: &VolumeId) -> Result<Volume, Ec2Error> {
        let mut found = self.by_ids(
            &self.volumes,
            std::slice::from_ref(id),
            (action, "InvalidVolume.NotFound"),
        )?;
        Ok(found.remove(0))
    }
}

fn one_page<T>(items: Vec<T>) -> Page<T> {
    Page { items, next: None }
}

#[async_trait]
impl Ec2 for Fake {
    async fn create_volume(&self, _request: &CreateVolume) -> Result<Volume, Ec2Error> {
        panic!("no test creates through the fake: they put volumes")
    }

    async fn copy_volume(&self, _request: &CopyVolume) -> Result<Volume, Ec2Error> {
        panic!("no test creates through the fake: they put volumes")
    }

    async fn delete_volume(&self, id: &VolumeId) -> Result<(), Ec2Error> {
        let action = Action::DeleteVolume;
        self.call(action, 1, |state| {
            state.volume(action, id)?;
            if !state.shows_what_was {
                state.volumes.remove(id);
            }
            Ok(())
        })
        .await
    }

    async fn describe_volumes(&self, query: &VolumeQuery) -> Result<Page<Volume>, Ec2Error> {
        let action = Action::DescribeVolumes;
        match query {
            VolumeQuery::Ids(ids) => {
                self.call(action, ids.len(), |state| {
                    if state.unreadable.as_ref().is_some_and(|id| ids.contains(id)) {
                        let mut error = Ec2Error::unanswered(action, "unreadable reply");
                        error.kind = ErrorKind::Unreadable;
                        return Err(error);
                    }
                    state
                        .by_ids(&state.volumes, ids, (action, "InvalidVolume.NotFound"))
                        .map(one_page)
                })
                .await
            }
            VolumeQuery::Names(names) => {
                self.call(action, names.len(), |state| {
                    let named = |volume: &&Volume| {
                        names
                            .iter()
                            .any(|name| volume.name() == Some(name.as_str()))
                    };
                    Ok(one_page(
                        state.volumes.values().filter(named).cloned().collect(),
                    ))
                })
                .await
            }
            other => panic!("{other:?}"),
        }
    }

    async fn describe_volume_status(
        &self,
        _query: &VolumeStatusQuery,
    ) -> Result<Page<VolumeStatus>, Ec2Error> {
        panic!("no test of shared calls asks for the status")
    }

    async fn attach_volume(&self, request: &AttachVolume) -> Result<Attachment, Ec2Error> {
        let action = Action::AttachVolume;
        self.call(action, 1, |state| {
            state.volume(action, &request.volume)?;
            Ok(Attachment {
                volume: request.volume.clone(),
                instance: request.instance.clone(),
                device: request.device.to_string(),
                state: AttachmentState::Attaching,
                since: None,
            })
        })
        .await
    }

    async fn detach_volume(
        &self,
        id: &VolumeId,
        _instance: &InstanceId,
    ) -> Result<Attachment, Ec2Error> {
        let action = Action::DetachVolume;
        self.call(action, 1, |state| {
            state.volume(action, id)?;
            Err(refusal(
                action,
                "InvalidAttachment.NotFound",
                "not attached",
            ))
        })
        .await
    }

    async fn modify_volume(&self, request: &ModifyVolume) -> Result<Modification, Ec2Error> {
        let action = Action::ModifyVolume;
        self.call(action, 1, |state| {
            state.volume(action, &request.volume)?;
            Ok(Modification {
                volume: request.volume.clone(),
                ..modification(0, ModificationState::Modifying)
            })
        })
        .await
    }

    async fn describe_volumes_modifications(
        &self,
        ids: &[VolumeId],
    ) -> Result<Vec<Modification>, Ec2Error> {
        self.call(Action::DescribeVolumesModifications, ids.len(), |state| {
            Ok(ids
                .iter()
                .filter_map(|id| state.modifications.get(id).cloned())
                .collect())
        })
        .await
    }

    async fn create_snapshot(&self, _request: &CreateSnapshot) -> Result<Snapshot, Ec2Error> {
        panic!("no test of shared calls makes snapshots")
    }

    async fn create_snapshots(&self, _: &CreateSnapshots) -> Result<Vec<Snapshot>, Ec2Error> {
        panic!("no test of shared calls makes snapshots")
    }

    async fn delete_snapshot(&self, id: &SnapshotId) -> Result<(), Ec2Error> {
        let action = Action::DeleteSnapshot;
        self.call(action, 1, |_| {
            Err(refusal(action, "InvalidSnapshot.NotFound", id.as_str()))
        })
        .await
    }

    async fn enable_fast_restores(
        &self,
        _snapshot: &SnapshotId,
        _zones: &[Zone],
    ) -> Result<(), Ec2Error> {
        panic!("no test of shared calls asks for fast restores")
    }

    async fn describe_fast_restores(
        &self,
        _snapshots: &[SnapshotId],
    ) -> Result<Vec<FastRestore>, Ec2Error> {
        panic!("no test of shared calls looks at fast restores")
    }

    async fn lock_snapshot(
        &self,
        _snapshot: &SnapshotId,
        _lock: &SnapshotLock,
    ) -> Result<(), Ec2Error> {
        panic!("no test of shared calls locks snapshots")
    }

    async fn describe_locked_snapshots(
        &self,
        _snapshots: &[SnapshotId],
    ) -> Result<Vec<LockedSnapshot>, Ec2Error> {
        panic!("no test of shared calls looks at locks")
    }

    async fn create_tags(&self, _volume: &VolumeId, _tags: &Tags) -> Result<(), Ec2Error> {
        panic!("no test of shared calls sets tags")
    }

    async fn delete_tags(&self, _volume: &VolumeId, _keys: &[String]) -> Result<(), Ec2Error> {
        panic!("no test of shared calls deletes tags")
    }

    async fn describe_snapshots(&self, query: &SnapshotQuery) -> Result<Page<Snapshot>, Ec2Error> {
        let action = Action::DescribeSnapshots;
        self.call(action, 1, |_| match query {
            SnapshotQuery::Ids(_) => Err(refusal(action, "InvalidSnapshot.NotFound", "")),
            _ => Ok(one_page(Vec::new())),
        })
        .await
    }

    async fn describe_instances(&self, ids: &[InstanceId]) -> Result<Vec<Instance>, Ec2Error> {
        let action = Action::DescribeInstances;
        self.call(action, ids.len(), |state| {
            state.by_ids(
                &state.instances,
                ids,
                (action, "InvalidInstanceID.NotFound"),
            )
        })
        .await
    }

    async fn describe_availability_zones(&self) -> Result<Vec<AvailabilityZone>, Ec2Error> {
        self.call(Action::DescribeAvailabilityZones, 0, |_| Ok(Vec::new()))
            .await
    }

    async fn describe_instance_type(
        &self,
        _instance_type: &InstanceType,
    ) -> Result<Option<ListedLimit>, Ec2Error> {
        self.call(Action::DescribeInstanceTypes, 1, |_| Ok(None))
            .await
    }
}
