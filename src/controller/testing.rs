//! A small EC2 in memory for the controller's tests: one zone's worth of behaviour, paused time, scripted faults.
//! The emulator is the full one; this one lets a test say what EC2 does next, and count the calls.

mod calls;
mod rules;
mod together;
mod tries;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use csi::v1::controller_server::Controller;
use csi::v1::volume_capability::access_mode::Mode;
use csi::v1::volume_capability::{AccessMode, AccessType, MountVolume};
use csi::v1::volume_content_source::{Type, VolumeSource};
use csi::v1::{
    CreateSnapshotRequest, CreateVolumeRequest, Topology, VolumeCapability, VolumeContentSource,
};
use ebs_types::topology::ZONE_KEY;
use ebs_types::{
    AttachmentState, InstanceId, InstanceState, ModificationState, SnapshotId, Source, VolumeId,
    VolumeState,
};
use ec2::{
    Action, BlockDevice, Cloud, CloudSettings, CopyVolume, CreateVolume, Ec2, Ec2Error, ErrorKind,
    FastRestore, Instance, LockedSnapshot, Modification, Outcome, Snapshot, Volume, VolumeTrouble,
};
use tokio::time::{Instant, sleep};
use tonic::{Request, Status};

pub(super) use self::together::{group_request, take_group};
pub(super) use self::tries::{Try, one_try, refused};
use super::{ControllerService, Settings};

/// How long EC2 takes for everything.
const TAKES: Duration = Duration::from_secs(1);

/// How long the client waits for an answer that does not come.
const HANGS: Duration = Duration::from_secs(12);

/// What happens to the next call of an action in place of success.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// EC2 refuses; nothing happens.
    Refuse(ErrorKind),
    /// It takes effect and the reply is lost.
    LoseReply,
    /// It takes effect and does not answer, until the client has waited long enough.
    Hang,
    /// It takes effect and the result never becomes usable: an error volume, an attachment that stays attaching; one that is busy for
    /// ten minutes before it goes.
    Stick,
    /// It is accepted and the result is never seen.
    Vanish,
}

/// The cloud.
#[derive(Default)]
pub(super) struct FakeEc2 {
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) volumes: BTreeMap<VolumeId, Volume>,
    pub(super) snapshots: BTreeMap<SnapshotId, Snapshot>,
    pub(super) fast_restores: Vec<FastRestore>,
    pub(super) locks: BTreeMap<SnapshotId, LockedSnapshot>,
    pub(super) instances: BTreeMap<InstanceId, Instance>,
    pub(super) modifications: HashMap<VolumeId, Modification>,
    /// How many modifications were accepted.
    pub(super) modified: usize,
    pub(super) troubles: BTreeMap<VolumeId, VolumeTrouble>,
    pub(super) calls: Vec<Action>,
    /// How long new volumes and snapshots stay out of sight.
    pub(super) lag: Duration,
    pub(super) tokens: HashMap<String, (CreateVolume, Volume)>,
    pub(super) copies: HashMap<String, (CopyVolume, Volume)>,
    faults: HashMap<Action, VecDeque<Fault>>,
    settles: HashMap<VolumeId, Instant>,
    hidden: HashMap<String, Instant>,
    ids: u32,
}

pub(super) fn refusal(action: Action, kind: ErrorKind) -> Ec2Error {
    Ec2Error {
        action,
        kind,
        outcome: Outcome::NotDone,
        code: Some("Code".to_owned()),
        message: "words".to_owned(),
        request_id: None,
    }
}

fn lost(action: Action) -> Ec2Error {
    Ec2Error {
        outcome: Outcome::MayBeDone,
        code: None,
        ..refusal(action, ErrorKind::Unreachable)
    }
}

impl State {
    fn id(&mut self) -> String {
        self.ids += 1;
        format!("{:08x}", self.ids)
    }

    /// What time has done since.
    pub(super) fn settle(&mut self) {
        for (id, at) in &self.settles {
            if Instant::now() < *at {
                continue;
            }
            if let Some(volume) = self.volumes.get_mut(id) {
                if volume.state == VolumeState::Creating {
                    volume.state = VolumeState::Available;
                }
                for attachment in &mut volume.attachments {
                    if attachment.state == AttachmentState::Attaching {
                        attachment.state = AttachmentState::Attached;
                    }
                }
                let is_left =
                    |state| !matches!(state, AttachmentState::Detaching | AttachmentState::Busy);
                volume.attachments.retain(|a| is_left(a.state));
                if volume.attachments.is_empty() && volume.state == VolumeState::InUse {
                    volume.state = VolumeState::Available;
                }
            }
            if let Some(modification) = self.modifications.get_mut(id)
                && modification.state == ModificationState::Modifying
            {
                modification.state = ModificationState::Optimizing;
                if let Some(volume) = self.volumes.get_mut(id) {
                    volume.size = modification.target_size;
                    volume.volume_type = modification.target_type.unwrap_or(volume.volume_type);
                    volume.iops = modification.target_iops;
                    volume.throughput = modification.target_throughput;
                }
            }
        }
    }

    fn shown(&self, id: &str) -> bool {
        self.hidden
            .get(id)
            .is_none_or(|until| Instant::now() >= *until)
    }

    /// The snapshot, if it is there and in sight.
    fn snapshot(&self, id: &SnapshotId) -> Result<&Snapshot, ErrorKind> {
        let found = self.snapshots.get(id).filter(|_| self.shown(id.as_str()));
        found.ok_or(ErrorKind::SnapshotNotFound)
    }

    /// Makes a volume as another process might have.
    pub(super) fn make(&mut self, request: &CreateVolume) -> Volume {
        let volume = Volume {
            id: format!("vol-{}", self.id()).parse().unwrap(),
            state: VolumeState::Creating,
            zone: request.zone.clone(),
            outpost: request.outpost.clone(),
            size: request.size,
            volume_type: request.kind.volume_type(),
            iops: request.kind.iops(),
            throughput: request.kind.throughput(),
            encrypted: false,
            kms_key: None,
            snapshot: match &request.source {
                Source::Empty => None,
                Source::Snapshot(id) => Some(id.clone()),
            },
            copy_of: None,
            multi_attach: request.multi_attach,
            attachments: vec![],
            tags: request
                .tags
                .iter()
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect(),
            created: SystemTime::now() + Duration::from_millis(self.ids.into()),
        };
        self.settles
            .insert(volume.id.clone(), Instant::now() + TAKES);
        self.hidden
            .insert(volume.id.to_string(), Instant::now() + self.lag);
        self.volumes.insert(volume.id.clone(), volume.clone());
        let entry = (request.clone(), volume.clone());
        self.tokens.insert(request.token.as_str().to_owned(), entry);
        volume
    }

    /// Copies a volume that is there.
    pub(super) fn copy(&mut self, request: &CopyVolume) -> Volume {
        let source = self.volumes[&request.source].clone();
        let unlike = CreateVolume {
            token: request.token.clone(),
            zone: source.zone,
            outpost: source.outpost,
            size: request.size,
            kind: request.kind,
            source: Source::Empty,
            initialization_rate: None,
            encryption: request.encryption.clone(),
            multi_attach: request.multi_attach,
            tags: request.tags.clone(),
        };
        let mut volume = self.make(&unlike);
        self.tokens.remove(request.token.as_str());
        volume.copy_of = Some(source.id);
        self.volumes.insert(volume.id.clone(), volume.clone());
        let entry = (request.clone(), volume.clone());
        self.copies.insert(request.token.as_str().to_owned(), entry);
        volume
    }

    /// What a scripted fault makes of a volume that was accepted.
    pub(super) fn spoil(&mut self, volume: &VolumeId, fault: Option<Fault>) {
        match fault {
            Some(Fault::Stick) => {
                if let Some(volume) = self.volumes.get_mut(volume) {
                    volume.state = VolumeState::Error;
                }
            }
            Some(Fault::Vanish) => {
                self.volumes.remove(volume);
            }
            _ => {}
        }
    }
}

impl FakeEc2 {
    /// A region of zones z-a and z-b, with one instance in each: i-0000000a and i-0000000b.
    pub(super) fn new() -> Arc<Self> {
        let fake = Self::default();
        for zone in ["a", "b"] {
            let id: InstanceId = format!("i-0000000{zone}").parse().unwrap();
            let instance = Instance {
                id: id.clone(),
                state: InstanceState::Running,
                instance_type: "m7i.large".parse().unwrap(),
                zone: format!("z-{zone}").parse().unwrap(),
                root_device: Some("/dev/sda1".to_owned()),
                outpost: None,
                block_devices: vec![BlockDevice {
                    name: "/dev/sda1".to_owned(),
                    volume: "vol-ffffffff".parse().unwrap(),
                    state: AttachmentState::Attached,
                    card: 0,
                }],
            };
            fake.state().instances.insert(id, instance);
        }
        Arc::new(fake)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The next call of `action` meets this fault.
    pub(super) fn fault(&self, action: Action, fault: Fault) {
        self.state()
            .faults
            .entry(action)
            .or_default()
            .push_back(fault);
    }

    /// Somebody else takes the volume from every instance.
    pub(super) fn detach_by_hand(&self, volume: &VolumeId) {
        let mut state = self.state();
        state.volumes.get_mut(volume).unwrap().attachments.clear();
    }

    /// Scripted faults that no call has met are dropped.
    pub(super) fn forget_faults(&self) {
        self.state().faults.clear();
    }

    pub(super) fn calls(&self, action: Action) -> usize {
        self.state()
            .calls
            .iter()
            .filter(|call| **call == action)
            .count()
    }

    /// Notes the call and does it, with the scripted fault if there is one.
    async fn act<T>(
        &self,
        action: Action,
        act: impl FnOnce(&mut State, Option<Fault>) -> Result<T, ErrorKind> + Send,
    ) -> Result<T, Ec2Error> {
        let (fault, result) = {
            let mut state = self.state();
            state.calls.push(action);
            state.settle();
            let fault = state.faults.get_mut(&action).and_then(VecDeque::pop_front);
            if let Some(Fault::Refuse(kind)) = fault {
                let mut error = refusal(action, kind);
                if kind == ErrorKind::Unreachable {
                    error.code = None;
                }
                return Err(error);
            }
            (fault, act(&mut state, fault))
        };
        match fault {
            Some(Fault::LoseReply) => Err(lost(action)),
            Some(Fault::Hang) => {
                sleep(HANGS).await;
                Err(lost(action))
            }
            _ => result.map_err(|kind| refusal(action, kind)),
        }
    }
}

/// A driver process over this cloud. A second one is what a restart or another replica is.
pub(super) fn service(fake: &Arc<FakeEc2>) -> ControllerService {
    let cloud = Cloud::new(Arc::clone(fake) as Arc<dyn Ec2>, CloudSettings::default());
    ControllerService::new(cloud, Settings::default())
}

/// Runs this in a time of its own, which passes whenever nothing else can go on.
pub(super) fn paused<T>(run: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(run)
}

/// A capability as Kubernetes sends it.
pub(super) fn capability() -> VolumeCapability {
    VolumeCapability {
        access_type: Some(AccessType::Mount(MountVolume::default())),
        access_mode: Some(AccessMode {
            mode: Mode::SingleNodeWriter.into(),
        }),
    }
}

/// A topology that names a zone.
pub(super) fn in_zone(zone: &str) -> Topology {
    Topology {
        segments: HashMap::from([(ZONE_KEY.to_owned(), zone.to_owned())]),
    }
}

/// The least CreateVolumeRequest.
pub(super) fn create_request(name: &str) -> CreateVolumeRequest {
    CreateVolumeRequest {
        name: name.to_owned(),
        volume_capabilities: vec![capability()],
        ..CreateVolumeRequest::default()
    }
}

/// A request for a clone.
pub(super) fn clone_request(name: &str, source: &str) -> CreateVolumeRequest {
    CreateVolumeRequest {
        volume_content_source: Some(VolumeContentSource {
            r#type: Some(Type::Volume(VolumeSource {
                volume_id: source.to_owned(),
            })),
        }),
        ..create_request(name)
    }
}

/// Serves CreateVolume.
pub(super) async fn create(
    service: &ControllerService,
    request: CreateVolumeRequest,
) -> Result<csi::v1::Volume, Status> {
    let answer = service.create_volume(Request::new(request)).await?;
    Ok(answer.into_inner().volume.unwrap())
}

/// Serves CreateSnapshot.
pub(super) async fn take(
    service: &ControllerService,
    name: &str,
    volume: &str,
) -> Result<csi::v1::Snapshot, Status> {
    let message = CreateSnapshotRequest {
        source_volume_id: volume.to_owned(),
        name: name.to_owned(),
        ..CreateSnapshotRequest::default()
    };
    let answer = service.create_snapshot(Request::new(message)).await?;
    Ok(answer.into_inner().snapshot.unwrap())
}
